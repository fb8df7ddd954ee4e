"""The three benchmarks as one evaluation: every model is loaded once, and answers all of their questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from star_agents.arena.grades import Turn
from star_agents.config.models import AgentConfig, Config
from star_agents.engine.evaluation import Benchmark, Evaluation, read_benchmark
from star_agents.engine.evaluation_results import GradedTurn, read_found
from star_agents.engine.local_agents import PREFIX
from star_agents.engine.reproduction.experiment import Experiment
from star_agents.storage.incoming.question_files import find_questions

NAME = "reproduction"
MARK = ":"
"""Between the name of a benchmark and its own name of a question."""
Scores = Mapping[Turn, float | None]
"""``None``: what the judge wrote holds no grade."""


def benchmark_of(experiment: Experiment, config: Config, folder: Path) -> Benchmark:
    """All questions of the three.

    Raises:
        SeedFileError: a question cannot be used; with file, line and field.
        UsageError: a benchmark is not there.
    """
    own = None if config.evaluation is None else config.evaluation.questions
    parts = {}
    for name, named in experiment.benchmarks.items():
        place = folder / named
        files = find_questions(str(place) if place.is_file() else named, None if own is None else folder / own)
        parts[name] = read_benchmark(files)
    questions = tuple(
        replace(question, id=f"{name}{MARK}{question.id}")
        for name, part in parts.items()
        for question in part.questions
    )
    # One judge grades all of them in one wording: FastChat's, where it lies beside any of them.
    asked = next((one for one in parts.values() if not one.judge_prompts_are_ours), next(iter(parts.values())))
    return replace(asked, name=NAME, questions=questions)


def local_players(models: Mapping[str, str], experiment: Experiment) -> dict[str, AgentConfig]:
    """Models of this machine as agents: name of each to its folder, or its Hugging Face name."""
    at_once = experiment.answers_at_once
    return {
        name: AgentConfig(model=f"{PREFIX}/{model}", roles=(), max_concurrency=at_once)
        for name, model in models.items()
    }


def evaluation_of(
    players: Mapping[str, AgentConfig], benchmark: Benchmark, experiment: Experiment, config: Config
) -> Evaluation:
    """What models are asked, and who grades them.

    Args:
        players: Those who answer.
        benchmark: Of ``benchmark_of``.
        experiment: Says the judge.
        config: Of agents.yaml.

    Raises:
        UsageError: nobody is called as the judge.
    """
    placed = config.model_copy(update={"agents": {**config.agents, **players}})
    return Evaluation(
        config=placed,
        benchmark=benchmark,
        questions=benchmark.questions,
        models=tuple(players),
        judge=experiment.judge,
    )


def scores_in(folder: Path, evaluation: Evaluation) -> dict[str, dict[str, Scores]]:
    """What each model got for each turn, by benchmark; what nobody judged is not there."""
    return by_benchmark(read_found(folder, evaluation).judged)


def by_benchmark(turns: Iterable[GradedTurn]) -> dict[str, dict[str, Scores]]:
    """Model, to benchmark, to turn, to score."""
    found: defaultdict[str, defaultdict[str, dict[Turn, float | None]]] = defaultdict(lambda: defaultdict(dict))
    for one in turns:
        benchmark, _, question = one.question.partition(MARK)
        found[one.model][benchmark][question, one.turn] = one.score
    return {model: dict(parts) for model, parts in found.items()}
