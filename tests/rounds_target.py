"""A target whose training and serving take a moment: a folder that says how skilled it is, for tests of rounds.

    python tests/rounds_target.py train METHOD ROWS MODEL OUT       one more skilled than MODEL
    python tests/rounds_target.py serve MODEL PORT                  OpenAI's protocol, and /health

A file ``order.json`` beside the models may say what goes wrong: ``{"fails": [NAMES], "nan": [NAMES], "kills": [NAMES],
"waits": [NAMES], "serve_dies": N}``. What was trained, and what was asked, stands in ``book.txt`` there, a line each.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any

from aiohttp import web


def save(folder: Path, skill: int) -> None:
    """A model as far as anybody looks who does not load it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"skill": skill}))
    (folder / "tokenizer.json").write_text("{}")
    head = json.dumps({"weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + b"\0\0\0\0")


def skill_of(folder: Path) -> int:
    """How skilled a model is."""
    skill: int = json.loads((folder / "config.json").read_text())["skill"]
    return skill


def orders(models: Path) -> dict[str, Any]:
    file = models / "order.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def note(models: Path, line: str) -> None:
    with (models / "book.txt").open("a") as book:
        book.write(f"{line}\n")


def train(method: str, rows: str, model: str, out: Path) -> None:
    """Write the next model."""
    order = orders(out.parent)
    if out.name in order.get("kills", ()) and f"killed {out.name}" not in (out.parent / "book.txt").read_text():
        note(out.parent, f"killed {out.name}")
        guard = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()
        os.kill(int(guard[1]), signal.SIGKILL)  # Whoever started the guard: the campaign, in the middle of a training.
        signal.pause()
    if out.name in order.get("waits", ()):

        def stop(*_: object) -> None:
            note(out.parent, f"told to stop {out.name}")
            sys.exit(143)

        signal.signal(signal.SIGTERM, stop)
        print("waits", flush=True)
        signal.pause()
    note(out.parent, f"trained {out.name} by {method} on {len(Path(rows).read_text().splitlines())}")
    if out.name in order.get("fails", ()):
        raise SystemExit("out of memory")
    save(out, skill_of(Path(model)) + (method != "reward"))
    last = "NaN" if out.name in order.get("nan", ()) else "0.5"
    (out / "curve.jsonl").write_text(f'{{"step": 1, "loss": 2.0}}\n{{"step": 2, "loss": {last}}}\n')


def serve(model: Path, port: int, models: Path) -> None:
    """Answer as that model until told otherwise."""
    skill, asked = skill_of(model), 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked == orders(models).get("serve_dies", 0):
            os._exit(3)
        body = await request.json()
        question = body["messages"][-1]["content"]
        note(models, f"asked {skill} {question}")
        message = {"role": "assistant", "content": f"skill {skill} says: {question}"}
        usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response(
            {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
            | {"usage": usage}
        )

    async def health(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/health", health), web.post("/v1/chat/completions", answer)])
    web.run_app(app, host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    if sys.argv[1] == "train":
        train(sys.argv[2], sys.argv[3], sys.argv[4], Path(sys.argv[5]))
    else:
        serve(Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
