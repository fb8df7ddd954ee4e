"""`release`: let seeds out of quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import click

from star_agents.cli.add import get_json, post_json
from star_agents.cli.tables import print_json, print_table
from star_agents.errors import UsageError
from star_agents.observe.status import plain
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store
from star_agents.text.printing import say

SHOWN = 1000


@click.command()
@click.argument("place", metavar="FOLDER|URL", default="star_data")
@click.argument("ids", metavar="[SEED_ID]...", nargs=-1)
@click.option("--all", "everyone", is_flag=True, help="Every seed in quarantine.")
@click.option("--token-env", default="STAR_AGENTS_TOKEN", show_default=True, help="Variable that holds the token.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(place: str, ids: tuple[str, ...], everyone: bool, token_env: str, as_json: bool) -> None:
    """Let seeds wait again that were quarantined because the process died with them in hand three times.

    Name the folder where nothing works on it, else the URL of the daemon. Without SEED_ID and --all the seeds in
    quarantine are shown.
    """
    if ids and everyone:
        raise UsageError("name seeds or --all, not both")
    is_url = place.startswith(("http://", "https://"))
    if not ids and not everyone:
        seeds = _ask_daemon(place, token_env) if is_url else _read(Path(place))
        _show(seeds, as_json=as_json)
        return
    wanted = None if everyone else ids
    released = _tell_daemon(place, wanted, token_env) if is_url else anyio.run(_release, Path(place), wanted)
    if as_json:
        print_json({"released": released})
    else:
        say(f"{released} seeds wait again")


def _read(folder: Path) -> list[dict[str, Any]]:
    with StoreReader(folder) as reader:
        return [plain(seed) for seed in reader.quarantined(SHOWN)]


async def _release(folder: Path, ids: Sequence[str] | None) -> int:
    StoreReader(folder).close()  # A folder without a store is a slip of the pen; opening it to work would make one.
    async with await Store.open(folder) as store:
        return await store.release_quarantined(ids)


def _ask_daemon(url: str, token_env: str) -> list[dict[str, Any]]:
    seeds: list[dict[str, Any]] = get_json(f"{url.rstrip('/')}/v1/quarantine", token_env)["seeds"]
    return seeds


def _tell_daemon(url: str, ids: Sequence[str] | None, token_env: str) -> int:
    body = {"all": True} if ids is None else {"seeds": list(ids)}
    return int(post_json(f"{url.rstrip('/')}/v1/quarantine/release", body, token_env)["released"])


def _show(seeds: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(seeds)
    elif not seeds:
        say("no seed is in quarantine")
    else:
        rows = [[seed["id"], seed["source"] or "-", str(seed["deaths"])] for seed in seeds]
        print_table("quarantine", ["seed", "source", "deaths"], rows)
        say("name some of them, or --all, to let them wait again")
