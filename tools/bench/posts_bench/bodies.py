"""Bodies of POST /v1/seeds, as long as may be: honest ones, each of other seeds, and hostile ones."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

from hostile_bodies import HOSTILE, JSON, LINES, Body

SIZE = 15 << 20
_MARK = b"@@@@@@"


def honest(content_type: str) -> Iterator[Body]:
    """One body after the other, of rows of a kilobyte; no seed comes twice."""
    rows = [_row(number) for number in range(SIZE // 1000)]
    text = ("\n".join(rows) if content_type == LINES else f"[{','.join(rows)}]").encode()
    for number in itertools.count():
        yield content_type, text.replace(_MARK, b"%06d" % number)


def _row(number: int) -> str:
    question = f"Request {_MARK.decode()}: what follows {number}? " + "Tell it in plain words, please. " * 12
    return json.dumps({"instruction": question, "output": "It is the next one. " * 28, "n": number})


def hostile() -> Iterator[Body]:
    """One body after the other that costs more than it weighs, kind by kind."""
    yield from itertools.cycle([make(SIZE) for make in HOSTILE.values()])


KINDS: dict[str, Callable[[], Iterator[Body]]] = {
    "list": lambda: honest(JSON),
    "lines": lambda: honest(LINES),
    "hostile": hostile,
}
