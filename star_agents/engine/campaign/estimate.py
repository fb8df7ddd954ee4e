"""What a campaign takes at the most, before anything is spent: calls and US dollars by step, and training steps.

Calls of an arena follow from its settings: one for each player's answer, two orders of each battle for each judge, as
if nothing was ever equal or failed. Of other recipes nobody knows before their first seeds are worked; then the mean of
those is told. Dollars are an upper bound as budgets reserve them: every reply as long as it may be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from star_agents.agents.endpoints import Endpoint
from star_agents.agents.judging.point_tests import with_appeals
from star_agents.agents.prices import most_tokens, worst_case
from star_agents.arena.lessons import pairings
from star_agents.bench.exam_pairs import exam_pairs
from star_agents.config.models import Config
from star_agents.config.rounds import EXAM, Option, TrainingMethod
from star_agents.engine.campaign.configs import Target, players_of, with_target
from star_agents.engine.campaign.figures import figures_of
from star_agents.engine.campaign.plan import BASE, Plan, Step, rounds_of
from star_agents.engine.wiring import endpoints_of
from star_agents.records import Seed, is_reward_model
from star_agents.storage.parts import Parts
from star_agents.storage.store import STORE_FILE
from star_agents.training.request import settings_of

RUBRIC_TOKENS = 4000
"""What a judge reads beside the message and both answers, at the most."""
_ORDERS = 2


class _Calls(NamedTuple):
    """Calls by agent."""

    answers: dict[str, int]
    games: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.answers.values()) + sum(self.games.values())


def estimate_rounds(
    config: Config, plan: Plan, seeds: Sequence[Seed], exam: Sequence[Seed], out: Path, *, graded: int = 0
) -> dict[str, Any]:
    """What all steps take, at the most.

    Args:
        config: Of agents.yaml.
        plan: Of it.
        seeds: All of them.
        exam: Prompts of the exam.
        out: Folder of the campaign; of a recipe whose calls nobody knows before, what was worked there tells.
        graded: Calls that the benchmark takes of each target.
    """
    parts, settings = Parts(plan.parts), rounds_of(config)
    of_part: dict[str, list[Seed]] = {}
    for seed in seeds:
        of_part.setdefault(parts.part_of(seed), []).append(seed)
    placed = with_target(config, Target(BASE, settings.target.model))
    costs = _Costs(placed, endpoints_of(placed), seeds)
    measured = _measured(plan, out)
    steps, met, has_data = [], 0, False
    for step in plan.steps:
        mine = of_part.get(step.part, [])
        makes_data = step.makes_data and step.stage is not None
        calls = _of_data(config, len(mine), is_first=not has_data) if makes_data else _Calls({}, {})
        has_data = has_data or makes_data
        total = None if calls is None else calls.total
        usd = None if calls is None else costs.at_most(calls)
        if calls is None and measured is not None:
            total, usd = round(measured[0] * len(mine)), measured[1] * len(mine)
        exams = _Calls({}, {})
        if settings.exam.is_held:
            exams, met = _of_exam(config, len(exam), met), met + 1
            of_exam = costs.at_most(exams)
            usd = None if usd is None or of_exam is None else usd + of_exam
        learned = sum(len(of_part.get(part, [])) for part in step.learns_from)
        steps.append(
            {
                "name": step.name,
                "part": step.part or None,
                "seeds": len(mine) if step.part else 0,
                "calls": total,
                "exam_calls": exams.total,
                "usd": usd,
                "rows": learned,
                "training_steps": _training_steps(config, step, learned),
            }
        )
    return {"steps": steps, "remarks": list(_remarks(steps, len(exam), graded, of_part, plan))}


def _of_data(config: Config, seeds: int, *, is_first: bool) -> _Calls | None:
    """Of a part; where it is the first that is worked, judges sit their exam. ``None``: nobody knows."""
    arena = getattr(config, "arena", None)
    if config.recipe != ("arena",) or arena is None:
        return None
    drawn = len(arena.opponents) if arena.opponents_per_seed is None else arena.opponents_per_seed
    players = [arena.target or "", *arena.opponents[:drawn]]
    battles = len(pairings(players, players[0], arena.mode))
    judges = [one for one in arena.judges if not is_reward_model(one)]
    sat = _exam_calls(config, judges) if is_first else {}
    return _Calls(dict.fromkeys(players, seeds), {one: seeds * battles * _ORDERS + sat.get(one, 0) for one in judges})


def _exam_calls(config: Config, judges: Sequence[str]) -> dict[str, int]:
    """What the exam of each judge takes in one store; nothing where they sit none."""
    arena = getattr(config, "arena", None)
    if arena is not None and arena.exam == "off":
        return {}
    return {judge: len(with_appeals(exam_pairs(config, judge)).pairs) * _ORDERS for judge in judges}


def _of_exam(config: Config, prompts: int, met: int) -> _Calls:
    """Of the target that comes after so many others; the first finds opponents that have not answered yet."""
    opponents, jury = players_of(config)
    judges = [one for one in jury if not is_reward_model(one)]
    answers = {rounds_of(config).target.agent: prompts}
    battles = len(opponents) + met
    if not met:
        answers |= dict.fromkeys(opponents, prompts)
        battles += math.comb(len(opponents), 2)
    sat = {} if met else _exam_calls(config, judges)
    return _Calls(answers, {one: prompts * battles * _ORDERS + sat.get(one, 0) for one in judges})


class _Costs:
    """Upper bounds of what calls cost."""

    def __init__(self, config: Config, endpoints: Mapping[str, Sequence[Endpoint]], seeds: Sequence[Seed]) -> None:
        self._config, self._endpoints = config, endpoints
        sizes = [most_tokens(seed.sample.prompt) for seed in seeds if seed.kind != "document"]
        self._prompt = math.ceil(fmean(sizes)) if sizes else 0

    def at_most(self, calls: _Calls) -> float | None:
        """US dollars; ``None`` where a price is not known."""
        longest = max((self._longest(agent) or 0 for agent in calls.answers), default=0)
        bounds = [self._each(agent, self._prompt, self._longest(agent), n) for agent, n in calls.answers.items()]
        judged = self._prompt + RUBRIC_TOKENS + 2 * longest
        bounds += [self._each(agent, judged, self._of_judge(), n) for agent, n in calls.games.items()]
        known = [one for one in bounds if one is not None]
        return sum(known) if len(known) == len(bounds) else None

    def _each(self, agent: str, prompt: int, longest: int | None, calls: int) -> float | None:
        each = worst_case([one.price for one in self._endpoints[agent]], prompt, longest).usd
        return None if each is None else each * calls

    def _longest(self, agent: str) -> int | None:
        return self._config.agents[agent].longest_reply

    def _of_judge(self) -> int:
        arena = getattr(self._config, "arena", None)
        return 1024 if arena is None else int(arena.judge_max_tokens)


def _measured(plan: Plan, out: Path) -> tuple[float, float] | None:
    """Mean calls and dollars of a seed in what was worked already; ``None`` where nothing was."""
    folder = out / "data"
    if not (folder / STORE_FILE).is_file():
        return None
    found = [figures_of(folder, step.part) for step in plan.steps if step.part]
    seeds = sum(one.seeds for one in found)
    if not seeds or any(one.unknown for one in found):
        return None
    return sum(one.calls for one in found) / seeds, sum(one.usd for one in found) / seeds


def _training_steps(config: Config, step: Step, rows: int) -> int | None:
    """Steps of the optimizer where every seed gives a row; ``None`` for a command of the user's, and where none is."""
    training = rounds_of(config).training
    if not step.methods or training.command is not None:
        return None
    return sum(_steps_of(method, training.options(method), rows) for method in step.methods)


