"""Two minutes of `train` on one device, as a user calls it; SIGTERM ends what is not done by then, and has it saved."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from calls_bench.rows import Row
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from scoring_bench.models import ROOT, SHAPES, VOCABULARY, mix, tokenizer

TRAINED_S = 120.0
REHEARSED_S = 120.0
SAVES_S = 60.0
"""Seconds that the step in hand and the checkpoint may take after the signal."""
OPTIONS = ("--max-length", "512", "--chat-template", "plain", "--learning-rate", "3e-4")
STEP = re.compile(r"^([\d,]+)/[\d,]+ steps, loss ([\d.]+)(?:, ([\d,]+) tokens/s)?", re.MULTILINE)
"""What the command says of a step."""


def training(device: torch.device) -> list[Row]:
    """Trains a small model that knows nothing on real rows; its loss has to fall, and its checkpoint to be there."""
    name = "160m" if device.type == "cuda" else "tiny"
    if find_spec("trl") is None:
        return [_row(name, "**not run**: pip install 'star-agents[train]'", None)]
    with tempfile.TemporaryDirectory() as folder:
        _prepare(Path(folder), name)
        return [_trained(Path(folder), name, device)]


def _prepare(folder: Path, name: str) -> None:
    torch.manual_seed(7)
    shape: dict[str, Any] = {"vocab_size": VOCABULARY, "max_position_embeddings": 2048, **SHAPES[name]}
    make: Any = AutoModelForCausalLM.from_config
    make(GPTNeoXConfig(**shape)).save_pretrained(folder / "base")
    tokenizer().save_pretrained(folder / "base")
    rows = [json.dumps({"instruction": pair.instruction, "output": pair.response}) for pair in mix("mixed")]
    (folder / "rows.jsonl").write_text("\n".join(rows), "utf-8")


def _trained(folder: Path, name: str, device: torch.device) -> Row:
    on_gpu = device.type == "cuda"
    command = [sys.executable, "-m", "star_agents", "train", str(folder / "rows.jsonl"), *OPTIONS]
    command += ["--model", str(folder / "base"), "-o", str(folder / "out")]
    size = ["--batch", "32", "--max-steps", "2000", "--precision", "bfloat16"]
    command += size if on_gpu else ["--batch", "4", "--max-steps", "20"]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    begin = time.monotonic()
    # A file and no pipe: nobody reads while it trains, and a pipe that is full would hold it up.
    with (folder / "told.txt").open("w+") as told:
        process = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": path}, stdout=told, stderr=subprocess.STDOUT, text=True
        )
        try:
            process.wait(TRAINED_S if on_gpu else REHEARSED_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.wait(SAVES_S)
        finally:
            process.kill()
        told.seek(0)
        output = told.read()
    print(output[:1500], output[-1500:], sep="\n…\n", flush=True)
    return read(output, name, process.returncode, time.monotonic() - begin)


def read(output: str, name: str, code: int, seconds: float) -> Row:
    """What the command said, as a row."""
    steps = STEP.findall(output)
    if len(steps) < 2:
        return _row(name, f"**{len(steps)} steps told** in {seconds:.0f} s, exit code {code}", holds=False)
    (_, first, _), (number, last, rate) = steps[0], steps[-1]
    whole, saved = code == 0, "saved in" in output and code == 128 + signal.SIGTERM
    told = f"**{number} steps at {rate or '?'} tokens/s** in {seconds:.0f} s, start included; loss {first} → {last}; "
    told += "whole" if whole else f"exit code {code}, {'' if saved else 'not '}saved at the signal"
    return _row(name, told, holds=float(last) < float(first) and (whole or saved))


def _row(name: str, measured: str, holds: bool | None) -> Row:
    return Row(
        key="train.minutes",
        what=f"`train` on {name} random weights, GPTeacher's rows, all weights, beside the tests",
        measured=measured,
        target="the loss falls; whole, or saved",
        holds=holds,
    )
