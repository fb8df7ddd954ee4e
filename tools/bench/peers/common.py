"""What both peers are asked: the seeds of the product's job, and the same comparison of two answers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

IN_FLIGHT = 256
MAX_TOKENS = 2048
RUBRIC = "Weigh the two answers, in the order of correctness, completeness and clarity, and say which is better. " * 12
VERDICT = 'End with one line of JSON: {"code": "0123456789abcdef", "verdict": "A"}'


def comparison(instruction: str, first: str, second: str) -> str:
    """The judge's prompt; the answers may be placeholders of a template."""
    shown = f"{instruction}\n<answer A>\n{first}\n</answer A>\n<answer B>\n{second}\n</answer B>"
    return f"{RUBRIC}\n{shown}\n{VERDICT}"


def options(description: str | None) -> argparse.Namespace:
    """``--url``, ``--seeds``, ``--folder``, ``--batch`` and ``--form``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="base URL, /v1 included where it speaks OpenAI's protocol")
    parser.add_argument("--seeds", type=Path, required=True, help="JSON lines with `instruction`")
    parser.add_argument("--folder", type=Path, required=True, help="for what the peer writes")
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--form", choices=["openai", "anthropic"], default="openai", help="protocol of the provider")
    return parser.parse_args()


def instructions(path: Path) -> list[str]:
    """Of the seed file."""
    return [json.loads(line)["instruction"] for line in path.read_text("utf-8").splitlines()]
