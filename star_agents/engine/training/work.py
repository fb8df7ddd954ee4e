"""What a training does once the libraries are loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from star_agents.config.sections import ScoringConfig
from star_agents.engine.training.card import CURVE, PICTURE, CardFacts, versions, write_beside
from star_agents.engine.training.folder import MODEL, TrainingFolder
from star_agents.engine.training.progress import TrainingProgress, Unheard, write_curve
from star_agents.engine.training.result import StopWord, Trained
from star_agents.engine.training.rows import Rows
from star_agents.errors import ScorerError, UsageError
from star_agents.limits.machine import free_memory
from star_agents.records import Message, Sample
from star_agents.report.loss_curve import loss_svg
from star_agents.scoring.encoding import Reason
from star_agents.scoring.loading import is_out_of_memory
from star_agents.scoring.scorers import reward as reward_models
from star_agents.text.consoles import say_on
from star_agents.training import memory
from star_agents.training.base_model import BaseModel, fetch_weights, find_base
from star_agents.training.batches import divide
from star_agents.training.encoding import Encoded, Encoder
from star_agents.training.fitting import Fitted, fit, quiet_libraries, save
from star_agents.training.hardware import (
    end_process_group,
    free_gpu_memory,
    gpus,
    has_gpu,
    processes,
    use_threads,
    why_not_these,
)
from star_agents.training.request import TrainingRequest
from star_agents.training.templates import load_tokenizer, prepare_tokenizer
from star_agents.training.trainers import Parts, Reward
from star_agents.training.watch import Point, Saving, Watch

LONG_SHARE = 0.5
"""Share of the rows that may be left out as too long or unusable, before it is no training of these rows any more."""
UNREWARDED_SHARE = 0.5
"""Likewise of RLOO's answers that the reward model cannot read."""


