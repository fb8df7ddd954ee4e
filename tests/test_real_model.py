"""A real local model behind a real server as an agent: `transformers serve` on a tiny Llama, offline."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import PATIENCE_S
from lines import config_for, read_jsonl, run, seeds
from tiny_models import save_model, train_tokenizer

CHAT = (
    "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    tokenizer = train_tokenizer(chat_template=CHAT)
    return save_model(tmp_path_factory.mktemp("model"), tokenizer, "llama", max_position_embeddings=1024)


@pytest.fixture(scope="module")
def server(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("fastapi", reason="transformers[serving] is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    log = tmp_path_factory.mktemp("log") / "serve.log"
    command = [str(program), "serve", model, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", process, str(log))
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: str) -> None:
    """Poll, as there is nothing of another program to wait on but its answers."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, Path(log).read_text()
        assert time.monotonic() < deadline, Path(log).read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            continue


async def test_a_real_model_behind_a_real_server_writes_candidates(model: str, server: str, tmp_path: Path) -> None:
    agent = f'model: "openai/{model}", api_base: "{server}", api_key: os.environ/LINE_TEST_KEY'
    replaced = f"agents: {{a: {{{agent}, max_tokens: 12, allow_cut: true}}}}\nselection: random\ncandidates: 1"
    config = config_for(server, agents=("a",), replaced=replaced)
    result = await run(config, seeds(3), tmp_path)
    assert result.stopped_by == ""
    assert result.summary["agents"]["a"]["answered"] == 3
    assert result.summary["agents"]["a"]["completion_tokens"] > 0
    assert result.summary["pairs"]["keep/a"]["failures"] == 0
    assert len(read_jsonl(tmp_path / "dataset.jsonl")) == 3
