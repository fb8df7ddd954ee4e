"""Dialogues in which tools are called, held to what their kind of task demands (arXiv 2407.03502). Pure.

AgentInstruct's kinds of task are told apart by two things: whether one tool or several are needed, and what is lacking:
nothing, a parameter that a tool requires and the user does not give, or the tool itself. Where a parameter lacks, the
dialogue ends in a question to the user; where a tool lacks, it ends by saying so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from star_agents.config.data_files import DataEntry
from star_agents.recipes.parts.forms import Written
from star_agents.recipes.parts.tool_calls import NAME, arguments_flaw
from star_agents.records import Message
from star_agents.records.tool_text import why_no_dialogue

_ASKS = re.compile(r"[?？؟]")
_DENIES = re.compile(
    r"\b(?:no|not|none|neither|nor|never|cannot|without|unable|lacks?|lacking|missing|unavailable|unsupported)\b|n['’]t\b"
    r"|\b(?:kein\w*|nicht|ohne|fehlt|geen|niet|ikke|inte|pas|aucun\w*|sin|ning[uú]n\w*|non|nessun\w*|n[aã]o|nenhum\w*)\b"
    r"|\b(?:nie|brak|нет|не|нельзя)\b|没|无法|不|ない|ません|없|못",
    re.IGNORECASE,
)
"""Words of negation in a dozen languages: a text without any does not say that something is not to be had."""


class Demand(DataEntry):
    """What a kind of task with tools asks of a dialogue."""

    functions: Literal["one", "several"]
    """How many different ones the task needs, whether they are there or not."""
    lacks: Literal["nothing", "parameter", "function"] = "nothing"
    """What keeps the task from being done."""


def task_flaw(written: Written, demand: Demand) -> str:
    """What keeps a request and its tools from being a task of this kind, as far as that can be told in advance."""
    names = [str(one.get("name")) for one in written.tools]
    match demand.lacks:
        case "nothing":
            if demand.functions == "several" and len(names) < 2:
                return "the task needs several functions, and there is one"
            return f"nothing may be lacking, and `lacks` is {written.lacks!r}" if written.lacks else ""
        case "function":
            if not NAME.fullmatch(written.lacks):
                return "`lacks` does not name the function that the task needs and that is not there"
            return f"`lacks` names {written.lacks!r}, which is there" if written.lacks in names else ""
        case "parameter":
            return _parameter_flaw(written)


def _parameter_flaw(written: Written) -> str:
    name, _, parameter = written.lacks.rpartition(".")
    tool = next((one for one in written.tools if one.get("name") == name), None)
    if tool is None:
        return f"`lacks` is {written.lacks[:60]!r}, and not a function of the list, a dot, and a parameter of it"
    is_required = parameter in tool.get("parameters", {}).get("required", ())
    return "" if is_required else f"`lacks` names {parameter!r}, which {name} does not require"


def dialogue_flaw(turns: Sequence[Message], written: Written, demand: Demand | None = None) -> str:
    """What keeps the turns after a request from being a dialogue of this kind.

    Every call names a tool of the list, has arguments by its schema and an id of its own, and is answered right after
    its turn. While the last turn is a call, or what one gave, the dialogue goes on, and only what no further turn can
    mend is a flaw. Without a demand, that is all.
    """
    if flaw := why_no_dialogue(turns):
        return flaw
    calls = [one for turn in turns for one in turn.tool_calls]
    flaws = (arguments_flaw(one.name, one.read_arguments(), written.tools) for one in calls)
    if flaw := next(filter(None, flaws), ""):
        return flaw
    if demand is None:
        return ""
    called = {one.name for one in calls}
    if flaw := _forbidden(called, written, demand):
        return flaw
    is_over = bool(turns) and turns[-1].role == "assistant" and not turns[-1].tool_calls
    return _end_flaw(called, turns[-1].content, demand) if is_over else ""


def _forbidden(called: set[str], written: Written, demand: Demand) -> str:
    if demand.lacks == "parameter" and (name := written.lacks.rpartition(".")[0]) in called:
        return f"it calls {name}, though nobody gave its {written.lacks.rpartition('.')[2]!r}"
    if demand.functions == "one" and demand.lacks != "nothing" and called:
        return f"it calls {min(called)}, though that cannot do what is asked"
    if demand.functions == "one" and len(called) > 1:
        return f"it calls {', '.join(sorted(called))}, and one function is enough"
    return ""


def _end_flaw(called: set[str], said: str, demand: Demand) -> str:
    match demand.lacks:
        case "nothing":
            fewest = 1 if demand.functions == "one" else 2
            few = f"it ends after calls of {len(called)} functions, and the task needs {fewest} at least"
            return few if len(called) < fewest else ""
        case "parameter":
            return "" if _ASKS.search(said) else "it does not end in a question for what the user has not given"
        case "function":
            return "" if _DENIES.search(said) else "it does not end by saying that no function can do what is asked"
