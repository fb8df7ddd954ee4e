"""A target graded on a benchmark, as `evaluate` grades it: in one folder for all targets of a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from star_agents import offline
from star_agents.config.models import Config
from star_agents.engine.campaign.configs import Target, player_name, with_target
from star_agents.engine.campaign.plan import BASE, rounds_of
from star_agents.engine.evaluation import Evaluation, drawn_questions, read_benchmark
from star_agents.engine.evaluation_results import results_of
from star_agents.errors import UsageError
from star_agents.storage.incoming.question_files import BENCHMARKS, find_questions


def evaluation_of(config: Config, target: Target, beside: Path) -> Evaluation:
    """What a target is asked, and who grades it.

    Args:
        config: Of agents.yaml.
        target: The model that is graded.
        beside: The folder of agents.yaml, from which paths of questions go.

    Raises:
        SeedFileError: a question cannot be used; with file, line and field.
        UsageError: the questions are not there, or nobody is called as the judge.
    """
    settings = rounds_of(config)
    if (own := settings.benchmark) is None:
        raise UsageError("agents.yaml: rounds.benchmark: names no questions")
    folder = None if config.evaluation is None else config.evaluation.questions
    named = own.questions if own.questions in BENCHMARKS else str(beside / offline.benchmark_name(own.questions))
    files = find_questions(named, None if folder is None else beside / folder)
    benchmark = read_benchmark(files)
    name, placed = player_name(settings, target.name), with_target(config, target)
    agents = {**placed.agents, name: placed.agents[settings.target.agent]}
    return Evaluation(
        config=placed.model_copy(update={"agents": agents, "rounds": None, "parts": None}),
        benchmark=benchmark,
        questions=drawn_questions(benchmark.questions, own.most),
        models=(name,),
        judge=own.judge,
    )


def calls_of_grading(config: Config, beside: Path) -> int:
    """Calls that the benchmark takes of each target, its answers and their grades; 0 where there is none.

    Raises:
        SeedFileError: as for ``evaluation_of``.
        UsageError: likewise.
    """
    settings = rounds_of(config)
    if settings.benchmark is None:
        return 0
    return evaluation_of(config, Target(BASE, settings.target.model), beside).calls


def grades_in(folder: Path, evaluation: Evaluation) -> dict[str, Any]:
    """The mean grade of the target with its 95 % interval, and how many judgements hold none."""
    (found,) = results_of(evaluation, folder, pairwise=False).standings
    return {
        "benchmark": evaluation.benchmark.name,
        "score": found.score.value,
        "low": found.score.low,
        "high": found.score.high,
        "graded": found.graded,
        "unreadable": found.unreadable,
        "missing": found.missing,
    }
