"""How replies of AgentInstruct's agents are read: instructions in their forms, suggestions, edits, answers. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from star_agents.recipes.parts.drafts import Draft, instruction_flaw
from star_agents.recipes.parts.elimination import answer_flaw
from star_agents.recipes.parts.forms import (
    FEWEST_OPTIONS,
    LETTERS,
    Form,
    Written,
    answer_form_flaw,
    says_something,
    transformed_flaw,
)
from star_agents.recipes.parts.forms import Transformed as TransformedForm
from star_agents.recipes.parts.json_schema import json_in
from star_agents.recipes.parts.tool_calls import calling_turn, calls_flaw, unwrapped
from star_agents.recipes.parts.tool_dialogue import dialogue_flaw
from star_agents.recipes.reads import TEXT, Json, Unreadable
from star_agents.records import Message

_TEXTS = {"type": "array", "items": {"type": "string"}}
_FIELDS: Mapping[Form, Mapping[str, Any]] = {
    "text": {},
    "choice": {"options": _TEXTS, "key": {"type": "string"}},
    "label": {"options": _TEXTS, "key": {"type": "string"}},
    "json": {"keys": _TEXTS},
    "code": {},
    "tool_calls": {"tools": {"type": "array", "items": {"type": "object"}}},
    "messages": {"turns": _TEXTS},
}
"""What an instruction of a form has beside its words."""
_MOST_TURNS, _MOST_KEYS, _MOST_CHOICES, _MOST_LABELS = 8, 30, 5, 10
"""That a server may write into one list: a small model would else go on until its tokens are spent. Choices: as many
as the writer is asked for."""
_CHANGE_LETTERS = 600
"""Of a change that is proposed, likewise."""
_REQUEST = "Reply with one JSON object and nothing else."
_LETTERED = re.compile(r"\(?([A-Z])[).:]\s+")


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _item(draft: Draft) -> dict[str, Any]:
    beside = {} if draft.has_tools else _FIELDS[draft.form]
    return {"instruction": {"type": "string"}, **beside, **({"lacks": {"type": "string"}} if draft.lacks else {})}


def _list(item: Mapping[str, Any], fewest: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": fewest, "maxItems": most}


def _bound_item(draft: Draft) -> dict[str, Any]:
    """The same as a server is to bind it, as tightly as the type has it. Who reads it takes more, since what is wrong
    with one of a list is told of that one."""
    kind, text = draft.kind, {"type": "string"}
    bounds: dict[str, Any] = {}
    match draft.form:
        case "choice" | "label":
            count = kind.options or len(kind.labels)
            most = count or (_MOST_CHOICES if draft.form == "choice" else _MOST_LABELS)
            one = {**text, "enum": list(kind.labels)} if kind.labels else text
            bounds = {"options": _list(one, count or FEWEST_OPTIONS, most), "key": one}
        case "json":
            bounds = {"keys": _list(text, 0, _MOST_KEYS)}
        case "messages":
            bounds = {"turns": _list(text, 1, _MOST_TURNS)}
        case "text" | "code" | "tool_calls":
            pass
    return {**_item(draft), **bounds}


@dataclass(frozen=True, slots=True)
class Transformed:
    """What a document was turned into, in the form that it is to have."""

    form: TransformedForm
    schema: None = None
    request: str = ""

    def read(self, text: str) -> str:
        """The text; JSON without a fence around it. Raises ``Unreadable``."""
        said = TEXT.read(text)
        if flaw := transformed_flaw(said, self.form):
            raise Unreadable(flaw)
        return said if self.form == "text" else json.dumps(json_in(said), ensure_ascii=False, indent=1)


@dataclass(frozen=True, slots=True)
class Items:
    """A list of instructions of one type, as they are: what is wrong with one of them is no fault of the others."""

    blank: Draft
    """One that nobody has written."""
    most: int
    """So many are taken."""
    request: str = _REQUEST

    @property
    def schema(self) -> Mapping[str, Any]:
        """What the reply can be bound to."""
        return _object({"items": _list(_object(_bound_item(self.blank)), 1, self.most)})

    def read(self, text: str) -> list[Written]:
        """The first ones. Raises ``Unreadable`` where there are none."""
        items = Json(_object({"items": {"type": "array", "items": _object(_item(self.blank))}})).read(text)["items"]
        if not items:
            raise Unreadable("the list of items is empty")
        return [written_in(one, self.blank) for one in items[: self.most]]


@dataclass(frozen=True, slots=True)
class Edited:
    """One instruction made of another one, and the text that goes with it, which has to have the other's form."""

    parent: Draft
    changes_text: bool
    request: str = _REQUEST

    @property
    def schema(self) -> Mapping[str, Any]:
        """What the reply can be bound to."""
        return _object({**_bound_item(self.parent), **self._text})

    @property
    def _text(self) -> Mapping[str, Any]:
        return {"text": {"type": "string"}} if self.changes_text else {}

    def read(self, text: str) -> Draft:
        """The other one. Raises ``Unreadable`` where it has not the form, or is no other."""
        found = Json(_object({**_item(self.parent), **self._text})).read(text)
        changed = (found.get("text") or "").strip() or self.parent.text
        if changed != self.parent.text and not says_something(changed):
            raise Unreadable('"text" holds no words; it is the whole text, or "" where that stays as it is')
        draft = replace(self.parent, written=written_in(found, self.parent), text=changed)
        if flaw := instruction_flaw(draft):
            raise Unreadable(flaw)
        if draft.identity == self.parent.identity:
            raise Unreadable("nothing was changed")
        return draft


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Ways to make an instruction better, each after one of some goals."""

    goals: Sequence[str]
    most: int
    request: str = _REQUEST

    @property
    def schema(self) -> Mapping[str, Any]:
        """What the reply can be bound to."""
        change = {"type": "string", "maxLength": _CHANGE_LETTERS}
        return _object({"suggestions": _list(_object({**self._goal, "change": change}), 1, self.most)})

    @property
    def _goal(self) -> Mapping[str, Any]:
        return {"goal": {"type": "string", "enum": list(self.goals)}}

    def read(self, text: str) -> list[tuple[str, str]]:
        """Goal and change of the first ones. Raises ``Unreadable`` where there are none."""
        one = _object({**self._goal, "change": {"type": "string"}})
        found = Json(_object({"suggestions": {"type": "array", "items": one}})).read(text)["suggestions"]
        told = [(str(one["goal"]), one["change"].strip()) for one in found if says_something(one["change"])]
        if not told:
            raise Unreadable("there is no suggestion")
        return told[: self.most]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer in the form of its instruction. Whether it is what the key says is not asked here: whoever is told to
    mend that is told the key."""

    draft: Draft
    schema: None = None
    request: str = ""

    def read(self, text: str) -> str:
        """The answer. Raises ``Unreadable``."""
        said, draft = TEXT.read(text), self.draft
        if flaw := answer_form_flaw(said, draft.written, draft.form):
            raise Unreadable(flaw)
        is_short = draft.form in ("choice", "label", "json")
        if not is_short and (flaw := answer_flaw(said, instruction=draft.written.instruction)):
            raise Unreadable(flaw)
        return said


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of somebody who may call tools."""

    draft: Draft
    before: Sequence[Message]
    """The turns since the request."""
    schema: None = None
    request: str = ""

    def read(self, text: str) -> str:
        """The turn. Raises ``Unreadable`` where a call in it is none that a tool takes, or the kind of task demands
        another turn."""
        said, written = TEXT.read(text), self.draft.written
        if flaw := calls_flaw(said, written.tools):
            raise Unreadable(flaw)
        turns = (*self.before, calling_turn(said, len(self.before)))
        if flaw := dialogue_flaw(turns, written, self.draft.kind.demand):
            raise Unreadable(flaw)
        return said


@dataclass(frozen=True, slots=True)
class Results:
    """What functions give, one text for each call."""

    calls: int
    request: str = _REQUEST

    @property
    def schema(self) -> Mapping[str, Any]:
        """What the reply can be bound to."""
        return _object({"results": _list({"type": "string"}, self.calls, self.calls)})

    def read(self, text: str) -> list[str]:
        """The results. Raises ``Unreadable``."""
        results: list[str] = Json(_object({"results": _TEXTS})).read(text)["results"]
        if len(results) != self.calls:
            raise Unreadable(f"there are {len(results)} results, and {self.calls} calls")
        return results


def written_in(item: Mapping[str, Any], like: Draft) -> Written:
    """An instruction as a reply has it: letters before its options are taken off, and a key that is a letter is the
    option of that letter. Functions that were given before are those of another one that it is ``like``, less the one
    that is to be lacking."""
    options = [one.strip() for one in item.get("options", ())]
    found = [_LETTERED.match(one) for one in options]
    letters = [one[1] if one else "" for one in found]
    key = str(item.get("key", "")).strip()
    if options and letters == list(LETTERS[: len(options)]):
        options = [one[match.end() :] for one, match in zip(options, found, strict=True) if match]
        lettered = _LETTERED.match(key)
        key = key[lettered.end() :] if lettered else key
    tools = like.written.tools if like.has_tools else unwrapped(item.get("tools", ()))
    lacks = str(item.get("lacks", "")).strip()
    letter = key.strip("().: ").upper()
    if key not in options and len(letter) == 1 and letter in LETTERS[: len(options)]:
        key = options[LETTERS.index(letter)]
    return Written(
        instruction=str(item["instruction"]).strip(),
        options=tuple(options),
        key=key,
        keys=tuple(str(one).strip() for one in item.get("keys", ())),
        turns=tuple(str(one).strip() for one in item.get("turns", ())),
        tools=tuple(one for one in tools if one.get("name") != lacks),
        lacks=lacks,
    )


def as_item(draft: Draft) -> dict[str, Any]:
    """An instruction as agents are shown it: what ``written_in`` reads."""
    fields = ("instruction", *_FIELDS[draft.form], *(["lacks"] if draft.lacks else []))
    return {name: value if isinstance(value := getattr(draft.written, name), str) else list(value) for name in fields}
