"""Families that need a step of reasoning over what was said: looking up a table, putting three people in order."""

from __future__ import annotations

from itertools import permutations
from random import Random

from star_agents.offline.family import Family, Result, Slots, Working
from star_agents.offline.words import COLOURS, DEGREES, NAMES


def _draw_table(rng: Random) -> dict[str, str]:
    names = rng.sample(NAMES, 3)
    colours = rng.sample(COLOURS, 3)
    rows = " ; ".join(f"{name} : {colour}" for name, colour in zip(names, colours, strict=True))
    return {"name": rng.choice(names), "rows": rows}


def _work_table(slots: Slots) -> Working:
    table = dict(row.split(" : ") for row in slots["rows"].split(" ; "))
    right = table[slots["name"]]
    if len(table) < 2:
        raise ValueError("a table has at least two rows")

    def result(value: str) -> Result:
        return Result(answer=value, statement=f"the table says {slots['name']} : {value} .")

    misses = [value for value in table.values() if value != right]
    return Working(right=result(right), misses=tuple(map(result, misses)))


TABLE = Family(
    name="table",
    wordings=(
        "which colour does {name} have in the table ?",
        "look up {name} in the table and say the colour .",
        "read the table . what is the colour of {name} ?",
        "find the row of {name} . which colour stands there ?",
    ),
    input="{rows}",
    draw=_draw_table,
    work=_work_table,
)


def _draw_logic(rng: Random) -> dict[str, str]:
    a, b, c = rng.sample(NAMES, 3)
    more = rng.choice(tuple(DEGREES))
    return {"a": a, "b": b, "c": c, "more": more, "most": rng.choice(DEGREES[more])}


def _work_logic(slots: Slots) -> Working:
    order = (slots["a"], slots["b"], slots["c"])
    end = DEGREES[slots["more"]].index(slots["most"])

    def result(people: tuple[str, ...]) -> Result:
        asked = people[0] if end == 0 else people[-1]
        statement = f"{people[0]} is {slots['more']} than {people[1]} , and {people[2]} comes last ."
        return Result(answer=asked, statement=statement)

    right = result(order)
    others = [result(people) for people in permutations(order)]
    return Working(right=right, misses=tuple(other for other in others if other.answer != right.answer))


LOGIC = Family(
    name="logic",
    wordings=(
        "{a} is {more} than {b} . {b} is {more} than {c} . who is the {most} ?",
        "we know that {b} is {more} than {c} , and {a} is {more} than {b} . who is the {most} ?",
        "tell me who is the {most} : {a} is {more} than {b} , and {b} is {more} than {c} .",
    ),
    draw=_draw_logic,
    work=_work_logic,
)