def _steps_of(method: TrainingMethod, options: Mapping[str, Option], rows: int) -> int:
    """Raises UsageError for a number that makes no sense."""
    counted = ("epochs", "batch", "max_steps", "generations")
    known = {name: value for name, value in options.items() if name in counted}
    settings = settings_of(method, **known)
    answers = settings.generations if method == "rloo" else 1
    steps = math.ceil(settings.epochs * math.ceil(rows * answers / settings.batch))
    return steps if settings.max_steps is None else min(steps, settings.max_steps)


def _remarks(
    steps: Sequence[Mapping[str, Any]], exam: int, graded: int, of_part: Mapping[str, Sequence[Seed]], plan: Plan
) -> Any:
    """What no cell says."""
    known = [one["calls"] for one in steps if one["calls"] is not None]
    calls = sum(known) + sum(one["exam_calls"] for one in steps) + graded * len(steps)
    unknown = len(steps) - len(known)
    yield f"at most {calls:,} calls in all" + (
        f", and those of {unknown} steps, of which nobody knows before some of their seeds are worked"
        if unknown
        else ""
    )
    dollars = [one["usd"] for one in steps if one["usd"] is not None]
    if len(dollars) == len(steps):
        yield f"at most ${sum(dollars):,.4f} in all"
    else:
        yield f"at most ${sum(dollars):,.4f} for {len(dollars)} of {len(steps)} steps; of the others it is not known"
    if graded:
        yield f"the benchmark takes {graded:,} calls of each target, which count in all calls and in no dollars here"
    yield "a reply of a judge that cannot be read is asked for once more, which is not counted here"
    yield f"the exam has {exam:,} prompts; every target meets the opponents and each target before it"
    if small := [step.part for step in plan.steps if step.part and not of_part.get(step.part)]:
        yield f"no seeds for {', '.join(small)}: these rounds would end there; take more seeds"
    if any(one["rows"] for one in steps):
        yield "rows and steps as if every instruction gave a row; of what is lost by less than `rounds.keep` none comes"
    assert EXAM not in {step.part for step in plan.steps}
