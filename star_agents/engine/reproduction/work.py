"""A reproduction at work: each step is done once, noted durably, and gone on from wherever the process died.

    of each arm:  run ─► rows ─► train ─► grades, of each training

Runs and grades go through stores, where nothing that is answered is paid again; trainings run in processes of their
own, which go on from their checkpoints.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import anyio.to_thread
from rich.console import Console

from star_agents import offline
from star_agents.config.models import AgentConfig, Config
from star_agents.config.rounds import TrainingSettings
from star_agents.engine.batch import load_seeds, run_batch
from star_agents.engine.campaign.configs import SERVED, with_budgets_left
from star_agents.engine.campaign.figures import spent_in
from star_agents.engine.campaign.stopping import Interrupted, WordsToStop
from star_agents.engine.campaign.training import Training, TrainingFailed, train
from star_agents.engine.evaluation import Benchmark, Evaluation, drawn_questions
from star_agents.engine.evaluation_results import GradedTurn, read_found, without_hopeless
from star_agents.engine.host import Host
from star_agents.engine.reproduction.examination import (
    MARK,
    Scores,
    benchmark_of,
    evaluation_of,
    local_players,
    scores_in,
)
from star_agents.engine.reproduction.experiment import Experiment
from star_agents.engine.reproduction.papers import Paper
from star_agents.engine.reproduction.plan import Step, config_of, steps_of
from star_agents.engine.reproduction.state import ReproductionState
from star_agents.engine.reproduction.table import ArmScore, score
from star_agents.errors import Problem, StarAgentsError
from star_agents.offline.checking import is_right
from star_agents.process.crash_points import crash_point
from star_agents.records import Seed
from star_agents.storage.evaluation_files import keep_protocol
from star_agents.storage.outgoing.training_rows import taught_rows

RUNS, MODELS, GRADES, SHOWN, LOGS = "runs", "models", "grades", "shown", "logs"
"""Folders below that of the reproduction."""
SHOWN_QUESTIONS = 10
"""That a model of a server answers."""
STOP_S = 30.0
"""Seconds that a training has to write its checkpoint."""
_TEMPLATE = "chat_template"


class Server(NamedTuple):
    """A model that answers over OpenAI's protocol."""

    address: str
    """With its ``/v1``."""
    served_as: str
    """What the server calls it."""


class ReproductionStopped(StarAgentsError):
    """A step cannot go on for now: why, and what to do."""

    exit_code = 4


