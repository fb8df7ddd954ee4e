"""A model that plays every part of AgentInstruct by what it is asked, and can be told to play one otherwise."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from openai_server import Answer, Body, Move

Part = str
Says = Callable[["Asked"], Any]
_PARTS = {
    "You turn documents": "transform",
    "You write instructions": "write",
    "You propose how": "suggest",
    "You edit instructions": "edit",
    "You answer what": "answer",
    "You play functions": "tool",
    "You find new types": "grow",
}


class Asked:
    """One request, as far as a reader of the prompt can tell."""

    def __init__(self, body: Body) -> None:
        self.model = str(body["model"])
        self.messages = [(str(one["role"]), str(one["content"])) for one in body["messages"]]
        self.system = self.messages[0][1]
        self.part = next(part for mark, part in _PARTS.items() if self.system.startswith(mark))
        self.is_again = len(self.messages) > 2
        """Whether the first reply could not be used."""
        found = re.search(r"marked with the code (\w+)", self.system)
        assert found is not None
        self.code = found[1]

    def frame(self, name: str) -> Any:
        """What a frame holds; ``None`` where there is none of that name."""
        found = re.findall(rf"^<{name} {self.code}>\n(.*)\n</{name} {self.code}>$", self.messages[1][1], re.MULTILINE)
        assert len(found) <= 1, f"two frames {name}"
        return json.loads(found[0]) if found else None

    @property
    def wanted(self) -> int:
        """How many instructions or suggestions are asked for."""
        found = re.search(r"(?:write|Propose) (\d+)", self.system)
        assert found is not None
        return int(found[1])

    @property
    def form(self) -> str:
        """Form of the instructions that are asked for, by what stands beside them."""
        marks = {'"key"': "choice", '"keys"': "json", '"turns"': "messages", '"tools"': "tool_calls"}
        return next((form for mark, form in marks.items() if mark in self.system), "text")


class InstructModel:
    """Plays each part plainly; ``parts`` says what is said otherwise: a text, plain data that is sent as JSON, or a
    move of the server; ``None`` leaves it to the plain way."""

    def __init__(self, **parts: Says) -> None:
        self.parts = parts
        self.asked: list[Asked] = []

    def __call__(self, body: Body) -> Move:
        asked = Asked(body)
        self.asked.append(asked)
        said = self.parts[asked.part](asked) if asked.part in self.parts else None
        said = getattr(self, f"_{asked.part}")(asked) if said is None else said
        if isinstance(said, (str, dict, list)):
            return Answer(text=said if isinstance(said, str) else json.dumps(said))
        return said  # type: ignore[no-any-return]

    @property
    def calls(self) -> Counter[str]:
        """How often each part was asked."""
        return Counter(one.part for one in self.asked)

    def _transform(self, asked: Asked) -> str:
        return f"A text made of: {asked.frame('document')}"

    def _write(self, asked: Asked) -> dict[str, Any]:
        mark = len(self.asked)
        return {"items": [item(asked.form, f"Question {mark}.{n}") for n in range(asked.wanted)]}

    def _suggest(self, asked: Asked) -> dict[str, Any]:
        goal = re.search(r'"goal": "(\w+)"', asked.system)
        assert goal is not None
        return {"suggestions": [{"goal": goal[1], "change": f"Way {n}."} for n in range(asked.wanted)]}

    def _edit(self, asked: Asked) -> dict[str, Any]:
        found: dict[str, Any] = asked.frame("instruction")
        found["instruction"] += f" And {asked.frame('change')}"
        return {**found, **({"text": f"{asked.frame('text')} Changed."} if '"text": "..."' in asked.system else {})}

    def _answer(self, asked: Asked) -> str:
        if "Answer: B" in asked.system:
            return "It is so. Answer: B"
        if "JSON alone" in asked.system:
            return '{"name": "x", "year": 1}'
        return f"Here is what can be said of that: {asked.frame('instruction')}"

    def _grow(self, asked: Asked) -> dict[str, Any]:
        mark = self.calls["grow"]
        return {"types": [proposal(f"new{mark}_{n}") for n in range(1, asked.wanted + 1)]}

    def _tool(self, asked: Asked) -> dict[str, Any]:
        return {"results": ["It is so."] * len(asked.frame("calls"))}


def proposal(name: str, ask: str = "", example: str = "Such as this?") -> dict[str, str]:
    """A type as a grower proposes it."""
    return {"name": name, "ask": ask or f"Puzzles of {name} in {name}ish ways.", "example": example}


def item(form: str, instruction: str) -> dict[str, Any]:
    """An instruction of a form."""
    beside: dict[str, dict[str, Any]] = {
        "choice": {"options": ["red", "green", "blue"], "key": "green"},
        "json": {"keys": ["name", "year"]},
        "messages": {"turns": ["And then?", "And at last?"]},
        "tool_calls": {"tools": [{"name": "look_up", "parameters": {"type": "object", "properties": {"what": {}}}}]},
    }
    return {"instruction": instruction, **beside.get(form, {})}
