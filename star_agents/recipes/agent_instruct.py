"""AgentInstruct (arXiv 2407.03502): instructions out of raw documents, with nobody's questions to begin with.

A skill is drawn for a document, and of it a transformation and some types. The transformer turns the document into
another text; for each type an agent writes a list of instructions about that; a suggester proposes what would make each
of them better, and an editor carries out every proposal, round by round; then they are answered. Where another recipe
follows, the instructions go on to it unanswered, each with what was drawn for it, and what their outcomes are worth is
what that earned; else it earned the share of its instructions that became rows.

The paper publishes neither prompts nor the number of rounds; skills, types and their forms stand in ``skills/``, each
part marked by its source. What has a form is checked, mended once by whoever wrote it, and refused with its reason. An
instruction that speaks of a text goes with that text or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from star_agents.recipes.agent_instruct_answers import answer, converse
from star_agents.recipes.agent_instruct_asking import Asking
from star_agents.recipes.agent_instruct_growth import GROWER, Growth, grown, plan
from star_agents.recipes.agent_instruct_refining import refine
from star_agents.recipes.agent_instruct_settings import (
    ROLES,
    AgentInstructSettings,
    Role,
    level_arm,
    level_arms,
    skill_arms,
    transformation_arms,
    type_arms,
    with_grown,
)
from star_agents.recipes.agent_instruct_writing import transform, write
from star_agents.recipes.parts.drafts import NO_VERDICT, ROLE, Draft, text_flaw, without_repeats
from star_agents.recipes.parts.gathering import gather_within_budget
from star_agents.recipes.parts.skills import Skill, Transformation, Type, arm_of
from star_agents.recipes.protocol import Measure, Workbench, done, dropped, recipe, sft
from star_agents.records import Claim, Failure, Outcome, Reward, Sample, Seed, Trial


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """What was drawn for a document in one skill."""

    skill: Skill
    transformation: Transformation | None
    shares: Mapping[str, int]
    """Name of each type to how many instructions it is asked for."""
    rounds: Mapping[str, int]
    """Name of each type to the rounds of refinement that were drawn for it; empty where these are fixed, and without
    a type that was retired before they were drawn."""
    types: Mapping[str, Type]
    """The skill's by name, with those that it had once."""

    @property
    def kinds(self) -> list[Type]:
        """The types, in order of drawing."""
        return [self.types[name] for name in self.shares]


Stopped = Sequence[tuple[Flow, Failure]]
"""Flows that came to no text, and why."""


@recipe(
    takes="document",
    gives="instruction",
    refuses=ROLE,
    settings=AgentInstructSettings,
    pools={
        "skills": lambda settings, _: skill_arms(settings),
        "transformations": lambda settings, _: transformation_arms(settings),
        "types": lambda settings, _: type_arms(settings),
        "levels": lambda settings, _: level_arms(settings),
        "transformer": lambda settings, _: settings.drawn_agents("transformer"),
        "writer": lambda settings, _: settings.drawn_agents("writer"),
        "suggester": lambda settings, _: settings.drawn_agents("suggester"),
        "editor": lambda settings, _: settings.drawn_agents("editor"),
        "answerer": lambda settings, _: settings.drawn_agents("answerer"),
        GROWER: lambda settings, _: settings.drawn_agents(GROWER) if settings.grow else (),
    },
    measures=[
        Measure("kept", what="1 for an instruction that was kept, 0 for one that was refused"),
        Measure("rounds", high=4, better="", what="rounds of refinement behind an instruction"),
        Measure("words", high=200, better="", what="words of an instruction, without its text"),
    ],
    bench="star_agents.bench.growing:GrowingBench",
    with_grown=with_grown,
)
async def agent_instruct(seed: Seed, bench: Workbench, settings: AgentInstructSettings) -> Outcome:
    """AgentInstruct: documents transformed, asked about by types, refined by suggester and editor, and answered."""
    if flaw := text_flaw(seed.document.text, settings.longest_text):
        return dropped(seed, f"the document {flaw}")
    growth = await plan(bench, settings)
    flows = await _flows(bench, settings, growth.on_trial)
    cast = {role: await _player(role, bench, settings) for role in ROLES}
    code = str(await bench.once("code", lambda: secrets.token_hex(8)))
    asking = Asking(bench=bench, cast=cast, code=code, skills=[one.skill for one in flows])
    made = await gather_within_budget(bench, [_instructions(seed, flow, asking, settings) for flow in flows])
    found = await _screened(asking, [draft for part in made.good for draft in part], "admitted")
    drafts = await _answered(asking, found)
    stopped = [(flow, one) for flow, one in zip(flows, made.results, strict=True) if isinstance(one, Failure)]
    levels = {
        arm_of(one.skill, kind): one.rounds[kind.name] for one in flows for kind in one.kinds if kind.name in one.rounds
    }
    growth = await grown(asking, growth, settings)
    return _outcome(seed, asking, drafts, [_labels(one, settings, cast, levels) for one in drafts], stopped, growth)


