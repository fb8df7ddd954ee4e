"""Protocols of the tests' provider of batches: OpenAI's and Anthropic's, over one account."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from batch_account import COMPLETION_TOKENS, PROMPT_TOKENS, Account, Batch, Call, mark_of

STRANGER = "0" * 64


async def broken_off(request: web.Request) -> web.Response:
    """Hang up without a reply."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def in_iso(at: float) -> str:
    """A moment as Anthropic writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def call_of(key: str, model: str, messages: Any) -> Call:
    mark = mark_of(model, messages)
    return Call(key, mark, f"an answer of some words to {mark}")


def gone() -> web.Response:
    return web.json_response({"error": {"message": "No such object"}}, status=404)


# OpenAI


def completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS}
    return {"object": "chat.completion", "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}


def result_line(key: str, status: int, body: Any, error: Any = None) -> bytes:
    response = None if error is not None else {"status_code": status, "request_id": "r", "body": body}
    return json.dumps({"id": "x", "custom_id": key, "response": response, "error": error}).encode()


def work_openai(account: Account, batch: Batch) -> None:
    """Make the files of a batch, in whatever state it ends."""
    done = account.done_of(batch)
    output: list[tuple[Call | None, bytes]] = []
    errors: list[tuple[Call | None, bytes]] = []
    for call in done:
        if account.happens("refused"):
            errors.append((None, result_line(call.key, 400, {"error": {"message": "this text is refused"}})))
        elif account.happens("broken"):
            errors.append((None, result_line(call.key, 500, {"error": {"message": "the server is tired"}})))
        else:
            output.append((call, result_line(call.key, 200, completion(call.text))))
    if batch.fate == "expired":
        left = {call.key for call in batch.calls} - {call.key for call in done}
        expired = {"code": "batch_expired", "message": "This request could not be executed before it expired."}
        errors += [(None, result_line(key, 0, None, expired)) for key in left]
    stranger = result_line(STRANGER, 200, completion("of a stranger"))
    batch.output_file = _file(account, account.disturbed(output, stranger))
    batch.error_file = _file(account, account.disturbed(errors, stranger))
    batch.status = "failed" if batch.fate == "full" else batch.fate


def _file(account: Account, lines: Iterable[bytes]) -> str:
    content = b"\n".join(lines)
    return account.add_file("results.jsonl", content + b"\n") if content else ""


def told_by_openai(batch: Batch) -> dict[str, Any]:
    code = {"full": "token_limit_exceeded", "failed": "invalid_request"}.get(batch.fate)
    is_over = batch.status not in ("validating", "in_progress")
    errors = {"data": [{"code": code, "message": "it was not taken", "line": None}]} if code and is_over else None
    return {
        "id": batch.id,
        "object": "batch",
        "status": batch.status,
        "errors": errors,
        "input_file_id": batch.input_file,
        "output_file_id": batch.output_file or None,
        "error_file_id": batch.error_file or None,
        "created_at": int(batch.made_at),
        "metadata": dict(batch.metadata),
        "request_counts": {"total": len(batch.calls), "completed": 0, "failed": 0},
    }


class OpenAIProtocol:
    """OpenAI's, as far as batches need them, and its chat endpoint; ``routes`` under any address."""

    endpoint = "/v1/chat/completions"

    def __init__(self, account: Account) -> None:
        self.account = account

    def told(self, batch: Batch) -> dict[str, Any]:
        """A batch as the protocol tells it."""
        return told_by_openai(batch)

    def routes(self, base: str) -> list[web.RouteDef]:
        """What is answered."""
        return [
            web.post(f"{base}/files", self.upload),
            web.get(f"{base}/files", self.files),
            web.get(f"{base}/files/{{id}}/content", self.content),
            web.delete(f"{base}/files/{{id}}", self.delete),
            web.post(f"{base}/batches", self.create),
            web.get(f"{base}/batches", self.batches),
            web.get(f"{base}/batches/{{id}}", self.look),
            web.post(f"{base}/chat/completions", self.chat),
        ]

    def call(self, line: bytes) -> Call:
        """A line of a file of requests."""
        read = json.loads(line)
        assert read["method"] == "POST"
        assert read["url"] == self.endpoint
        return call_of(read["custom_id"], read["body"]["model"], read["body"]["messages"])

    async def upload(self, request: web.Request) -> web.Response:
        content, name = b"", ""
        async for part in await request.multipart():
            if part.name == "file":  # type: ignore[union-attr]
                content, name = bytes(await part.read()), part.filename or ""  # type: ignore[union-attr]
        id_ = self.account.add_file(name, content)
        if self.account.happens("lost_reply"):
            return await broken_off(request)
        return web.json_response({"id": id_, "object": "file", "filename": name})

    async def files(self, request: web.Request) -> web.Response:
        found = [{"id": id_, "filename": name} for id_, (name, _) in self.account.files.items()]
        return web.json_response({"data": found})

    async def content(self, request: web.Request) -> web.StreamResponse:
        if (file := self.account.files.get(request.match_info["id"])) is None:
            return gone()
        if not self.account.happens("cut"):
            return web.Response(body=file[1])
        response = web.StreamResponse(headers={"Content-Length": str(len(file[1]))})
        await response.prepare(request)
        await response.write(file[1][: len(file[1]) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    async def delete(self, request: web.Request) -> web.Response:
        is_there = self.account.files.pop(request.match_info["id"], None) is not None
        return web.json_response({"deleted": True}) if is_there else gone()

    async def create(self, request: web.Request) -> web.Response:
        body = await request.json()
        if (file := self.account.files.get(body["input_file_id"])) is None:
            return web.json_response({"error": {"message": "No such file"}}, status=400)
        if self.account.happens("denied"):
            return web.json_response({"error": {"message": "such batches are not made here"}}, status=400)
        assert body["endpoint"] == self.endpoint
        calls = [self.call(line) for line in file[1].splitlines() if line.strip()]
        batch = self.account.add_batch(calls, body.get("metadata") or {}, body["input_file_id"])
        return await broken_off(request) if self.account.happens("lost_reply") else web.json_response(self.told(batch))

    def listed(self) -> list[Batch]:
        """Its list."""
        return list(reversed(self.account.batches.values()))

    async def batches(self, request: web.Request) -> web.Response:
        newest = self.listed()
        after, limit = request.query.get("after"), int(request.query.get("limit", "20"))
        begin = next((place + 1 for place, one in enumerate(newest) if one.id == after), 0)
        page = newest[begin : begin + limit]
        has_more = begin + limit < len(newest)
        return web.json_response({"data": [self.told(one) for one in page], "has_more": has_more})

    async def look(self, request: web.Request) -> web.Response:
        if (batch := self.account.batches.get(request.match_info["id"])) is None:
            return gone()
        if batch.status in ("validating", "in_progress"):
            batch.looks += 1
            batch.status = "in_progress"
            if batch.looks >= self.account.looks:
                work_openai(self.account, batch)
        return web.json_response(self.told(batch))

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        call = call_of("", body["model"], body["messages"])
        self.account.charge(call, alone=True)
        return web.json_response(completion(call.text))


# Anthropic


def _result(key: str, kind: str, **more: Any) -> bytes:
    return json.dumps({"custom_id": key, "result": {"type": kind, **more}}).encode()


def _message(text: str) -> dict[str, Any]:
    usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS}
    return {"type": "message", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": usage}


def _error(kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": "it could not be done"}}


def _work_anthropic(account: Account, batch: Batch) -> None:
    batch.fate = {"failed": "completed", "full": "completed"}.get(batch.fate, batch.fate)
    done = account.done_of(batch)
    lines: list[tuple[Call | None, bytes]] = []
    for call in done:
        if account.happens("refused"):
            lines.append((None, _result(call.key, "errored", error=_error("invalid_request_error"))))
        elif account.happens("broken"):
            lines.append((None, _result(call.key, "errored", error=_error("api_error"))))
        else:
            lines.append((call, _result(call.key, "succeeded", message=_message(call.text))))
    left = {call.key for call in batch.calls} - {call.key for call in done}
    kind = "expired" if batch.fate == "expired" else "canceled"
    lines += [(None, _result(key, kind)) for key in left]
    batch.output = account.disturbed(lines, _result(STRANGER, "succeeded", message=_message("of a stranger")))
    batch.status = "ended"


def _told_by_anthropic(batch: Batch) -> dict[str, Any]:
    counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    counts["succeeded" if batch.status == "ended" else "processing"] = len(batch.calls)
    status = "ended" if batch.status == "ended" else "in_progress"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": counts,
        "created_at": in_iso(batch.made_at),
        "results_url": "http://127.0.0.1:1/elsewhere" if status == "ended" else None,
    }


class _Anthropic:
    def __init__(self, account: Account) -> None:
        self.account = account

    async def message(self, request: web.Request) -> web.Response:
        call = self._call({"custom_id": "", "params": await request.json()})
        self.account.charge(call, alone=True)
        return web.json_response({"id": "msg", "role": "assistant", "model": "claude", **_message(call.text)})

    async def create(self, request: web.Request) -> web.Response:
        calls = [self._call(one) for one in (await request.json())["requests"]]
        batch = self.account.add_batch(calls, {})
        is_lost = self.account.happens("lost_reply")
        return await broken_off(request) if is_lost else web.json_response(_told_by_anthropic(batch))

    def _call(self, one: dict[str, Any]) -> Call:
        params = one["params"]
        assert params["max_tokens"] > 0
        assert params["messages"][0]["role"] == "user"
        messages = [*([{"role": "system", "content": params["system"]}] if "system" in params else [])]
        messages += params["messages"]
        return call_of(one["custom_id"], params["model"], messages)

    async def batches(self, request: web.Request) -> web.Response:
        newest = list(reversed(self.account.batches.values()))
        after, limit = request.query.get("after_id"), int(request.query.get("limit", "20"))
        begin = next((place + 1 for place, one in enumerate(newest) if one.id == after), 0)
        page, has_more = newest[begin : begin + limit], begin + limit < len(newest)
        for one in page:
            self._look_at(one)  # Whoever does not know a batch's id can do no more than look through the list.
        return web.json_response({"data": [_told_by_anthropic(one) for one in page], "has_more": has_more})

    async def look(self, request: web.Request) -> web.Response:
        if (batch := self.account.batches.get(request.match_info["id"])) is None:
            return gone()
        self._look_at(batch)
        return web.json_response(_told_by_anthropic(batch))

    def _look_at(self, batch: Batch) -> None:
        batch.looks += 1
        if batch.looks == self.account.looks:
            _work_anthropic(self.account, batch)

    async def results(self, request: web.Request) -> web.Response:
        batch = self.account.batches.get(request.match_info["id"])
        return gone() if batch is None else web.Response(body=b"\n".join(batch.output) + b"\n")

    async def delete(self, request: web.Request) -> web.Response:
        is_there = self.account.batches.pop(request.match_info["id"], None) is not None
        return web.json_response({"type": "message_batch_deleted"}) if is_there else gone()


def anthropic_routes(account: Account) -> list[web.RouteDef]:
    """Anthropic's Message Batches."""
    protocol, url = _Anthropic(account), "/v1/messages/batches"
    return [
        web.post("/v1/messages", protocol.message),
        web.post(url, protocol.create),
        web.get(url, protocol.batches),
        web.get(f"{url}/{{id}}", protocol.look),
        web.get(f"{url}/{{id}}/results", protocol.results),
        web.delete(f"{url}/{{id}}", protocol.delete),
    ]
