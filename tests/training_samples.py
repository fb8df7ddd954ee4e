"""Tiny models and rows to train on, and how a training is called in tests."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from tiny_models import CHAT_TEMPLATE, save_model, train_tokenizer

from star_agents.engine.training.job import train
from star_agents.engine.training.result import StopWord, Trained
from star_agents.training.request import Method, TrainingRequest, settings_of

ANSWERS = ("Red, green and blue.", "Paris.", "A fox crossed the river.", "Light is scattered by the air.")
QUICK = {"batch": 4, "max_length": 128, "learning_rate": 5e-3, "max_steps": 6}


def tiny(folder: Path, *, chat_template: str | None = CHAT_TEMPLATE, **changes: Any) -> str:
    """A model of two layers with random weights; return its folder."""
    return save_model(folder, train_tokenizer(chat_template=chat_template), "llama", **changes)


def samples(count: int = 16) -> list[dict[str, Any]]:
    """Rows of messages: few answers, so that they are soon learned."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"Question {number}?"},
                {"role": "assistant", "content": ANSWERS[number % len(ANSWERS)]},
            ]
        }
        for number in range(count)
    ]


def pairs(count: int = 16, **columns: Any) -> list[dict[str, Any]]:
    """Preferences as `export -f dpo` writes them."""
    return [
        {
            "prompt": [{"role": "user", "content": f"Question {number}?"}],
            "chosen": [{"role": "assistant", "content": ANSWERS[number % 2]}],
            "rejected": [{"role": "assistant", "content": ANSWERS[2 + number % 2]}],
            **columns,
        }
        for number in range(count)
    ]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def request(
    model: str, rows: Path | Sequence[dict[str, Any]], out: Path, method: Method = "sft", **options: Any
) -> TrainingRequest:
    """A quick one; ``options`` are settings, or fields of the request."""
    fields = TrainingRequest.__dataclass_fields__
    changes = {name: value for name, value in options.items() if name not in fields}
    settings = settings_of(method, **{**QUICK, **changes})
    if not isinstance(rows, Path):
        rows = write(out.with_name(f"{out.name}-rows.jsonl"), rows)
    given = {name: value for name, value in options.items() if name in fields}
    return TrainingRequest(source=rows, model=model, out=out, method=method, settings=settings, **given)


def run(asked: TrainingRequest, stop: StopWord | None = None) -> tuple[Trained, str]:
    """Train; return how it ended, and what was told."""
    told = io.StringIO()
    trained = train(asked, console=Console(file=told, width=1000), stop=stop)
    return trained, told.getvalue()