async def _flows(bench: Workbench, settings: AgentInstructSettings, on_trial: Sequence[str]) -> list[Flow]:
    """What is drawn for a document. Nothing is asked meanwhile, so that draws come in the same order each time. One
    draw of types is kept for one that is on trial."""
    skills = {one.name: one for one in settings.skill_set}
    names: Sequence[str] = list(skills)
    if len(names) > 1:
        names = await bench.draw("skills", settings.skills_per_document)
    types = settings.fan_out.types
    flows: list[Flow] = []
    for place, name in enumerate(names):
        skill, wanted = skills[name], types // len(names) + (place < types % len(names))
        if not wanted:
            continue
        transformations = {arm_of(skill, one): one for one in skill.transformations}
        transformation = None
        if transformations:
            (arm,) = await bench.draw("transformations", among=transformations)
            transformation = transformations[arm]
        kinds = settings.types_of(skill)
        arms = {arm_of(skill, one): one.name for one in kinds}
        tried = next((arm for arm in on_trial if arm in arms), None)
        drawn = await bench.draw("types", 1, among=[tried]) if tried else ()
        if len(drawn) < wanted:
            drawn += await bench.draw("types", wanted - len(drawn), among=[arm for arm in arms if arm not in drawn])
        levels = {arms[arm]: await _level(arm, bench, settings) for arm in drawn if settings.refine.levels}
        rounds = {kind: level for kind, level in levels.items() if level is not None}
        shares = dict.fromkeys([arms[arm] for arm in drawn], 0)
        named = {one.name: one for one in kinds}
        flows.append(Flow(skill=skill, transformation=transformation, shares=shares, rounds=rounds, types=named))
    counts = iter(settings.fan_out.shares(sum(len(one.shares) for one in flows)))
    return [replace(one, shares={name: next(counts) for name in one.shares}) for one in flows]


async def _level(arm: str, bench: Workbench, settings: AgentInstructSettings) -> int | None:
    """Rounds of refinement for a type, as they are drawn; ``None`` for one that was retired since it was drawn: its
    levels went with it."""
    rounds = {level_arm(arm, one): one for one in settings.refine.levels}
    drawn = await bench.draw("levels", among=rounds)
    return rounds[drawn[0]] if drawn else None


async def _player(role: Role, bench: Workbench, settings: AgentInstructSettings) -> str:
    """Who plays a part for this document."""
    names = settings.agents_of(role)
    return names[0] if len(names) == 1 else (await bench.draw(role))[0]


