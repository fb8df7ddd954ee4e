"""`experiment.yaml` of a reproduction: what is trained on what, and examined by what; and the files it begins with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from star_agents.config.base import MAX_COUNT
from star_agents.config.data_files import DataEntry, Word, read_data_file
from star_agents.config.old_places import Location
from star_agents.config.rounds import TrainingSettings
from star_agents.engine.reproduction.papers import BENCHMARKS, FILES, star_paper
from star_agents.errors import UsageError
from star_agents.offline import benchmarks
from star_agents.storage.file_systems import make_folder
from star_agents.storage.formats.row_writing import atomic_file

Scale = Literal["tiny", "quick", "paper"]
AGENTS_FILE, EXPERIMENT_FILE = "agents.yaml", "experiment.yaml"
_PLAIN_TEMPLATE = "plain.jinja"
_TEMPLATE_FILE = f"data/{_PLAIN_TEMPLATE}"
"""A chat template that puts no words around what is said: those that ship have read none."""
_TEMPLATE_PLACE = "TEMPLATE"
"""In agents.yaml, what its path is put in the place of: `rounds` looks for it in the working folder."""
_MIXES: Mapping[str, benchmarks.Mix] = {"vicuna": "plain", "wizardlm": "half", "mt_bench": "hard"}
"""Which questions of the closed world stand for a benchmark, in the order of the paper's scores."""


class World(DataEntry):
    """The closed world as what seeds and questions come from."""

    seeds: int = Field(ge=1, le=MAX_COUNT)
    """Of each kind: evolved ones, and plain ones."""
    questions: int = Field(ge=2, le=10_000)
    """Of each benchmark."""
    random_seed: int = 0
    """Another one draws others."""


class Experiment(DataEntry):
    """All that stands beside agents.yaml."""

    experiment: Literal["star"]
    """Of which paper."""
    scale: Scale
    """At which scale: `tiny`, `quick` or `paper`."""
    target: str
    """The model that every arm begins with: a folder, or a Hugging Face name."""
    seeds: str
    """File of the evolved seeds, with responses."""
    plain_seeds: str | None = None
    """File of plain seeds, with responses, for the arm `alpaca`."""
    world: World | None = None
    """Where seeds and questions are those of the closed world, how many are written; left out: they are yours."""
    arms: tuple[Word, ...] = Field(min_length=1)
    """Which of the paper's are run."""
    trainings: int = Field(ge=1, le=100)
    """Of each arm, each by another random seed."""
    training: TrainingSettings
    """How each is trained, as in `rounds.training` of agents.yaml."""
    benchmarks: Mapping[Word, str]
    """File of each of the three, or its name in the folder of `evaluation.questions` of agents.yaml."""
    judge: str
    """Agent that grades."""
    answers_at_once: int = Field(default=16, ge=1, le=10_000)
    """Questions that one trained model is asked at once."""

    def mistakes(self) -> Iterator[tuple[Location, str]]:
        """As the base says."""
        known = star_paper().arms
        for place, name in enumerate(self.arms):
            if name not in known:
                yield ("arms", place), f"is no arm of the paper's tables; there are {', '.join(known)}"
            elif known[name].learns_from == "plain_seeds" and self.plain_seeds is None:
                yield ("arms", place), "learns from plain seeds; name their file as `plain_seeds`"
        if len(set(self.arms)) < len(self.arms):
            yield ("arms",), "name each arm once"
        if set(self.benchmarks) != set(BENCHMARKS):
            yield ("benchmarks",), f"name each of {', '.join(BENCHMARKS)}"

    @property
    def runs(self) -> tuple[str, ...]:
        """Arms that make data."""
        known = star_paper().arms
        return tuple(name for name in self.arms if known[name].learns_from == "run")


def write_files(folder: Path, name: str, scale: Scale) -> list[Path]:
    """Write the files that a reproduction begins with, where they are not there yet; those that were written."""
    make_folder(folder)
    own = f"{name}.{scale}.agents.yaml"
    agents = own if (FILES / own).is_file() else f"{name}.tiny.agents.yaml"
    written = []
    for target, source in {AGENTS_FILE: agents, EXPERIMENT_FILE: f"{name}.{scale}.experiment.yaml"}.items():
        if not (folder / target).exists():
            text = (FILES / source).read_text(encoding="utf-8")
            template = str((folder / _TEMPLATE_FILE).resolve())
            _write(folder / target, [text.replace(_TEMPLATE_PLACE, json.dumps(template))])
            written.append(folder / target)
    if scale != "paper" and not (folder / _TEMPLATE_FILE).exists():
        _write(folder / _TEMPLATE_FILE, [(FILES / _PLAIN_TEMPLATE).read_text(encoding="utf-8")])
    return written


def read_experiment(folder: Path, scale: Scale) -> Experiment:
    """What stands in a folder.

    Raises:
        ConfigError: it cannot be used, with line, field and fix.
        UsageError: it is of another scale.
    """
    found = read_data_file(folder / EXPERIMENT_FILE, Experiment)
    refuse_other_scale(folder, found.scale, scale)
    return found


def refuse_other_scale(folder: Path, there: Scale, asked: Scale) -> None:
    """Raise UsageError where a folder holds an experiment of another scale than was asked for."""
    if there != asked:
        told = f"{folder} holds the experiment at scale {there}, and {asked} was asked for"
        raise UsageError(f"{told}; ask for {there}, or name another -o")


def write_world(folder: Path, experiment: Experiment) -> None:
    """Seeds and questions of the closed world, where the experiment has them and they are not there yet.

    Raises:
        UsageError: a path leads out of the folder.
    """
    world = experiment.world
    if world is None:
        return
    rows: dict[str, Iterable[Mapping[str, Any]]] = {
        experiment.seeds: benchmarks.evolved_rows(world.seeds, world.random_seed),
        **({} if experiment.plain_seeds is None else {
            experiment.plain_seeds: benchmarks.plain_rows(world.seeds, world.random_seed)
        }),
        **{
            file: benchmarks.questions(_MIXES[name], world.questions, world.random_seed)
            for name, file in experiment.benchmarks.items()
        },
    }  # fmt: skip
    write_seeds(folder, rows)


def write_seeds(folder: Path, files: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Write rows into files of a folder, those that are not there yet.

    Raises:
        UsageError: a path leads out of the folder.
    """
    for name, rows in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{EXPERIMENT_FILE}: {name}: leads out of {folder}, and would be written there")
        if not path.exists():
            _write(path, (f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))


def _write(path: Path, lines: Iterable[str]) -> None:
    with atomic_file(path) as handle:
        for line in lines:
            handle.write(line.encode("utf-8"))
