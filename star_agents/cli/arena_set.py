"""`arena-set`: a test set of a file of instructions, diverse ones and hard ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import click
from rich.console import Console

from star_agents.arena.test_sets import CLUSTERS, hardest
from star_agents.cli.batches import (
    config_with_notes,
    confirmation_above,
    estimate_by_sample,
    exit_unless_whole,
    spending_options,
)
from star_agents.cli.tables import calls_and_cost, print_failures, print_json, print_table
from star_agents.config.models import Config
from star_agents.engine.batch import BatchResult, load_seeds, run_batch
from star_agents.engine.batch_notes import sample_agents, skipped_rows
from star_agents.engine.host import Host
from star_agents.engine.seed_sources import find_sources
from star_agents.engine.test_sets import (
    Choice,
    Embedded,
    card_of,
    choose,
    config_for_set,
    embed_instructions,
    ratings_in,
    refuse_too_few,
    set_rows,
    without_memory,
)
from star_agents.errors import UsageError
from star_agents.observe.logs import set_up_logging
from star_agents.observe.status import FailureTold
from star_agents.observe.status.reading import read
from star_agents.records import is_reward_model
from star_agents.storage.formats.row_writing import atomic_file, writer_for
from star_agents.storage.incoming.seed_files import write_rows
from star_agents.text.consoles import progress_console, say_on
from star_agents.text.plain_data import json_text
from star_agents.text.printing import say

HASHING = (
    "note: the embedder is `hashing`, which sees shared words and no meaning; `--embedder sentence-transformers:NAME`, "
    "or `agent:NAME` for an embedding model of agents.yaml, groups better"
)


class Spending(NamedTuple):
    """What the options of whoever spends came to."""

    estimate: bool
    confirm_above: float
    yes: bool


@click.command()
@click.argument("seeds")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="File of the set, such as set.jsonl.")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option("--diverse", type=click.IntRange(min=0), default=1000, show_default=True, help="How many diverse ones.")
@click.option("--hard", type=click.IntRange(min=0), default=1000, show_default=True, help="How many hard ones.")
@click.option(
    "--judge", help="Agent that rates how difficult each is; the first of `arena.judges` that is one if not given."
)
@click.option("--clusters", type=click.IntRange(min=1), default=CLUSTERS, show_default=True, help="At most so many.")
@click.option("--embedder", help="Instead of agents.yaml's `memory.embedder`.")
@click.option("--seed", "random_seed", default=0, show_default=True, help="Another number groups otherwise.")
@spending_options
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out instead of stopping.")
@click.option("--retry-dropped", is_flag=True, help="Ask again for ratings that an earlier call did without.")
@click.option("--force", is_flag=True, help="Replace a set that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print how the set was made as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    seeds: str,
    out: Path,
    config_path: Path,
    diverse: int,
    hard: int,
    judge: str | None,
    clusters: int,
    embedder: str | None,
    random_seed: int,
    estimate: bool,
    confirm_above: float,
    yes: bool,
    skip_bad: bool,
    retry_dropped: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make a test set of SEEDS for `arena`: diverse instructions, and those that a judge rates the most difficult.

    As WizardArena was made: instructions are grouped by K-means over their embeddings; of each group two are diverse,
    and twenty are rated from 0 to 10, of which the highest are hard. The word `offline` takes the sample seeds. The
    same command again goes on where it stopped, and sends nothing that is already answered.
    """
    writer_for(out)
    if out.exists() and not force and not estimate:
        raise UsageError(f"{out} is there already; --force replaces it")
    config, notes = config_with_notes(config_path)
    judge = _judge(config, judge, is_asked=hard > 0)
    config = config_for_set(config, judge, embedder, random_seed, where=config_path.name)
    work = out.with_suffix(".work")
    sources = find_sources([seeds], documents=False, out=work)
    file = load_seeds(sources, config, skip_bad=skip_bad, limit=None)
    refuse_too_few(len(file.seeds), diverse, hard)
    set_up_logging(level="error", folder=work)
    console = progress_console(quiet=quiet)
    told = [*skipped_rows(file), sample_agents(config), HASHING if config.embedder == "hashing" else ""]
    for sentence in filter(None, told if not as_json else told[:-2]):
        say(sentence, err=True)
    embedded = anyio.run(embed_instructions, config, file.seeds, work)
    choice = choose(embedded, clusters=clusters, diverse=diverse, hard=hard, random_seed=random_seed)
    if console is not None:
        say_on(console, _plan(embedded, choice, config, judge))
    ratings_in(work, choice, judge)  # Told before anything is paid for: those of another judge cannot be used.
    result = None
    if choice.rated:
        job = _job(config, sources.name, work, console, notes, retry_dropped=retry_dropped)
        result = _rate(job, config, choice, work, Spending(estimate, confirm_above, yes), as_json=as_json)
        exit_unless_whole(result)
    if estimate:
        if not choice.rated:
            say("nothing is to be rated, so no judge is asked")
        return
    rated = ratings_in(work, choice, judge)
    chosen = hardest(choice.rated, rated.ratings, hard)
    write_rows(out, set_rows(choice, chosen, rated))
    card = card_of(config, sources.name, embedded, choice, chosen, rated)
    with atomic_file(card_path := out.with_suffix(".card.json")) as handle:
        handle.write(json_text(card, indent=2).encode() + b"\n")
    _tell(card, result, (diverse, hard), (out, card_path, work), as_json=as_json)


