"""AgentInstruct's third stage: a suggester proposes what would make an instruction better, an editor carries it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from star_agents.recipes.agent_instruct_asking import Asking, form_shown, shown, with_call
from star_agents.recipes.parts.drafts import Draft, without_repeats
from star_agents.recipes.parts.fan_out import Keep
from star_agents.recipes.parts.gathering import gather_within_budget
from star_agents.recipes.parts.skills import Goal
from star_agents.recipes.parts.writing import Edited, Suggestions, as_item
from star_agents.records import Failure
from star_agents.text.content_hash import digest


class Way(NamedTuple):
    """One suggestion for one instruction."""

    parent: Draft
    goal: Goal
    change: str
    number: int
    """Among those for it, from 1."""


async def refine(
    asking: Asking, drafts: Sequence[Draft], *, rounds: int, keep: Keep, suggestions: int, most: int
) -> list[Draft]:
    """Instructions with what comes of them in every round, failures included.

    Args:
        asking: Whom to ask.
        drafts: As they were written.
        rounds: How many.
        keep: Whether refined ones are added to those that they were made of, or replace them.
        suggestions: For each instruction in a round.
        most: Instructions in the end, failures not counted.
    """
    ended = [one for one in drafts if one.failure is not None or not one.goals_open]
    parents = [one for one in drafts if one.failure is None and one.goals_open]
    kept: list[Draft] = []
    for number in range(1, rounds + 1):
        standing = len(kept) + len(parents) + sum(one.failure is None for one in ended)
        room = most - standing if keep == "add" else most - standing + len(parents)
        if room < 1 or not parents:
            break
        made = await _round(asking, parents, number, suggestions, room)
        made = without_repeats((*ended, *kept, *parents), made)
        ended += [one for one in made if one.failure is not None]
        good = [one for one in made if one.failure is None]
        if keep == "add":
            kept, parents = [*kept, *parents], good
        else:
            refined = {one.made_of for one in good}
            parents = [*good, *(one for one in parents if one.identity not in refined)]
    return [*kept, *parents, *ended]


async def _round(asking: Asking, parents: Sequence[Draft], number: int, suggestions: int, room: int) -> list[Draft]:
    jobs = [_suggested(asking, one, number, suggestions) for one in parents]
    heard = (await gather_within_budget(asking.bench, jobs)).results
    failed = [
        one.refined("").failed(said, "suggester")
        for one, said in zip(parents, heard, strict=True)
        if isinstance(said, Failure)
    ]
    ways = [way for said in heard if not isinstance(said, Failure) for way in said]
    # Each instruction is refined once before any is a second time, as far as there is room.
    ways = sorted(ways, key=lambda way: way.number)[:room]
    made = (await gather_within_budget(asking.bench, [_edited(asking, way, number) for way in ways])).results
    return [
        *(
            way.parent.refined(way.goal.name).failed(one, "editor") if isinstance(one, Failure) else one
            for way, one in zip(ways, made, strict=True)
        ),
        *failed,
    ]


async def _suggested(asking: Asking, draft: Draft, number: int, count: int) -> list[Way]:
    goals = draft.goals_open
    prompt = asking.prompt(
        "suggest", text=shown(draft.text), item=shown(as_item(draft)), goals=list(goals.values()), count=count
    )
    read = await asking.ask("suggester", prompt, _step("suggest", number, draft), Suggestions(tuple(goals), count))
    told = with_call(draft, "suggester", read, prompt, is_shared=True)
    return [Way(told, goals[goal], change, place) for place, (goal, change) in enumerate(read.value, start=1)]


async def _edited(asking: Asking, way: Way, number: int) -> Draft:
    parent, changes_text = way.parent, way.goal.changes_text
    prompt = asking.prompt(
        "edit",
        text=shown(parent.text),
        item=shown(as_item(parent)),
        change=shown(way.change),
        changes_text=changes_text,
        **form_shown(parent),
    )
    step = f"{_step('edit', number, parent)}:{way.number}"
    read = await asking.ask("editor", prompt, step, Edited(parent, changes_text))
    return with_call(read.value.refined(way.goal.name, made_of=parent), "editor", read, prompt)


def _step(stage: str, number: int, draft: Draft) -> str:
    return f"{stage}:{number}:{digest([draft.arm, draft.identity])[:16]}"