@dataclass(kw_only=True)
class Reproduction:
    """A paper's experiment in a folder.

    Args:
        config: Of agents.yaml.
        experiment: What stands beside it.
        paper: Its arms.
        state: What is done.
        console: Where progress is shown.
        tell: Hears, in a sentence, what happens.
        after_grades: Called when a model is graded.
        words: To stop.
    """

    config: Config
    experiment: Experiment
    paper: Paper
    state: ReproductionState
    console: Console
    tell: Callable[[str], None]
    after_grades: Callable[[], None] = lambda: None
    words: WordsToStop = field(default_factory=WordsToStop)
    shown: Sequence[GradedTurn] = ()
    """What the model of a server answered."""

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return self.state.folder

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """All of them, in their order."""
        return steps_of(self.experiment, self.paper)

    @cached_property
    def benchmark(self) -> Benchmark:
        """All questions. Raises SeedFileError and UsageError."""
        return benchmark_of(self.experiment, self.config, self.folder)

    @cached_property
    def seeds(self) -> Sequence[Seed]:
        """Of every run. Raises SeedFileError."""
        path = self.folder / self.experiment.seeds
        return load_seeds(path, self.config, skip_bad=False, limit=None, console=self.console).seeds

    async def run(self) -> None:
        """Work until the last step is done.

        Raises:
            ReproductionStopped: a step cannot go on.
            Interrupted: somebody said so.
            StarAgentsError: whatever else keeps it from going on.
        """
        await anyio.to_thread.run_sync(self._forget_lost_grades)
        for number, step in enumerate(self.steps, start=1):
            if self.state.is_done(step):
                continue
            self.tell(f"step {number} of {len(self.steps)}: {step.name}")
            began = time.monotonic()
            work = {"data": self._make_data, "model": self._train, "grades": self._grade}[step.kind]
            facts = await work(step)
            crash_point("phase_done")
            self.state.finish(step, {**facts, "seconds": round(time.monotonic() - began, 1)})
            if step.kind == "grades":
                self.after_grades()
            crash_point("phase_noted")

    def _forget_lost_grades(self) -> None:
        """Models whose grades the store does not hold any more are graded again: a table without them would say
        nothing, and not why."""
        graded, found = self._graded(), self._grades()
        for player, step in graded.items():
            known = sum(len(part) for part in found.get(player, {}).values())
            if known < int(self.state.done[step.name]["judged"]):
                self.tell(f"{step.name}: the store holds {known:,} of its grades; it is graded again")
                del self.state.done[step.name]

    async def _make_data(self, step: Step) -> Mapping[str, Any]:
        folder = self.folder / RUNS / step.arm
        await self._batch(config_of(self.config, self.paper.arms[step.arm]), self.seeds, folder)
        return await anyio.to_thread.run_sync(spent_in, folder)

    def _rows_of(self, arm: str) -> Path:
        source = self.paper.arms[arm].learns_from
        if source == "run":
            return self.folder / RUNS / arm
        return self.folder / str(self.experiment.seeds if source == "seeds" else self.experiment.plain_seeds)

    async def _train(self, step: Step) -> Mapping[str, Any]:
        rows = self._rows_of(step.arm)
        training = Training(
            "sft", rows, offline.resolve_model(self.experiment.target), self.folder / MODELS / step.player
        )
        logs, settings = self.folder / LOGS, self._settings_of(step)
        try:
            facts = await train(training, settings, logs=logs, stop_s=STOP_S, hear=self._hear(step))
        except TrainingFailed as failed:
            told = f"{step.name}: the training failed: {failed}"
            raise ReproductionStopped(f"{told}; mend it, and the same command goes on") from None
        return {**facts, **await anyio.to_thread.run_sync(self._rows_in, rows)}

    def _hear(self, step: Step) -> Callable[[str], None]:
        return lambda line: self.tell(f"{step.player} | {line}")

    def _settings_of(self, step: Step) -> TrainingSettings:
        """By its own random seed; a template's path begins in the folder."""
        options = {**self.experiment.training.sft, "seed": step.training}
        template = options.get(_TEMPLATE)
        if isinstance(template, str) and (self.folder / template).is_file():
            options[_TEMPLATE] = str((self.folder / template).resolve())
        return self.experiment.training.model_copy(update={"sft": options})

    def _rows_in(self, source: Path) -> dict[str, Any]:
        """How many rows there are to learn from and, in the closed world, how many of them are right."""
        found: Counter[str] = Counter()
        for row in taught_rows(source):
            if not isinstance(row, Problem) and row.shape == "sft":
                found["rows"] += 1
                if self.experiment.world is not None:
                    found["right"] += is_right(row.sample.question, row.sample.response or "")
        return {"rows": found["rows"], "right": found["right"] if self.experiment.world is not None else None}

    def model_of(self, step: Step) -> str:
        """Folder or name of the model that a step grades."""
        if step.training:
            return str((self.folder / MODELS / step.player).resolve())
        return self.experiment.target

    async def _grade(self, step: Step) -> Mapping[str, Any]:
        evaluation = self.evaluation({step.player: self.model_of(step)})
        folder = self.folder / GRADES
        keep_protocol(folder, evaluation.protocol)
        seeds = without_hopeless(folder, evaluation.graded_seeds())
        await self._batch(evaluation.grading, seeds, folder, source=evaluation.benchmark.name)
        found = await anyio.to_thread.run_sync(scores_in, folder, evaluation)
        judged = [one for part in found.get(step.player, {}).values() for one in part.values()]
        missing, unreadable = evaluation.turns - len(judged), sum(one is None for one in judged)
        return {"judged": len(judged), "unreadable": unreadable, "missing": missing}

    def evaluation(self, models: Mapping[str, str]) -> Evaluation:
        """What these models are asked. Raises UsageError."""
        players = local_players(models, self.experiment)
        return evaluation_of(players, self.benchmark, self.experiment, self.config)

    async def show(self, server: Server) -> list[GradedTurn]:
        """Let the model of a server answer a few questions, to be read and not to be scored; once in a folder.

        Raises:
            Interrupted: somebody said so.
            ReproductionStopped: the server does not answer.
        """
        evaluation = self._shown(server)
        await self._batch(evaluation.grading, evaluation.graded_seeds(), self.folder / SHOWN, source="shown")
        found = await anyio.to_thread.run_sync(read_found, self.folder / SHOWN, evaluation)
        return found.turns

    def _shown(self, server: Server) -> Evaluation:
        agent = AgentConfig(model=f"{SERVED}/{server.served_as}", api_base=server.address, roles=())
        few = replace(self.benchmark, questions=drawn_questions(self.benchmark.questions, SHOWN_QUESTIONS))
        return evaluation_of({SHOWN: agent}, few, self.experiment, self.config)

    async def _batch(self, config: Config, seeds: Sequence[Seed], out: Path, *, source: str = "") -> None:
        """Work seeds in a store.

        Raises:
            Interrupted: somebody said so, and what was in hand is finished.
            ReproductionStopped: it ended before its last seed, or more failed than may.
        """
        runs = [self.folder / RUNS / arm for arm in self.experiment.runs]
        stores = [*runs, self.folder / GRADES, self.folder / SHOWN]
        config = with_budgets_left(config, out, [one for one in stores if one != out], {})
        result = await run_batch(
            config,
            seeds,
            source or Path(self.experiment.seeds).name,
            out,
            retry_dropped=bool(source),
            console=self.console,
            only_these=True,
            host=Host(stops=self.words.for_batch),
        )
        if result.interrupted_by:
            raise Interrupted
        if why := result.stopped_by or result.failed_because:
            raise ReproductionStopped(f"{os.path.relpath(out, self.folder)}: {why}; the same command goes on")

    def scores(self) -> list[ArmScore]:
        """What each arm that was graded came to so far, in the order of the paper."""
        graded, found = self._graded(), self._grades()
        if not graded:
            return []
        questions = {
            name: [one.id.partition(MARK)[2] for one in self.benchmark.questions if one.id.startswith(f"{name}{MARK}")]
            for name in self.experiment.benchmarks
        }
        scored = []
        for arm in self.paper.arms:
            if players := [player for player, step in graded.items() if step.arm == arm]:
                runs = {name: [found.get(player, {}).get(name, {}) for player in players] for name in questions}
                scored.append(score(arm, runs, questions))
        return scored

    def _graded(self) -> dict[str, Step]:
        """By its model, each step of grades that is done."""
        return {step.player: step for step in self.steps if step.kind == "grades" and self.state.is_done(step)}

    def _grades(self) -> Mapping[str, Mapping[str, Scores]]:
        """What these models got, by benchmark."""
        models = {player: self.model_of(step) for player, step in self._graded().items()}
        return scores_in(self.folder / GRADES, self.evaluation(models)) if models else {}
