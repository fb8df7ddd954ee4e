"""A model that plays the examples of a skill: it writes what they ask, and answers as they do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from instruct_model import Asked, InstructModel, Says

from star_agents.recipes.parts.forms import LETTERS
from star_agents.recipes.parts.skills import Example, Skill, Type
from star_agents.records import Message

TRANSFORMED = "Quillfeather"
"""A word of every text that the document is turned into, unless it stays as it is, and of no example."""
LACKING = [{"name": name, "parameters": {"type": "object"}} for name in ("change_booking", "order_taxi")]
"""Functions that tasks of the examples are to lack: the document gives them, too."""


def example_of(kind: Type) -> Example:
    """Every type that ships has one."""
    assert kind.example is not None
    return kind.example


def turns_of(kind: Type) -> tuple[Message, ...]:
    """All turns after the request of the example of a type with tools."""
    example = example_of(kind)
    assert example.answer is not None
    return (*example.tool_turns, Message(role="assistant", content=example.answer))


class ExampleModel(InstructModel):
    """Plays the examples of a skill, one of each type that it is asked for."""

    def __init__(self, skill: Skill, **parts: Says) -> None:
        super().__init__(**parts)
        self.skill = skill
        self.by_instruction: Mapping[str, Type] = {example_of(kind).instruction: kind for kind in skill.types}

    def _transform(self, asked: Asked) -> str:
        if "array of functions" in asked.system:
            return json.dumps([*example_of(self.skill.types[0]).tools, *LACKING])
        return (
            f'[{{"name": "{TRANSFORMED}"}}]' if "Reply with one JSON" in asked.system else f"A text of {TRANSFORMED}."
        )

    def _write(self, asked: Asked) -> dict[str, Any]:
        kind = next(one for one in self.skill.types if f"\n{one.ask}\n" in asked.system)
        fields = ("instruction", "options", "key", "keys", "turns", "lacks")
        written = example_of(kind).model_dump(mode="json")
        return {"items": [{name: written[name] for name in fields if f'"{name}"' in asked.system}]}

    def _answer(self, asked: Asked) -> str:
        said = [turn["content"] for turn in asked.frame("conversation") or []]
        asked_last = str(asked.frame("instruction"))
        opening = str(said[0]) if said else asked_last
        kind = self.by_instruction.get(opening) or self.by_instruction[opening.rpartition("\n\nA) ")[0]]
        match self.skill.form_of(kind):
            case "tool_calls":
                own = [turn for turn in turns_of(kind) if turn.role == "assistant"]
                return _in_tags(own["".join([*said, asked_last]).count("<tool_response>")])
            case "messages":
                return "Here is what can be said of that."
            case "choice" | "label":
                return example_of(kind).answer or _keyed(example_of(kind), self.skill.form_of(kind) == "choice")
            case _:
                return example_of(kind).answer or "Here is what can be said of that."

    def _tool(self, asked: Asked) -> dict[str, Any]:
        return {"results": ['{"found": [21, 22]}' for _ in asked.frame("calls")]}


def _keyed(example: Example, is_choice: bool) -> str:
    return f"Answer: {LETTERS[example.options.index(example.key)]}" if is_choice else example.key


def _in_tags(turn: Message) -> str:
    calls = [f'{{"name": "{one.name}", "arguments": {one.arguments}}}' for one in turn.tool_calls]
    return "\n".join([turn.content, *(f"<tool_call>{one}</tool_call>" for one in calls)])
