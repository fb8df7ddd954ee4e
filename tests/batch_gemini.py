"""Gemini's batches for the tests, over an account: files in two steps, results in one file, nothing of what expired."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from batch_account import COMPLETION_TOKENS, PROMPT_TOKENS, Account, Batch, Call
from batch_protocols import STRANGER, broken_off, call_of, gone, in_iso

THOUGHTS = 2
"""Tokens of an answer that are thoughts."""
_STATES = {"validating": "PENDING", "in_progress": "RUNNING", "completed": "SUCCEEDED", "full": "FAILED"}


class GeminiProtocol:
    """Gemini's developer API, as far as batches need it, and its ordinary endpoint."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._coming: list[str] = []

    def routes(self, base: str) -> list[web.RouteDef]:
        """What is answered."""
        api = f"{base}/v1beta"
        return [
            web.post(f"{base}/upload/v1beta/files", self.begin),
            web.post(f"{base}/upload/v1beta/sessions/{{number}}", self.finish),
            web.get(f"{api}/files", self.files),
            web.delete(f"{api}/files/{{id}}", self.delete_file),
            web.get(f"{base}/download/v1beta/files/{{id:[^:]+}}:download", self.content),
            web.post(f"{api}/models/{{model:[^:]+}}:batchGenerateContent", self.create),
            web.post(f"{api}/models/{{model:[^:]+}}:generateContent", self.alone),
            web.get(f"{api}/batches", self.batches),
            web.get(f"{api}/batches/{{id}}", self.look),
            web.delete(f"{api}/batches/{{id}}", self.delete),
        ]

    async def begin(self, request: web.Request) -> web.Response:
        """A file is announced."""
        assert request.headers["x-goog-api-key"].startswith("sk-")
        assert request.headers["X-Goog-Upload-Protocol"] == "resumable"
        self._coming.append((await request.json())["file"]["displayName"])
        url = request.url.with_path(request.path.replace("/files", f"/sessions/{len(self._coming) - 1}"))
        return web.json_response({}, headers={"X-Goog-Upload-URL": str(url)})

    async def finish(self, request: web.Request) -> web.Response:
        """And comes."""
        assert request.headers["X-Goog-Upload-Command"] == "upload, finalize"
        name = self._coming[int(request.match_info["number"])]
        id_ = self.account.add_file(name, await request.read())
        if self.account.happens("lost_reply"):
            return await broken_off(request)
        return web.json_response({"file": {"name": f"files/{id_}", "displayName": name}})

    async def files(self, request: web.Request) -> web.Response:
        """A page of files."""
        found = [{"name": f"files/{id_}", "displayName": name} for id_, (name, _) in self.account.files.items()]
        return _page(request, "files", found)

    async def content(self, request: web.Request) -> web.Response:
        """A file."""
        assert request.query["alt"] == "media"
        file = self.account.files.get(request.match_info["id"])
        return gone() if file is None else web.Response(body=file[1])

    async def delete_file(self, request: web.Request) -> web.Response:
        """A file goes."""
        is_there = self.account.files.pop(request.match_info["id"], None) is not None
        return web.json_response({}) if is_there else gone()

    async def create(self, request: web.Request) -> web.Response:
        """A batch is asked for."""
        asked = (await request.json())["batch"]
        input_file = asked["inputConfig"]["fileName"].removeprefix("files/")
        if (file := self.account.files.get(input_file)) is None:
            return web.json_response({"error": {"code": 400, "message": "No such file"}}, status=400)
        model = request.match_info["model"]
        calls = [_call(model, json.loads(line)) for line in file[1].splitlines() if line.strip()]
        batch = self.account.add_batch(calls, {"displayName": asked["displayName"]}, input_file)
        return await broken_off(request) if self.account.happens("lost_reply") else web.json_response(_told(batch))

    async def batches(self, request: web.Request) -> web.Response:
        """A page of batches."""
        return _page(request, "operations", [_told(one) for one in self.account.batches.values()])

    async def look(self, request: web.Request) -> web.Response:
        """How a batch stands."""
        if (batch := self.account.batches.get(request.match_info["id"])) is None:
            return gone()
        if batch.status in ("validating", "in_progress"):
            batch.looks += 1
            batch.status = "in_progress"
            if batch.looks >= self.account.looks:
                self._work(batch)
        return web.json_response(_told(batch))

    def _work(self, batch: Batch) -> None:
        batch.status = batch.fate
        if batch.fate != "completed":
            return
        lines: list[tuple[Call | None, bytes]] = []
        for call in self.account.done_of(batch):
            if self.account.happens("refused"):
                lines.append((None, _error(call.key, 3, "this text is refused")))
            elif self.account.happens("broken"):
                lines.append((None, _error(call.key, 1, "The operation was cancelled.")))
            else:
                lines.append((call, _line(call.key, response=_answer(call.text))))
        told = self.account.disturbed(lines, _line(STRANGER, response=_answer("of a stranger")))
        batch.output_file = self.account.add_file("results", b"\n".join(told) + b"\n")

    async def delete(self, request: web.Request) -> web.Response:
        """A batch goes, and with it its results."""
        batch = self.account.batches.pop(request.match_info["id"], None)
        if batch is None:
            return gone()
        self.account.files.pop(batch.output_file, None)
        return web.json_response({})

    async def alone(self, request: web.Request) -> web.Response:
        """A call that goes alone."""
        asked = await request.json()
        call = _call(request.match_info["model"], {"key": "", "request": asked})
        self.account.charge(call, alone=True)
        return web.json_response(_answer(call.text))


def _page(request: web.Request, name: str, found: list[dict[str, Any]]) -> web.Response:
    """A page of a list, with a token that has to be quoted."""
    size, begin = int(request.query.get("pageSize", "50")), int(request.query.get("pageToken", "=0").lstrip("="))
    more = {"nextPageToken": f"={begin + size}"} if begin + size < len(found) else {}
    return web.json_response({name: found[begin : begin + size], **more})


def _call(model: str, line: dict[str, Any]) -> Call:
    request = line["request"]
    assert request["contents"][0]["role"] == "user"
    texts = [part["text"] for turn in request["contents"] for part in turn["parts"]]
    return call_of(line["key"], model, texts)


def _line(key: str, **more: Any) -> bytes:
    return json.dumps({"key": key, **more}).encode()


def _error(key: str, code: int, message: str) -> bytes:
    return _line(key, error={"code": code, "message": message})


def _answer(text: str) -> dict[str, Any]:
    usage = {
        "promptTokenCount": PROMPT_TOKENS,
        "candidatesTokenCount": COMPLETION_TOKENS - THOUGHTS,
        "thoughtsTokenCount": THOUGHTS,
        "totalTokenCount": PROMPT_TOKENS + COMPLETION_TOKENS,
    }
    parts = [{"text": "I think.", "thought": True}, {"text": text}]
    candidates = [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}]
    return {"candidates": candidates, "usageMetadata": usage, "modelVersion": "gemini"}


def _told(batch: Batch) -> dict[str, Any]:
    output = {"output": {"responsesFile": f"files/{batch.output_file}"}} if batch.output_file else {}
    is_failed = batch.status in ("failed", "full")
    return {
        "name": f"batches/{batch.id}",
        "metadata": {
            "displayName": batch.metadata["displayName"],
            "state": f"BATCH_STATE_{_STATES.get(batch.status, batch.status.upper())}",
            "createTime": in_iso(batch.made_at),
            **output,
        },
        "done": batch.status not in ("validating", "in_progress"),
        **({"error": {"code": 3, "message": "it was not taken"}} if is_failed else {}),
    }