class Work:
    """One call of ``train``.

    Args:
        request: What to train.
        rows: What to learn.
        console: Where to tell of it.
        resolve: Turns a model's name into a folder or Hugging Face name.
    """

    def __init__(
        self, request: TrainingRequest, rows: Rows, console: Console, *, resolve: Callable[[str], str]
    ) -> None:
        self._request = request
        self._rows = rows
        self._console = console
        self._on_gpu = has_gpu() and request.device != "cpu"
        if self._on_gpu and (told := why_not_these(gpus(), processes())):
            raise UsageError(told)
        self._path = resolve(request.model)
        self._base = find_base(request.model, self._path)
        self._reward_path = resolve(request.reward_model) if request.reward_model else ""
        self._rewarder = find_base(request.reward_model, self._reward_path) if request.reward_model else None
        self._division = divide(
            request.settings.batch,
            processes=processes(),
            most=request.micro_batch,
            max_length=request.settings.max_length,
            rows_each=2 if request.method in ("dpo", "reward") else 1,
        )
        self._checkpointing = self._on_gpu if request.gradient_checkpointing is None else request.gradient_checkpointing
        self._notes: list[str] = []
        self._identity: dict[str, Any] | None = None

    def identity(self) -> dict[str, Any]:
        """What makes another training of it. A model is told by its weights, so these are fetched where they are not
        on disk yet."""
        if self._identity is None:
            self._fetch()
            self._identity = self._told_by_weights()
        return self._identity

    def _told_by_weights(self) -> dict[str, Any]:
        rewarder = {"reward_model_fingerprint": self._rewarder.fingerprint} if self._rewarder else {}
        return {
            **self._request.identity(),
            "model_fingerprint": self._base.fingerprint,
            **rewarder,
            "rows": len(self._rows.examples) + len(self._rows.held_out),
            "rows_digest": self._rows.digest,
        }

    def check_memory(self) -> None:
        """Say what it will take. Raises UsageError where that is more than there is, unless forced."""
        if self._base.size is None:
            self._say("how much memory it takes cannot be told: the weights are no safetensors")
            return
        plan = self._plan()
        wanted, there = memory.need(self._base.size, plan), _memory_there(on_gpu=self._on_gpu)
        place = "on the GPU" if self._on_gpu else "on this machine"
        shared = "" if self._on_gpu or processes() == 1 else f", shared by {processes()} processes"
        self._say(f"memory: about {wanted.in_words()}; free {place}: {memory.gib(there)}{shared}")
        for_each = there if self._on_gpu else there // processes()
        if wanted.total <= for_each:
            return
        ways = list(memory.what_would_fit(self._base.size, plan, for_each))
        advice = (
            f"what would fit: {'; '.join(ways)}"
            if ways
            else "nothing that can be set here would fit: take a smaller model"
        )
        takes = f"about {memory.gib(wanted.total)}, and {memory.gib(for_each)} are free"
        told = f"{self._request.model} will not fit: {takes}; {advice}"
        if not self._request.force:
            raise UsageError(f"{told}. --force begins all the same")
        self._say(f"warning: {told}")

    def _fetch(self) -> None:
        fetch_weights(self._base, self._path)
        if self._rewarder is not None:
            fetch_weights(self._rewarder, self._reward_path)

    def run(self, folder: TrainingFolder, stop: StopWord, *, is_main: bool) -> Trained:
        """Train, from the newest whole checkpoint on, and finish the folder where nobody stops it."""
        begun = time.monotonic()
        request = self._request
        use_threads(request.threads)
        self._fetch()
        tokenizer = self._tokenizer()
        learned, held_out = self._encode(tokenizer, self._rows)
        self._say_settings()
        progress = TrainingProgress(self._console) if is_main else Unheard()
        saving = Saving(minutes=request.checkpoint_minutes, steps=request.checkpoint_steps, clock=time.monotonic)
        watch = Watch(progress, is_asked_to_stop=lambda: stop.is_said, saving=saving, is_main=is_main)
        parts = self._parts(tokenizer, learned, held_out)
        try:
            fitted = fit(parts, watch, checkpoint=folder.newest, is_out_of_memory=is_out_of_memory, tell=self._say)
        finally:
            progress.ends()
        trained = replace(self._trained(fitted, learned, progress.first_step, stop), is_main=is_main)
        if is_main and not fitted.is_stopped:
            seconds = time.monotonic() - begun
            self._finish(folder, fitted, trained, tokenizer, offered=len(learned.rows), seconds=seconds)
        end_process_group()
        return trained

    def _tokenizer(self) -> Any:
        request = self._request
        tokenizer = load_tokenizer(self._base, trust_remote_code=request.trust_remote_code)
        self._note(prepare_tokenizer(tokenizer, request.settings.chat_template, request.model))
        return tokenizer

    def _encode(self, tokenizer: Any, rows: Rows) -> tuple[Encoded, Encoded]:
        encoder = Encoder(tokenizer, self._ends(tokenizer), self._request.settings, self._request.method)
        learned, held_out = encoder.encode(rows.examples), encoder.encode(rows.held_out)
        limit = self._request.settings.max_length
        taught = f", of which {learned.learned:,} are learned" if learned.learned else " in prompts"
        self._say(
            f"{len(learned.rows):,} rows of {learned.tokens:,} tokens{taught}; the longest row has {learned.longest:,} "
            f"tokens, the limit is {limit:,}"
        )
        for reason, n in learned.left_out.items():
            self._say(f"left out: {n:,} rows, {reason}; the first is {learned.first_left_out[reason]}")
        for note, n in learned.notes.items():
            self._note(f"{n:,} rows {note}")
        for reason, n in held_out.left_out.items():
            self._note(f"of what is held out, {n:,} rows are left out: {reason}")
        if rows.held_out and not held_out.rows:
            raise UsageError(
                "of what --eval-share holds out nothing is left to measure a loss on: raise --max-length, take "
                "--long-rows cut, or another share"
            )
        left_out = learned.left_out.total()
        if not learned.rows or (left_out > LONG_SHARE * learned.asked and not self._request.force):
            why = "; ".join(
                f"{n:,} {reason}, the first is {learned.first_left_out[reason]}"
                for reason, n in learned.left_out.most_common()
            )
            raise UsageError(
                f"{left_out:,} of {learned.asked:,} rows would be left out ({why}): raise --max-length, take "
                "--long-rows cut, name another --chat-template, or --force"
            )
        return learned, held_out

    def _ends(self, tokenizer: Any) -> frozenset[int]:
        """Tokens at which an agent that plays this model stops: those of its config, and the tokenizer's."""
        told = self._base.generation.get("eos_token_id", self._base.config.get("eos_token_id"))
        listed = told if isinstance(told, list) else [told]
        return frozenset(one for one in (*listed, tokenizer.eos_token_id) if isinstance(one, int))

    def _say_settings(self) -> None:
        request, settings, divided = self._request, self._request.settings, self._division
        told = [
            f"{settings.epochs:g} epochs" if settings.max_steps is None else f"{settings.max_steps:,} steps",
            f"learning rate {settings.learning_rate:g}, cosine after {settings.warmup:.0%} of warm-up",
            f"batch {divided.batch} = {divided.micro} in a pass × {divided.accumulation} passes"
            + (f" × {divided.processes} processes" if divided.processes > 1 else ""),
            f"beta {settings.beta:g}" if settings.beta else "",
            f"LoRA of rank {settings.lora_rank}" if settings.lora_rank else "all weights",
            f"{settings.precision} on {'the GPU' if self._on_gpu else 'the CPU'}",
            f"gradient checkpointing {'on' if self._checkpointing else 'off'}",
            "packing off",
        ]
        learned = "the last answer of a row" if settings.turns == "last" else "every answer of a row"
        rule = "left out" if settings.long_rows == "drop" or request.method == "reward" else "cut at their end"
        self._say(f"{request.method}: {', '.join(filter(None, told))}")
        if request.method == "sft":
            told_rule = f"loss on {learned} only; rows above {settings.max_length:,} tokens are {rule}"
            self._say(told_rule)
        elif request.method in ("dpo", "reward"):
            self._say(f"rows above {settings.max_length:,} tokens are {rule}")

    def _parts(self, tokenizer: Any, learned: Encoded, held_out: Encoded) -> Parts:
        request = self._request
        return Parts(
            method=request.method,
            settings=request.settings,
            base=self._base.folder,
            tokenizer=tokenizer,
            rows=learned.rows,
            held_out=held_out.rows,
            work=request.part,
            division=self._division,
            on_gpu=self._on_gpu,
            gradient_checkpointing=self._checkpointing,
            eval_steps=request.eval_steps,
            reward=self._reward() if self._rewarder else None,
            trust_remote_code=request.trust_remote_code,
        )

    def _reward(self) -> Reward:
        """The reward model as ``measure(by="reward")`` reads it."""
        config = ScoringConfig(device="auto" if self._on_gpu else "cpu", max_length=self._request.settings.max_length)
        assert self._rewarder is not None, "asked for"
        with quiet_libraries():
            model = reward_models.load(self._request.reward_model, str(self._rewarder.folder), config)
        return Rewarding(model, self._say)

    def _trained(self, fitted: Fitted, learned: Encoded, resumed: int, stop: StopWord) -> Trained:
        losses = [one.loss for one in fitted.points if one.loss is not None]
        held = [one.eval_loss for one in fitted.points if one.eval_loss is not None]
        return Trained(
            out=self._request.out,
            steps=fitted.steps,
            resumed=resumed,
            loss=losses[-1] if losses else None,
            eval_loss=held[-1] if held else None,
            rows=min(len(learned.rows), fitted.steps * self._rows_of_a_step),
            left_out=dict(learned.left_out),
            stopped_by=stop.signal if fitted.is_stopped else 0,
        )

    @property
    def _rows_of_a_step(self) -> int:
        """RLOO's batch is one of answers."""
        request = self._request
        return request.settings.batch // (request.settings.generations if request.method == "rloo" else 1)

    def _finish(
        self, folder: TrainingFolder, fitted: Fitted, trained: Trained, tokenizer: Any, *, offered: int, seconds: float
    ) -> None:
        request, model = self._request, folder.part / MODEL
        save(fitted, model, dtype=request.save_dtype, tokenizer=tokenizer, keep_adapter=request.keep_adapter)
        write_curve(fitted.points, model / CURVE)
        if series := _series(fitted.points):
            title = f"{request.method} of {request.model}: loss"
            (model / PICTURE).write_text(loss_svg(title, series), encoding="utf-8")
        facts = CardFacts(
            request=request,
            licence=self._base.licence,
            hub_name=self._base.hub_name,
            rows=self._rows,
            learned=trained.rows,
            offered=offered,
            left_out=trained.left_out,
            notes=self._notes,
            division=fitted.division,
            steps=fitted.steps,
            seconds=seconds,
            points=fitted.points,
        )
        write_beside(facts, model)
        told = {"steps": trained.steps, "loss": trained.loss, "eval_loss": trained.eval_loss, "rows": trained.rows}
        folder.finish(self.identity(), {**told, "left_out": dict(trained.left_out), "versions": versions()})

    def _plan(self) -> memory.Plan:
        settings = self._request.settings
        return memory.Plan(
            method=self._request.method,
            division=self._division,
            length=settings.max_length,
            lora_rank=settings.lora_rank,
            bfloat16=settings.precision == "bfloat16",
            gradient_checkpointing=self._checkpointing,
            reward_parameters=_parameters_of(self._rewarder),
        )

    def _note(self, sentence: str) -> None:
        self._notes.append(sentence)
        self._say(sentence)

    def _say(self, sentence: str) -> None:
        say_on(self._console, sentence)


