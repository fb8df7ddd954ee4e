"""Datasets of the Hugging Face hub as files on this machine: ``hf:user/name[@revision][:config[:split]]``.

They lie in the hub's own cache (``HF_HOME``), so a download that broke off goes on and is made once. Whoever asks for
the same again says which commit it was (``Pinned``): then nobody looks whether there is a newer one, and what is in the
cache is read without a network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, OfflineModeIsEnabled
from huggingface_hub.hf_api import RepoFile

from star_agents.errors import HubError
from star_agents.export.hub_errors import answer_in, in_one_line, is_of_the_network, said_by
from star_agents.export.hub_layout import Layout, layout_of
from star_agents.export.hub_names import HubName, Pinned
from star_agents.export.hub_session import ANSWER_S, bound_silence, endpoint_of, quiet_session

_SOURCE = re.compile(r"(?P<repo>[\w.-]+(?:/[\w.-]+)?)@(?P<commit>[0-9a-f]{10})/")
_KIND = "dataset"
_OF_THE_LIBRARY = "Please retry with `force_download=True`."
"""Its word where a file has another size than was said; what came is not kept, so that calling again is enough."""
_LONGEST_CARD = 1 << 20
MOST_ENTRIES = 200_000
"""Of a repository; a list that never ends would fill the memory."""
_REFUSALS: Mapping[int, str] = {
    401: "gives it to nobody whom it does not know (set HF_TOKEN; check the name)",
    403: "gives it to those alone who were granted access (ask for it on its page, and set HF_TOKEN)",
    404: "has no such dataset or revision, or none that you may see (check the name; a private one needs HF_TOKEN)",
    429: "takes no more requests for now (try again later; files that are here are not fetched again)",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A dataset whose files are here."""

    pinned: Pinned
    paths: tuple[Path, ...]
    name: str
    """For people: ``user/name@1a2b3c4d5e (default, train)``."""
    called: Mapping[Path, str]
    """What each is called where a row stands: ``user/name@1a2b3c4d5e/data/train.jsonl``."""


def fetch_dataset(
    name: HubName,
    pinned: Pinned | None = None,
    *,
    hear: Callable[[int, int], None] = lambda done, total: None,
    endpoint: str = "",
    cache: Path | None = None,
    answer_s: float = ANSWER_S,
) -> Fetched:
    """Have the files of a dataset here.

    Args:
        name: The dataset, with configuration, split and revision where they are named.
        pinned: Files of an earlier run, which are read again.
        hear: Hears how many of its files are here, and how many there are.
        endpoint: Address of the hub; empty for the one in ``HF_ENDPOINT``, or Hugging Face's.
        cache: Where the files go; the hub's own cache unless given.
        answer_s: Longest silence of the hub before it counts as not there.

    Raises:
        SeedFileError: it has no such config or split, or holds no rows that are read.
        HubError: the hub does not give it, or cannot be reached.
    """
    endpoint = endpoint_of(endpoint)
    hub = _Reader(HfApi(endpoint=endpoint, token=os.environ.get("HF_TOKEN") or None), name.repo, cache)
    with quiet_session(), _asking(f"hf:{name.repo}", endpoint):
        bound_silence(answer_s)
        pinned = pinned or hub.pin(name)
        paths = []
        for done, file in enumerate(pinned.files):
            hear(done, len(pinned.files))
            paths.append(hub.file(file, pinned.commit))
        hear(len(pinned.files), len(pinned.files))
    parts = ", ".join(filter(None, (pinned.config, pinned.split)))
    at = dataset_at(name.repo, pinned.commit)
    return Fetched(
        pinned=pinned,
        paths=tuple(paths),
        name=f"{at} ({parts})",
        called={path: f"{at}/{file}" for path, file in zip(paths, pinned.files, strict=True)},
    )


def dataset_at(repo: str, commit: str) -> str:
    """A dataset as it is called in sources of rows."""
    return f"{repo}@{commit[:10]}"


def dataset_of(source: str) -> tuple[str, str] | None:
    """Dataset and beginning of its commit, of a source that is called so; ``None`` of any other."""
    found = _SOURCE.match(source)
    return (found["repo"], found["commit"]) if found else None


class _Reader:
    """One repository."""

    def __init__(self, api: HfApi, repo: str, cache: Path | None) -> None:
        self._api, self._repo, self._cache = api, repo, cache

    def pin(self, name: HubName) -> Pinned:
        """Find out which commit and files are meant."""
        commit = self._api.repo_info(self._repo, repo_type=_KIND, revision=name.revision or None).sha
        if not commit:
            raise HubError(f"hf:{self._repo}: the hub names no commit")
        entries = self._api.list_repo_tree(self._repo, recursive=True, revision=commit, repo_type=_KIND)
        files = []
        for number, one in enumerate(entries):
            if number == MOST_ENTRIES:
                raise HubError(f"hf:{self._repo}: has more than {MOST_ENTRIES:,} files and folders, too many")
            if isinstance(one, RepoFile):
                files.append(one.path)
        found: Layout = layout_of(
            files, self._card(commit), config=name.config, split=name.split, where=f"hf:{self._repo}"
        )
        return Pinned(commit=commit, config=found.config, split=found.split, files=found.files)

    def file(self, path: str, commit: str) -> Path:
        """Have a file here."""
        got = self._api.hf_hub_download(
            self._repo,
            path,
            repo_type=_KIND,
            revision=commit,
            cache_dir=None if self._cache is None else str(self._cache),
        )
        return Path(got)

    def _card(self, commit: str) -> Mapping[str, Any]:
        try:
            with self.file("README.md", commit).open(encoding="utf-8", errors="replace") as file:
                text = file.read(_LONGEST_CARD)
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return {}
        head = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
        try:
            told = yaml.safe_load(head[1]) if head else None
        except (yaml.YAMLError, ValueError, RecursionError):
            return {}
        return told if isinstance(told, Mapping) else {}


@contextmanager
def _asking(what: str, endpoint: str) -> Iterator[None]:
    """Make our errors of what goes wrong within."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise HubError(f"{what}: HF_HUB_OFFLINE is set, and not all of it is in the hub's cache here") from error
    except (LocalEntryNotFoundError, httpx.HTTPError, httpx.InvalidURL, RuntimeError, OSError, ValueError) as error:
        if (answer := answer_in(error)) is not None:
            status = answer.response.status_code
            why = _REFUSALS.get(status, "fails at its end (try again later)" if status >= 500 else "refuses")
            said = said_by(answer)
            raise HubError(
                f"{what}: {endpoint} {why}" + (f"; it says: {said}" if said else ""), status=status
            ) from error
        if is_of_the_network(error) or isinstance(error, LocalEntryNotFoundError):
            fix = "check the network, HF_ENDPOINT and proxies; what is here already is not fetched again"
            raise HubError(f"{what}: {endpoint} cannot be reached ({fix})", may_pass=True) from error
        said = in_one_line(str(error) or type(error).__name__).replace(_OF_THE_LIBRARY, "Call again.")
        raise HubError(f"{what}: cannot be fetched: {said}") from error