async def _instructions(seed: Seed, flow: Flow, asking: Asking, settings: AgentInstructSettings) -> list[Draft]:
    """The instructions of one skill, as refined as they are to be; those that came to nothing among them."""
    material = await transform(asking, flow.skill, flow.transformation, seed.document, longest=settings.longest_text)
    jobs = [write(asking, material, kind, flow.shares[kind.name]) for kind in flow.kinds]
    lists = (await gather_within_budget(asking.bench, jobs)).results
    drafts = [
        draft
        for kind, found in zip(flow.kinds, lists, strict=True)
        for draft in ([material.draft(kind).failed(found, "writer")] if isinstance(found, Failure) else found)
    ]
    return await _refined(asking, await _screened(asking, drafts, f"written:{flow.skill.name}"), flow, settings)


async def _screened(asking: Asking, drafts: Sequence[Draft], step: str) -> list[Draft]:
    """The drafts, those as failures that repeat another one or may not be admitted: nothing more is paid for them."""
    told = without_repeats((), drafts)
    places = [place for place, one in enumerate(told) if one.failure is None]
    reasons = await asking.bench.why_refused([told[place].wording for place in places], step=step)
    for place, reason in zip(places, reasons, strict=True):
        if reason:
            told[place] = told[place].failed(Failure(kind="format", detail=reason))
    return told