class Rewarding:
    """Rewards of answers, by a reward model; what it cannot read is worth as little as the worst that it can.

    Args:
        model: Loaded.
        tell: Hears, once, that there are such answers.
    """

    def __init__(self, model: reward_models.RewardModel, tell: Callable[[str], None]) -> None:
        self._model = model
        self._tell = tell
        self.asked = self.unread = 0

    def __call__(self, prompts: Sequence[Sequence[Mapping[str, str]]], answers: Sequence[str]) -> list[float]:
        """In order. Raises ScorerError where most answers cannot be rewarded."""
        samples = [_sample(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
        found = self._model.rewards(samples)
        read = [one for one in found if not isinstance(one, Reason)]
        reasons = [one for one in found if isinstance(one, Reason)]
        if reasons and not self.unread:
            self._tell(f"an answer cannot be rewarded and counts as the worst of its batch: {reasons[0]}")
        self.asked += len(found)
        self.unread += len(reasons)
        if not read or (self.asked >= 20 and self.unread > UNREWARDED_SHARE * self.asked):
            raise ScorerError(
                f"{self.unread:,} of {self.asked:,} answers cannot be rewarded, such as: {reasons[0]}; what was saved "
                "before stands"
            )
        return [min(read) if isinstance(one, Reason) else one for one in found]


def _sample(prompt: Sequence[Mapping[str, str]], answer: str) -> Sample:
    turns = [Message(role=turn["role"], content=turn["content"]) for turn in prompt]  # type: ignore[arg-type]
    return Sample(instruction=turns[-1].content, response=answer, history=tuple(turns[:-1]))


def _series(points: Sequence[Point]) -> dict[str, list[tuple[int, float]]]:
    series = {
        "loss": [(one.step, one.loss) for one in points if one.loss is not None],
        "held out": [(one.step, one.eval_loss) for one in points if one.eval_loss is not None],
    }
    return {name: curve for name, curve in series.items() if curve}


def _parameters_of(model: BaseModel | None) -> int:
    return model.size.parameters if model and model.size else 0


def _memory_there(*, on_gpu: bool) -> int:
    return free_gpu_memory() if on_gpu else free_memory()
