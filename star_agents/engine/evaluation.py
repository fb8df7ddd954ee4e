"""`evaluate`: models answer a benchmark and a judge grades them, as a batch of its own in a folder of its own.

Each question is a seed for each model and repeat (recipe ``graded_questions``), and each pair of answers is one
(``compared_answers``). So calls go through journal, gates and budgets, a run that was killed goes on, and a model that
is named later, or one more repeat, costs its own calls only. What a seed is asked by is part of its id; what a folder
is judged by stands in ``protocol.json``, and another protocol is refused there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from star_agents.arena.mt_bench import PROMPTS, TEMPERATURES, JudgePrompt, Question
from star_agents.config.models import AgentConfig, Config
from star_agents.config.sections import EvaluationConfig
from star_agents.config.suggestions import did_you_mean
from star_agents.engine.derived_config import for_command
from star_agents.engine.local_agents import PREFIX
from star_agents.errors import UsageError
from star_agents.recipes import compared_answers, graded_questions
from star_agents.recipes.compared_answers import ComparedAnswersSettings, compared_seed
from star_agents.recipes.graded_questions import GradedQuestionsSettings, graded_seed
from star_agents.records import Seed
from star_agents.storage.incoming.question_files import QuestionFiles, read_judge_prompts, read_questions
from star_agents.text.content_hash import digest, digest_of_ends

_ASKED_BY = ("top_p", "extra")
"""What of an agent goes into a call beside what the recipe sets."""
OWN_PROMPTS = Path(graded_questions.__file__).parent / "prompts" / "evaluation" / "judge_prompts.jsonl"
"""Ours, in our own words, for whoever has no ``judge_prompts.jsonl``."""
_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf", "*.json")
Answers = Mapping[tuple[str, str, int], tuple[str, ...]]
"""By question, model and repeat: what the model wrote in each turn, where it answered all of them."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is asked, and how it is judged."""

    name: str
    questions: tuple[Question, ...]
    """All of the file."""
    prompts: Mapping[str, JudgePrompt]
    judge_prompts: str
    """Where these come from, for people."""
    judge_prompts_are_ours: bool

    @property
    def categories(self) -> list[str]:
        """In the order of the file."""
        return list(dict.fromkeys(one.category for one in self.questions))


def read_benchmark(files: QuestionFiles, *, pairwise: bool = False) -> Benchmark:
    """Questions, references and judge prompts as they lie there; those that compare as well, where it is ``pairwise``.

    Raises:
        SeedFileError: a row of them cannot be used; with file, line and field.
    """
    path = files.judge_prompts or OWN_PROMPTS
    is_ours = files.judge_prompts is None
    return Benchmark(
        name=files.name,
        questions=tuple(read_questions(files)),
        prompts=read_judge_prompts(path, pairwise=pairwise),
        judge_prompts="star_agents' own wording of the protocol" if is_ours else path.name,
        judge_prompts_are_ours=is_ours,
    )


