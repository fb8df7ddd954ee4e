"""What a reproduction needs before it can begin: files, models, keys, libraries, memory, disk. Nothing is loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from star_agents import offline
from star_agents.config.models import Config
from star_agents.config.rounds import TrainingSettings
from star_agents.engine.campaign.plan import plan_of, rounds_of
from star_agents.engine.campaign.training import check_training
from star_agents.engine.configuration import read_config
from star_agents.engine.reproduction.arena import ArenaExperiment
from star_agents.engine.reproduction.examination import benchmark_of
from star_agents.engine.reproduction.experiment import AGENTS_FILE, Experiment
from star_agents.engine.reproduction.papers import Paper
from star_agents.engine.reproduction.plan import steps_of
from star_agents.errors import ConfigError, StarAgentsError
from star_agents.training.batches import divide
from star_agents.training.memory import ModelSize, Plan, gib, need
from star_agents.training.request import settings_of

State = Literal["ok", "warn", "MISSING"]
_CHECKPOINT_BYTES = 12
"""For each weight: itself and both moments."""
_KEPT_BYTES = 4
"""For each weight of a model that is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is needed."""

    what: str
    state: State
    detail: str
    """What is so, and what to do where it is not well."""


def agents_of(folder: Path, environ: Mapping[str, str]) -> tuple[Config, list[Finding]]:
    """agents.yaml, and what its agents lack.

    Raises:
        ConfigError: it cannot be used, whatever the environment holds.
    """
    config = read_config(folder / AGENTS_FILE, None)
    try:
        read_config(folder / AGENTS_FILE, environ)
    except ConfigError as error:
        return config, [Finding(what="keys", state="MISSING", detail=str(one)) for one in error.problems]
    return config, [Finding(what="keys", state="ok", detail="every key that agents.yaml names is there")]


def prerequisites_of(folder: Path, experiment: Experiment, paper: Paper, config: Config) -> Iterator[Finding]:
    """Everything but keys, each with what to do where it is missing."""
    yield from _libraries(experiment.training)
    for name in filter(None, (experiment.seeds, experiment.plain_seeds)):
        yield _found(f"seeds {name}", partial(_file, folder / name))
    yield _found("benchmarks", lambda: f"{len(benchmark_of(experiment, config, folder).questions):,} questions")
    models = {"target": experiment.target, "small scorer": config.scoring.small, "large scorer": config.scoring.large}
    for what, name in models.items() if experiment.runs else [("target", experiment.target)]:
        yield _found(f"{what} {name}", partial(_size_in_words, name))
    try:
        size = _size(experiment.target)
    except StarAgentsError:
        return  # It is told above.
    if size is not None:
        yield _memory(size, experiment.training)
        yield _disk(folder, size, sum(step.kind == "model" for step in steps_of(experiment, paper)))


def arena_prerequisites(folder: Path, experiment: ArenaExperiment, config: Config) -> Iterator[Finding]:
    """The same for Arena Learning's rounds."""
    settings = rounds_of(config)
    yield from _libraries(settings.training)
    yield _found(f"seeds {experiment.seeds}", partial(_file, folder / experiment.seeds))
    name = settings.target.model
    yield _found(f"target {name}", partial(_size_in_words, name))
    try:
        size = _size(name)
    except StarAgentsError:
        return  # It is told above.
    if size is not None:
        yield _memory(size, settings.training)
        yield _disk(folder, size, sum(len(step.methods) for step in plan_of(config, experiment.rounds).steps))


def _libraries(training: TrainingSettings) -> Iterator[Finding]:
    def found() -> str:
        check_training(training, ["sft"])
        return "a command of yours" if training.command is not None else "there"

    yield _found("libraries for training", found)


def _found(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, state="ok", detail=look())
    except StarAgentsError as error:
        return Finding(what=what, state="MISSING", detail=str(error))


def _file(path: Path) -> str:
    """Raises StarAgentsError."""
    if not path.is_file():
        raise StarAgentsError(f"there is no such file: {path}; put it there, or name another in experiment.yaml")
    return f"{path.stat().st_size:,} bytes"


def _size(name: str) -> ModelSize | None:
    """``None``: nobody knows. Raises StarAgentsError where there is no such model."""
    from star_agents.training.base_model import find_base  # noqa: PLC0415  # the hub's library

    return find_base(name, offline.resolve_model(name)).size


def _size_in_words(name: str) -> str:
    """Raises StarAgentsError."""
    size = _size(name)
    return "there; its size is not known" if size is None else f"{size.parameters / 1e6:,.1f} million parameters"


def _memory(size: ModelSize, training: TrainingSettings) -> Finding:
    """Whether a training fits, as it reckons itself; one of the user's own is not known."""
    from star_agents.training.hardware import free_gpu_memory, has_gpu  # noqa: PLC0415  # torch

    if training.command is not None:
        return Finding(what="GPU memory", state="warn", detail="what a training command of yours takes is not known")
    options = training.sft
    rank, rows_at_once = options.get("lora", options.get("lora_rank")), options.get("micro_batch")
    known = {name: options[name] for name in ("batch", "max_length", "precision") if name in options}
    settings = settings_of("sft", **known, lora_rank=rank)
    plan = Plan(
        method="sft",
        division=divide(
            settings.batch,
            processes=1,
            most=None if rows_at_once is None else int(rows_at_once),
            max_length=settings.max_length,
        ),
        length=settings.max_length,
        lora_rank=settings.lora_rank,
        bfloat16=settings.precision == "bfloat16",
        gradient_checkpointing=True,
    )
    wanted = need(size, plan)
    if not has_gpu():
        told = f"none is found; a training takes about {gib(wanted.total)}, and on a CPU very long"
        return Finding(what="GPU memory", state="warn", detail=told)
    free = free_gpu_memory()
    if free >= wanted.total:
        return Finding(what="GPU memory", state="ok", detail=f"{gib(free)} free, about {gib(wanted.total)} are needed")
    told = f"{gib(free)} free, and about {wanted.in_words()}; `lora: 16` in `training.sft` takes less"
    return Finding(what="GPU memory", state="warn" if options.get("force") else "MISSING", detail=told)


def _disk(folder: Path, size: ModelSize, models: int) -> Finding:
    needed = size.parameters * (_KEPT_BYTES * models + _CHECKPOINT_BYTES)
    there = next(one for one in (folder, *folder.resolve().parents) if one.is_dir())
    free = shutil.disk_usage(there).free
    state: State = "ok" if free > needed else "MISSING"
    return Finding(
        what="disk", state=state, detail=f"{gib(free)} free, {gib(needed)} for {models} models and a checkpoint"
    )
