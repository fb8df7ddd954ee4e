"""An evaluation put together from what a caller names: models, questions, a judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from star_agents import offline
from star_agents.config.models import Config
from star_agents.engine.evaluation import Evaluation, drawn_questions, read_benchmark
from star_agents.engine.local_players import with_local_models
from star_agents.errors import UsageError
from star_agents.storage.incoming.question_files import find_questions


def evaluation_for(
    config: Config,
    models: Sequence[str],
    questions: str,
    judge: str,
    *,
    beside: Path,
    limit: int | None = None,
    repeats: int = 1,
    pairwise: bool = False,
    references: Path | None = None,
    judge_prompts: Path | None = None,
) -> Evaluation:
    """What is asked of whom, and who grades it.

    Args:
        config: Of agents.yaml.
        models: Agents of it, or folders of models.
        questions: A benchmark's name, a file, or ``offline`` for the sample questions.
        judge: Agent that grades.
        beside: Where agents.yaml lies: the folder of `evaluation.questions` begins there.
        limit: Only so many questions, drawn by chance; ``None``: all.
        repeats: How often all is asked.
        pairwise: Whether answers are compared, too.
        references: Instead of those that lie beside the questions; so are ``judge_prompts``.
        judge_prompts: Likewise.

    Raises:
        SeedFileError: a question cannot be used; with file, line and field.
        UsageError: a name is none, or is there twice; or a file is missing.
    """
    if not models or len(models) != len(set(models)):
        raise UsageError(f"--models {','.join(models)}: name each model once, with commas between: a,b,./c")
    for option, path in (("--references", references), ("--judge-prompts", judge_prompts)):
        if path is not None and not path.is_file():
            raise UsageError(f"{option} {path}: there is no such file")
    if pairwise and len(models) < 2:
        raise UsageError("--pairwise: one model has nobody to be compared with; name two or more by --models")
    own = None if config.evaluation is None else config.evaluation.questions
    folder = None if own is None else beside / own
    named = offline.benchmark_name(questions)
    files = find_questions(named, folder, references=references, judge_prompts=judge_prompts)
    benchmark = read_benchmark(files, pairwise=pairwise)
    config, players = with_local_models(config, models)
    drawn = drawn_questions(benchmark.questions, limit)
    return Evaluation(
        config=config, benchmark=benchmark, questions=drawn, models=tuple(players), judge=judge, repeats=repeats
    )
