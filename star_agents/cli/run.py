"""`run`: a batch job over a seed file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click

from star_agents.cli.batches import (
    config_with_notes,
    confirmation_above,
    estimate_by_sample,
    exit_unless_whole,
    of_parts,
    spending_options,
    with_rows,
)
from star_agents.cli.recipe_tables import print_recipes
from star_agents.cli.tables import calls_and_cost, print_costs, print_failures, print_json, print_refused, print_table
from star_agents.config.base import MAX_COUNT
from star_agents.config.lines import lines_from
from star_agents.engine.batch import BatchResult, load_seeds, run_batch
from star_agents.engine.batch_notes import failed_judges, sample_agents, skipped_rows
from star_agents.engine.host import Host
from star_agents.engine.seed_sources import ByChance, find_sources
from star_agents.engine.stages import takes_documents
from star_agents.observe.logs import set_up_logging
from star_agents.observe.status import FailureTold, Pool, RecipeState, RefusedArm
from star_agents.observe.status.reading import read
from star_agents.storage.recipe_facts import ends_in_words, is_stars_alone
from star_agents.text.consoles import progress_console
from star_agents.text.figures import usd_each
from star_agents.text.printing import say


@click.command()
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option(
    "-s",
    "--seeds",
    "seeds",
    required=True,
    multiple=True,
    help="Seed file, or documents, or a pattern such as 'data/*.jsonl.gz', or a dataset of the hub: hf:user/name, "
    "hf:user/name@revision:config:split. Several -s are read as one file. The word `offline` takes the sample seeds.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder for store and dataset.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    help="Work only the first N seeds of the file; whatever else waits in the folder goes on waiting.",
)
@click.option(
    "--sample", type=click.IntRange(min=1), metavar="N", help="Take N of the seeds by chance, the same ones each time."
)
@click.option(
    "--shuffle", type=int, metavar="SEED", help="Work the seeds in an order by chance; another SEED, another order."
)
@click.option(
    "--rows",
    type=click.IntRange(1, MAX_COUNT),
    metavar="N",
    help="End at exactly N rows; `target_rows` of agents.yaml.",
)
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="NAME",
    help="Work seeds of this part alone, such as D0; those of others wait. As `parts: {only: [NAME]}` of agents.yaml.",
)
@spending_options
@click.option("--concurrency", type=click.IntRange(min=1), help="Seeds in flight; overrides agents.yaml.")
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out instead of stopping.")
@click.option("--retry-dropped", is_flag=True, help="Queue seeds again that an earlier run had to drop.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Log every seed to the console too; OUT/log.jsonl has it all.")
@click.option("--log-content", is_flag=True, help="Log the texts of prompts and replies too.")
def command(
    config_path: Path,
    seeds: tuple[str, ...],
    out: Path,
    limit: int | None,
    sample: int | None,
    shuffle: int | None,
    rows: int | None,
    parts: tuple[str, ...],
    estimate: bool,
    confirm_above: float,
    yes: bool,
    concurrency: int | None,
    skip_bad: bool,
    retry_dropped: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    log_content: bool,
) -> None:
    """Work seeds or documents to a dataset, then stop.

    The same command again goes on where it stopped, and sends nothing that is already answered.
    """
    set_up_logging(level="info" if verbose else "error", folder=out, content=log_content)
    config, notes = config_with_notes(config_path)
    if concurrency is not None:
        config = config.model_copy(update={"concurrency": concurrency})
    config = with_rows(config, rows)
    if parts:
        config = of_parts(config, parts)
    console, by_chance = progress_console(quiet=quiet), ByChance(sample, shuffle)
    sources = find_sources(seeds, documents=takes_documents(config), out=out, console=console)
    file = load_seeds(sources, config, skip_bad=skip_bad, limit=limit, by_chance=by_chance, console=console, out=out)
    for sentence in (*skipped_rows(file), "" if as_json else sample_agents(config)):
        if sentence:
            say(sentence, err=True)
    job = partial(
        run_batch,
        config,
        source=sources.name,
        out=out,
        retry_dropped=retry_dropped,
        console=console,
        repeated=file.repeated,
        not_read=file.not_read,
        left_out=file.problems,
        tolerated=file.tolerated,
        notes=notes,
        unlike=file.unlike,
        host=Host(retry_option="--retry-dropped"),
    )
    if estimate:
        with lines_from(config_path):
            result = estimate_by_sample(job, config, file.seeds, out, as_json=as_json)
    else:
        confirmation = None if yes else confirmation_above(confirm_above)
        with lines_from(config_path):
            result = anyio.run(partial(job, file.seeds, only_these=limit is not None, confirmation=confirmation))
        _tell(result, out, as_json=as_json)
    exit_unless_whole(result)


def _tell(result: BatchResult, out: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                **result.summary,
                "calls_sent": result.calls,
                "stopped_by": result.stopped_by,
                "failed_because": result.failed_because,
                "left_waiting": result.left_waiting,
                "not_caught_up": dict(result.not_caught_up),
                "stranded": [one.to_dict() for one in result.stranded],
                "seeds_added": asdict(result.added),
            }
        )
    else:
        _show(result, out)


def _show(result: BatchResult, out: Path) -> None:
    summary = result.summary
    most_probable_first = sorted(summary["pairs"].items(), key=lambda pair: -(pair[1]["probability_now"] or 0.0))
    rows = [_pair_row(name, facts) for name, facts in most_probable_first]
    print_recipes(read(dict[str, RecipeState], summary["recipes"]), read(dict[str, Pool], summary["pools"]))
    if rows or is_stars_alone(summary["recipes"]):
        columns = ["pair", "candidates", "won", "mean π", "p at start", "p now", "change"]
        print_table("pairs, by probability", columns, rows)
    print_costs(
        (name, facts["cost_usd"], facts["candidates_of_unknown_cost"], facts["usd_per_win"])
        for name, facts in summary["pairs"].items()
    )
    counts, cost, tied = summary["counts"], summary["cost"], summary["referee"]["won_by_tie"]
    by_tie = f" ({tied:,} by a larger gap at a tie)" if tied else ""
    each = "improved seed" if is_stars_alone(summary["recipes"]) else "seed kept"
    say(
        f"{ends_in_words(counts, summary['recipes'], aside=by_tie)}; "
        f"{calls_and_cost(result.calls, summary)}"
        + (f", {usd_each(cost['usd_per_improved'])} per {each}" if cost["known_usd"] else "")
    )
    if result.left_waiting:
        say(f"{result.left_waiting:,} other seeds wait in this folder; run without -n to work them")
    for scale in summary["scales"]:
        say(scale["sentence"])
    print_refused(read(list[RefusedArm], summary["refused"]))
    print_failures(read(list[FailureTold], summary["failures"]))
    if note := failed_judges(summary):
        say(note, err=True)
    not_written = summary["rows"]["not_written"]
    given = [f"{name}.jsonl" for name in ("instructions", "rewards", "battles", "tools") if summary["rows"].get(name)]
    for name in ("dataset.jsonl", "preferences.jsonl", "rejected.jsonl", *given, "summary.json", "store.sqlite3"):
        say(f"  {out / name}" if name not in not_written else f"  no {name}: {not_written[name]}")


def _pair_row(name: str, facts: Mapping[str, Any]) -> list[str]:
    start, now = facts["probability_start"], facts["probability_now"]
    change = f"{now / start:.2f}×" if start and now is not None else "-"
    return [
        name,
        f"{facts['candidates']:,}",
        f"{facts['wins']:,}",
        "-" if facts["mean_pi"] is None else f"{facts['mean_pi']:.3f}",
        "-" if start is None else f"{start:.3f}",
        "-" if now is None else f"{now:.3f}",
        change,
    ]
