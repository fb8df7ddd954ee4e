"""A server of a model that can be told what to do, for tests of `serve`: OpenAI's protocol, /v1/models and /health.

    python tests/model_server.py PORT MODEL BOOK

``BOOK`` is a folder. What happens is noted in ``book.txt`` there, a line each: ``started PID``, ``asked PID``,
``ended PID``. While a file of that name lies there, it ``dies`` (at its start: exit code 3), is ``unready`` (503), is
``slow`` (answers once the file is gone), ``hangs`` (so does /health) or, from its start on, is ``stubborn`` (SIGTERM
does not end it); GET /die ends it at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from aiohttp import web


def serve(port: int, models: list[str], book: Path) -> None:
    """Answer until told otherwise."""

    def note(line: str) -> None:
        with (book / "book.txt").open("a") as file:
            file.write(f"{line} {os.getpid()}\n")

    async def answer(request: web.Request) -> web.Response:
        await while_there("hangs")
        body = await request.json()
        note("asked")
        await while_there("slow")
        message = {"role": "assistant", "content": f"{os.getpid()} says: {body['messages'][-1]['content']}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        head = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
        return web.json_response({**head, "choices": [choice], "usage": usage})

    async def while_there(name: str) -> None:
        while (book / name).exists():  # noqa: ASYNC110 - it is another process that takes it away
            await asyncio.sleep(0.01)

    async def health(_: web.Request) -> web.Response:
        await while_there("hangs")
        return web.Response(status=503 if (book / "unready").exists() else 200)

    async def listed(_: web.Request) -> web.Response:
        await while_there("hangs")
        return web.json_response({"object": "list", "data": [{"id": model, "object": "model"} for model in models]})

    async def die(_: web.Request) -> web.Response:
        os._exit(4)

    async def ended(_: web.Application) -> None:
        note("ended")

    note("started")
    print(f"key {os.environ.get('MODEL_KEY', 'none')}", flush=True)
    if (book / "dies").exists():
        print("out of memory", flush=True)
        raise SystemExit(3)
    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/v1/models", listed), web.get("/die", die)])
    app.add_routes([web.post("/v1/chat/completions", answer)])
    app.on_shutdown.append(ended)
    is_stubborn = (book / "stubborn").exists()
    if is_stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    web.run_app(app, host="127.0.0.1", port=port, print=None, shutdown_timeout=5, handle_signals=not is_stubborn)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2].split(","), Path(sys.argv[3]))
