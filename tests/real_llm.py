"""A real small LLM behind llama.cpp's own server, and seeds of public data: what ``tools/real_model`` serves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
    """Has the agents ``writer``, ``judge`` and ``minilm``, the last one as the memory bank's embedder."""


@contextmanager
def real_llm(folder: Path) -> Iterator[RealLlm]:
    """Start it, setting it up where that was never done; skips the test where it cannot be set up.

    It is ready in a second, and writes 30 to 150 tokens per second, all requests together.

    Args:
        folder: Takes agents.yaml and the server's log.
    """
    setup = subprocess.run([sys.executable, TOOL, "setup"], capture_output=True, text=True, check=False)
    if setup.returncode:
        pytest.skip(f"tools/real_model setup: {setup.stderr.strip()}")
    config = folder / "real_llm.yaml"
    command = [sys.executable, str(TOOL), "serve", "--embedder", "--write", str(config)]
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
