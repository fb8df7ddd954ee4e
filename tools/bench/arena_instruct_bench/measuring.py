"""What a run turned to, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from arena_instruct_bench.planted import World, planted
from arena_instruct_bench.steering import Draw, Plan, Steered

LAST = 500
"""Instructions at the end of a run whose draws are looked at."""
PROMPTLY = 500
"""Instructions within which a type's share should have fallen by half once the target is no longer weak there."""
PATIENCE = 4000
"""Instructions after which that is no longer waited for."""


class Seen(NamedTuple):
    """Of one run."""

    weak: float
    """Share of its last draws that fell on types in which the target is weak."""
    learnable: float
    """Of these, the share at the level at which it is."""
    useful_per_call: float


class Turned(NamedTuple):
    """Of one run whose target then improves in the weak type that is drawn most."""

    seen: Seen
    floor: float
    """Least probability that a type ever had, in floors of the default policy."""
    until_half: int
    """Instructions until that type is drawn half as often."""


def seen_in(draws: Sequence[Draw], world: World) -> Seen:
    """What draws, in their order, turned to."""
    late: list[Draw] = []
    for one in reversed(draws):
        if sum(other.instructions for other in late) >= LAST:
            break
        late.append(one)
    weak = [one for one in late if one.type in world.weak]
    learnable = [one for one in weak if one.level == world.weak[one.type]]
    useful = sum(one.useful for one in draws) / sum(one.calls for one in draws)
    return Seen(len(weak) / len(late), len(learnable) / max(1, len(weak)), useful)


def steered(plan: Plan, instructions: int) -> Turned:
    """Steer a run in the world of its seed; with feedback, go on with a target that has improved in one type."""
    world = planted(plan.seed)
    one = Steered(world, plan)
    seen = seen_in(one.go_on(instructions), world)
    floor = one.least / (0.15 / len(world.types))
    if not plan.feedback:
        return Turned(seen, floor, 0)
    shares = {kind: one.share_of(kind) for kind in world.weak}
    best, gone = max(shares, key=lambda kind: shares[kind]), 0
    step = 3 * plan.per_document
    while gone < PATIENCE and one.share_of(best) > shares[best] / 2:
        one.go_on(step, frozenset({best}))
        gone += step
    return Turned(seen, floor, gone)
