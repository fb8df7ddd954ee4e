"""How the types of AgentInstruct's skills grow: what is planned for a document, and new types that a grower proposes.

Everything is done by a document as it is worked: what it plans is recorded, what it asks is journaled under it, and
what it adds and gives up is committed with its outcome. So a document that is worked again adds the same, and pays for
nothing twice; and one document at a time adds to a skill.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from star_agents.recipes.agent_instruct_asking import Asking, shown
from star_agents.recipes.agent_instruct_settings import AgentInstructSettings, Role
from star_agents.recipes.growing_workbench import GrowingWorkbench
from star_agents.recipes.parts.growth import (
    LONGEST_SHOWN,
    MOST_PROPOSED,
    SHOWN,
    Proposal,
    Proposals,
    planned,
    refusal,
    type_of,
)
from star_agents.recipes.parts.skills import Skill, Type, arm_of
from star_agents.recipes.protocol import Workbench
from star_agents.records import Failure, NewArm, RetiredArm, Reward, Standing

POOL = "types"
GROWER: Role = "grower"
ADOPTED = "its skill came to have it as a type of its own"


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """What is planned for a document, and what comes of it."""

    on_trial: Sequence[str] = ()
    """Types that have not had their first draws, as arms, the one with the fewest first."""
    skill: str = ""
    """To which types are to be added by this document; empty for none."""
    room: int = 0
    """How many more types may be drawn at once."""
    retired: tuple[RetiredArm, ...] = ()
    added: tuple[NewArm, ...] = ()
    earned: tuple[Reward, ...] = ()
    """What the grower earned, where it was drawn: the share of its proposals that are new types."""

    @property
    def arms(self) -> dict[str, Any]:
        """What the outcome says of arms."""
        return {"added": self.added, "retired": self.retired}


async def plan(bench: Workbench, settings: AgentInstructSettings) -> Growth:
    """What is to be done as things stand; nothing where nothing grows."""
    if not settings.grow:
        return Growth()
    given = {one.name: [arm_of(one, kind) for kind in one.types] for one in settings.given_skills}
    grown = {
        one.name: [arm_of(one, kind) for kind in one.types if arm_of(one, kind) not in given[one.name]]
        for one in settings.skill_set
    }

    def decide(standings: Mapping[str, Standing]) -> dict[str, Any]:
        limits = {"most": settings.grow, "after": settings.grow_after, "tries": settings.grow_tries}
        return planned(standings, given, grown, **limits).to_plain()

    growing = cast(GrowingWorkbench, bench)
    decided = cast(dict[str, Any], await growing.once_by("grow", POOL, decide))
    return Growth(
        on_trial=decided["on_trial"],
        skill=await growing.take_turn(decided["due"]) if decided["due"] else "",
        room=decided["room"],
        retired=tuple(
            RetiredArm(pool=POOL, arm=arm, reason=why)
            for arm, why in {**decided["retired"], **dict.fromkeys(settings.adopted, ADOPTED)}.items()
        ),
    )


async def grown(asking: Asking, growth: Growth, settings: AgentInstructSettings) -> Growth:
    """With the types that are added, where the document is to add any. Nobody else does so to the skill meanwhile.

    Args:
        asking: Whom to ask.
        growth: As it was planned.
        settings: With the skill's types.

    Raises:
        AgentError: the grower cannot be asked now; the document waits, and its calls stay paid.
    """
    skill = next((one for one in settings.skill_set if one.name == growth.skill), None)
    if skill is None:
        return growth
    bench = cast(GrowingWorkbench, asking.bench)
    arms = [arm_of(skill, kind) for kind in skill.types]
    found = await bench.earners(POOL, arms, count=SHOWN, longest=LONGEST_SHOWN)
    if not found:  # What they earned is longer ago than anybody looks back.
        return growth
    names = settings.agents_of(GROWER)
    grower = names[0] if len(names) == 1 else (await bench.draw(GROWER))[0]
    given_up = settings.given_up.get(skill.name, ())
    count = min(MOST_PROPOSED, growth.room)
    prompt = asking.prompt(
        "grow",
        title=skill.title,
        about=skill.about,
        types=skill.types,
        given_up=given_up,
        lost=shown([one.text for one in found]),
        count=count,
    )
    whom = replace(asking, cast={**asking.cast, GROWER: grower})
    heard = await bench.gather(whom.ask(GROWER, prompt, f"grow:{skill.name}", Proposals(count)))
    (read,) = heard.results
    if isinstance(read, Failure):  # Told among what the grower failed; the skill is due again once more was lost.
        return growth
    evidence = tuple(one.seed_id for one in found)
    added = _new_arms(bench, read.value, skill, given_up, evidence, settings.grow)
    earned = [Reward(pool=GROWER, arm=grower, value=len(added) / len(read.value))]
    return replace(growth, added=added, earned=tuple(earned) if settings.drawn_agents(GROWER) else ())


def _new_arms(
    bench: GrowingWorkbench,
    proposals: Sequence[Proposal],
    skill: Skill,
    given_up: Sequence[Type],
    evidence: tuple[str, ...],
    most: int,
) -> tuple[NewArm, ...]:
    """The proposals that are new types, each unlike those before it; the others are counted by why they are none."""
    added: list[NewArm] = []
    for one in proposals:
        if why := refusal(one, skill, given_up):
            bench.refused_arm(POOL, f"{skill.name}/{one.name}", why)
            continue
        kind = type_of(one, skill)
        skill = skill.with_types([kind])
        data = {"skill": skill.name, "type": kind.model_dump(mode="json", exclude_none=True)}
        arm = arm_of(skill, kind)
        added.append(NewArm(pool=POOL, arm=arm, what=one.ask, data=data, evidence=evidence, at_most=most))
    return tuple(added)
