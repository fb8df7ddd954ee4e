"""Families about numbers: adding in words, units, sorting, sequences, comparisons."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from star_agents.offline.family import Family, Result, Slots, Working, split
from star_agents.offline.words import NAMES, NUMBERS, THINGS, UNITS

_ORDERS = ("small to large", "large to small")


def _draw_add(rng: Random) -> dict[str, str]:
    a, b = rng.choice(NUMBERS[2:10]), rng.choice(NUMBERS[2:10])
    return {"name": rng.choice(NAMES), "thing": rng.choice(THINGS), "a": a, "b": b}


def _work_add(slots: Slots) -> Working:
    total = NUMBERS.index(slots["a"]) + NUMBERS.index(slots["b"])

    def result(value: int) -> Result:
        return Result(answer=NUMBERS[value], statement=f"{slots['a']} and {slots['b']} make {NUMBERS[value]} .")

    misses = [value for value in (total - 2, total - 1, total + 1, total + 2) if 0 <= value <= 20]
    return Working(right=result(total), misses=tuple(map(result, misses)))


def _stretch_add(slots: Slots, rng: Random) -> dict[str, str]:
    return {**slots, "a": rng.choice(NUMBERS[7:10]), "b": rng.choice(NUMBERS[7:10])}


ADD = Family(
    name="add",
    wordings=(
        "{name} has {a} {thing} and gets {b} more . how many {thing} does {name} have now ?",
        "{name} buys {a} {thing} today and {b} {thing} tomorrow . how many {thing} is that ?",
        "there are {a} {thing} in one box of {name} and {b} {thing} in the other . how many {thing} are there ?",
        "add up for {name} : {a} {thing} plus {b} {thing} .",
    ),
    draw=_draw_add,
    work=_work_add,
    stretch=_stretch_add,
)


def _draw_unit(rng: Random) -> dict[str, str]:
    big, small = rng.choice(tuple(UNITS))
    return {"name": rng.choice(NAMES), "n": str(rng.randint(2, 9)), "big": big, "small": small}


def _work_unit(slots: Slots) -> Working:
    count, size = int(slots["n"]), UNITS[slots["big"], slots["small"]]

    def result(value: int) -> Result:
        return Result(answer=str(value), statement=f"{count} {slots['big']} are {value} {slots['small']} .")

    misses = {(count - 1) * size, (count + 1) * size, count * size + 1, count * size + 2}
    return Working(right=result(count * size), misses=tuple(map(result, sorted(misses))))


UNIT = Family(
    name="unit",
    wordings=(
        "how many {small} are in {n} {big} ? {name} needs to know .",
        "{name} writes down {n} {big} . how many {small} is that ?",
        "turn {n} {big} into {small} for {name} .",
        "help {name} : how many {small} make {n} {big} ?",
    ),
    draw=_draw_unit,
    work=_work_unit,
)


def _draw_sort(rng: Random) -> dict[str, str]:
    digits = rng.sample(range(1, 10), rng.choice((3, 4, 4)))
    return {"name": rng.choice(NAMES), "order": rng.choice(_ORDERS), "items": " , ".join(map(str, digits))}


def _work_sort(slots: Slots) -> Working:
    reverse = bool(_ORDERS.index(slots["order"]))
    ordered = sorted(map(int, split(slots["items"])), reverse=reverse)
    if len(ordered) < 2 or len(set(ordered)) < len(ordered):
        raise ValueError("a list to sort holds at least two numbers, all different")

    def result(numbers: list[int]) -> Result:
        listed = " , ".join(map(str, numbers))
        return Result(answer=listed, statement=f"from {slots['order']} they are {listed} .")

    swapped = [[*ordered[:i], ordered[i + 1], ordered[i], *ordered[i + 2 :]] for i in range(len(ordered) - 1)]
    return Working(right=result(ordered), misses=tuple(map(result, swapped)))


def _stretch_sort(slots: Slots, rng: Random) -> dict[str, str]:
    items = split(slots["items"])
    unused = [str(digit) for digit in range(1, 10) if str(digit) not in items]
    return {**slots, "items": " , ".join([*items, rng.choice(unused)]) if len(items) < 4 else " , ".join(items[::-1])}


SORT = Family(
    name="sort",
    wordings=(
        "sort these numbers of {name} from {order} : {items} .",
        "{name} has the numbers {items} . put them in order from {order} .",
        "write the numbers {items} from {order} for {name} .",
    ),
    draw=_draw_sort,
    work=_work_sort,
    stretch=_stretch_sort,
)


def _draw_sequence(rng: Random) -> dict[str, str]:
    start, step = rng.randint(1, 30), rng.randint(2, 6)
    return {"name": rng.choice(NAMES), "terms": " , ".join(str(start + step * i) for i in range(3))}


def _work_sequence(slots: Slots) -> Working:
    terms = list(map(int, split(slots["terms"])))
    step = terms[1] - terms[0]
    if len(terms) < 3 or any(b - a != step for a, b in pairwise(terms)):
        raise ValueError("a sequence has at least three terms and one step")

    def result(value: int) -> Result:
        statement = f"each step adds {step} . after {terms[-1]} comes {value} ."
        return Result(answer=str(value), statement=statement)

    right = terms[-1] + step
    return Working(right=result(right), misses=tuple(map(result, (right - 2, right - 1, right + 1, right + 2))))


SEQUENCE = Family(
    name="sequence",
    wordings=(
        "what comes next in the row of {name} : {terms} ?",
        "{name} counts {terms} . which number comes next ?",
        "go on for {name} with one more number : {terms} .",
    ),
    draw=_draw_sequence,
    work=_work_sequence,
)


def _draw_compare(rng: Random) -> dict[str, str]:
    a, b = rng.sample(range(10, 100), 2)
    return {"name": rng.choice(NAMES), "order": rng.choice(("larger", "smaller")), "a": str(a), "b": str(b)}


def _work_compare(slots: Slots) -> Working:
    low, high = sorted((int(slots["a"]), int(slots["b"])))
    first, second = {"larger": (high, low), "smaller": (low, high)}[slots["order"]]
    if low == high:
        raise ValueError("equal numbers cannot be compared")

    def result(one: int, other: int) -> Result:
        return Result(answer=str(one), statement=f"{one} is {slots['order']} than {other} .")

    return Working(right=result(first, second), misses=(result(second, first),))


COMPARE = Family(
    name="compare",
    wordings=(
        "which number is {order} , {a} or {b} ? {name} asks .",
        "{name} sees {a} and {b} . which of them is {order} ?",
        "tell {name} the {order} one of {a} and {b} .",
    ),
    draw=_draw_compare,
    work=_work_compare,
)
