"""A real small LLM behind llama.cpp's own server, and seeds of public data: what ``tools/real_model`` serves."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "tools" / "real_model"
DATA = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class RealLlm:
    """A server at work."""

    url: str
    """Of SmolLM2-135M-Instruct, ending in ``/v1``; its model is called ``smollm2``."""
    embedder_url: str
    """Of MiniLM, likewise; its model is called ``minilm``."""
    agents_yaml: str
    """Of ``star`` it has agents ``writer``, ``judge`` and ``minilm``, the last one as the memory bank's embedder."""


@contextmanager
def real_llm(folder: Path, recipe: str = "star") -> Iterator[RealLlm]:
    """Start it, setting it up where that was never done; skips the test where it cannot be set up.

    It is ready in a second, and writes 30 to 150 tokens per second, all requests together.

    Args:
        folder: Takes agents.yaml and the server's log.
        recipe: Which agents.yaml: ``star``, or ``arena_instruct`` with an agent for every part.
    """
    setup = subprocess.run([sys.executable, TOOL, "setup"], capture_output=True, text=True, check=False)
    if setup.returncode:
        pytest.skip(f"tools/real_model setup: {setup.stderr.strip()}")
    config = folder / "real_llm.yaml"
    command = [sys.executable, str(TOOL), "serve", "--embedder", "--write", str(config), "--recipe", recipe]
    with (folder / "real_llm.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        try:
            urls = [process.stdout.readline().strip() for _ in range(2)]
            assert all(urls), Path(log.name).read_text()
            yield RealLlm(urls[0], urls[1], config.read_text(encoding="utf-8"))
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


class Counted(ThreadingHTTPServer):
    """Stands before a server and keeps what it is asked: an account that is not the product's own."""

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self.upstream = url.removesuffix("/v1")
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.asked: list[bytes] = []
        """Bodies of the requests."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Somebody who was killed does not wait for the answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Forwarding(BaseHTTPRequestHandler):
    server: Counted
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(body)
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.server.upstream + self.path, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=600) as reply:
                status, said = reply.status, reply.read()
        except urllib.error.HTTPError as refused:
            status, said = refused.code, refused.read()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@contextmanager
def counted(url: str) -> Iterator[Counted]:
    """A server that counts, before another one."""
    server = Counted(url)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def real_rows(count: int) -> list[dict[str, str]]:
    """The first short rows of a public dataset of written answers (GPTeacher)."""
    path = DATA / "gpteacher" / "roleplay-simple-deduped-roleplay-instruct.json"
    if not path.exists():
        pytest.skip("the shared data files are not at hand")
    rows: list[dict[str, str]] = json.loads(path.read_text("utf-8"))
    return [row for row in rows if 40 < len(row["response"]) < 500][:count]


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write them as a seed file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
