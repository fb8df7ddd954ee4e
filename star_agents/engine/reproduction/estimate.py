"""What a reproduction takes, before anything is spent: calls, US dollars, steps of training; time by what is done.

Calls and dollars are bounds: every verdict that a choice may ask for, and every reply as long as it may be. Which
agents answer is taken as under uniform draws, since nobody knows what evolution will prefer.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from star_agents.agents.prices import most_tokens, worst_case
from star_agents.config.models import Config
from star_agents.config.star import JUDGED
from star_agents.engine.reproduction.plan import Step, config_of
from star_agents.engine.reproduction.work import Reproduction
from star_agents.engine.wiring import endpoints_of
from star_agents.records import KEEP, SEED, AgentPair, Message
from star_agents.training.request import settings_of

RUBRIC_TOKENS = 4000
"""What a judge reads beside the message and the answers, at the most."""
_ORDERS = {"both": 2, "one": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Calls of one kind to one agent."""

    agent: str
    calls: float
    prompt: int
    """Tokens, at the most on the average."""
    longest: int | None
    """Tokens of a reply; ``None``: nothing bounds it."""


def estimate_of(work: Reproduction) -> dict[str, Any]:
    """Each kind of step with what is left of it, calls and dollars in all, and remarks.

    Raises:
        SeedFileError: seeds or questions cannot be read.
        UsageError: they are not there.
    """
    config, steps = work.config, work.steps
    seeds = len(work.seeds) if work.experiment.runs else 0
    prompt = math.ceil(fmean(most_tokens(one.sample.prompt) for one in work.seeds)) if seeds else 0
    data = {arm: asked_of_run(config_of(config, work.paper.arms[arm]), seeds, prompt) for arm in work.experiment.runs}
    graded = _asked_of_grading(work)
    asked: dict[Step, Sequence[Asked]] = {
        step: data[step.arm] if step.kind == "data" else graded if step.kind == "grades" else () for step in steps
    }
    left = [step for step in steps if not work.state.is_done(step)]
    kinds = []
    for kind in ("data", "model", "grades"):
        mine, to_come = ([step for step in some if step.kind == kind] for some in (steps, left))
        if not mine:
            continue
        each = _seconds_each(work, kind)
        seconds = each * len(to_come) if each is not None else 0.0 if not to_come else None
        kinds.append(
            {
                "kind": kind,
                "steps": len(mine),
                "left": len(to_come),
                "calls": round(sum(one.calls for step in to_come for one in asked[step])),
                "usd": _dollars(config, [one for step in to_come for one in asked[step]]),
                "training_steps": _training_steps(work, seeds) * len(to_come) if kind == "model" else 0,
                "seconds": seconds,
            }
        )
    return {"kinds": kinds, "remarks": _remarks(work, seeds, kinds)}


def asked_of_run(config: Config, seeds: int, prompt: int) -> list[Asked]:
    """Calls of one arm's run, at the most, by uniform draws.

    Args:
        config: Of the arm.
        seeds: How many.
        prompt: Tokens of one, on the average.
    """
    pool, drawn = config.pool, min(config.star.candidates, len(config.pool))
    calls: defaultdict[str, float] = defaultdict(float)
    for pair, share in [*((one, drawn / len(pool)) for one in pool), *((one, 1.0) for one in config.base)]:
        for agent in _asked_by(pair):
            calls[agent] += share * seeds
    found = [
        Asked(agent=agent, calls=n, prompt=prompt, longest=config.agents[agent].longest_reply)
        for agent, n in calls.items()
    ]
    if config.star.selection in JUDGED:
        referee = config.star.referee
        longest = max((one.longest or 0 for one in found), default=0)
        verdicts = seeds * drawn * _ORDERS[referee.orders]
        found += [
            Asked(agent=one, calls=verdicts, prompt=prompt + RUBRIC_TOKENS + 2 * longest, longest=referee.max_tokens)
            for one in referee.agents
        ]
    return found


def _asked_by(pair: AgentPair) -> list[str]:
    """Agents that a pair calls, one of them twice where it both rewrites and answers."""
    return [name for name in (pair.instruction, pair.response) if name not in (KEEP, SEED)]


def _asked_of_grading(work: Reproduction) -> list[Asked]:
    """Of one model: its own answers cost nothing, since it answers here."""
    evaluation = work.evaluation({"model": work.experiment.target})
    settings = evaluation.settings
    turns = [(question, turn) for question in evaluation.questions for turn in question.turns]
    read = fmean(most_tokens([Message(role="user", content=turn)]) for _, turn in turns)
    prompt = math.ceil(read) + RUBRIC_TOKENS + 2 * settings.answer_max_tokens
    return [Asked(agent=evaluation.judge, calls=len(turns), prompt=prompt, longest=settings.judge_max_tokens)]


def _dollars(config: Config, asked: Sequence[Asked]) -> float | None:
    """``None``: the price of somebody is not known."""
    endpoints = endpoints_of(config)
    found = 0.0
    for one in asked:
        each = worst_case([endpoint.price for endpoint in endpoints[one.agent]], one.prompt, one.longest).usd
        if each is None:
            return None
        found += each * one.calls
    return found


def _training_steps(work: Reproduction, seeds: int) -> int:
    """Of one training, where each seed gives a row."""
    options: Mapping[str, Any] = work.experiment.training.sft
    if work.experiment.training.command is not None:
        return 0
    settings = settings_of(
        "sft", **{name: options[name] for name in ("epochs", "batch", "max_steps") if name in options}
    )
    steps = math.ceil(settings.epochs * math.ceil(seeds / settings.batch))
    return steps if settings.max_steps is None else min(steps, settings.max_steps)


def _seconds_each(work: Reproduction, kind: str) -> float | None:
    """Mean of those steps of a kind that are done; ``None`` where none is."""
    done = [step for step in work.steps if step.kind == kind and work.state.is_done(step)]
    return fmean(float(work.state.done[step.name]["seconds"]) for step in done) if done else None


def _remarks(work: Reproduction, seeds: int, kinds: Sequence[Mapping[str, Any]]) -> list[str]:
    questions, trainings = len(work.benchmark.questions), work.experiment.trainings
    told = [
        f"{seeds:,} seeds, {questions:,} questions, {trainings} training{'s' * (trainings > 1)} of each arm",
        "calls and dollars at the most of what is left: every reply as long as it may be, agents drawn uniformly",
        "each arm pays for its own candidates; of grades the judge alone is paid, since trained models answer here",
    ]
    if any(one["usd"] is None for one in kinds):
        told.append(
            "the price, or the longest reply, of an agent is not known, and so no sum: `max_tokens` bounds a reply"
        )
    if any(one["seconds"] is None for one in kinds):
        told.append("how long a step takes is known once one of its kind is done: ask again then")
    return told
