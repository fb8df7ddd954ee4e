"""A folder that an earlier version wrote, and what its commands said of it: status, report and every export.

    PYTHONPATH=tests python -m recorded.store check                     # 1 if this version says something else
    PYTHONPATH=tests python -m recorded.store check --python OTHER/.venv/bin/python
    PYTHONPATH=tests python -m recorded.store make NAME                 # a folder of this version: see README.md

``make`` works as a person would: runs, an edit of agents.yaml, a run that goes on, a process that dies. Twelve seeds
under the first agents.yaml; ten under the second, whose base breaks off so that some are dropped, and the dropped ones
once more; a seed that killed three processes; one that killed one, and two that wait.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

from recorded.comparing import differences
from recorded.decisions import command
from recorded.reading import digest

HERE = Path(__file__).resolve().parent
NAMES = ("store-0008",)
"""By schema version: NAME.tar.gz is the folder, NAME.json what was said of it."""
SHIPPED = HERE.parents[1] / "agents.yaml"
PARTS = ("store.sqlite3", "memory.hnsw", "memory.hnsw.json")
IN_FULL = ("messages", "messages-dpo")
"""Exported with the provenance of every row; the other formats write the same samples in other columns."""
HASHED = ("alpaca", "prompt-completion", "sharegpt", "dpo", "sharegpt-dpo")
FIRST, SECOND, KILLER, WAITING = 12, 22, 23, 26
"""Seeds of the file up to which each step works."""
BEFORE_EDIT, AFTER_EDIT = (HERE / f"store-agents-{number}.yaml" for number in (1, 2))
PAID_PORT = 18765
DEATHS = ("draw_recorded", "intent_recorded", "answer_recorded")


def unpack(name: str, folder: Path) -> None:
    """Write a recorded folder to ``folder``."""
    with tarfile.open(HERE / f"{name}.tar.gz") as archive:
        archive.extractall(folder, filter="data")


def bring_up_to_date(folder: Path, python: str = sys.executable) -> None:
    """Open an older store for work, as its owner is told to; its first seed is done, so nothing is worked."""
    command(python, "run", "-c", SHIPPED, "-s", "offline", "-n", "1", "-o", folder, "-q", "-y")


def said(folder: Path, python: str = sys.executable) -> dict[str, Any]:
    """What the commands say of a folder, as plain data, without versions of software."""
    with tempfile.TemporaryDirectory() as made:
        out = Path(made)
        command(python, "report", folder, "-o", out / "report.html", "--summary", out / "report.json")
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        del report["versions"]
        rows = {format: _exported(folder, format, out, python) for format in IN_FULL}
        hashes = {}
        for format in HASHED:
            plain = _exported(folder, format, out, python, "--no-provenance")
            hashes[format] = [len(plain), digest(plain)]
    return {
        "status": json.loads(command(python, "status", folder, "--json")),
        "report": report,
        "rows": rows,
        "hashes": hashes,
        "quarantine": json.loads(command(python, "release", folder, "--json")),
    }


def _exported(folder: Path, format: str, out: Path, python: str, *options: str) -> list[dict[str, Any]]:
    file = out / f"{format}.jsonl"
    command(python, "export", folder, "-f", format, "-o", file, *options)
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [{name: json.loads(value) if name == "provenance" else value for name, value in row.items()} for row in rows]


def recording(name: str) -> Any:
    """What was said of a recorded folder."""
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def first_differences(name: str, folder: Path, python: str = sys.executable) -> Iterator[str]:
    """Yield what a version says otherwise of a recorded folder. What it says besides is no difference."""
    unpack(name, folder)
    bring_up_to_date(folder, python)
    yield from differences(recording(name), said(folder, python))


def make(name: str, python: str) -> None:
    """Make a folder with the version at hand, and record what it says of it."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "folder"
        with _paid_provider():
            _work(folder, python)
        _pack(folder, HERE / f"{name}.tar.gz")
        fresh = Path(made) / "fresh"
        unpack(name, fresh)
        bring_up_to_date(fresh, python)
        text = json.dumps(said(fresh, python), ensure_ascii=False, indent=1, sort_keys=True)
        (HERE / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _work(folder: Path, python: str) -> None:
    def run(config: Path, seeds: int, *options: str) -> tuple[str | Path, ...]:
        given = ("-s", "offline", "-n", str(seeds), "--concurrency", "1", "-q", "-y")
        return ("run", "-c", config, *given, "-o", folder, *options)

    command(python, *run(BEFORE_EDIT, FIRST))
    command(python, *run(AFTER_EDIT, SECOND))
    command(python, *run(AFTER_EDIT, SECOND, "--retry-dropped"))
    for point in DEATHS:
        _die(python, point, *run(AFTER_EDIT, KILLER))
    command(python, *run(AFTER_EDIT, SECOND))  # Opening it counts the third death.
    _die(python, DEATHS[0], *run(AFTER_EDIT, WAITING))
    command(python, *run(AFTER_EDIT, SECOND))


class _Paid(BaseHTTPRequestHandler):
    """Answers every chat with the same words, and counts tokens, so that an agent costs money."""

    def do_POST(self) -> None:
        """See ``BaseHTTPRequestHandler``."""
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "after four days it is tuesday . the answer is tuesday ."}
        answer = {
            "id": "paid",
            "object": "chat.completion",
            "created": 0,
            "model": "paid",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what failed is told by the run."""


@contextmanager
def _paid_provider() -> Iterator[None]:
    """The provider of the agent ``paid``, at the address in its agents.yaml."""
    with ThreadingHTTPServer(("127.0.0.1", PAID_PORT), _Paid) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _die(python: str, point: str, *arguments: str | Path) -> None:
    """Run a command that is killed where an environment variable says."""
    environment = {**os.environ, "STAR_AGENTS_CRASH_AT": point, "HF_HUB_OFFLINE": "1"}
    line = [python, "-m", "star_agents", *map(str, arguments)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the run did not die at {point}: {done.returncode}, {done.stderr}")


def _pack(folder: Path, file: Path) -> None:
    """A tar that is the same for the same files: no owner, no times."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for part in PARTS:
            content = (folder / part).read_bytes()
            entry = tarfile.TarInfo(part)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    file.write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("check", "make"))
    parser.add_argument("names", nargs="*", default=NAMES, help=f"of {', '.join(NAMES)}, or a new one for make")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has star_agents")
    given = parser.parse_args()
    agree = True
    for name in given.names:
        if given.what == "make":
            make(name, given.python)
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = list(islice(first_differences(name, Path(folder) / name, given.python), 20))
        print("\n".join(found) if found else f"{name}: status, report and exports say what was recorded")
        agree = agree and not found
    sys.exit(not agree)


if __name__ == "__main__":
    main()
