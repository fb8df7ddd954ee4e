"""Which steps a campaign takes, decided from settings alone: rounds of stages, each on a part of the seeds. Pure.

Arena Learning (arXiv 2407.10627, section 4; design §4): round 0 trains on D0. Round r has the stages SFT, DPO, RLOO
(which takes the place of the paper's PPO), the s-th of them on part (r - 1) · stages + s, whose battles the newest
target fights. Rows add up by stage: SFT of round 3 learns from D1, D4 and D7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from star_agents.config.models import Config
from star_agents.config.rounds import EXAM, RoundsConfig, TrainingMethod, TrainingStage
from star_agents.config.sections import PartsConfig
from star_agents.errors import UsageError
from star_agents.records import Seed
from star_agents.storage.parts import Parts
from star_agents.text.content_hash import digest

T = TypeVar("T")

BASE = "base"
"""Name of the target before any training."""
MOST_ROUNDS = 100
Phase = Literal["data", "rows", "reward_model", "model", "ready", "taken", "exam", "benchmark"]
PHASES: tuple[Phase, ...] = ("data", "rows", "reward_model", "model", "ready", "taken", "exam", "benchmark")
"""Of a step, in their order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One training, with the data before it and the exam behind it."""

    name: str
    """``r1-sft``: of its folders, and of the model that comes of it."""
    round: int
    stage: TrainingStage | None
    """``None``: nothing is trained, and the target is examined as it is."""
    part: str = ""
    """Of the seeds that are worked for it; empty where none are."""
    learns_from: tuple[str, ...] = ()
    """Parts whose rows it is trained on: its own, and those of the same stage in earlier rounds."""
    makes_data: bool = True
    """Whether the recipe works its part; else rows are the seeds themselves."""

    @property
    def methods(self) -> tuple[TrainingMethod, ...]:
        """What is trained, in order."""
        if self.stage is None:
            return ()
        return ("reward", "rloo") if self.stage == "rloo" else (self.stage,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All steps of a campaign."""

    rounds: int
    stages: tuple[TrainingStage, ...]
    steps: tuple[Step, ...]
    parts: PartsConfig
    """How the seeds are divided."""

    @property
    def methods(self) -> tuple[TrainingMethod, ...]:
        """All that is trained in some step, each once."""
        return tuple(dict.fromkeys(method for step in self.steps for method in step.methods))

    def phases(self, step: Step, *, is_examined: bool, is_graded: bool) -> tuple[Phase, ...]:
        """What is to be done in a step, in order."""
        trains = step.stage is not None
        left_out = {
            **dict.fromkeys(("rows", "model", "ready", "taken"), not trains),
            "data": not (trains and step.makes_data),
            "reward_model": step.stage != "rloo",
            "exam": not is_examined,
            "benchmark": not is_graded,
        }
        return tuple(phase for phase in PHASES if not left_out.get(phase, False))


def plan_of(config: Config, rounds: int) -> Plan:
    """The steps under these settings.

    Raises:
        UsageError: the seeds have too few parts for them, or a run would end before it comes to the later ones.
    """
    settings = rounds_of(config)
    if config.target_rows is not None:
        told = "agents.yaml: target_rows: data would end with the first part that gives so many rows"
        raise UsageError(f"{told}, and every round after it learn nothing new; leave it out, and `quota` with it")
    if not 1 <= rounds <= MOST_ROUNDS:
        raise UsageError(f"--rounds {rounds}: 1 to {MOST_ROUNDS} are possible")
    stages = stages_in(config, settings)
    starts = settings.start != "off"
    parts = _parts(config, settings, first=0 if starts else 1, needed=starts + len(stages) * rounds)
    names = [name for name in parts.sizes if name != EXAM]
    steps = [Step(name=BASE, round=0, stage=None)]
    if starts:
        first = names[0]
        is_made = settings.start == "recipe"
        steps.append(Step(name="r0-sft", round=0, stage="sft", part=first, learns_from=(first,), makes_data=is_made))
    for number in range(1, rounds + 1):
        for place, stage in enumerate(stages):
            own = [names[starts + earlier * len(stages) + place] for earlier in range(number)]
            steps.append(
                Step(name=f"r{number}-{stage}", round=number, stage=stage, part=own[-1], learns_from=tuple(own))
            )
    return Plan(rounds=rounds, stages=stages, steps=tuple(steps), parts=parts)


def rounds_of(config: Config) -> RoundsConfig:
    """The section. Raises UsageError where agents.yaml has none."""
    if config.rounds is None:
        example = "rounds: {target: {agent: NAME, model: FOLDER_OR_NAME}}"
        raise UsageError(f"agents.yaml has no section `rounds`, which names the model to train: {example}")
    return config.rounds


def stages_in(config: Config, settings: RoundsConfig) -> tuple[TrainingStage, ...]:
    """The stages of a round, with `auto` resolved."""
    if settings.stages != "auto":
        return settings.stages
    return ("sft", "dpo", "rloo") if config.recipe[-1] == "arena" else ("sft",)


def of_round(values: Sequence[T], number: int) -> T:
    """The value of a round, of which the first is 1; the last one given holds for all after it."""
    return values[min(max(number, 1), len(values)) - 1]


def _parts(config: Config, settings: RoundsConfig, *, first: int, needed: int) -> PartsConfig:
    """As agents.yaml divides the seeds, or else in equal parts from the ``first`` on, beside those of the exam."""
    held_out = settings.exam.share if settings.exam.file is None else 0.0
    if config.parts is None:
        shares = {f"D{number}": (1 - held_out) / needed for number in range(first, first + needed)}
        return PartsConfig(shares={**shares, **({EXAM: held_out} if held_out else {})})
    found = config.parts.model_copy(update={"only": ()})
    names = [name for name in found.sizes if name != EXAM]
    if len(names) < needed:
        told = f"`parts` of agents.yaml makes {len(names)} parts, and these rounds need {needed}"
        raise UsageError(f"{told}: one for round 0 and one for each stage; leave `parts` out, or make more of them")
    if held_out and EXAM not in found.sizes:
        fix = "add a part `exam` to `parts.shares`, name `rounds.exam.file`, or set `rounds.exam.share: 0` for no exam"
        raise UsageError(f"`parts` of agents.yaml holds no seeds out for the exam; {fix}")
    return found


def exam_prompts(config: Config, plan: Plan, seeds: Sequence[Seed], of_file: Sequence[Seed]) -> tuple[Seed, ...]:
    """The prompts of the exam: those of its file, or of its part of the seeds; the first by their ids.

    Raises:
        UsageError: there is none.
    """
    settings = rounds_of(config).exam
    if not settings.is_held:
        return ()
    parts = Parts(plan.parts)
    found = of_file or [seed for seed in seeds if seed.kind != "document" and parts.part_of(seed) == EXAM]
    if not found:
        fix = "take more seeds or a larger `rounds.exam.share`, or name `rounds.exam.file`"
        raise UsageError(f"no instruction is held out for the exam; {fix}")
    return tuple(sorted(found, key=lambda seed: seed.id)[: settings.most])


def fixed_by(config: Config, plan: Plan, prompts: Sequence[Seed]) -> dict[str, Any]:
    """What must stay as it is while a campaign goes on; each what a later step builds on."""
    settings = rounds_of(config)
    return {
        "recipe": list(config.recipe),
        "agent": settings.target.agent,
        "model": settings.target.model,
        "stages": list(plan.stages),
        "start": settings.start,
        "parts": digest(plan.parts.model_dump(mode="json", exclude={"only"}))[:12],
        "exam": digest([seed.id for seed in prompts])[:12],
    }
