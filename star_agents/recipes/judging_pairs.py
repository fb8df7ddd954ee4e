"""A judge hears pairs of answers whose better one is known: `judge-health`.

It is asked as an arena asks it, with the same prompt and in both orders, so that what is measured is the judge that an
arena has. Of what people said it sees nothing: that stays in their file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from star_agents.arena.pair_health import FIRST, SECOND
from star_agents.config.recipes import Characters
from star_agents.errors import RecipeError
from star_agents.recipes.arena_jury import fight
from star_agents.recipes.arena_settings import JudgeSettings
from star_agents.recipes.parts.history import newest_turns
from star_agents.recipes.protocol import Recipe, Workbench, done, dropped, prompts_beside, recipe
from star_agents.records import Failure, Judgement, Outcome, Sample, Seed, Trial
from star_agents.text.content_hash import digest

NAME = "judging_pairs"
JUDGE = "judge"
"""In a seed's ``meta``, beside ``FIRST`` and ``SECOND``: who is asked."""
ANSWER = "answer"
"""Role of both trials."""


class JudgingPairsSettings(JudgeSettings):
    """How the judges are asked."""

    history: Characters = 20_000
    """Characters of earlier turns that judges are shown: the newest that fit."""


def pair_seed(asked: Sample, first: str, second: str, judge: str, asked_as: Any) -> Seed:
    """A pair that one judge is to hear.

    Args:
        asked: What both answer; without a response.
        first: The one answer.
        second: The other one.
        judge: Its agent.
        asked_as: What tells its answers apart from those of another model or prompt: with another one it is asked anew.
    """
    shown = {FIRST: first, SECOND: second, JUDGE: judge}
    return Seed(id=digest([NAME, asked.to_dict(), shown, asked_as])[:32], content=asked, kind="instruction", meta=shown)


@recipe(takes="instruction", settings=JudgingPairsSettings, name=NAME)
async def judging_pairs(seed: Seed, bench: Workbench, settings: JudgingPairsSettings) -> Outcome:
    """Points for two answers whose better one is known: what `judge-health` asks of a judge."""
    if not {FIRST, SECOND, JUDGE} <= seed.meta.keys():
        raise RecipeError(f"recipe {NAME} works on the pairs of `judge-health`, and this seed is none")
    asked = replace(seed.sample, response=None, history=newest_turns(seed.sample.history, settings.history))
    trials = [
        Trial(arm=name, role=ANSWER, sample=replace(asked, response=str(seed.meta[name]))) for name in (FIRST, SECOND)
    ]
    judgements, prompts = await fight(trials, [(0, 1)], [str(seed.meta[JUDGE])], bench, settings)
    if all(map(_was_not_heard, judgements)):
        nothing = dropped(seed, "; ".join(dict.fromkeys(one.reason for one in judgements)), trials=trials)
        return replace(nothing, judgements=judgements)
    return done(seed, trials=[replace(one, prompts=prompts) for one in trials], judgements=judgements)


def _was_not_heard(judgement: Judgement) -> bool:
    """Whether the call failed: that says nothing of the judge, as a reply that cannot be read does."""
    failure = None if judgement.readable else Failure.read(judgement.reason)
    return failure is not None and failure.kind in ("call", "down", "budget")


JUDGING_PAIRS: Recipe[JudgingPairsSettings] = replace(
    judging_pairs, prompts=prompts_beside(judging_pairs.work, "arena")
)
