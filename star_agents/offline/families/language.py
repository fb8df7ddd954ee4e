"""Families about words: editing a sentence, facts, categories, counting the members of a category."""

from __future__ import annotations

from random import Random

from star_agents.offline.family import Family, Result, Slots, Working, join, split
from star_agents.offline.words import FACTS, GROUP_OF, GROUPS, NAMES, NOUNS, NUMBERS, OBJECTS, SIZES, VERBS


def _draw_edit(rng: Random) -> dict[str, str]:
    words = ["the", rng.choice(SIZES), rng.choice(NOUNS), rng.choice(VERBS), "a", rng.choice(OBJECTS)]
    place, pool = rng.choice(((2, NOUNS), (3, VERBS), (5, OBJECTS)))
    new = rng.choice([word for word in pool if word not in words])
    return {"name": rng.choice(NAMES), "old": words[place], "new": new, "text": " ".join(words)}


def _work_edit(slots: Slots) -> Working:
    words = slots["text"].split()
    places = [index for index, word in enumerate(words) if word == slots["old"]]
    if len(places) != 1 or len(words) < 3:
        raise ValueError("the old word stands in the sentence exactly once")

    def result(place: int) -> Result:
        text = " ".join([*words[:place], slots["new"], *words[place + 1 :]])
        return Result(answer=text, statement=f"the new sentence is {text} .")

    others = [index for index in range(1, len(words)) if index != places[0] and words[index] != "a"]
    return Working(right=result(places[0]), misses=tuple(map(result, others)))


EDIT = Family(
    name="edit",
    wordings=(
        "replace the word {old} by {new} in the sentence of {name} .",
        "{name} wants {new} in place of {old} . write the sentence again .",
        "write the sentence for {name} with {new} where it says {old} .",
    ),
    input="{text}",
    draw=_draw_edit,
    work=_work_edit,
)


def _draw_fact(rng: Random) -> dict[str, str]:
    relation = rng.choice(tuple(FACTS))
    return {"name": rng.choice(NAMES), "relation": relation, "subject": rng.choice(tuple(FACTS[relation]))}


def _work_fact(slots: Slots) -> Working:
    table = FACTS[slots["relation"]]
    right = table[slots["subject"]]

    def result(value: str) -> Result:
        return Result(answer=value, statement=f"{slots['relation']} {slots['subject']} is {value} .")

    return Working(right=result(right), misses=tuple(result(value) for value in table.values() if value != right))


FACT = Family(
    name="fact",
    wordings=(
        "what is {relation} {subject} ? {name} asks .",
        "{name} wants to know {relation} {subject} . what is it ?",
        "tell {name} : {relation} {subject} is called what ?",
    ),
    draw=_draw_fact,
    work=_work_fact,
)


def _draw_category(rng: Random) -> dict[str, str]:
    options = rng.sample(tuple(GROUPS), 3)
    thing = rng.choice(GROUPS[rng.choice(options)])
    return {"name": rng.choice(NAMES), "thing": thing, "options": " , ".join(options)}


def _work_category(slots: Slots) -> Working:
    options, right = split(slots["options"]), GROUP_OF[slots["thing"]]
    if right not in options or not set(options) <= set(GROUPS):
        raise ValueError("the right group stands among the options")

    def result(group: str) -> Result:
        return Result(answer=group, statement=f"{slots['thing']} belongs to the {group} .")

    return Working(right=result(right), misses=tuple(result(group) for group in options if group != right))


CATEGORY = Family(
    name="category",
    wordings=(
        "{name} has the groups {options} . to which one does {thing} belong ?",
        "put the word {thing} into one of these groups for {name} : {options} .",
        "which of these groups fits {thing} ? {name} can choose from {options} .",
    ),
    draw=_draw_category,
    work=_work_category,
)


def _draw_count(rng: Random) -> dict[str, str]:
    group = rng.choice(tuple(GROUPS))
    inside = rng.sample(GROUPS[group], rng.randint(1, 3))
    outside = rng.sample([thing for thing, other in GROUP_OF.items() if other != group], rng.randint(1, 2))
    items = [*inside, *outside]
    rng.shuffle(items)
    return {"name": rng.choice(NAMES), "group": group, "items": " , ".join(items)}


def _work_count(slots: Slots) -> Working:
    items, group = split(slots["items"]), slots["group"]
    inside = [item for item in items if GROUP_OF[item] == group]
    outside = [item for item in items if item not in inside]
    if group not in GROUPS or not inside:
        raise ValueError("at least one thing of the group is there to be counted")

    def result(found: list[str]) -> Result:
        number = NUMBERS[len(found)]
        return Result(answer=number, statement=f"the {group} here are {join(found)} , that makes {number} .")

    more = [result([item for item in items if item in inside or item == extra]) for extra in outside]
    fewer = [result([item for item in inside if item != lost]) for lost in inside if len(inside) > 1]
    return Working(right=result(inside), misses=(*more, *fewer) or (result([*inside, *inside]),))


def _stretch_count(slots: Slots, rng: Random) -> dict[str, str]:
    items = split(slots["items"])
    extra = rng.choice([thing for thing in GROUP_OF if thing not in items])
    return {**slots, "items": " , ".join([*items, extra])}


COUNT = Family(
    name="count",
    wordings=(
        "how many of these are {group} : {items} ? {name} asks .",
        "{name} has this list : {items} . how many {group} are in it ?",
        "count the {group} among {items} for {name} .",
    ),
    draw=_draw_count,
    work=_work_count,
    stretch=_stretch_count,
)
