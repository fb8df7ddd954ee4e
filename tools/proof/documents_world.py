"""Documents of the closed world, the questions that they answer themselves, and held-out questions. World.

A question is held out by the hash of what it says without its demands (``world.part_of``): no row that is trained on
asks it, with other demands or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from random import Random

from star_agents.offline import documents, evolving, facts, world
from star_agents.offline.facts import FACT_KINDS, TWO_STEP_KINDS, Kind
from star_agents.records import Sample

KINDS: tuple[Kind, ...] = (*FACT_KINDS, *TWO_STEP_KINDS)
LEVELS = (0, 1, 2)
"""Demands below a question: what a round of refinement adds."""
HELD_OUT = "test"
_TRIES = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A held-out question."""

    kind: Kind
    level: int
    task: world.Task


def texts(count: int, seed: int) -> list[str]:
    """Documents like the sample documents, others with each random seed."""
    return [row["document"] for row in documents.rows(count, seed)]


def kind_and_level(instruction: str) -> tuple[str, int] | None:
    """The kind of a question about facts and its number of demands; ``None`` for any other text."""
    found = evolving.read_evolved(instruction)
    if found is None or found.base.family != world.FACTS:
        return None
    return found.base.slots["kind"], len(found.demands)


def is_held_out(instruction: str) -> bool:
    """Whether an instruction asks what the examination may ask."""
    found = evolving.read_evolved(instruction)
    return found is not None and world.part_of(found.base.question) == HELD_OUT


def is_usable(row: Sample) -> bool:
    """Whether a row's answer is right and complete."""
    found = evolving.read_evolved(row.instruction)
    return (
        found is not None and not evolving.broken_reply(row.instruction) and world.check(found.task, row.response or "")
    )


def first_rows(count: int, levels: Sequence[int]) -> list[Sample]:
    """A first part of the world with right answers, for round 0: every kind of question in turn.

    Args:
        count: Rows.
        levels: Demands below a question, drawn from these.
    """
    rng = Random("proof:documents:round 0")
    kinds = islice(cycle(KINDS), count)
    drawn = (_drawn(kind, rng.choice(levels), rng, is_wanted=lambda base: not is_held_out(base)) for kind in kinds)
    return [Sample(instruction=task.instruction, response=world.write(task, "good", rng)) for task in drawn]


def own_questions(documents: Sequence[str], seed: int) -> list[Sample]:
    """What each document answers by one fact, each fact asked for once in one of its wordings, with the right answer.

    They come in any order, and those that are held out are not among them.
    """
    rng = Random(f"own:{seed}")
    found: dict[str, Sample] = {}
    for text in documents:
        known = facts.read_facts(text)
        for kind, thing, name in known.values:
            slots = {"thing": thing, "name": name} if thing else {"name": name}
            asked = facts.Question(_one_step(kind), slots, rng.randrange(2))
            instruction = facts.standing_alone(asked, known)
            task = world.solve(instruction)
            if task is not None and not is_held_out(instruction):
                sample = Sample(instruction=instruction, response=world.write(task, "good", rng))
                found.setdefault(instruction, sample)
    rows = list(found.values())
    rng.shuffle(rows)
    return rows


def _one_step(kind: str) -> Kind:
    return next(one for one in FACT_KINDS if one == kind)


def items(each: int) -> list[Item]:
    """Held-out questions, ``each`` of every kind at every level.

    Fewer where the world has not so many: it has some 34 of the kind ``day`` without demands.
    """
    rng = Random("proof:documents:test")
    return [one for kind in KINDS for level in LEVELS for one in _items(kind, level, each, rng)]


def _items(kind: Kind, level: int, each: int, rng: Random) -> Iterator[Item]:
    seen: set[str] = set()
    for _ in range(_TRIES):
        task = _drawn(kind, level, rng, is_wanted=is_held_out)
        if task.instruction not in seen:
            seen.add(task.instruction)
            yield Item(kind=kind, level=level, task=task)
        if len(seen) == each:
            return


def _drawn(kind: Kind, level: int, rng: Random, is_wanted: Callable[[str], bool]) -> world.Task:
    """A question about facts of a new document; its task has all of it as the instruction."""
    while True:
        known = facts.read_facts(" ".join(facts.draw_facts(rng)))
        asked = facts.draw_question(known, rng, kind=kind)
        if asked is None or not is_wanted(base := facts.standing_alone(asked, known)):
            continue
        demands = [rng.choice(list(evolving.DEMANDS.values())) for _ in range(level)]
        text = "\n".join([base, *(one.wording.format_map(one.draw(rng)) for one in demands)])
        if (evolved := evolving.read_evolved(text)) is not None:
            return replace(evolved.task, instruction=text)
