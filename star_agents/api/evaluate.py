"""`evaluate`: models on a benchmark, as the command `evaluate` grades them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from star_agents.api.inputs import ConfigLike, GivenConfig, PathLike, given_config, path_of
from star_agents.api.job import Job, Words
from star_agents.engine.batch_notes import sample_agents
from star_agents.engine.evaluation import Evaluation
from star_agents.engine.evaluation_files import write_all
from star_agents.engine.evaluation_run import evaluate as work_evaluation
from star_agents.engine.evaluation_sentences import what_is_asked
from star_agents.engine.evaluation_setup import evaluation_for
from star_agents.engine.host import Host
from star_agents.observe.logs import folder_log
from star_agents.text.consoles import progress_console, say_on


def evaluate(
    config: ConfigLike,
    *,
    models: Sequence[str],
    questions: PathLike,
    judge: str,
    out: PathLike,
    limit: int | None = None,
    repeats: int = 1,
    pairwise: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Let models answer a benchmark, and a judge grade each turn, by FastChat's protocol of MT-bench.

    The same call again, or the command ``evaluate -o out``, goes on where it stopped and pays for nothing twice.
    Ctrl-C finishes the questions in hand; a second one ends at once.

    Args:
        config: agents.yaml: its path, a dict with the same keys, or a ``Config``.
        models: Who answers: agents of it, or folders of models.
        questions: ``mt_bench``, ``vicuna`` or ``wizardlm`` in the folder of `evaluation.questions`, a file in their
            form, or ``offline`` for the sample questions.
        judge: Agent that grades.
        out: The folder that keeps everything, with report.html, evaluation.json and table.csv.
        limit: Only so many questions, drawn by chance.
        repeats: Ask all of it so often; medians count.
        pairwise: Compare the models' answers, too.
        progress: Show progress on standard error.

    Returns:
        What evaluation.json holds: ``models`` with scores and their 95 % intervals, the best first; ``protocol``,
        ``pairs``; and ``stopped_by``, why it ended before its last question, or what failed beyond its limit; empty
        where neither is so.

    Raises:
        ConfigError: the config cannot be used.
        SeedFileError: a question cannot be used; with file, line and field.
        UsageError: a name is none, or the folder holds an evaluation by another protocol, or a run.
        StoreError: the folder cannot be used; ``StoreLocked`` where another process works on it.
        KeyboardInterrupt: Ctrl-C was pressed, and what was in hand is done.
    """
    given = given_config(config)
    evaluation = evaluation_for(
        given.config,
        list(models),
        str(questions),
        judge,
        beside=Path() if given.path is None else given.path.parent,
        limit=limit,
        repeats=repeats,
        pairwise=pairwise,
    )
    folder = path_of(out)
    work = partial(_work, given=given, evaluation=evaluation, out=folder, pairwise=pairwise, progress=progress)
    return Job(work, folder=folder.absolute()).wait()


async def _work(
    words: Words, *, given: GivenConfig, evaluation: Evaluation, out: Path, pairwise: bool, progress: bool
) -> dict[str, Any]:
    console = progress_console(quiet=not progress)
    for sentence in (*what_is_asked(evaluation, pairwise=pairwise), sample_agents(given.config)):
        if sentence:
            say_on(console, sentence)
    host = Host(stops=words.heard, owns_process=False)
    with given.places(), folder_log(out) as log:
        ended = await work_evaluation(
            evaluation, out, pairwise=pairwise, console=console, host=host, begins=lambda seeds: log.hear
        )
    write_all(ended.results, None, out, pictures="svg")
    stopped_by = ended.batch.stopped_by or ended.batch.failed_because
    return {**ended.results.to_dict(), "stopped_by": stopped_by}
