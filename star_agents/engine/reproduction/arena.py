"""Arena Learning's rounds beside the paper: which steps it tells of, and what `rounds` came to in theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from star_agents.config.base import MAX_COUNT
from star_agents.config.data_files import DataEntry, Passage, read_data_file
from star_agents.engine.campaign.campaign import interval_in_words
from star_agents.engine.campaign.figures import gain_over
from star_agents.engine.campaign.state import EXAMS
from star_agents.engine.reproduction.experiment import EXPERIMENT_FILE, Scale, refuse_other_scale, write_seeds
from star_agents.engine.reproduction.papers import FILES
from star_agents.offline import benchmarks

StepName = Annotated[str, Field(pattern=r"^r[0-9]{1,3}-(sft|dpo|rloo)\z")]


class ArenaExperiment(DataEntry):
    """All that stands beside agents.yaml."""

    experiment: Literal["arena"]
    """Of which paper."""
    scale: Scale
    """At which scale: `tiny`, `quick` or `paper`."""
    seeds: str
    """File of all seeds, which `parts` of agents.yaml, or the command, divides."""
    world_seeds: int | None = Field(default=None, ge=1, le=MAX_COUNT)
    """Where the seeds are those of the closed world, how many are written; left out: they are yours."""
    rounds: int = Field(ge=1, le=100)
    """How many."""


class PaperStep(DataEntry):
    """What the paper tells of a step."""

    name: Passage
    """As the paper calls it; its PPO is RLOO here."""
    elo: float | None = None
    """Left out: unknown."""
    read: Literal["printed", "by_difference"] | None = None
    """Where the rating comes from."""
    rows: int | None = Field(default=None, ge=0, le=MAX_COUNT)
    """That its part gave."""


class ArenaPaper(DataEntry):
    """Ratings and rows that the Arena Learning paper tells of, round by round."""

    paper: Passage
    """Which, and how it was measured."""
    part: int = Field(ge=1, le=MAX_COUNT)
    """Instructions of each part."""
    steps: Mapping[StepName, PaperStep]
    """By the names of `rounds`."""


def arena_paper() -> ArenaPaper:
    """Ratings and rows that Arena Learning tells of."""
    return read_data_file(FILES / "arena.paper_tables.yaml", ArenaPaper)


def read_arena_experiment(folder: Path, scale: Scale) -> ArenaExperiment:
    """What stands in a folder.

    Raises:
        ConfigError: it cannot be used, with line, field and fix.
        UsageError: it is of another scale.
    """
    found = read_data_file(folder / EXPERIMENT_FILE, ArenaExperiment)
    refuse_other_scale(folder, found.scale, scale)
    return found


def write_arena_world(folder: Path, experiment: ArenaExperiment) -> None:
    """Seeds of the closed world, where the experiment has them and they are not there yet. Raises UsageError."""
    if experiment.world_seeds is not None:
        write_seeds(folder, {experiment.seeds: benchmarks.plain_rows(experiment.world_seeds, seed=0)})


def arena_summary(rounds: Path, found: Mapping[str, Any]) -> dict[str, Any]:
    """Rounds beside the paper's, step by step.

    Args:
        rounds: Their folder.
        found: What they came to, as ``campaign.summary`` has it.
    """
    paper = arena_paper()
    by_name = {one["name"]: one for one in found["steps"]}
    steps = [
        {
            "step": name,
            "paper": one.model_dump(mode="json"),
            "paper_share": None if one.rows is None else one.rows / paper.part,
            "rating": by_name[name]["rating"] if name in by_name else None,
            "share": _share(by_name[name]) if name in by_name else None,
        }
        for name, one in paper.steps.items()
    ]
    told = list(_sentences(rounds / EXAMS, paper, [name for name in paper.steps if name in by_name]))
    return {"paper": paper.paper, "steps": steps, "sentences": told, "rounds": dict(found)}


def _share(step: Mapping[str, Any]) -> float | None:
    """Of the part's seeds, how many gave a row; ``None`` where no data was made, or none yet."""
    if not step["seeds"] or step["own_rows"] is None:
        return None
    return float(step["own_rows"] / step["seeds"])


def _sentences(exam: Path, paper: ArenaPaper, there: list[str]) -> Iterator[str]:
    """Each rise that the paper tells of, and whether it is there too."""
    known = [name for name in there if paper.steps[name].elo is not None]
    for before, after in pairwise(known):
        gain = gain_over(exam, f"student-{after}", f"student-{before}")
        if gain is None or gain.rating is None:
            continue
        ours = interval_in_words(gain.rating, gain.low, gain.high)
        theirs = (paper.steps[after].elo or 0) - (paper.steps[before].elo or 0)
        is_clear = gain.low is not None and gain.high is not None and (gain.low > 0 or gain.high < 0)
        chance = "clear of chance" if is_clear else "may be chance"
        same = "as in the paper" if gain.rating > 0 else "differs"
        names = f"{paper.steps[before].name} to {paper.steps[after].name}"
        yield f"{same}, {chance}: {names} is {theirs:+.0f} Elo points in the paper, and {ours} here"
