"""How sample agents play the parts of AgentInstruct, from what the prompt says alone.

They ask about facts of the closed world (``facts.py``), whatever a type asks for, in the form that is asked for; but
where a type names a question in the words of ``facts.words_for``, they ask that one. Of a text that states none they
ask about its words. How much comes out well is the ``evolves`` of a profile: what does not asks for what nobody can
know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from star_agents.offline import evolving, facts, instructing_growing, instructing_tools, styles, world
from star_agents.offline.evolving import DEMANDS
from star_agents.offline.facts import Facts, Question
from star_agents.offline.instructing_reading import Instructing, Part
from star_agents.offline.profiles import Profile
from star_agents.offline.words import COLOURS, FILLERS

JSON_KEY = "answer"
_WRITE_JSON = f"write JSON with the key {JSON_KEY} ."
_WRITE_CODE = "write python code that prints the answer ."
_LABELLED = "write {first} if the answer is {value} , and {other} if it is not ."
_LABEL = re.compile(r"write (?P<first>.+?) if the answer is (?P<value>.+?) , and (?P<other>.+?) if it is not \.")
_TAKE_OUT = "Take out of the text what it says about this."
_ANOTHER = "Give the text another value for what is asked."
_ONE_STEP = "Ask for one further step."


def reply(request: Instructing, profile: Profile, rng: Random) -> str:
    """What a sample agent says."""
    return _REPLIES[request.part](request, profile, rng)


def _transform(request: Instructing, _: Profile, rng: Random) -> str:
    text = str(request.frames.get("document", ""))
    if request.says("JSON array of functions"):
        return json.dumps(instructing_tools.FUNCTIONS)
    if request.says("one JSON array or object"):
        return json.dumps(styles.units(text))
    told = read_sentences(text)
    rng.shuffle(told)
    return " ".join([rng.choice(FILLERS), *told]) if told else text


def read_sentences(text: str) -> list[str]:
    """The sentences of a text that state facts."""
    known = facts.read_facts(text)
    return [known.sentence(one) for one in known.values]


def _write(request: Instructing, profile: Profile, rng: Random) -> str:
    text = str(request.frames.get("text", ""))
    return json.dumps({"items": [_item(request, text, profile, rng) for _ in range(request.count)]})


def _item(request: Instructing, text: str, profile: Profile, rng: Random) -> dict[str, Any]:
    if instructing_tools.is_asked(request):
        text = " ".join(facts.draw_facts(rng))  # Nobody states these: they are there to be looked up.
    known = facts.read_facts(text)
    asked = facts.draw_question(known, rng, kind=facts.kind_asked_for(request.system))
    carries = request.says("sees the text beside")
    if asked is None:
        return _in_form(request, _about_words(text, carries), styles.key_words(text, 4) or ["yes"], rng)
    if not request.is_again and rng.random() >= profile.evolves + (1 - profile.evolves) / 2:
        return _in_form(request, evolving.IMPOSSIBLE, [asked.slots["name"]], rng)
    return item_of(request, asked, known, carries=carries, rng=rng)


def _about_words(text: str, carries: bool) -> str:
    words = styles.key_words(text, 2) or ["it"]
    where = "What does the text say about" if carries else "Explain in two sentences how people speak of"
    return f"{where} {' and '.join(words)}?"


def item_of(request: Instructing, asked: Question, known: Facts, *, carries: bool, rng: Random) -> dict[str, Any]:
    """A question in the form that is asked for, with the facts in front where nobody sees them beside it."""
    right, misses = facts.work_out(asked, known)
    is_told = carries or instructing_tools.is_asked(request)
    values = list(dict.fromkeys([right.answer, *(one.answer for one in misses)]))
    return _in_form(request, asked.text if is_told else facts.standing_alone(asked, known), values, rng)


def _in_form(request: Instructing, question: str, values: list[str], rng: Random) -> dict[str, Any]:
    """A question whose right answer is the first of some values, with what its form has beside."""
    if request.says('"options"') and request.says("the labels"):
        first, other, *_ = (*request.labels, "yes", "no")[:2] if not request.labels else request.labels
        value = rng.choice(values[:2])
        said = _LABELLED.format(first=first, other=other, value=value)
        options = request.labels or [first, other]
        return {"instruction": f"{said} {question}", "options": options, "key": first if value == values[0] else other}
    if request.says('"options"'):
        wanted = request.options or 4
        options = [*values, *(one for one in COLOURS if one not in values)][:wanted]
        rng.shuffle(options)
        return {"instruction": question, "options": options, "key": values[0]}
    if request.says('"keys"'):
        return {"instruction": f"{_WRITE_JSON} {question}", "keys": [JSON_KEY]}
    if request.says("in which language"):
        return {"instruction": f"{_WRITE_CODE} {question}"}
    if request.says('"turns"'):
        return {"instruction": question, "turns": [f"and once more : {question}"]}
    if instructing_tools.is_asked(request):
        return instructing_tools.task_item(request, question, rng)
    return {"instruction": question}


def _suggest(request: Instructing, _: Profile, rng: Random) -> str:
    ways = {"cannot_be_answered": _TAKE_OUT, "another_answer": _ANOTHER}
    goals = request.goals or ["harder"]
    drawn = [rng.choice(goals) for _ in range(request.count)]
    return json.dumps({"suggestions": [{"goal": one, "change": ways.get(one, _ONE_STEP)} for one in drawn]})


def _edit(request: Instructing, profile: Profile, rng: Random) -> str:
    item, text = dict(request.frames.get("instruction", {})), str(request.frames.get("text", ""))
    change, instruction = str(request.frames.get("change", "")), str(item.get("instruction", ""))
    beside = {"text": ""} if request.says('"text": "..."') else {}
    if instructing_tools.is_asked(request):
        return json.dumps({**instructing_tools.edited(request, item, rng), **beside})
    asked, known = facts.read_question(instruction), facts.read_facts(f"{text}\n{instruction}")
    if asked is None or (not request.is_again and rng.random() >= profile.evolves + (1 - profile.evolves) / 2):
        return json.dumps({**item, "instruction": f"{instruction}\n{evolving.IMPOSSIBLE}", **beside})
    if beside and change in (_TAKE_OUT, _ANOTHER):
        about = next((one for one in asked.needs if one in facts.read_facts(text).values), None)
        if about is not None:
            taken = facts.without(text, about) if change == _TAKE_OUT else facts.with_another(text, about, rng)
            made = item_of(request, asked, facts.read_facts(taken), carries=True, rng=rng)
            return json.dumps({**made, "text": taken})
    if not any(request.says(one) for one in ('"options"', '"keys"', "in which language")):
        demand = rng.choice(list(DEMANDS.values()))
        line = demand.wording.format_map(demand.draw(rng))
        return json.dumps({**item, "instruction": f"{instruction}\n{line}", **beside})
    harder = facts.draw_question(known, rng, harder=True) or facts.draw_question(known, rng) or asked
    return json.dumps({**item_of(request, harder, known, carries=bool(text), rng=rng), **beside})


def _answer(request: Instructing, profile: Profile, rng: Random) -> str:
    instruction, text = str(request.frames.get("instruction", "")), str(request.frames.get("text", ""))
    told = "\n".join(str(turn.get("content", "")) for turn in request.frames.get("conversation", []))
    if "tools" in request.frames:
        return instructing_tools.turn(request, instruction)
    full = "\n\n".join(filter(None, (instruction, text, told)))
    evolved = evolving.read_evolved(full)
    if said := evolving.broken_reply(instruction):
        return said
    if evolved is None:
        said = styles.reshape(profile.style, instruction, "", rng)
        return answer_in_form(
            request, instruction, styles.key_words(text, 1)[0] if text else "it", said, is_known=False
        )
    task = evolved.task
    kind = profile.kind_for(task.family, rng)
    if kind in ("off", "cut", "unanswered"):
        return world.write(task, kind, rng)
    result = task.right if kind in world.SOUND else rng.choice(task.misses)
    said = (
        world.write(task, kind, rng) if kind in world.SOUND else f"{result.statement} the answer is {result.answer} ."
    )
    return answer_in_form(request, instruction, result.answer, said)


def answer_in_form(request: Instructing, instruction: str, value: str, said: str, *, is_known: bool = True) -> str:
    """An answer in the form that the prompt asks for."""
    if request.says("one by its letter"):
        lines = [line for line in instruction.split("\n") if line[1:3] == ") "]
        letter = next((line[0] for line in lines if line[3:] == value), "A")
        return f"{said}\nAnswer: {letter}"
    if request.says("one of the labels alone"):
        return label_for(instruction, value) or "yes"
    if request.says("Reply with JSON alone"):
        return json.dumps({JSON_KEY: value})
    if request.says("three backquotes"):
        return f"```python\nprint({json.dumps(value)})\n```"
    return said if is_known or said.strip() else value


def label_for(instruction: str, value: str) -> str:
    """The label that an instruction asks for where the answer is a value; empty where it asks for none."""
    found = _LABEL.search(instruction)
    if found is None:
        return ""
    return found["first"] if found["value"] == value else found["other"]


def _tool(request: Instructing, _: Profile, rng: Random) -> str:
    return json.dumps({"results": [rng.choice(COLOURS) for _ in request.frames.get("calls", [])]})


def _grow(request: Instructing, _: Profile, rng: Random) -> str:
    return instructing_growing.reply(request, rng)


_REPLIES: Mapping[Part, Callable[[Instructing, Profile, Random], str]] = {
    "transform": _transform,
    "write": _write,
    "suggest": _suggest,
    "edit": _edit,
    "answer": _answer,
    "tool": _tool,
    "grow": _grow,
}
