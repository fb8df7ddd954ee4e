"""`push`: a folder's dataset to the hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from star_agents.cli.card import licence_options
from star_agents.cli.tables import print_json
from star_agents.engine.publishing.pushing import Pushed, PushRequest, push
from star_agents.export.hub import MAIN, Target
from star_agents.export.licences import read_licence
from star_agents.text.figures import size
from star_agents.text.printing import say


@click.command()
@click.argument("folder", metavar="OUT", type=click.Path(path_type=Path))
@click.argument("repo", metavar="USER/NAME")
@licence_options
@click.option("--public", is_flag=True, help="Let everybody read it.  [default: a private repository]")
@click.option("--pr", "as_pr", is_flag=True, help="Propose it as a pull request.")
@click.option("--branch", default=MAIN, show_default=True, help="Made where it is missing.")
@click.option("--name", default="", help="What the dataset is called in its card.  [default: NAME]")
@click.option(
    "--card", type=click.Path(path_type=Path), help="A card of your own, such as one of `card` that you changed."
)
@click.option("-m", "--message", default="", help="Of the commit.  [default: how many rows there are]")
@click.option("--shard-mb", type=click.IntRange(min=1), default=256, show_default=True, help="Of a file of rows.")
@click.option("--allow-key-shapes", is_flag=True, help="Let texts go out that hold what is only shaped like a key.")
@click.option("--dry-run", is_flag=True, help="Make and look through everything, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    folder: Path,
    repo: str,
    license_id: str | None,
    license_name: str | None,
    license_link: str | None,
    public: bool,
    as_pr: bool,
    branch: str,
    name: str,
    card: Path | None,
    message: str,
    shard_mb: int,
    allow_key_shapes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send what OUT (the -o of `run`, the --data-dir of `serve`) holds so far to the dataset USER/NAME of the hub: its
    rows as Parquet in the configs sft, preferences, reward and battles, as far as there are any, with a card.

    It is one commit: all of it, or nothing. After a kill the same command sends only what is missing. The token, with
    write access, comes from HF_TOKEN; HF_ENDPOINT names another hub. Nothing goes out without a licence, without
    rows, or with a secret in it.
    """
    request = PushRequest(
        folder=folder,
        target=Target(repo, branch, as_pr, public),
        licence=read_licence(license_id, license_name, license_link),
        name=name,
        card=card,
        message=message,
        shard_bytes=shard_mb << 20,
        allow_key_shapes=allow_key_shapes,
        dry_run=dry_run,
    )

    def hear(file: str, sent: int) -> None:
        if not as_json:
            say(f"  {file} is there ({size(sent)})")

    pushed = push(request, os.environ, hear=hear)
    if as_json:
        print_json(_result(pushed, repo))
    else:
        _tell(pushed, request)


def _tell(pushed: Pushed, request: PushRequest) -> None:
    rows = ", ".join(f"{n:,} {name}" for name, n in pushed.rows.items())
    sent, repo = pushed.sent, request.target.repo
    if sent is None:
        for file, count in pushed.files.items():
            say(f"  {file} ({size(count)})")
        visible = "public" if request.target.public else "private, if it is new"
        say(f"nothing was sent: without --dry-run {rows} would go to {repo} ({visible}) under {pushed.licence.id}")
        return
    for remark in sent.remarks:
        say(f"the hub: {remark}", err=True)
    if sent.removed:
        say(f"removed {len(sent.removed):,} files of earlier pushes")
    if not sent.is_changed:
        say(f"{repo} has all of it already: {sent.url}")
        return
    made = f"made {repo} and " if sent.is_new else ""
    done = f"proposed {rows} to" if request.target.as_pr else f"pushed {rows} to"
    say(f"{made}{done} {repo}: {sent.url}")


def _result(pushed: Pushed, repo: str) -> dict[str, Any]:
    sent = pushed.sent
    return {
        "repo": repo,
        "rows": dict(pushed.rows),
        "files": [{"path": name, "bytes": count} for name, count in pushed.files.items()],
        "license": pushed.licence.id,
        "sent": None
        if sent is None
        else {
            "url": sent.url,
            "commit": sent.commit,
            "new_repository": sent.is_new,
            "changed": sent.is_changed,
            "removed": list(sent.removed),
            "remarks": list(sent.remarks),
        },
    }
