"""Keys that are looked for afterwards in everything written, said or stored, through success and every failure."""

from __future__ import annotations

import base64
import json
import os
import signal
from pathlib import Path

import pytest
from anyio.to_thread import run_sync
from daemons import Running, fetch, replace, star_agents
from openai_server import Body, Cut, Fault, Garbage, Move, OpenAIServer, Raw, brain

KEY, TOKEN, WRITTEN = "sk-canary-5f1e9c07d2", "token-canary-88a4be31", "sk-canary-written-down-41"
CANARIES = [KEY, TOKEN, WRITTEN]


def indiscreet(body: Body) -> Move:
    """A provider whose every failure tells the key; the model's name says which."""
    told = {"message": f"Incorrect API key provided: {KEY}. Authorization: Bearer {KEY}", "code": KEY}
    moves: dict[str, Move] = {
        "refused": Fault(status=401, message=told["message"], code=KEY),
        "unhappy": Fault(status=400, message=told["message"]),
        "limited": Fault(status=429, message=told["message"], retry_after="0"),
        "broken": Raw(status=500, body=f"<html>Bearer {KEY}</html>".encode(), content_type="text/html"),
        "detailed": Raw(status=403, body=json.dumps({"error": told, "detail": told}).encode()),
        "garbled": Garbage(body=f"<html>{KEY}</html>".encode()),
        "gone": Cut(),
        "mute": Raw(status=200, body=json.dumps({"key": KEY}).encode()),
    }
    return moves.get(str(body["model"]), brain(body))


NAMES = ["good", "refused", "unhappy", "limited", "broken", "detailed", "garbled", "gone", "mute"]


def config(url: str, *, key: str = "os.environ/CANARY_KEY", transport: str = "auto") -> str:
    shape = f"api_base: '{url}', retries: 0, give_up_after_s: 1, timeout_s: 20, transport: {transport}"
    agents = "".join(f"  {name}: {{model: openai/{name}, api_key: {key}, {shape}}}\n" for name in NAMES)
    pairs = "".join(f"  - {{instruction: keep, response: {name}}}\n" for name in NAMES)
    rest = (
        "referee: {agents: [good], exam: 'off'}\nselection: referee\ncandidates: 9\n"
        "server: {token: os.environ/CANARY_TOKEN}\n"
    )
    return f"agents:\n{agents}pairs:\n{pairs}{rest}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("transport", ["auto", "litellm"])
async def test_no_key_is_ever_written_said_or_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setenv("CANARY_KEY", KEY)
    monkeypatch.setenv("CANARY_TOKEN", TOKEN)
    monkeypatch.setenv("STAR_AGENTS_TOKEN", TOKEN)
    async with OpenAIServer(indiscreet) as server:
        said = await run_sync(live_through_it, tmp_path, server.url, transport)
        assert {request.authorization for request in server.requests} == {f"Bearer {KEY}"}, "the canary was alive"
    texts = {"what was said": said}
    texts |= {
        str(path.relative_to(tmp_path)): path.read_bytes().decode("latin-1")
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name != "agents.yaml"
    }
    assert "store.sqlite3" in str(texts.keys())
    found = [
        f"{canary} in {name}: ...{text[max(0, text.find(form) - 80) : text.find(form) + 60]}"
        for name, text in texts.items()
        for canary in CANARIES
        for form in (canary, base64.b64encode(canary.encode()).decode().rstrip("="))
        if form in text
    ]
    assert found == []


def live_through_it(folder: Path, url: str, transport: str) -> str:
    """Success, every failure, bad edits, wrong tokens, the verbs, a kill; returns all that was said."""
    path, data, said = folder / "agents.yaml", folder / "data", []
    path.write_text(config(url, transport=transport))
    command = ("serve", "-c", path, "--data-dir", data, "--port", "0", "--log-level", "debug")
    rows = [{"instruction": f"What follows {n}?", "output": "The next."} for n in range(6)]
    with Running(*command) as daemon:
        base = daemon.wait_for("state_changed", lambda line: line["state"] == "ready")["detail"].split()[0]
        said += [fetch(f"{base}/v1/seeds", wrong, rows) for wrong in ("", KEY, TOKEN[:-1], TOKEN)]
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == len(rows))
        failed = {line["agent"] for line in daemon.lines if line["event"] == "call_failed"}
        assert failed == set(NAMES[1:]), "every failure was lived through"
        replace(path, config(url, key=WRITTEN))
        daemon.wait_for("config_rejected")
        said += [fetch(base + place, TOKEN) for place in ("/v1/status", "/v1/quarantine", "/readyz", "/nowhere")]
        replace(path, config(url, transport=transport))
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
    said += [str(daemon.lines), str(daemon.other)]
    with Running(*command) as daemon:
        daemon.wait_for("state_changed", lambda line: line["state"] == "ready")
        daemon.end()
    said += [str(daemon.lines), str(daemon.other)]
    for verb in (
        ("status", data),
        ("status", data, "--json"),
        ("export", data, "-o", folder / "rows.jsonl"),
        ("check", "-c", path),
        ("check", "-c", path, "--json"),
        ("doctor", data, "-c", path),
    ):
        done = star_agents(*verb)
        said += [done.stdout, done.stderr]
    path.write_text(config(url, key=WRITTEN))
    refused = star_agents("check", "-c", path)
    assert refused.returncode == 2
    said += [refused.stdout, refused.stderr, os.linesep]
    return "\n".join(said)
