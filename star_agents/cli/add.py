"""`add`: send a seed file to a running daemon."""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from star_agents.cli.tables import print_json
from star_agents.config.documents import DocumentsConfig
from star_agents.config.sections import FailureLimitsConfig
from star_agents.documents.kinds import is_of_documents_alone
from star_agents.engine.configuration import read_config
from star_agents.engine.document_door import read_for
from star_agents.engine.document_intake import DocumentIntake
from star_agents.engine.document_seeds import origin_columns
from star_agents.errors import SeedFileError, StarAgentsError, UsageError
from star_agents.events import SeedsAdded
from star_agents.storage.incoming.seed_files import SeedFile, read_seeds, row_of_seed
from star_agents.storage.windows import windows
from star_agents.text.printing import say

ROWS_PER_REQUEST = 500
DEFAULT_URL = "http://127.0.0.1:8321"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--url", default=DEFAULT_URL, show_default=True)
@click.option("--token-env", default="STAR_AGENTS_TOKEN", show_default=True, help="Variable that holds the token.")
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="agents.yaml whose section `documents` says how documents are read; as it ships unless given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(file: Path, url: str, token_env: str, config_path: Path | None, as_json: bool) -> None:
    """Check FILE whole, then send its seeds. Sending a file twice adds nothing: equal seeds are taken once.

    FILE may be a document, or a folder of them: they are read here, and sent in chunks.
    """
    seeds = _read(file, config_path)
    if seeds.problems:
        raise SeedFileError(seeds.problems)
    address = f"{url.rstrip('/')}/v1/seeds?source={urllib.parse.quote(file.name)}"
    new = duplicates = 0
    for chunk in windows(seeds.seeds, ROWS_PER_REQUEST):
        added = post_json(address, [{**row_of_seed(seed), **origin_columns(seed)} for seed in chunk], token_env)
        new, duplicates = new + added["new"], duplicates + added["duplicates"]
    if as_json:
        told = {"repeated": seeds.repeated, "not_read": list(seeds.not_read)}
        print_json({"new": new, "duplicates": duplicates, **told})
    else:
        for sentence in seeds.not_read:
            say(f"note: {sentence}")
        say(SeedsAdded(source=file.name, new=new, duplicates=duplicates, repeated=seeds.repeated).words)


def _read(path: Path, config_path: Path | None) -> SeedFile:
    """The seeds of a file as agents.yaml says, or of a document as it ships. Raises SeedFileError, ConfigError."""
    if config_path is not None:
        return read_for(read_config(config_path, os.environ), [path], name=path.name)
    if not (is_of_documents_alone(path) and path.exists()):
        return read_seeds(path)
    intake = DocumentIntake(DocumentsConfig(), path.name, share=FailureLimitsConfig().share)
    intake.read(path)
    return intake.file()


def address_in(folder: Path) -> str | None:
    """The address of a daemon where one was given in the place of a folder; a path has lost one of its two slashes."""
    found = re.fullmatch(r"(https?):/+(.+)", str(folder))
    return f"{found[1]}://{found[2]}" if found else None


def get_json(url: str, token_env: str) -> Any:
    """GET plain data from a daemon.

    Raises:
        UsageError: nobody answers there.
        StarAgentsError: the daemon refuses; its own words.
    """
    return _request(_to(url), token_env)


def post_json(url: str, data: Any, token_env: str) -> Mapping[str, Any]:
    """POST plain data to a daemon; errors as in `get_json`."""
    body = json.dumps(data).encode()
    request = _to(url, data=body, headers={"Content-Type": "application/json"}, method="POST")
    answer: Mapping[str, Any] = _request(request, token_env)
    return answer


def _to(url: str, **options: Any) -> urllib.request.Request:
    with suppress(ValueError):  # half an IPv6 address, or a port that is no number
        parts = urllib.parse.urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return urllib.request.Request(url, **options)
    raise UsageError(f"--url {url!r} is not an http address, such as {DEFAULT_URL}")


def _request(request: urllib.request.Request, token_env: str) -> Any:
    if token := os.environ.get(token_env):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise StarAgentsError(_refusal(error)) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(
            f"no daemon answers at {request.host}: {reason}; start one with `serve`, or name it with --url"
        ) from None
    except (http.client.HTTPException, ValueError) as error:
        raise UsageError(f"what answers at {request.host} is no star_agents daemon: {error!r}") from None


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        body = json.load(error)
        lines = [f"{one['where']}: {one['field']}: {one['message']}" for one in body.get("problems", [])]
        return "\n".join([f"the daemon refused: {body['title']}: {body['detail']}", *lines])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the daemon refused with status {error.code}"
