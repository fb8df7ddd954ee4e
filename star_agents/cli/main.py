"""The command line: `python -m star_agents VERB` or `star-agents VERB`.

Each verb lives in a module of its own beside this one and is loaded only when it is called, so that `--help` answers
at once. Errors end as one line on standard error and a non-zero exit code.
"""

from __future__ import annotations

import importlib
import io
import re
import sys
from collections.abc import Sequence

import click

from star_agents import __version__
from star_agents.errors import ConfigError, Problem, SeedFileError, StarAgentsError, first_of_ours, leaves
from star_agents.limits.machine import limit_met, too_little_memory
from star_agents.process.garbage_collection import look_less_often
from star_agents.text.printing import say

VERBS = {
    "run": "Work seeds or documents to a dataset, then stop.",
    "serve": "Run the daemon: seeds come in, outcomes come out, until told otherwise.",
    "add": "Send seeds or documents to a running daemon.",
    "status": "Show what a folder or a running daemon has done so far.",
    "check": "Validate agents.yaml, try each agent in each of its roles, load the scorers.",
    "score": "Add IFD scores of two models to any dataset.",
    "logs": "Show and follow the log of a folder or a running daemon.",
    "report": "Write one page of HTML about a run: curves, costs, samples to read.",
    "arena": "Let models answer a set, judge their battles, rate them.",
    "arena-set": "Make a test set for an arena: diverse instructions and hard ones.",
    "evaluate": "Let models answer MT-bench or its kin, and a judge grade them, by FastChat's protocol.",
    "elo": "Rate the players of an arena, with intervals and the health of its judges.",
    "judge-health": "Hold judges against people: accuracy, kappa and biases on pairs that people judged.",
    "rounds": "Make data, train the target on it, let the new one make data: round after round.",
    "reproduce": "Do a paper's own experiment again: its tables beside ours.",
    "decontaminate": "Find the rows of any dataset that hold items of benchmarks, and leave them out.",
    "browse": "Look through a folder's rows on a page: search, compare, accept, reject, edit.",
    "export": "Write the dataset in a format of the field.",
    "card": "Preview the card of a dataset: what the rows are, how they came about, whose terms bind them.",
    "push": "Send rows and card to a dataset repository of the Hugging Face hub.",
    "train": "Train a model on a run's rows: SFT, DPO, reward model, RLOO.",
    "release": "Let seeds out of quarantine.",
    "backup": "Copy a store to one file while a daemon works on it.",
    "doctor": "Say what is wrong with this machine, a folder and agents.yaml, and what to do.",
    "recipes": "List recipes: what they take, their settings and measures.",
    "skills": "List the skills of recipe agent_instruct: transformations, types, forms.",
    "migrate-config": "Print agents.yaml with each key in the section of its recipe, comments kept.",
    "init": "Write a commented agents.yaml.",
}
LOAD_MUCH = (
    *("run", "serve", "check", "score", "decontaminate", "arena", "arena-set", "evaluate", "judge-health", "rounds"),
    *("reproduce", "train", "card", "push"),
)
"""Verbs that load numpy and its kin."""
PROBLEMS_SHOWN = 20
INTERRUPTED = 130
NO_RESOURCES = 75
"""EX_TEMPFAIL of sysexits.h: the machine, or a limit on the process, has refused memory, files or threads."""


class _Verbs(click.Group):
    """Loads a verb's module when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        if cmd_name in LOAD_MUCH and (told := too_little_memory()):
            say(f"error: {told}", err=True)
            sys.exit(NO_RESOURCES)
        module = importlib.import_module(f"star_agents.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="star-agents")
def cli() -> None:
    """Make instruction data for your target model by LLM agents, from seeds or documents; train on it, and go on."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (``sys.argv`` unless ``arguments`` are given) and exit with its code."""
    look_less_often()
    try:
        cli.main(arguments, prog_name="star-agents", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)
        say(told.getvalue(), err=True, nl=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (Exception, BaseExceptionGroup) as error:
        _exit_with(error)


def _exit_with(error: BaseException) -> None:
    """End with the message of our own error; anything that is not ours is a bug and keeps its traceback."""
    ours = first_of_ours(error)
    if ours is None:
        if any(isinstance(one, KeyboardInterrupt) for one in leaves(error)):
            sys.exit(INTERRUPTED)
        if limit := next(filter(None, map(limit_met, leaves(error))), ""):
            say(f"error: {limit}", err=True)
            sys.exit(NO_RESOURCES)
        raise error
    say(_message(ours), err=True)
    sys.exit(ours.exit_code)


def _message(error: StarAgentsError) -> str:
    if not isinstance(error, (ConfigError, SeedFileError)):
        return f"error: {error}"
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in error.problems:
        alike.setdefault((problem.field, problem.message, problem.fix), []).append(problem)
    shown = list(alike.values())[:PROBLEMS_SHOWN]
    lines = [line for problems in shown for line in _lines(problems)]
    if (more := len(error.problems) - sum(map(len, shown))) > 0:
        lines.append(f"... and {more:,} more")
    has_rows = any(re.search(r":\d+", problem.where) for problem in error.problems)
    if isinstance(error, SeedFileError) and has_rows:
        lines.append(
            "nothing was taken in; mend these rows, or leave them out with --skip-bad where the command has it"
        )
    return "\n".join(lines)


def _lines(alike: Sequence[Problem]) -> list[str]:
    """The first of some problems that differ in their place alone, and how many more there are."""
    first, more = alike[0], len(alike) - 1
    last = f", the last one at {alike[-1].where}" if more > 1 else f", at {alike[-1].where}"
    return [f"error: {first}", *([f"  the same {more:,} more time{'s' * (more > 1)}{last}"] if more else [])]
