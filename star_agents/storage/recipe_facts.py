"""What recipes did and their pools learned: for status, summary and report alike. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from star_agents.observe.status import Arm, Grown, Measured, Pool, RecipeState, RefusedArm
from star_agents.records import PAIRS, STAR, GrownArm
from star_agents.records.failures import FailureCount
from star_agents.records.findings import ARM_OF
from star_agents.storage.arm_notes import ArmNotes
from star_agents.storage.recipe_tallies import ArmTally, MeasureTally, RecipeTally

_NO_NOTES = ArmNotes({}, {}, {})
_NONE_GROWN: Mapping[str, Mapping[str, GrownArm]] = {}


def recipe_facts(recipes: Sequence[RecipeTally]) -> dict[str, RecipeState]:
    """By name: those of the chain in its order, then others."""
    return {one.name: _recipe(one) for one in recipes}


def refused_arms(counts: Iterable[FailureCount]) -> list[RefusedArm]:
    """What was refused by arm, the arm of which most was first; ``counts`` as ``failure_tallies.refused_by_arm`` gives
    them, the most frequent reason of each arm first."""
    found: dict[str, list[FailureCount]] = {}
    for one in counts:
        found.setdefault(one.name, []).append(one)
    arms = [_refused_arm(name, some) for name, some in found.items()]
    return sorted(arms, key=lambda one: (-one.refused, one.recipe, one.arm))


def _refused_arm(name: str, counts: Sequence[FailureCount]) -> RefusedArm:
    recipe, _, arm = name.partition(ARM_OF)
    reasons = {one.reason: one.failures for one in counts}
    tries = counts[0].tries
    return RefusedArm(recipe=recipe, arm=arm, instructions=tries, refused=sum(reasons.values()), reasons=reasons)


def is_stars_alone(recipes: Collection[str]) -> bool:
    """Whether no other recipe is or was at work: then pairs, bases and improved seeds are the words."""
    return not set(recipes) - {STAR}


def ends_in_words(counts: Mapping[str, int], recipes: Collection[str], *, aside: str = "") -> str:
    """What became of seeds, in words that fit the recipes; ``aside`` belongs to the improved ones."""
    if is_stars_alone(recipes):
        ends = f"{counts['kept']:,} seeds improved{aside}, {counts['base']:,} kept as their base"
        return f"{ends}, {counts['dropped']:,} dropped"
    return f"{counts['kept'] + counts['base']:,} seeds kept, {counts['dropped']:,} dropped"


def pool_facts(
    probabilities: Mapping[str, Mapping[str, float]],
    tallies: Mapping[str, Mapping[str, ArmTally]],
    notes: Mapping[str, ArmNotes],
    grown: Mapping[str, Mapping[str, GrownArm]] = _NONE_GROWN,
) -> dict[str, Pool]:
    """Every pool that is or was drawn from, Star's pairs aside; an arm that is gone has no probability.

    Args:
        probabilities: By pool and arm, of those that are drawn from now.
        tallies: What arms did.
        notes: What is noted of them.
        grown: Arms that recipes added while they worked.
    """
    nothing = ArmTally()
    told: dict[str, Pool] = {}
    for pool in dict.fromkeys(name for name in (*probabilities, *tallies, *grown) if name != PAIRS):
        drawn, now, added = tallies.get(pool, {}), probabilities.get(pool, {}), grown.get(pool, {})
        arms = {arm: (now.get(arm), drawn.get(arm, nothing)) for arm in dict.fromkeys((*now, *drawn, *added))}
        noted = notes.get(pool, _NO_NOTES)
        told[pool] = Pool(
            arms={arm: _arm(arm, probability, one, noted, added.get(arm)) for arm, (probability, one) in arms.items()}
        )
    return told


def _arm(name: str, probability: float | None, tally: ArmTally, noted: ArmNotes, grown: GrownArm | None) -> Arm:
    return Arm(
        probability=probability,
        probability_at_start=noted.starts.get(name),
        came_later=name in noted.starts and name not in noted.first,
        mark=noted.marks.get(name, ""),
        draws=tally.draws,
        rewards=tally.rewards,
        mean_reward=tally.mean_reward,
        grown=_grown(grown) if grown is not None else None,
    )


def _grown(one: GrownArm) -> Grown:
    return Grown(what=one.what, seq=one.seq, evidence=one.evidence, retired=one.retired, retired_seq=one.retired_seq)


def _recipe(recipe: RecipeTally) -> RecipeState:
    """What a recipe did, and its measures in the order in which it declares them."""
    return RecipeState(
        takes=recipe.takes,
        in_chain=recipe.in_chain,
        outcomes={kind: recipe.outcomes.get(kind, 0) for kind in ("kept", "base", "dropped")},
        rows=dict(recipe.rows),
        children=recipe.children,
        trials=sum(recipe.trials.values()),
        failed_trials={kind: n for kind, n in recipe.trials.items() if kind},
        measures={one.measure.name: _measured(one) for one in recipe.measures},
    )


def _measured(tally: MeasureTally) -> Measured:
    measure = tally.measure
    return Measured(
        name=measure.name,
        low=measure.low,
        high=measure.high,
        better=measure.better,
        what=measure.what,
        values=tally.n,
        mean=tally.mean,
        sum=tally.total,
        histogram=tally.histogram,
    )
