"""What looks for secrets in all that is kept and shown: forms, places of a reply, a life with every door and verb."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from daemons import Running, fetch, replace, star_agents
from openai_server import Answer, Fault, Move, Raw

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "urlsafe": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64-1": lambda secret: base64.b64encode(f"u:::{secret} and on".encode()).decode(),
    "base64-2": lambda secret: base64.b64encode(f"Bearer: {secret}".encode()).decode(),
    "url": lambda secret: urllib.parse.quote(secret, safe=""),
    "url-lower": lambda secret: re.sub("%..", lambda one: one[0].lower(), urllib.parse.quote(secret, safe="")),
    "url-every": lambda secret: "".join(f"%{ord(one):02x}" for one in secret),
    "json": lambda secret: json.dumps(secret)[1:-1],
    "json-slash": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "json-html": lambda secret: json.dumps(secret)[1:-1].replace("<", "\\u003c").replace("+", "\\u002b"),
    "json-every": lambda secret: "".join(f"\\u{ord(one):04x}" for one in secret),
    "hex": lambda secret: secret.encode().hex(),
}


def in_text(said: str) -> Move:
    return Answer(text=f"The next number is five, {said}, as you can see.")


def in_thoughts(said: str) -> Move:
    return Answer(text="The next number is five.", extra={"reasoning_content": f"They sent {said} to me."})


def in_tagged_thoughts(said: str) -> Move:
    return Answer(text=f"<think>They sent {said}.</think>The next number is five.")


def in_reason(said: str) -> Move:
    return Answer(text="The next number is five.", finish_reason=said)


def in_a_part(said: str) -> Move:
    message = {"role": "assistant", "content": [{"type": said, "text": "five"}]}
    return Raw(body=json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode())


def in_an_error(said: str) -> Move:
    return Fault(status=400, message=f"you sent {said}", code=said)


def in_an_error_of_a_choice(said: str) -> Move:
    choice = {"index": 0, "message": {"content": ""}, "error": {"message": f"you sent {said}", "code": 502}}
    return Raw(body=json.dumps({"choices": [choice]}).encode())


def in_html(said: str) -> Move:
    return Raw(status=500, body=f"<html>{said}</html>".encode(), content_type="text/html")


def in_a_redirect(said: str) -> Move:
    return Raw(status=302, headers={"Location": f"/elsewhere?{said}"})


def in_a_header(said: str) -> Move:
    return Raw(status=429, headers={"Retry-After": said, "X-Request-Id": said}, body=b'{"error": {"message": "later"}}')


IN_A_REPLY = (in_text, in_thoughts, in_tagged_thoughts, in_reason, in_a_part)
IN_A_FAILURE = (in_an_error, in_an_error_of_a_choice, in_html, in_a_redirect, in_a_header)
PLACES = {place.__name__: place for place in (*IN_A_REPLY, *IN_A_FAILURE)}


def remains(secret: str) -> Iterator[str]:
    """Any six characters of it on end, in any form: base64 shows them wherever a group of four begins."""
    for start in range(len(secret) - 5):
        piece = secret[start : start + 6]
        yield from {form(piece) for name, form in FORMS.items() if not name.startswith("base64-")}
        yield f"{piece.encode().hex()}".upper()


def live_through(folder: Path, *configs: str, environ: Mapping[str, str] = {}) -> str:
    """A daemon with its doors, edits, every verb that shows or writes; returns all that was said.

    Args:
        folder: Empty; everything that is written is left there.
        configs: The first agents.yaml, and what it is edited into, one after another; one that is broken is rejected.
        environ: What holds the secrets.
    """
    path, data, said = folder / "agents.yaml", folder / "data", list[str]()
    path.write_text(configs[0])
    serve = ("serve", "-c", path, "--data-dir", data, "--port", "0", "--log-level", "debug")
    with Running(*serve, environ=environ) as daemon:
        base = daemon.wait_for("state_changed", lambda line: line["state"] == "ready")["detail"].split()[0]
        said.append(fetch(f"{base}/v1/seeds", "", [{"instruction": "What follows 4?", "output": "5."}]))
        daemon.wait_for("outcome_committed")
        for config in configs[1:]:
            heard = _edits_heard(daemon)
            replace(path, config)
            if not daemon.wait_until(lambda heard=heard: _edits_heard(daemon) > heard):  # type: ignore[misc]
                raise TimeoutError("an edit was not noticed")
        said += [fetch(f"{base}{door}", "") for door in _DOORS]
        daemon.end()
    said += [str(daemon.lines), str(daemon.other)]
    for verb in _VERBS:
        words = [str(word).format(folder=folder) for word in verb]
        done = star_agents(*words, environ=environ)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{words}: {done.stderr}")
        said += [done.stdout, done.stderr]
    return "\n".join(said)


def texts_of(folder: Path) -> dict[str, str]:
    """Every file below a folder but agents.yaml, byte for byte as characters."""
    return {
        str(path.relative_to(folder)): path.read_bytes().decode("latin-1")
        for path in folder.rglob("*")
        if path.is_file() and path.name != "agents.yaml"
    }


def found_in(texts: Mapping[str, str], secrets: Mapping[str, str]) -> list[str]:
    """Where anything of a secret stands, each with what stands around it."""
    return [
        f"{name} of {secret}: {text[max(0, text.find(one) - 120) : text.find(one) + 60]!r}"
        for name, text in texts.items()
        for secret, value in secrets.items()
        for one in remains(value)
        if one in text
    ]


def _edits_heard(daemon: Running) -> int:
    return sum(line.get("event") in ("config_applied", "config_rejected") for line in daemon.lines)


_DOORS = (
    *(
        f"/v1/{door}"
        for door in ("status", "outcomes?limit=10", "outcomes/1", "pairs", "pairs/curve", "agents", "logs?limit=1000")
    ),
    *("/v1/dataset?format=records", "/metrics", "/readyz", "/"),
)
_VERBS: Sequence[Sequence[str]] = (
    ("status", "{folder}/data"),
    ("status", "{folder}/data", "--json"),
    ("logs", "{folder}/data"),
    ("export", "{folder}/data", "-o", "{folder}/rows.jsonl"),
    ("export", "{folder}/data", "-o", "{folder}/rows.json"),
    ("report", "{folder}/data", "-o", "{folder}/report.html"),
    ("backup", "{folder}/data", "-o", "{folder}/copy.sqlite3"),
    ("doctor", "{folder}/data", "-c", "{folder}/agents.yaml"),
)
