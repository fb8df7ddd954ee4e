"""What is trained and examined: which targets, over which seeds, on which arms' rows, how often. Figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from proof import trained, tuned_arms
from proof.table import build
from proof.targets import folder_of
from proof.trained import Trained, TunedFigures
from proof.tuned_arms import FORM_ORACLE, ORACLE
from star_agents.config.sections import ScoreMode

M = 3
MODES: tuple[ScoreMode, ...] = ("perplexity_ratio", "score_eos")
MAIN_ARMS = (
    "seeds",
    "random",
    "referee only",
    "dual only",
    "full without evolution",
    "full",
    "full, as shipped",
    "as shipped, nothing rewritten",
    ORACLE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """One table of figures: targets of a kind, whose runs are put together."""

    kind: str
    style: str
    """Of the seeds."""
    runs: Mapping[str, int]
    """Target to the number of training seeds; each also draws its own pairs."""
    arms: tuple[str, ...] = ()
    """Left out: all of them."""

    @property
    def ceiling(self) -> str:
        """The oracle that knows all there is to know. Plain seeds that are right are well put."""
        return ORACLE if self.style == "plain" else FORM_ORACLE


LESSONS = (
    Lesson(kind="noisy", style="mixed", runs={"noisy-1": 3, "noisy-2": 2}),
    Lesson(kind="clean", style="mixed", runs={"clean-1": 3, "clean-2": 2}),
    Lesson(kind="noisy", style="plain", runs={"noisy-1": 3}, arms=MAIN_ARMS),
    Lesson(kind="clean", style="plain", runs={"clean-1": 2}, arms=MAIN_ARMS),
)
QUICK = (Lesson(kind="noisy", style="mixed", runs={"noisy-1": 1}),)


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """What came of a lesson."""

    before: Mapping[str, float]
    """Target to the share of right greedy answers without any training."""
    arms: list[TunedFigures]


def teach(lesson: Lesson, referee: str, rows: int, items: int, out: Path) -> Marks:
    """Train and examine; runs that ``out`` holds are not trained again."""
    tasks = trained.test_items(items)
    before: dict[str, float] = {}
    found: list[dict[str, Trained]] = []
    for target, runs in lesson.runs.items():
        tables = {str(mode): build(rows, 0, out, style=lesson.style, mode=mode, target=target) for mode in MODES}
        arms = tuned_arms.choose(tables, referee, M, runs)
        if lesson.arms:
            arms = {arm: arms[arm] for arm in lesson.arms}
        folder, name = folder_of(target, out), f"{target}, {rows} {lesson.style} rows, M = {M}"
        file = out / f"tuned-{target}.jsonl"
        found.append(trained.train(tables["perplexity_ratio"], folder, arms, tasks, name, file))
        before[target] = trained.before(folder, tasks)
    joined = {arm: reduce(Trained.and_, (one[arm] for one in found)) for arm in found[0]}
    return Marks(before=before, arms=trained.figures(joined, tasks, lesson.ceiling))
