"""`train`: a model out of a run's rows."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any, get_args

import click

from star_agents.cli.batches import SIGNALLED
from star_agents.cli.tables import print_json
from star_agents.engine.training.job import train
from star_agents.engine.training.result import Trained
from star_agents.errors import UsageError
from star_agents.observe.logs import set_up_logging
from star_agents.text.printing import say
from star_agents.training.request import USUAL_RANK, LongRows, Method, Precision, TrainingRequest, Turns, settings_of

LONGEST_TEMPLATE = 1 << 20


@click.command()
@click.argument("source", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="The model to begin with: Hugging Face name, folder, or offline/small.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder of the trained model.")
@click.option("--method", type=click.Choice(get_args(Method)), default="sft", show_default=True)
@click.option("--reward-model", default="", help="rloo: what rewards answers; `--method reward` trains one.")
@click.option("--epochs", type=float, help="[default: sft 3, dpo 2, reward 1, rloo 1]")
@click.option("--learning-rate", type=float, help="[default: sft 2e-5, dpo 5e-7, reward 1e-6, rloo 1e-7]")
@click.option(
    "--batch", type=click.IntRange(min=1), help="Rows of a step, over all passes and processes.  [default: 64]"
)
@click.option("--micro-batch", type=click.IntRange(min=1), help="Rows that go through the model at once.")
@click.option("--max-length", type=click.IntRange(min=8), help="Tokens of a row.  [default: 2048]")
@click.option(
    "--long-rows", type=click.Choice(get_args(LongRows)), help="What becomes of longer ones.  [default: drop]"
)
@click.option("--turns", type=click.Choice(get_args(Turns)), help="sft: answers that are learned.  [default: last]")
@click.option("--max-steps", type=click.IntRange(min=1), help="End after so many steps.")
@click.option("--warmup", type=float, help="Share of the steps.  [default: 0.03]")
@click.option("--weight-decay", type=float, help="[default: 0]")
@click.option("--beta", type=float, help="Hold on the reference.  [default: dpo 0.3, rloo 0.4]")
@click.option(
    "--margin-scale", type=float, help="reward: points of a row's margin, times this, into the loss.  [default: 0]"
)
@click.option("--generations", type=click.IntRange(min=2), help="rloo: answers to each prompt.  [default: 4]")
@click.option("--new-tokens", type=click.IntRange(min=1), help="rloo: tokens of an answer.  [default: 512]")
@click.option("--temperature", type=float, help="rloo: of the answers.  [default: 1]")
@click.option(
    "--lora",
    "lora_rank",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=USUAL_RANK,
    help="Train an adapter of this rank, and merge it.  [16 where no rank is given]",
)
@click.option("--lora-alpha", type=click.IntRange(min=1), help="[default: twice the rank]")
@click.option("--keep-adapter", is_flag=True, help="Keep the adapter, too, in MODEL/adapter.")
@click.option("--precision", type=click.Choice(get_args(Precision)), help="Of the passes.  [default: float32]")
@click.option("--gradient-checkpointing/--no-gradient-checkpointing", default=None, help="[default: on a GPU]")
@click.option("--chat-template", help="vicuna, plain, or a file; for models without one.  [default: the model's own]")
@click.option("--eval-share", type=float, help="Share of the prompts that is held out.  [default: 0]")
@click.option("--eval-steps", type=click.IntRange(min=1), help="Steps between two looks at it.  [default: an epoch]")
@click.option("--checkpoint-minutes", type=click.FloatRange(min=0), default=10.0, show_default=True)
@click.option("--checkpoint-steps", type=click.IntRange(min=1), help="Also after so many steps.")
@click.option(
    "--save-dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True
)
@click.option("--seed", type=click.IntRange(min=0), help="[default: 0]")
@click.option("--device", type=click.Choice(["auto", "cpu"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.")
@click.option("--bad-rows", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Share that may be bad.")
@click.option("--force", is_flag=True, help="Begin though memory will not do, or most rows are left out.")
@click.option("--fresh", is_flag=True, help="Begin anew, whatever an earlier training left in MODEL or MODEL.part.")
@click.option("--trust-remote-code", is_flag=True, help="Let the model's repository run its own code.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(source: Path, out: Path, chat_template: str | None, as_json: bool, **options: Any) -> None:
    """Train a model on what OUT holds: a folder of `run` or `serve`, or a file, such as one of `export`.

    sft learns answers, dpo preferences, reward makes a reward model of them (for `scorers` and juries), rloo lets the
    model answer and learns from a reward model. Where nothing is said, the papers' settings hold. Only answers are
    learned, in the model's own chat template.

    Checkpoints go to MODEL.part; after a kill or Ctrl-C the same command goes on, on a CPU to the same weights. MODEL
    appears when it is whole, with a card; one that is whole is not trained again.

    Several GPUs: accelerate launch -m star_agents train OUT ...
    """
    set_up_logging(level="error")
    method: Method = options["method"]
    names = (
        "epochs",
        "learning_rate",
        "batch",
        "max_length",
        "long_rows",
        "turns",
        "max_steps",
        "warmup",
        "weight_decay",
        "beta",
        "margin_scale",
        "generations",
        "new_tokens",
        "temperature",
        "lora_rank",
        "lora_alpha",
        "precision",
        "eval_share",
        "seed",
    )
    changes = {name: options.pop(name) for name in names}
    settings = settings_of(method, chat_template=_template(chat_template), **changes)
    request = TrainingRequest(source=source, out=out, settings=settings, **options)
    trained = train(request)
    if trained.stopped_by:
        if trained.is_main:
            _say_how_to_go_on(trained, request)
        sys.exit(SIGNALLED + trained.stopped_by)
    if trained.is_main:
        _tell(trained, as_json=as_json)


def _template(given: str | None) -> str | None:
    """A name as it is; of a file its text. Raises UsageError."""
    if given is None or ("/" not in given and not given.endswith(".jinja")):
        return given
    try:
        with Path(given).open(encoding="utf-8") as file:
            return file.read(LONGEST_TEMPLATE)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--chat-template {given}: cannot be read: {error}") from error


def _say_how_to_go_on(trained: Trained, request: TrainingRequest) -> None:
    again = shlex.join(argument for argument in sys.argv[1:] if argument != "--fresh")
    say(f"stopped after step {trained.steps:,}, saved in {request.part}", err=True)
    say(f"to go on: python -m star_agents {again}", err=True)


def _tell(trained: Trained, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "out": str(trained.out),
                "steps": trained.steps,
                "resumed": trained.resumed,
                "loss": trained.loss,
                "eval_loss": trained.eval_loss,
                "rows": trained.rows,
                "left_out": dict(trained.left_out),
                "was_finished": trained.was_finished,
            }
        )
        return
    losses = [f"loss {trained.loss:.4f}"] if trained.loss is not None else []
    losses += [f"{trained.eval_loss:.4f} on what is held out"] if trained.eval_loss is not None else []
    if trained.was_finished:
        say(f"{trained.out} is trained already, as asked: {trained.steps:,} steps, {', '.join(losses)}")
        return
    after = f", {trained.resumed:,} of them by an earlier call" if trained.resumed else ""
    say(f"trained {trained.rows:,} rows in {trained.steps:,} steps{after}: {', '.join(losses)}")
    for name in ("README.md", "loss.svg", "curve.jsonl"):
        say(f"  {trained.out / name}")
