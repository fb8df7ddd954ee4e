"""Azure's and Mistral's batches for the tests: near to OpenAI's, with what they do in their own way."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from batch_account import Account, Batch, Call
from batch_protocols import OpenAIProtocol, broken_off, call_of, gone, in_iso, told_by_openai

API_VERSION = "2024-10-21"


class AzureProtocol(OpenAIProtocol):
    """A resource of Azure's: its newest API under ``/openai/v1``, a dated one under ``/openai``.

    It keeps no metadata, lists in another order, capitalises states, writes times in ISO 8601, and looks at a file
    before a batch may be made of it.
    """

    endpoint = "/chat/completions"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.verdict = "processed"
        """On files that were looked at."""
        self.looked_at: set[str] = set()
        self.deployments: set[str] = set()
        """That were asked alone."""

    def routes(self, base: str) -> list[web.RouteDef]:
        """What is answered."""
        alone = web.post(f"{base}/openai/deployments/{{name}}/chat/completions", self.chat_of_deployment)
        roots = (f"{base}/openai/v1", f"{base}/openai")
        looks = [web.get(f"{root}/files/{{id}}", self.file) for root in roots]
        return [alone, *looks, *super().routes(roots[0]), *super().routes(roots[1])]

    def told(self, batch: Batch) -> dict[str, Any]:
        """A batch as Azure tells it."""
        told = told_by_openai(batch)
        return {**told, "status": told["status"].capitalize(), "created_at": in_iso(batch.made_at), "metadata": None}

    def listed(self) -> list[Batch]:
        """Its list."""
        return list(self.account.batches.values())

    async def file(self, request: web.Request) -> web.Response:
        """How a file stands."""
        _check(request)
        id_ = request.match_info["id"]
        if id_ not in self.account.files:
            return gone()
        status = self.verdict if id_ in self.looked_at else "pending"
        self.looked_at.add(id_)
        return web.json_response({"id": id_, "status": status})

    async def create(self, request: web.Request) -> web.Response:
        """A batch is asked for."""
        _check(request)
        body = await request.json()
        assert body["completion_window"] == "24h"
        assert body["input_file_id"] in self.looked_at, "a batch was made of a file that Azure had not looked at"
        return await super().create(request)

    async def upload(self, request: web.Request) -> web.Response:
        """A file comes."""
        _check(request)
        return await super().upload(request)

    async def look(self, request: web.Request) -> web.Response:
        """How a batch stands."""
        _check(request)
        return await super().look(request)

    async def chat_of_deployment(self, request: web.Request) -> web.Response:
        """A call that goes alone."""
        self.deployments.add(request.match_info["name"])
        return await self.chat(request)


def _check(request: web.Request) -> None:
    """Whether the request is as Azure wants it."""
    assert request.headers["api-key"].startswith("sk-")
    assert "Authorization" not in request.headers
    is_dated = not request.path.startswith("/azure/openai/v1/")
    assert request.query.get("api-version") == (API_VERSION if is_dated else None)


_STATES = {
    "validating": "QUEUED",
    "in_progress": "RUNNING",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "expired": "TIMEOUT_EXCEEDED",
    "cancelled": "CANCELLED",
}


class MistralProtocol(OpenAIProtocol):
    """Mistral's jobs: the model stands in the job, pages have numbers."""

    def routes(self, base: str) -> list[web.RouteDef]:
        """What is answered."""
        return [
            web.post(f"{base}/files", self.upload),
            web.get(f"{base}/files", self.files),
            web.get(f"{base}/files/{{id}}/content", self.content),
            web.delete(f"{base}/files/{{id}}", self.delete),
            web.post(f"{base}/batch/jobs", self.create),
            web.get(f"{base}/batch/jobs", self.batches),
            web.get(f"{base}/batch/jobs/{{id}}", self.look),
            web.post(f"{base}/chat/completions", self.chat),
        ]

    def told(self, batch: Batch) -> dict[str, Any]:
        """A job as Mistral tells it."""
        told = told_by_openai(batch)
        errors = [{"message": one["message"], "count": 1} for one in (told["errors"] or {"data": []})["data"]]
        return {
            "id": batch.id,
            "object": "batch",
            "status": _STATES[batch.status],
            "input_files": [batch.input_file],
            "output_file": told["output_file_id"],
            "error_file": told["error_file_id"],
            "errors": errors,
            "created_at": told["created_at"],
            "metadata": told["metadata"],
            "total_requests": len(batch.calls),
        }

    async def files(self, request: web.Request) -> web.Response:
        """Those whose name holds what is searched for."""
        sought = request.query["search"]
        found = [{"id": id_, "filename": name} for id_, (name, _) in self.account.files.items() if sought in name]
        return web.json_response({"data": found, "object": "list", "total": len(found)})

    async def create(self, request: web.Request) -> web.Response:
        """A job is asked for."""
        body = await request.json()
        assert body["endpoint"] == "/v1/chat/completions"
        assert all(isinstance(value, str) for value in body["metadata"].values())
        (input_file,) = body["input_files"]
        if (file := self.account.files.get(input_file)) is None:
            return web.json_response({"detail": "No such file"}, status=400)
        calls = [self.call_to(body["model"], line) for line in file[1].splitlines() if line.strip()]
        batch = self.account.add_batch(calls, body["metadata"], input_file)
        return await broken_off(request) if self.account.happens("lost_reply") else web.json_response(self.told(batch))

    def call_to(self, model: str, line: bytes) -> Call:
        """A line of a file of requests."""
        read = json.loads(line)
        assert read.keys() == {"custom_id", "body"}
        assert {"seed", "max_completion_tokens", "model"}.isdisjoint(read["body"])
        return call_of(read["custom_id"], model, read["body"]["messages"])

    async def batches(self, request: web.Request) -> web.Response:
        """A page of jobs."""
        page, size = int(request.query.get("page", "0")), int(request.query.get("page_size", "100"))
        found = list(self.account.batches.values())[page * size : (page + 1) * size]
        return web.json_response({"data": [self.told(one) for one in found], "object": "list", "total": len(found)})
