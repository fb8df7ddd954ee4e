"""What a family of tasks is: wordings that can be written and read back, and a worked answer.

A *wording* is a template such as ``which is {order} , {a} or {b} ?``. The same template states an instruction and
recognises it, so whoever sees only the text of a prompt can recover the task behind it. All wordings of a family carry
the same slots: any of them can be turned into any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

Slots = Mapping[str, str]

_SLOT = re.compile(r"\{(\w+)\}")
_PHRASES = frozenset({"items", "terms", "options", "order", "relation", "rows", "text"})
"""Slots that hold more than one word; all others hold exactly one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """An answer and the short reasoning that leads to it."""

    answer: str
    statement: str
    """One or two sentences that hold the result, each closed by `` .``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Working:
    """The right result of a task and its near misses: the neighbour's value, one step too many, the other end."""

    right: Result
    misses: tuple[Result, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """One kind of task."""

    name: str
    wordings: tuple[str, ...]
    draw: Callable[[Random], dict[str, str]]
    """Slots of a new task."""
    work: Callable[[Slots], Working]
    """Work a task out. Raises ``LookupError`` or ``ValueError`` where the slots are not of this world."""
    input: str = ""
    """Template of the input column; empty where the instruction stands alone."""
    stretch: Callable[[Slots, Random], dict[str, str]] | None = None
    """Slots of a more demanding task of this family, where there is one."""

    def read(self, text: str) -> tuple[int, dict[str, str]] | None:
        """Recover ``(wording, slots)`` from a question: instruction, blank line, input. ``None`` if it is another's."""
        for number, wording in enumerate(self.wordings):
            match = _pattern(wording, self.input).fullmatch(text)
            if match:
                return number, match.groupdict()
        return None


def join(words: tuple[str, ...] | list[str]) -> str:
    """``red , blue and green``."""
    return " and ".join(part for part in (" , ".join(words[:-1]), words[-1]) if part)


def split(text: str) -> list[str]:
    """``4 , 9 , 2`` as its parts."""
    return text.split(" , ")


@cache
def _pattern(wording: str, input_template: str) -> re.Pattern[str]:
    template = f"{wording}\n\n{input_template}" if input_template else wording
    seen: set[str] = set()
    parts: list[str] = []
    for index, part in enumerate(_SLOT.split(template)):
        if index % 2 == 0:
            parts.append(re.escape(part).replace("\\\n\\\n", r"\s*\n\s*"))
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            seen.add(part)
            parts.append(f"(?P<{part}>[^\\n]+?)" if part in _PHRASES else rf"(?P<{part}>\S+?)")
    return re.compile("".join(parts))
