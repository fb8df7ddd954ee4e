"""Rounds at work: each phase of each step is done once, noted durably, and gone on from wherever the process died.

    data run → rows written → reward model → training → ready → took the target's place → examined

Data and exams run in stores, where nothing that is answered is paid again; trainings run in processes of their own,
which go on or are noted as ended; everything else is a file that takes its name when it is whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from rich.console import Console

from star_agents import offline
from star_agents.arena.ratings import Rating
from star_agents.config.models import Config
from star_agents.engine.batch import BatchResult, run_batch
from star_agents.engine.campaign import figures
from star_agents.engine.campaign.configs import (
    Target,
    data_config,
    exam_config,
    keep_running,
    player_name,
    players_of,
    with_budgets_left,
)
from star_agents.engine.campaign.evaluating import evaluation_of, grades_in
from star_agents.engine.campaign.plan import BASE, Phase, Plan, Step, rounds_of
from star_agents.engine.campaign.serving import served
from star_agents.engine.campaign.state import DATA, EXAMS, GRADES, LOGS, MODELS, ROWS, STORES, CampaignState
from star_agents.engine.campaign.stopping import Interrupted, WordsToStop
from star_agents.engine.campaign.training import Training, TrainingFailed, train
from star_agents.engine.evaluation import Evaluation
from star_agents.engine.evaluation_results import without_hopeless
from star_agents.engine.host import Host
from star_agents.errors import ScorerError, StarAgentsError, UsageError
from star_agents.events import Event
from star_agents.process.crash_points import crash_point
from star_agents.records import Seed
from star_agents.scoring.completions import Asked
from star_agents.scoring.local_models import LocalModels
from star_agents.storage.evaluation_files import keep_protocol
from star_agents.storage.parts import Parts
from star_agents.text.content_hash import digest


class StepStopped(StarAgentsError):
    """A step cannot go on for now: why, and what to do."""

    exit_code = 4


@dataclass(kw_only=True)
class Campaign:
    """Rounds in a folder.

    Args:
        config: Of agents.yaml.
        plan: Of it.
        state: What is done.
        seeds: All of them; each is worked in the step of its part.
        prompts: Of the exam.
        source: What the seeds are called.
        where: Name of agents.yaml, for messages.
        beside: Its folder.
        console: Where progress is shown.
        tell: Hears, in a sentence, what happens.
        after_phase: Called when a phase is noted as done.
        words: To stop.
        retry_dropped: Whether phases that are not done work again the seeds that they dropped.
        owns_process: As a ``Host`` has it.
        hear: Hears everything that happens in the batches.
    """

    config: Config
    plan: Plan
    state: CampaignState
    seeds: Sequence[Seed]
    prompts: Sequence[Seed] = ()
    source: str
    where: str
    beside: Path
    console: Console
    tell: Callable[[str], None]
    after_phase: Callable[[], None] = lambda: None
    words: WordsToStop = field(default_factory=WordsToStop)
    retry_dropped: bool = False
    owns_process: bool = True
    hear: Callable[[Event], None] = lambda event: None
    calls: int = 0
    """Sent and answered by this process."""
    _parts: Parts = field(init=False)

    def __post_init__(self) -> None:
        self._parts = Parts(self.plan.parts)

    async def run(self) -> None:
        """Work until the last step is done, or a round did not pay.

        Raises:
            StepStopped: a step cannot go on.
            Interrupted: somebody said so.
            UsageError: the seeds of a part that is worked already are others now.
            StarAgentsError: whatever else keeps it from going on.
        """
        self._refuse_other_seeds()
        self._show_running()
        for step in self.plan.steps:
            if not self.state.is_given_up(step):
                await self._work(step)
            if self._did_not_pay(step):
                return

    def _refuse_other_seeds(self) -> None:
        for step in self.plan.steps:
            done = self.state.of(step).done if step.name in self.state.steps else {}
            kept = {facts["seeds_digest"] for facts in done.values() if "seeds_digest" in facts}
            if kept and kept != {self._digest_of(step)}:
                told = f"the seeds of {step.part} are others than those that {step.name} worked"
                raise UsageError(f"{told}; take the same seeds as before, or name another -o")

    def _show_running(self) -> None:
        """The folder may lie elsewhere than it did, and its models with it."""
        for step in reversed(self.plan.steps):
            if self.state.is_done(step, "taken"):
                keep_running(data_config(self.config, self.plan, step, self.target), self.state.folder, self.beside)
                return

    def _seeds_of(self, step: Step) -> list[Seed]:
        return [seed for seed in self.seeds if self._parts.part_of(seed) == step.part]

    def _digest_of(self, step: Step) -> str:
        return digest(sorted(seed.id for seed in self._seeds_of(step)))[:12]

    async def _work(self, step: Step) -> None:
        settings = rounds_of(self.config)
        examined, graded = settings.exam.is_held, settings.benchmark is not None
        for phase in self.plan.phases(step, is_examined=examined, is_graded=graded):
            if self.state.is_done(step, phase):
                continue
            try:
                facts = await self._doing(phase)(step)
            except TrainingFailed as failed:
                return self._fail(step, failed)
            crash_point("phase_done")
            self.state.finish(step, phase, facts)
            self.after_phase()
            crash_point("phase_noted")
        return None

    @property
    def target(self) -> Target:
        """The newest one that took the place."""
        newest = [step for step in self.plan.steps if self.state.is_done(step, "taken")]
        return self._target_of((newest or self.plan.steps)[-1 if newest else 0])

    def _target_of(self, step: Step) -> Target:
        """The one that a step has put in the place; of the first step, which trains nothing, the base."""
        if step.stage is None:
            return Target(BASE, offline.resolve_model(rounds_of(self.config).target.model))
        return Target(step.name, self.state.path_of(self.state.of(step).done["taken"]["model"]))

    def _doing(self, phase: Phase) -> Callable[[Step], Any]:
        return {
            "data": self._make_data,
            "rows": self._write_rows,
            "reward_model": self._train_reward_model,
            "model": self._train,
            "ready": self._try_out,
            "taken": self._take,
            "exam": self._examine,
            "benchmark": self._grade,
        }[phase]

    async def _make_data(self, step: Step) -> Mapping[str, Any]:
        """The recipe works the step's part, with battles of the newest target."""
        seeds = self._seeds_of(step)
        if not seeds:
            raise UsageError(f"{self.source} holds no seed of part {step.part}, which {step.name} works; take more")
        target = self.target
        self.tell(f"{step.name}: {len(seeds):,} seeds of {step.part} are worked; the target is {target.name}")
        result = await self._batch(
            target,
            lambda placed: (data_config(self.config, self.plan, step, placed), seeds),
            self.state.folder / DATA,
        )
        found = await anyio.to_thread.run_sync(figures.figures_of, self.state.folder / DATA, step.part)
        facts = {"target": target.name, "failures": result.summary["failures"]}
        return {**found.to_dict(), **facts, "seeds_digest": self._digest_of(step)}

    async def _write_rows(self, step: Step) -> Mapping[str, Any]:
        path = self.state.folder / ROWS / f"{step.name}.jsonl"
        seeds = [] if step.makes_data else self._seeds_of(step)
        found = await anyio.to_thread.run_sync(figures.write_step_rows, self.state.folder / DATA, step, seeds, path)
        if not found["rows"]:
            what = "seeds of it have no responses" if not step.makes_data else "its battles taught nothing"
            fix = (
                "`rounds.start: off` or `recipe`" if not step.makes_data else "lower `rounds.keep`, or take more seeds"
            )
            raise StepStopped(f"{step.name}: there is nothing to train on, since {what}; {fix}")
        self.tell(f"{step.name}: {found['rows']:,} rows, {found['own_rows']:,} of them of {step.part}")
        return {**found, "file": str(path.relative_to(self.state.folder)), "seeds_digest": self._digest_of(step)}

    async def _train_reward_model(self, step: Step) -> Mapping[str, Any]:
        return await self._trained(step, "reward", self._folder_of(step, "-reward"))

    async def _train(self, step: Step) -> Mapping[str, Any]:
        reward = self.state.of(step).done.get("reward_model")
        rewarded_by = None if reward is None else Path(self.state.path_of(reward["model"]))
        return await self._trained(step, step.methods[-1], self._folder_of(step), rewarded_by)

    async def _trained(self, step: Step, method: Any, out: Path, reward_model: Path | None = None) -> Mapping[str, Any]:
        settings = rounds_of(self.config)
        rows = self.state.folder / str(self.state.of(step).done["rows"]["file"])
        training = Training(method, rows, self.target.model, out, reward_model)
        self.tell(f"{step.name}: {method} of {self.target.name} begins")
        stop_s, logs = settings.target.stop_s, self.state.folder / LOGS
        facts = await train(training, settings.training, logs=logs, stop_s=stop_s, hear=self._hear(step))
        return {**facts, "model": str(out.relative_to(self.state.folder)), "began_with": self.target.name}

    def _hear(self, step: Step) -> Callable[[str], None]:
        """What a training writes is shown as it comes; its log has it, too."""
        return lambda line: self.tell(f"{step.name} | {line}")

    def _folder_of(self, step: Step, what: str = "") -> Path:
        """Of a model; another one for each try, since a training that failed may count as done to whoever did it."""
        tries = len(self.state.of(step).failures)
        return self.state.folder / MODELS / f"{step.name}{what}{f'-try{tries + 1}' if tries else ''}"

    async def _try_out(self, step: Step) -> Mapping[str, Any]:
        """A model that cannot be asked takes nobody's place."""
        target = self._trained_in(step)
        async with self._served(target):
            if rounds_of(self.config).target.serve is None:
                try:
                    await self._ask_once(target)
                except ScorerError as error:
                    raise TrainingFailed(f"its model cannot be asked: {error}") from None
        return {}

    async def _ask_once(self, target: Target) -> None:
        """Raises ScorerError."""
        async with LocalModels(self.config.scoring, resolve=offline.resolve_model) as models:
            asked = Asked(messages=({"role": "user", "content": "Hello."},), max_tokens=4)
            (answer,) = await models.complete(target.model, [asked])
        if isinstance(answer, str):
            raise ScorerError(answer)

    async def _take(self, step: Step) -> Mapping[str, Any]:
        """From here on the target is the step's model."""
        target = self._trained_in(step)
        keep_running(data_config(self.config, self.plan, step, target), self.state.folder, self.beside)
        self.tell(f"{step.name}: took the target's place")
        return {"model": self.state.of(step).done["model"]["model"]}

    def _trained_in(self, step: Step) -> Target:
        return Target(step.name, self.state.path_of(self.state.of(step).done["model"]["model"]))

    async def _examine(self, step: Step) -> Mapping[str, Any]:
        """The target meets the opponents, and every target before it, over the prompts of the exam."""
        target = self._target_of(step)
        folder = self.state.folder / EXAMS
        self.tell(f"{step.name}: examined over {len(self.prompts):,} prompts")
        await self._batch(
            target, lambda placed: (exam_config(self.config, placed, where=self.where), self.prompts), folder
        )
        settings = rounds_of(self.config)
        facts: dict[str, Any] = {"player": player_name(settings, step.name), "prompts": len(self.prompts)}
        facts["anchor"] = next(iter(players_of(self.config)[0]), None)
        if (before := self._examined_before(step)) is not None:
            player, other = facts["player"], player_name(settings, before.name)
            gain = await anyio.to_thread.run_sync(figures.gain_over, folder, player, other)
            facts |= {"gain_over": before.name, "gain": None if gain is None else gain.to_dict()}
        return {**facts, "spent": await anyio.to_thread.run_sync(figures.spent_in, folder)}

    def _examined_before(self, step: Step) -> Step | None:
        steps = self.plan.steps[: self.plan.steps.index(step)]
        return next((one for one in reversed(steps) if self.state.is_done(one, "exam")), None)

    async def _grade(self, step: Step) -> Mapping[str, Any]:
        """The target answers a benchmark, and a judge grades it."""
        target, folder, asked = self._target_of(step), self.state.folder / GRADES, list[Evaluation]()

        def work(placed: Target) -> tuple[Config, Sequence[Seed]]:
            evaluation = evaluation_of(self.config, placed, self.beside)
            keep_protocol(folder, evaluation.protocol)
            asked.append(evaluation)
            return evaluation.grading, without_hopeless(folder, evaluation.graded_seeds())

        self.tell(f"{step.name}: graded on a benchmark")
        await self._batch(target, work, folder)
        return await anyio.to_thread.run_sync(grades_in, folder, asked[-1])

    async def _batch(
        self, target: Target, work: Callable[[Target], tuple[Config, Sequence[Seed]]], out: Path
    ) -> BatchResult:
        """Work seeds in a store while the target is served.

        Raises:
            Interrupted: somebody said so, and what was in hand is finished.
            StepStopped: it ended before its last seed, or more failed than may.
            NotServed: the target's server does not stay.
        """
        settings = rounds_of(self.config)
        async with self._served(target) as placed:
            names = {player_name(settings, one.name): settings.target.agent for one in self.plan.steps}
            others = [self.state.folder / name for name in STORES if self.state.folder / name != out]
            config, seeds = work(placed)
            config = with_budgets_left(config, out, others, names)
            result = await run_batch(
                config,
                seeds,
                self.source,
                out,
                retry_dropped=self.retry_dropped,
                console=self.console,
                only_these=True,
                hear=self.hear,
                host=Host(stops=self.words.for_batch, owns_process=self.owns_process, retry_option="--retry-dropped"),
            )
        self.calls += result.calls
        if result.interrupted_by:
            raise Interrupted
        if why := result.stopped_by or result.failed_because:
            raise StepStopped(f"{out.name}: {why}; the same command goes on where it stopped")
        return result

    def _served(self, target: Target) -> Any:
        log = self.state.folder / LOGS / "serve.log"
        return served(rounds_of(self.config).target, target, log=log, tell=self._trouble)

    def _trouble(self, sentence: str) -> None:
        logging.getLogger(__name__).warning("%s", sentence)
        self.state.trouble(sentence)
        self.tell(sentence)

    def _fail(self, step: Step, failed: TrainingFailed) -> None:
        """Raises StepStopped, unless the next stage shall begin with the last good target."""
        goes_on = rounds_of(self.config).training.on_failure == "go_on"
        if failed.is_another:
            model = self._folder_of(step)
            there = " and ".join(str(one) for one in (model, Path(f"{model}.part")) if one.exists())
            fix = f"Put the options back to go on with it, or remove {there} to begin it anew by those of now"
            raise StepStopped(f"{step.name}: the training is unfinished under other options: {failed}. {fix}")
        if failed.is_cut_off and not goes_on:
            self._trouble(told := f"{step.name}: the training was cut off: {failed}")
            raise StepStopped(f"{told}; the same command goes on from its last checkpoint")
        folder = str(self._folder_of(step).relative_to(self.state.folder))
        self.state.fail(step, str(failed), folder, go_on=goes_on)
        told = f"{step.name}: the training failed: {failed}. The target stays {self.target.name}"
        logging.getLogger(__name__).warning("%s", told)
        if not goes_on:
            raise StepStopped(f"{told}; mend it and call the same command again, or set `rounds.training.on_failure`")
        self.tell(f"{told}; the next stage goes on with it")

    def _did_not_pay(self, step: Step) -> bool:
        """Whether a round ended that gained nothing for certain, and that shall end the work."""
        settings = rounds_of(self.config)
        last = [one for one in self.plan.steps if one.round == step.round][-1]
        if not settings.stop_when_flat or step.round == 0 or step is not last:
            return False
        gain = self.gain_of_round(step.round)
        if not figures.is_flat(gain):
            return False
        assert gain is not None, "nothing is flat of which nobody knows"
        told = interval_in_words(gain.rating, gain.low, gain.high)
        self.state.stop(f"round {step.round} did not pay: its gain is {told} Elo points")
        self.tell(self.state.stopped)
        return True

    def gain_of_round(self, number: int) -> Rating | None:
        """By how much the target after a round is ahead of the one before it; ``None`` where nobody knows."""
        settings = rounds_of(self.config)
        ends = [
            next((one for one in reversed(steps) if self.state.is_done(one, "exam")), None)
            for steps in (
                [one for one in self.plan.steps if one.round == number],
                [one for one in self.plan.steps if one.round < number],
            )
        ]
        if None in ends:
            return None
        newest, before = (player_name(settings, one.name) for one in ends if one is not None)
        return figures.gain_over(self.state.folder / EXAMS, newest, before)


def interval_in_words(value: float | None, low: float | None, high: float | None) -> str:
    """``+35 [12, 58]``; an end that is open says so."""
    if value is None:
        return "unknown"
    ends = ["open" if end is None else f"{end:+.0f}" for end in (low, high)]
    return f"{value:+.0f} [{ends[0]}, {ends[1]}]"
