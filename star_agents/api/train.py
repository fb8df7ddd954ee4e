"""`train`: a model out of a run's rows, as the command `train` makes it."""

from __future__ import annotations

import signal
from typing import Any

from star_agents.api.inputs import PathLike, path_of
from star_agents.config.suggestions import did_you_mean
from star_agents.engine.training.job import train as train_model
from star_agents.engine.training.result import Trained
from star_agents.errors import UsageError
from star_agents.text.consoles import progress_console
from star_agents.training.request import Method, TrainingRequest, divide_options, option_names, settings_of


def train(
    source: PathLike,
    *,
    model: PathLike,
    out: PathLike,
    method: Method = "sft",
    progress: bool = True,
    **options: Any,
) -> Trained:
    """Train a model on what a run made; return when it is whole. Needs the extra `star-agents[train]`.

    The same call again, or the command ``train``, goes on where it stopped. It works in this process and on its
    threads: torch and the model are loaded here. In the main thread Ctrl-C and SIGTERM let it write a checkpoint after
    the step in hand.

    Args:
        source: A folder of ``run`` or ``serve``, or a file of rows: whatever ``export`` writes.
        model: Where it begins: a Hugging Face name, a folder, or ``offline/small``.
        out: The folder of the trained model.
        method: ``sft``, ``dpo``, ``reward`` or ``rloo``.
        progress: Show progress on standard error.
        options: Those of the command, by their names: ``epochs=3, learning_rate=2e-5, lora=16, reward_model=...``.
            ``chat_template`` is a name or the text of a template. What is left out is as the papers have it.

    Returns:
        Its folder, steps, loss, and the rows that were learned and left out. ``stopped_by`` is the number of the
        signal that ended it early, 0 where the model is whole.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, and the step in hand is saved.
        SeedFileError: too many rows cannot be read.
        StoreError: the run's folder cannot be read; ``StoreLocked`` where another process trains into the same one.
        UsageError: an option makes no sense, a library is missing, or memory will not do.
        ScorerError: memory ran out, or the model diverged.
    """
    given = divide_options(options)
    if given.unknown:
        raise UsageError(f"{given.unknown[0]}: is no option of train; {did_you_mean(given.unknown[0], option_names())}")
    request = TrainingRequest(
        source=path_of(source),
        model=str(model),
        out=path_of(out),
        method=method,
        settings=settings_of(method, **given.settings),
        **given.request,
    )
    trained = train_model(request, console=progress_console(quiet=not progress))
    if trained.stopped_by == signal.SIGINT:
        raise KeyboardInterrupt
    return trained