async def _refined(asking: Asking, drafts: Sequence[Draft], flow: Flow, settings: AgentInstructSettings) -> list[Draft]:
    """Instructions with what refinement makes of them: all alike, or those of each type at the level drawn for it."""
    fan_out, fixed = settings.fan_out, settings.refine.rounds
    if fixed != "auto":
        most = max(1, fan_out.most * sum(flow.shares.values()) // fan_out.written)
        keep, suggestions = settings.refine.keep, fan_out.suggestions
        return await refine(asking, drafts, rounds=fixed, keep=keep, suggestions=suggestions, most=most)
    levels = settings.refine.levels
    alike = [[one for one in drafts if flow.rounds.get(one.kind.name, levels[0]) == rounds] for rounds in levels]
    jobs = [
        refine(asking, those, rounds=rounds, keep="replace", suggestions=1, most=len(those))
        for rounds, those in zip(settings.refine.levels, alike, strict=True)
    ]
    refined = (await gather_within_budget(asking.bench, jobs)).results
    return [
        draft
        for those, found in zip(alike, refined, strict=True)
        for draft in ([one.failed(found, "editor") for one in those] if isinstance(found, Failure) else found)
    ]


async def _answered(asking: Asking, drafts: Sequence[Draft]) -> list[Draft]:
    """The instructions answered; where another recipe follows, their last turn is left to that."""
    good = [one for one in drafts if one.failure is None]
    work = converse if asking.bench.next_recipe else answer
    heard = (await gather_within_budget(asking.bench, [work(asking, one) for one in good])).results
    ended = [
        draft.failed(one, "answerer") if isinstance(one, Failure) else one
        for draft, one in zip(good, heard, strict=True)
    ]
    return [*ended, *(one for one in drafts if one.failure is not None)]


def _outcome(
    seed: Seed,
    asking: Asking,
    drafts: Sequence[Draft],
    labels: Sequence[Mapping[str, str]],
    stopped: Stopped,
    growth: Growth,
) -> Outcome:
    """What came of a document: rows, or instructions for the next recipe, and what whatever was drawn has earned."""
    bench, cast = asking.bench, asking.cast
    places = [place for place, one in enumerate(drafts) if one.failure is None]
    trials = [*(one.trial() for one in drafts), *(_without_text(flow, failure) for flow, failure in stopped)]
    earned = [*_earned(drafts, labels, stopped, is_last=not bench.next_recipe), *growth.earned]
    if not places:
        reasons = dict.fromkeys(str(one.failure) for one in trials if one.failure)
        told = f"no instruction came of it: {'; '.join(reasons)}"
        return dropped(seed, told, trials=trials, earned=earned, **growth.arms)
    lineages = [_lineage(seed, one, cast) for one in drafts]
    if bench.next_recipe:
        children = [bench.child(drafts[one].sample, labels=labels[one], notes=lineages[one]) for one in places]
        claims = [_claim(drafts, one, labels[one], child.id) for one, child in zip(places, children, strict=True)]
        return done(seed, children=children, trials=trials, earned=earned, claims=claims, **growth.arms)
    rows = [sft(drafts[one].sample, labels=lineages[one], from_trials=[one]) for one in places]
    claims = [_claim(drafts, one, labels[one]) for one in places]
    return done(seed, rows=rows, trials=trials, earned=earned, claims=claims, **growth.arms)


def _claim(drafts: Sequence[Draft], place: int, drawn: Mapping[str, str], child: str = "") -> Claim:
    """That an instruction is new: another document may have come to the same meanwhile."""
    refused = {"kept": 0.0}
    return Claim(wording=drafts[place].wording, trial=place, child=child, arms=drawn, measures_if_refused=refused)


def _without_text(flow: Flow, failure: Failure) -> Trial:
    """A transformation of which no text came."""
    arm = arm_of(flow.skill, flow.transformation) if flow.transformation else flow.skill.name
    kept = None if failure.kind in NO_VERDICT else 0.0
    nothing = Sample(instruction="")
    return Trial(arm=arm, sample=nothing, role="text", failure=failure, measures={"kept": kept}, cost_usd=None)


def _labels(
    draft: Draft, settings: AgentInstructSettings, cast: Mapping[Role, str], levels: Mapping[str, int]
) -> dict[str, str]:
    """Pool to arm, of what was drawn for an instruction. One that did not come to the level that was drawn for its type
    says nothing of that, unless refining it failed."""
    labels = {"types": draft.arm}
    if draft.arm in levels and (draft.rounds == levels[draft.arm] or _failed_in_refining(draft)):
        labels["levels"] = level_arm(draft.arm, levels[draft.arm])
    if len(settings.skills) > 1:
        labels["skills"] = draft.skill.name
    if draft.transformation:
        labels["transformations"] = f"{draft.skill.name}/{draft.transformation}"
    return labels | {role: cast[role] for role in ROLES if role in draft.parts and settings.drawn_agents(role)}


def _failed_in_refining(draft: Draft) -> bool:
    return draft.failure is not None and draft.parts[-1:] in (("suggester",), ("editor",))


def _earned(
    drafts: Sequence[Draft], labels: Sequence[Mapping[str, str]], stopped: Stopped, *, is_last: bool
) -> list[Reward]:
    """One reward for each draw of which something is known: the share of its instructions that were kept. Where another
    recipe follows, what is kept is worth what that makes of it, and only what came to nothing is known here."""
    known: dict[tuple[str, str], list[bool]] = {}
    for draft, drawn in zip(drafts, labels, strict=True):
        if draft.failure is not None and draft.failure.kind in NO_VERDICT:
            continue
        is_unedited = draft.failure is not None and draft.parts[-1:] == ("suggester",)
        for pool, arm in drawn.items():
            if pool == "suggester" or not is_unedited:  # A suggestion that was none says nothing of the instruction.
                known.setdefault((pool, arm), []).append(draft.failure is None)
    for flow, failure in stopped:
        if flow.transformation is not None and failure.kind not in NO_VERDICT:
            known["transformations", arm_of(flow.skill, flow.transformation)] = [False]
    return [
        Reward(pool=pool, arm=arm, value=fmean(kept)) for (pool, arm), kept in known.items() if is_last or not any(kept)
    ]


def _lineage(seed: Seed, draft: Draft, cast: Mapping[Role, str]) -> dict[str, str]:
    """What is told with a row: of which document it came, by which way, and who had a part in it."""
    title = {"title": seed.document.title} if seed.document.title else {}
    agents: dict[str, str] = {role: cast[role] for role in ROLES if role in draft.parts}
    return {"document": seed.id, **title, **draft.lineage(), **agents}
