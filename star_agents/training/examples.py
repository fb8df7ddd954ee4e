"""What is learned from one row: turns as plain data, ready for a chat template. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Turns = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A conversation, or a pair of answers to one."""

    prompt: Turns
    """Every turn before the answer, in texts of three roles."""
    answer: str = ""
    """What is learned, or preferred; empty where there is only a prompt."""
    rejected: str = ""
    """The answer that lost; empty where there is no pair."""
    margin: float | None = None
    """By how many points it lost."""
    turns: Turns = ()
    """The conversation with calls of tools as calls, its answer included; empty where it holds no tools."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Functions that could be called, in OpenAI's form."""
    answers: int = 1
    """Turns at the end that are the answer: the last one, and calls of tools on the way to it."""
    where: str = ""
    """Its place, for people."""
    group: str = ""
    """The same for rows of one prompt, which are held out together or not at all."""

    @property
    def messages(self) -> Turns:
        """The whole conversation in texts of three roles."""
        return (*self.prompt, {"role": "assistant", "content": self.answer})
