"""The product on the real small model, as a user would call it: Star, ArenaInstruct, and the judge's health."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from real_model_lib.agents_yaml import Recipe, agents_yaml
from real_model_lib.embedder_server import embedder_server
from real_model_lib.folder import Folder
from real_model_lib.inputs import write_documents, write_seeds
from real_model_lib.llm_server import llm_server
from real_model_lib.parts import figures, table

SEEDS, DOCUMENTS, PAIRS = 20, 3, 6
_SHOWN = 500
"""Characters of a text that is shown."""


class Failed(Exception):
    """A command did not end well; it has said why."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is worked."""

    seeds: Path
    """20 of this file."""
    documents: Path
    """Rows, one for each document."""


def inputs(out: Path, seeds: Path | None, documents: Path | None) -> Inputs:
    """The user's own, or what every checkout has beside it. Raises NoDocuments."""
    return Inputs(
        seeds=write_seeds(out / "seeds.jsonl", SEEDS, seeds),
        documents=write_documents(out / "documents.jsonl", DOCUMENTS, documents),
    )


async def demo(folder: Folder, out: Path, given: Inputs) -> None:
    """Serve the models, and run the commands one after another.

    Args:
        folder: Set up.
        out: Takes configs and folders of the runs.
        given: Seeds and documents.

    Raises:
        Failed: a command ended otherwise than well.
        CancelledError: Ctrl-C or SIGTERM; what the command at work has in hand is finished first.
    """
    began, loop, work = time.monotonic(), asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel if work else loop.stop)
    with llm_server(folder) as url:
        async with embedder_server(folder) as embedder_url:
            star, instruct = (
                _config(out / f"{recipe}.yaml", folder, url, embedder_url, recipe)
                for recipe in ("star", "arena_instruct")
            )
            await _run("run", "-c", star, "-s", given.seeds, "-n", SEEDS, "-o", out / "star", "-q")
            _show(out / "star")
            await _run("run", "-c", instruct, "-s", given.documents, "-o", out / "arena_instruct", "-q")
            _show(out / "arena_instruct")
            health = ("judge-health", "offline", "--judges", "judge", "-n", PAIRS, "-q")
            await _run(*health, "-c", instruct, "-o", out / "judge_health")
    await _run("report", out / "arena_instruct", "-o", out / "report.html")
    computed = resource.getrusage(resource.RUSAGE_SELF)
    servers_s = computed.ru_utime + computed.ru_stime
    click.echo(
        f"\nall of it took {time.monotonic() - began:.0f} s, in which the models' servers computed {servers_s:.0f} s"
    )


def _config(path: Path, folder: Folder, url: str, embedder_url: str, recipe: Recipe) -> Path:
    path.write_text(agents_yaml(folder, url, embedder_url, recipe, is_short=True), encoding="utf-8")
    return path


async def _run(*arguments: object) -> None:
    command = ["-m", "star_agents", *map(str, arguments)]
    click.echo(f"\n== python {' '.join(command)}")
    # In a session of its own, so that Ctrl-C reaches it once, by us: a second signal would end it without finishing.
    process = await asyncio.create_subprocess_exec(sys.executable, *command, start_new_session=True)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if code:
        raise Failed(f"`python {' '.join(command)}` ended with exit code {code}")


def _show(folder: Path) -> None:
    """A row to read, and what every part did."""
    rows = _rows(folder / "dataset.jsonl")
    if rows:
        click.echo(f"\na row of {folder / 'dataset.jsonl'}, which has {len(rows)}:")
        for turn in rows[0]["messages"]:
            text = " ".join(str(turn["content"]).split())
            click.echo(f"  {turn['role']}: {text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}")
    click.echo(f"\n{table(figures(folder))}")


def _rows(path: Path) -> Sequence[dict[str, list[dict[str, str]]]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