def drawn_questions(questions: Sequence[Question], limit: int | None) -> tuple[Question, ...]:
    """So many by chance, always the same ones, and of more also these; in the order of the file."""
    if limit is None or limit >= len(questions):
        return tuple(questions)
    chosen = sorted(questions, key=lambda one: digest(["evaluate", one.id, list(one.turns)]))[:limit]
    names = {one.id for one in chosen}
    return tuple(one for one in questions if one.id in names)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Who answers what, and who judges it how often.

    Raises:
        UsageError: the judge or a model is none of the agents.
    """

    config: Config
    """agents.yaml, with local models as agents."""
    benchmark: Benchmark
    questions: tuple[Question, ...]
    """Those of the benchmark that are asked."""
    models: tuple[str, ...]
    judge: str
    repeats: int = 1

    def __post_init__(self) -> None:
        for option, name in (("--judge", self.judge), *(("--models", one) for one in self.models)):
            if name not in self.config.agents:
                near = did_you_mean(name, sorted(self.config.agents))
                raise UsageError(f"{option}: no agent is called {name!r}, and no folder of a model; {near}")

    @cached_property
    def settings(self) -> EvaluationConfig:
        """What agents.yaml says of all benchmarks."""
        return self.config.evaluation or EvaluationConfig()

    @cached_property
    def grading(self) -> Config:
        """The config that questions are answered and graded under."""
        names = ("answer_temperature", "answer_max_tokens", "system")
        own = {name: getattr(self.settings, name) for name in names}
        return self._config(graded_questions.NAME, GradedQuestionsSettings, {**own, **self._judging("single")})

    @cached_property
    def comparing(self) -> Config:
        """The config that answers are compared under."""
        return self._config(compared_answers.NAME, ComparedAnswersSettings, self._judging("pair"))

    def _config(self, name: str, section: type[Any], settings: Mapping[str, Any]) -> Config:
        # FastChat judges answers that were cut as they are, and reads whatever the judge wrote.
        taken = {*self.models, self.judge}
        return for_command(self.config, name, section, settings, scores=True, allow_cut=taken)

    def _judging(self, mode: str) -> dict[str, Any]:
        prompts = {name: one for name, one in self.benchmark.prompts.items() if PROMPTS[name].mode == mode}
        return {
            "models": list(self.models),
            "judge": self.judge,
            "judge_temperature": self.settings.judge_temperature,
            "judge_max_tokens": self.settings.judge_max_tokens,
            "judge_systems": {name: one.system for name, one in prompts.items()},
            "judge_templates": {name: one.template for name, one in prompts.items()},
        }

    def graded_seeds(self) -> list[Seed]:
        """Every question for every model, repeat by repeat."""
        asked_as = {model: self._asked_as(graded_questions.NAME, self.grading, model) for model in self.models}
        return [
            graded_seed(question, model, repeat, asked_as[model])
            for repeat in range(1, self.repeats + 1)
            for question in self.questions
            for model in self.models
        ]

    def compared_seeds(self, answers: Answers) -> list[Seed]:
        """Every pair of models over every question that both have answered, repeat by repeat."""
        asked_as = self._asked_as(compared_answers.NAME, self.comparing)
        found: list[Seed] = []
        for repeat in range(1, self.repeats + 1):
            for question in self.questions:
                for pair in combinations(sorted(self.models), 2):
                    written = {model: answers.get((question.id, model, repeat)) for model in pair}
                    if all(written.values()):
                        told = {model: list(some or ()) for model, some in written.items()}
                        found.append(compared_seed(question, told, repeat, asked_as))
        return found

    def _asked_as(self, name: str, config: Config, *models: str) -> str:
        """Changes whenever answers may: with a model, how it is asked, and the prompts."""
        settings = getattr(config, name).model_dump(mode="json", exclude={"models"})
        return digest([settings, *(self._identity(one) for one in (*models, self.judge))])

    def _identity(self, name: str) -> list[Any]:
        agent: AgentConfig = self.config.agents[name]
        weights = [_weights(one.model) for one in agent.endpoints]
        # A folder may be moved, or copied, and holds the same model there.
        models = [PREFIX if found else one.model for one, found in zip(agent.endpoints, weights, strict=True)]
        return [models, agent.model_dump(mode="json", include=set(_ASKED_BY)), weights]

    @property
    def turns(self) -> int:
        """Of all questions together, for one model and repeat."""
        return sum(len(one.turns) for one in self.questions)

    @property
    def calls(self) -> int:
        """That answers and grades take in all."""
        return 2 * self.turns * len(self.models) * self.repeats

    @property
    def pair_calls(self) -> int:
        """That comparisons take in all, once everybody has answered."""
        return 2 * self.turns * self.pairs * self.repeats

    @property
    def pairs(self) -> int:
        """How many pairs the models make: each with each other one, once."""
        return len(self.models) * (len(self.models) - 1) // 2

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """By what the folder is judged: what has to be the same for grades to stand on one scale, as plain data."""
        own, judge = self.settings, self.config.agents[self.judge]
        models = [one.model for one in judge.endpoints]
        by_category = {name: TEMPERATURES[name] for name in self.benchmark.categories if name in TEMPERATURES}
        return {
            "benchmark": self.benchmark.name,
            "questions": digest([_all_of(one) for one in self.benchmark.questions])[:16],
            "judge": {"agent": self.judge, "models": models, **judge.model_dump(mode="json", include=set(_ASKED_BY))},
            "judge_prompts": {
                "from": self.benchmark.judge_prompts,
                "versions": {name: digest(one.to_dict())[:8] for name, one in sorted(self.benchmark.prompts.items())},
            },
            "judge_temperature": own.judge_temperature,
            "judge_max_tokens": own.judge_max_tokens,
            "answer_temperature": by_category if own.answer_temperature is None else own.answer_temperature,
            "answer_max_tokens": own.answer_max_tokens,
            "system": own.system,
        }


def question_digest(question: Question) -> str:
    """Changes with whatever a judge is shown of a question."""
    return digest(_all_of(question))[:16]


def _all_of(question: Question) -> list[Any]:
    return [question.id, question.category, list(question.turns), list(question.reference), question.own_temperature]


def _weights(model: str) -> list[Any]:
    """What tells a model in a folder of this machine apart from the one that lay there before; nothing of others."""
    prefix, _, folder = model.partition("/")
    if prefix != PREFIX or not Path(folder).is_dir():
        return []
    files = sorted({path for pattern in _WEIGHTS for path in Path(folder).glob(pattern)})
    return [[path.name, path.stat().st_size, digest_of_ends(path)] for path in files]
