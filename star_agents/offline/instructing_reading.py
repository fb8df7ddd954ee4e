"""What AgentInstruct asks a sample agent for, read from its prompts alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Part = Literal["transform", "write", "suggest", "edit", "answer", "tool", "grow"]
_PARTS: Mapping[str, Part] = {
    "You turn documents into other texts": "transform",
    "You write instructions that language models are trained on": "write",
    "You propose how an instruction": "suggest",
    "You edit instructions that language models are trained on": "edit",
    "You answer what a user asks": "answer",
    "You play functions that a language model calls": "tool",
    "You find new types of instructions": "grow",
}
_CODE = re.compile(r"frames marked with the code (\w+)")
_COUNT = re.compile(r"^(?:From the text that you are given, write|Propose) (\d+)", re.MULTILINE)
_OPTIONS = re.compile(r"— (\d+) options without letters")
_LABELS = re.compile(r"— the labels, which are (.+?), of which", re.DOTALL)
_GOAL = re.compile(r"^([a-z][a-z0-9_]*): ", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Instructing:
    """One request of AgentInstruct."""

    part: Part
    system: str
    frames: Mapping[str, Any]
    code: str
    """Of the frames, which differs from store to store."""
    is_again: bool
    """Whether an earlier reply could not be used."""

    @property
    def count(self) -> int:
        """How many instructions or suggestions are asked for."""
        found = _COUNT.search(self.system)
        return int(found[1]) if found else 1

    @property
    def options(self) -> int:
        """How many options are asked for; 0: as many as one likes."""
        found = _OPTIONS.search(self.system)
        return int(found[1]) if found else 0

    @property
    def labels(self) -> list[str]:
        """The labels that are given; none: whoever writes finds them."""
        found = _LABELS.search(self.system)
        return found[1].split(" | ") if found else []

    @property
    def goals(self) -> list[str]:
        """Names of the goals that suggestions may have."""
        listed = self.system.partition("There are these goals:")[2].partition("\nPropose ")[0]
        return _GOAL.findall(listed)

    @property
    def types(self) -> list[str]:
        """Names of the types that a skill has and had."""
        listed = self.system.partition("The skill has these types:")[2].partition("\nYou are shown instructions")[0]
        return _GOAL.findall(listed)

    def says(self, words: str) -> bool:
        """Whether the prompt says this."""
        return words in self.system


def read_instructing(messages: Sequence[Mapping[str, str]]) -> Instructing | None:
    """The request, if it is one."""
    system = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    part = next((part for opening, part in _PARTS.items() if system.startswith(opening)), None)
    code = _CODE.search(system)
    if part is None or code is None or len(messages) < 2:
        return None
    found = re.findall(rf"^<(\w+) {code[1]}>\n(.*)\n</\1 {code[1]}>$", messages[1]["content"], re.MULTILINE)
    try:
        frames = {name: json.loads(held) for name, held in found}
    except json.JSONDecodeError:
        return None
    return Instructing(part=part, system=system, frames=frames, code=code[1], is_again=len(messages) > 2)