def _judge(config: Config, named: str | None, *, is_asked: bool) -> str:
    """Who rates. Without anything to rate nobody is asked, whoever is named."""
    arena = getattr(config, "arena", None)
    agents = [one for one in arena.judges if not is_reward_model(one)] if arena is not None else []
    if found := named or next(iter(agents), ""):
        return str(found)
    if is_asked:
        raise UsageError("name who rates how difficult instructions are: --judge NAME, or leave them out by --hard 0")
    return next(iter(config.agents))


def _job(
    config: Config, source: str, work: Path, console: Console | None, notes: Sequence[str], *, retry_dropped: bool
) -> Any:
    return partial(
        run_batch,
        without_memory(config),
        source=source,
        out=work,
        retry_dropped=retry_dropped,
        console=console,
        notes=notes,
        host=Host(retry_option="--retry-dropped"),
    )


def _rate(job: Any, config: Config, choice: Choice, work: Path, spending: Spending, *, as_json: bool) -> BatchResult:
    candidates = [choice.seeds[place] for place in choice.rated]
    if spending.estimate:
        return estimate_by_sample(job, config, candidates, work, as_json=as_json)
    confirmation = None if spending.yes else confirmation_above(spending.confirm_above)
    result: BatchResult = anyio.run(partial(job, candidates, only_these=True, confirmation=confirmation))
    return result


def _plan(embedded: Embedded, choice: Choice, config: Config, judge: str) -> str:
    left_out = [
        *([f"{embedded.repeated:,} that repeat one left out"] if embedded.repeated else []),
        *([f"{embedded.without:,} without a vector left out"] if embedded.without else []),
    ]
    groups = f"{len(embedded.seeds):,} instructions in {len(choice.grouping.centres):,} clusters by {config.embedder}"
    to_come = f"{len(choice.diverse):,} diverse ones taken, {len(choice.rated):,} to be rated"
    return f"{', '.join([groups, *left_out])}; {to_come}{f' by {judge}' if choice.rated else ''}"


def _tell(
    card: Mapping[str, Any],
    result: BatchResult | None,
    wanted: tuple[int, int],
    paths: tuple[Path, Path, Path],
    *,
    as_json: bool,
) -> None:
    out, card_path, work = paths
    if as_json:
        calls = {"calls_sent": 0 if result is None else result.calls}
        return print_json({**card, **calls, "set": str(out), "card": str(card_path), "work": str(work)})
    difficulty = card["difficulty"] or {}
    rows = [
        ["diverse", f"{card['diverse']:,}", "-", "-"],
        ["hard", f"{card['hard']:,}", *(_points(difficulty.get(name)) for name in ("mean_of_hard", "lowest_of_hard"))],
        ["rated", f"{card['rated']:,}", _points(difficulty.get("mean_of_rated")), "-"],
    ]
    print_table(f"a set of {card['clusters']:,} clusters", ["part", "instructions", "difficulty", "lowest"], rows)
    for sentence in _remarks(card, wanted):
        say(sentence)
    if result is not None:
        say(calls_and_cost(result.calls, result.summary))
        print_failures(read(list[FailureTold], result.summary["failures"]))
    for path in paths:
        say(f"  {path}")
    return None


def _remarks(card: Mapping[str, Any], wanted: tuple[int, int]) -> Iterator[str]:
    for part, number in zip(("diverse", "hard"), wanted, strict=True):
        if card[part] < number:
            yield f"{part}: {number:,} were asked for, and there are {card[part]:,}"
    if card["not_rated"]:
        yield f"{card['not_rated']:,} could not be rated, and are not in the set"
    if (found := card["difficulty"]) and found["of_lowest_taken"] < found["of_lowest_rated"]:
        yield (
            f"of the {found['of_lowest_rated']:,} that were rated {found['lowest_of_hard']:g}, "
            f"{found['of_lowest_taken']:,} are in, those nearest to the centres of their clusters"
        )


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
