"""`arena`: models answer a test set and meet, each with each; who is how strong, and how far to trust the judges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

import anyio
import click

from star_agents.arena.game_table import GameTable
from star_agents.arena.leaderboard import Leaderboard, leaderboard
from star_agents.cli.batches import (
    config_with_notes,
    confirmation_above,
    estimate_by_sample,
    exit_unless_whole,
    spending_options,
)
from star_agents.cli.elo import show
from star_agents.cli.report import write_report
from star_agents.cli.tables import calls_and_cost, print_failures, print_json
from star_agents.config.models import Config
from star_agents.engine.batch import BatchResult, load_seeds, run_batch
from star_agents.engine.batch_notes import sample_agents, skipped_rows
from star_agents.engine.local_players import with_local_models
from star_agents.engine.offline_arena import config_for_arena, refuse_other_arena
from star_agents.engine.seed_sources import find_sources
from star_agents.errors import UsageError
from star_agents.observe.logs import set_up_logging
from star_agents.observe.status import FailureTold
from star_agents.observe.status.reading import read
from star_agents.records import Seed
from star_agents.storage.outgoing.game_files import BATTLES_FILE, read_games
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE
from star_agents.text.consoles import progress_console
from star_agents.text.printing import say


@click.command()
@click.argument("set_path", metavar="SET")
@click.option("--models", required=True, help="Who meets: agents of agents.yaml, or folders of models: a,b,./c.")
@click.option("--judges", help="Agents that score; those of `arena` in agents.yaml if not given.")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder for store, games and report.")
@click.option("--anchor", help="Model whose rating is fixed; the one with the most battles if not given.")
@spending_options
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out instead of stopping.")
@click.option("--json", "as_json", is_flag=True, help="Print the leaderboard as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    set_path: str,
    models: str,
    judges: str | None,
    config_path: Path,
    out: Path,
    anchor: str | None,
    estimate: bool,
    confirm_above: float,
    yes: bool,
    skip_bad: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Let models answer SET, a file of `arena-set` or any other of instructions, judge each battle, and rate them.

    Everybody meets everybody, in both orders; nobody learns from it. The same command again goes on where it stopped,
    and sends nothing that is already answered. `elo OUT1 OUT2` rates the models of several such folders together.
    """
    config, notes = config_with_notes(config_path)
    config, players = with_local_models(config, _names(models))
    if anchor is not None and anchor not in players:
        raise UsageError(f"--anchor {anchor}: is none of the models, {', '.join(players)}")
    jury = _judges(config, judges)
    config = config_for_arena(config, players, jury, where=config_path.name)
    refuse_other_arena(out, players, jury)
    sources = find_sources([set_path], documents=False, out=out)
    file = load_seeds(sources, config, skip_bad=skip_bad, limit=None)
    set_up_logging(level="error", folder=out)
    for sentence in (*skipped_rows(file), "" if as_json else sample_agents(config)):
        if sentence:
            say(sentence, err=True)
    console = progress_console(quiet=quiet)
    job = partial(run_batch, config, source=sources.name, out=out, retry_dropped=True, console=console, notes=notes)
    seeds = _worth_asking(out, file.seeds, players)
    if estimate:
        return exit_unless_whole(estimate_by_sample(job, config, seeds, out, as_json=as_json))
    confirmation = None if yes else confirmation_above(confirm_above)
    result = anyio.run(partial(job, seeds, only_these=True, confirmation=confirmation))
    if result.stopped_by or not result.summary["counts"]["kept"]:
        exit_unless_whole(result)
    found = read_games(out)
    board = leaderboard(GameTable.of_columns(found.rows), labels=found.labels, lengths=found.lengths, anchor=anchor)
    write_report(out, out / "report.html", out / "report.summary.json")
    _tell(board, result, out, as_json=as_json)
    return exit_unless_whole(result)


def _worth_asking(out: Path, seeds: Sequence[Seed], players: Collection[str]) -> list[Seed]:
    """Seeds without those that were dropped although judges were heard of all players: they would say the same."""
    if not (out / STORE_FILE).is_file():
        return list(seeds)
    with StoreReader(out) as reader:
        heard = {
            one.seed.id
            for one in reader.results()
            if one.outcome.kind == "dropped"
            and one.outcome.judgements
            and {trial.arm for trial in one.outcome.trials} >= {*players}
        }
    return [one for one in seeds if one.id not in heard]


def _names(listed: str) -> list[str]:
    return [name for one in listed.split(",") if (name := one.strip())]


def _judges(config: Config, listed: str | None) -> list[str]:
    if listed is not None:
        return _names(listed)
    if (arena := getattr(config, "arena", None)) is None:
        raise UsageError("name who scores: --judges NAME, or several as a jury: --judges a,b")
    return list(arena.judges)


def _tell(board: Leaderboard, result: BatchResult, out: Path, *, as_json: bool) -> None:
    counts, cost = result.summary["counts"], result.summary["cost"]
    if as_json:
        told = {"calls_sent": result.calls, "cost": cost, "counts": counts, "failures": result.summary["failures"]}
        return print_json({**board.to_dict(), **told, "report": str(out / "report.html")})
    show(board)
    dropped = f", {counts['dropped']:,} dropped" if counts["dropped"] else ""
    say(f"{counts['done']:,} instructions{dropped}; {calls_and_cost(result.calls, result.summary)}")
    print_failures(read(list[FailureTold], result.summary["failures"]))
    for name in (BATTLES_FILE, "report.html", "summary.json", "store.sqlite3"):
        say(f"  {out / name}")
    return None
