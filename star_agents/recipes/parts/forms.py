"""Forms that instructions and their answers may have, and what keeps a text from having one. Pure.

A flaw is said in words by which whoever wrote the text can mend it; empty where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from star_agents.recipes.parts.code_form import code_flaw
from star_agents.recipes.parts.json_schema import json_in, schema_flaw
from star_agents.recipes.parts.tool_calls import tools_flaw, tools_in

Form = Literal["text", "choice", "label", "json", "code", "tool_calls", "messages"]
"""``text``: free words; ``choice``: lettered options, one of which is right; ``label``: one of some labels, and nothing
else; ``json``: one JSON value; ``code``: a fenced block that parses; ``tool_calls``: calls of the tools that are shown,
in as many turns as it takes; ``messages``: a conversation in which the user goes on asking."""
Transformed = Literal["text", "json", "tools"]
"""What a document is turned into: free words; one JSON array or object; or functions that may be called."""
FEWEST_OPTIONS, MOST_OPTIONS = 2, 26
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LONGEST_KEY = 60
_ANSWER_LINE = re.compile(r"\banswer\b\W{0,6}(?:is\W{0,6})?(?:option\W{0,3})?([A-Z])\b", re.IGNORECASE)
_ALONE = re.compile(r"^\W*([A-Z])(?=\W*$|\W*[).:])", re.MULTILINE)
_SPEAKS_OF_A_TEXT = re.compile(
    r"\b(?:according to|based on|from|in|of|using|given|read) (?:the|this) (?:\w+ )?"
    r"(?:passage|text|article|excerpt|document|paragraph|transcript|story|poem|snippet)\b"
    r"(?! (?:area|box|database|editor|element|field|file|format|mode|node|object|store|string|type)s?\b)"
    r"|\bthe (?:passage|excerpt|transcript|article) (?:says?|states?|mentions?|describes?|suggests?|implies)\b"
    r"|\b(?:passage|text|article|excerpt|document|paragraph|table|code|snippet) (?:above|below)\b"
    r"|\b(?:above|following|given|provided) (?:passage|text|article|excerpt|document|paragraph|table|code|snippet)\b",
    re.IGNORECASE,
)
_TEXT_NOUN = re.compile(
    r"passage|text|article|excerpt|document|paragraph|transcript|story|poem|table|code|snippet", re.IGNORECASE
)
_QUOTED = re.compile(r"[\"“«](?:[^\"“”«»\s]+\s+){7,}[^\"“”«»]*[\"”»]")
_FEWEST_WORDS = 12
"""A paragraph with fewer words is no text that somebody asks about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """An instruction as it was written, with what its form has beside."""

    instruction: str
    options: tuple[str, ...] = ()
    """Of the forms ``choice`` and ``label``."""
    key: str = ""
    """The right one of the options, as it stands there."""
    keys: tuple[str, ...] = ()
    """Of the form ``json``: the keys of the object that is asked for; none: any value will do."""
    turns: tuple[str, ...] = ()
    """Of the form ``messages``: what the user says after the instruction."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Of the form ``tool_calls``: functions as OpenAI's API describes them: name, description, parameters."""
    lacks: str = ""
    """Of the form ``tool_calls``, where something is to keep the task from being done: the ``function.parameter`` that
    the user does not give, or the name of a function that is not there."""


def form_flaw(written: Written, form: Form) -> str:
    """What keeps an instruction from having its form."""
    if not written.instruction.strip():
        return "the instruction is empty"
    match form:
        case "choice" | "label":
            return _options_flaw(written.options, written.key)
        case "json":
            return "" if len(set(written.keys)) == len(written.keys) else "`keys` names a key twice"
        case "messages":
            return "" if written.turns and all(map(says_something, written.turns)) else "`turns` holds no further turn"
        case "tool_calls":
            return tools_flaw(written.tools)
        case "text" | "code":
            return ""


def transformed_flaw(text: str, form: Transformed) -> str:
    """What keeps what a transformer wrote from having its form."""
    try:
        match form:
            case "tools":
                return tools_flaw(tools_in(text))
            case "json":
                return schema_flaw(json_in(text), {"type": ["array", "object"]}, "the value")
    except ValueError as error:
        return f"it is no JSON: {error}"
    return "" if text.strip() else "it is empty"


