"""Functions in the closed world: how sample agents ask for them, call them, and see that something is lacking."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from star_agents.offline import facts
from star_agents.offline.instructing_reading import Instructing
from star_agents.offline.words import COLOURS, DAYS, NAMES, NUMBERS


def _function(name: str, description: str, *parameters: str) -> Mapping[str, Any]:
    properties = {one: {"type": "string"} for one in parameters}
    schema = {"type": "object", "properties": properties, "required": list(parameters)}
    return {"name": name, "description": description, "parameters": schema}


LOOK_UP = _function("look_up", "Looks up what is written of somebody.", "question")
FUNCTIONS = (
    LOOK_UP,
    _function("send_word", "Sends somebody a text.", "to", "text"),
    _function("order_taxi", "Orders a taxi for somebody.", "name", "day"),
)
_TO_NOBODY = "send word of this question :"
_SEND = re.compile(r"send word of it(?: to (?P<name>[a-z]+))? \.")
_TAXI = "order a taxi for {name} on {day} ."
_MORE = "look it up {times} more times , to be sure ."
_TIMES = re.compile(re.escape(_MORE).replace(r"\{times\}", "([a-z]+)"))
_RESULT = re.compile(r"<tool_response>\s*(.*?)\s*</tool_response>", re.DOTALL)


def is_asked(request: Instructing) -> bool:
    """Whether instructions are asked for that take functions."""
    return request.says("what a user says who has")


def task_item(request: Instructing, question: str, rng: Random) -> dict[str, Any]:
    """A task for functions of the kind that the prompt asks for; most of them look up the answer to a question."""
    name, day = rng.choice(NAMES), rng.choice(DAYS)
    taxi = _TAXI.format(name=name, day=day)
    is_several = request.says("takes two or three")
    written = {"tools": list(FUNCTIONS)} if request.says('"tools": [') else {}
    if request.says('"lacks": "function.parameter"'):
        asked = f"{question} send word of it ." if is_several else f"{_TO_NOBODY} {question}"
        return {"instruction": asked, "lacks": "send_word.to", **written}
    if request.says('"lacks": "..."'):
        return {"instruction": f"{question} {taxi}" if is_several else taxi, "lacks": "order_taxi", **written}
    if is_several:
        return {"instruction": f"{question} send word of it to {name} .", **written}
    beside = f" it is {day} , and i like {rng.choice(COLOURS)} ." if request.says("further details") else ""
    return {"instruction": f"{question}{beside}", **written}


def edited(request: Instructing, item: Mapping[str, Any], rng: Random) -> dict[str, Any]:
    """A task with one more step."""
    instruction = str(item.get("instruction", ""))
    further = [f"do it before {rng.choice(DAYS)} ."]
    if not _TIMES.search(instruction):
        further.append(_MORE.format(times=rng.choice(NUMBERS[2:4])))
    kept = {name: item[name] for name in ("tools", "lacks") if name in item and request.says(f'"{name}": ')}
    return {**kept, "instruction": f"{instruction}\n{rng.choice(further)}"}


def turn(request: Instructing, instruction: str) -> str:
    """The next call, and once there is none left, what came of them."""
    turns = [str(one.get("content", "")) for one in request.frames.get("conversation", [])]
    task = turns[0] if turns else instruction
    given = _RESULT.findall("\n".join([*turns, instruction]))
    calls = _calls(task, request.frames["tools"], given)
    if len(given) < len(calls):
        return f"<tool_call>\n{json.dumps(calls[len(given)])}\n</tool_call>"
    return _end(task, given)


def _calls(task: str, tools: Sequence[Mapping[str, Any]], given: Sequence[str]) -> list[dict[str, Any]]:
    """What a task takes, in order; of functions that are not of this world, the first one once."""
    if tools[0]["name"] not in [one["name"] for one in FUNCTIONS]:
        return [_call(tools[0], task)]
    if task.startswith((_TO_NOBODY, _TAXI.partition("{")[0])):
        return []
    found = _TIMES.search(task)
    asked = facts.read_question(task)
    calls = [_call(LOOK_UP, asked.text if asked else task)] * (1 + (NUMBERS.index(found[1]) if found else 0))
    sent = _SEND.search(task)
    if sent and sent["name"]:
        calls.append({"name": "send_word", "arguments": {"to": sent["name"], "text": given[0] if given else ""}})
    return calls


def _end(task: str, given: Sequence[str]) -> str:
    said = [f"it was looked up . the answer is {given[0]} ."] if given else []
    sent = _SEND.search(task)
    if task.startswith(_TO_NOBODY) or (sent and not sent["name"]):
        said.append("to whom shall i send word ?")
    elif sent:
        said.append(f"word of it is sent to {sent['name']} .")
    if _TAXI.partition("{")[0] in task:
        said.append("there is no function that orders a taxi .")
    return " ".join(said)


def _call(tool: Mapping[str, Any], task: str) -> dict[str, Any]:
    schema = tool.get("parameters") or {}
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties") or {}
    arguments = {name: _value(properties.get(name, {}), task) for name in schema.get("required") or []}
    return {"name": tool["name"], "arguments": arguments}


def _value(schema: Mapping[str, Any], task: str) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    values: dict[str, Any] = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
    return values.get(str(schema.get("type")), task.split("\n")[0][:80])
