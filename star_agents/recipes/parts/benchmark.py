"""What the two recipes of a benchmark share: how its judge is asked, and how a question stands in a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from star_agents.arena.mt_bench import JUDGE_TEMPERATURE, JUDGE_TOKENS, JudgePrompt, Question
from star_agents.config.models import PromptText
from star_agents.config.recipes import Agent, ReplyTokens, Some, Temperature
from star_agents.errors import RecipeError
from star_agents.recipes.parts.gathering import gather_within_budget
from star_agents.recipes.protocol import Settings, Workbench
from star_agents.recipes.reads import Read
from star_agents.records import Failure, Message, Sample, Seed
from star_agents.text.content_hash import digest

QUESTION, MODEL, MODELS, ANSWERS, REPEAT = "question", "model", "models", "answers", "repeat"
"""In a seed's ``meta``."""
CAME = ("empty", "length", "format")
"""Kinds of failures of a reply that came, and cannot be read."""
LONGEST_SHOWN = 120


class BenchmarkSettings(Settings):
    """How a benchmark is judged."""

    models: Some[Agent]
    """Who answers."""
    judge: Agent
    """Who grades."""
    judge_temperature: Temperature | None = JUDGE_TEMPERATURE
    """Of the judge; `null` leaves it to the provider."""
    judge_max_tokens: ReplyTokens = JUDGE_TOKENS
    """Longest reply of the judge."""
    judge_systems: Mapping[str, PromptText]
    """The judge's system turn for each of FastChat's prompts, by name."""
    judge_templates: Mapping[str, PromptText]
    """Likewise what it is shown."""

    @property
    def judge_sampling(self) -> dict[str, Any]:
        """What each call of the judge is made with."""
        return {"temperature": self.judge_temperature, "max_tokens": self.judge_max_tokens}

    def judge_prompt(self, name: str) -> JudgePrompt:
        """The prompt of a name."""
        return JudgePrompt(system=self.judge_systems[name], template=self.judge_templates[name])

    def prompt_version(self, name: str) -> str:
        """For the provenance of what comes of it."""
        return f"{name}:{digest(self.judge_prompt(name).to_dict())[:8]}"


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply as it is, blanks at its ends included: a benchmark's judge sees what was written."""

    schema: None = None
    request: str = ""

    def read(self, text: str) -> str:
        """The text."""
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What an agent wrote; empty where what came is no text."""

    text: str
    model: str = ""
    cost_usd: float | None = 0.0
    flaw: str = ""
    """Why what came is none, or how it ended; empty of a whole one."""


def benchmark_seed(name: str, first_turn: str, meta: Mapping[str, Any], asked_as: Any) -> Seed:
    """A seed of one of the two recipes.

    Args:
        name: Of the recipe.
        first_turn: What it is shown as to people.
        meta: All that the recipe needs.
        asked_as: What tells its answers apart from those of another model or protocol: with another one it is asked
            anew.
    """
    content = Sample(instruction=first_turn)
    return Seed(id=digest([name, dict(meta), asked_as])[:32], content=content, kind="instruction", meta=meta)


def question_in(seed: Seed, *needed: str) -> Question:
    """The question that a seed is about.

    Raises:
        RecipeError: it is no seed of a benchmark.
    """
    if not {QUESTION, REPEAT, *needed} <= seed.meta.keys():
        raise RecipeError("this recipe works on the questions of `evaluate`, and this seed is none")
    data = dict(seed.meta[QUESTION])
    turns, reference = tuple(data.pop("turns")), tuple(data.pop("reference"))
    return Question(**data, turns=turns, reference=reference)


async def ask(bench: Workbench, agent: str, messages: Sequence[Message], step: str, **sampling: Any) -> Said | Failure:
    """What an agent writes, or why no reply came. One that came empty, or is no text, is one without a word."""
    job = bench.ask(agent, messages, step=step, reads=Whole(), **sampling)
    (heard,) = (await gather_within_budget(bench, [job])).results
    return said(heard)


def said(heard: Read[str] | Failure) -> Said | Failure:
    """The same of what was gathered."""
    if isinstance(heard, Failure):
        return heard if heard.kind not in CAME else Said(text="", cost_usd=heard.cost_usd, flaw=str(heard))
    reply = heard.reply
    flaw = "" if reply.finish_reason == "stop" else f"ended by {reply.finish_reason[:LONGEST_SHOWN]}"
    return Said(text=heard.value, model=reply.model, cost_usd=heard.cost_usd, flaw=flaw)


def hear_judge(bench: Workbench, settings: BenchmarkSettings, name: str, shown: Mapping[str, str], step: str) -> Any:
    """The call of the judge with a prompt, to be gathered with others."""
    messages = settings.judge_prompt(name).messages(shown)
    return bench.ask(settings.judge, messages, step=step, reads=Whole(), **settings.judge_sampling)