def missing_text_flaw(instruction: str) -> str:
    """What tells that an instruction speaks of a text that it does not carry: nobody could answer it.

    One that it has named itself before is none: "write a story, and let the end of the story be sad".
    """
    references = _SPEAKS_OF_A_TEXT.finditer(instruction)
    found = next((one for one in references if not _is_named_before(one, instruction)), None)
    if found is None or _QUOTED.search(instruction) or "```" in instruction:
        return ""
    paragraphs = instruction.split("\n")
    others = [one for one in paragraphs if found.group() not in one]
    if sum(len(one.split()) for one in others) >= _FEWEST_WORDS:
        return ""
    return f"it speaks of a text that it does not carry ({found.group()!r})"


def _is_named_before(reference: re.Match[str], instruction: str) -> bool:
    noun = next((one for one in _TEXT_NOUN.findall(reference.group())), "")
    named = rf"\b(?:an?|one|your own|another)\s+(?:[\w'-]+\s+){{0,4}}{re.escape(noun)}\b"
    return re.search(named, instruction[: reference.start()], re.IGNORECASE) is not None


def with_options(instruction: str, options: Sequence[str]) -> str:
    """An instruction with its options below it, each with its letter."""
    lines = [f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=False)]
    return "\n".join([instruction, "", *lines])


def answer_form_flaw(answer: str, written: Written, form: Form) -> str:
    """What keeps an answer from having the form of its instruction."""
    match form:
        case "choice":
            chosen = chosen_letter(answer, len(written.options))
            return "" if chosen else "it does not say which option it takes; end it with a line such as `Answer: B`"
        case "label":
            is_label = _label(answer) in [one.casefold() for one in written.options]
            return "" if is_label else f"it is not one of the labels alone: {', '.join(written.options)}"
        case "json":
            return _json_flaw(answer, written.keys)
        case "code":
            return code_flaw(answer)
        case "text" | "tool_calls" | "messages":
            return ""


def key_flaw(answer: str, written: Written, form: Form) -> str:
    """How an answer differs from the key of its instruction, so that one of the two is wrong. It has its form."""
    if form == "choice":
        said, right = chosen_letter(answer, len(written.options)), LETTERS[written.options.index(written.key)]
        return "" if said == right else f"the answer takes option {said}, and the key says {right}"
    if form == "label" and (said := _label(answer)) != written.key.casefold():
        return f"the answer is {said[:_LONGEST_KEY]!r}, and the key says {written.key[:_LONGEST_KEY]!r}"
    return ""


def _label(answer: str) -> str:
    return answer.strip().strip("\"'`*.").casefold()


def says_something(text: str) -> bool:
    """Whether a text is more than blanks, or dots such as small models copy from the form that they are shown."""
    return bool(text.strip(" \t\r\n.\u2026"))


def _options_flaw(options: Sequence[str], key: str) -> str:
    if not FEWEST_OPTIONS <= len(options) <= MOST_OPTIONS:
        return f"it has {len(options)} options, and {FEWEST_OPTIONS} to {MOST_OPTIONS} are possible"
    folded = [" ".join(one.casefold().split()) for one in options]
    if not all(map(says_something, folded)):
        return "one of its options is empty"
    if len(set(folded)) < len(folded):
        return "two of its options are the same"
    return "" if key in options else f"its key {key[:_LONGEST_KEY]!r} is none of its options"


def chosen_letter(answer: str, options: int) -> str:
    """The option that an answer takes, by its letter; empty where it takes none, or more than one."""
    possible = LETTERS[:options]
    said: list[str] = [one.upper() for one in _ANSWER_LINE.findall(answer) if one.upper() in possible]
    if said:
        return said[-1]
    alone: set[str] = {one for one in _ALONE.findall(answer) if one in possible}
    return alone.pop() if len(alone) == 1 else ""


def _json_flaw(answer: str, keys: Sequence[str]) -> str:
    try:
        value = json_in(answer)
    except ValueError as error:
        return f"it is no JSON: {error}"
    schema = {"type": "object", "required": list(keys)} if keys else {}
    return schema_flaw(value, schema, "the JSON")
