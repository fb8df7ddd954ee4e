"""A dataset repository of the Hugging Face hub, or of a server that speaks as it does (``HF_ENDPOINT``).

A push is one commit: afterwards all of it is there, or nothing. Files are sent before it, one by one; what the hub has
already, from an earlier push or one that was cut off, is asked for by its hash and not sent again.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import validate_repo_id

from star_agents.errors import HubError, UsageError
from star_agents.export.card import HEAD_BYTES, MARK, README
from star_agents.export.hub_errors import LONGEST_REMARK, answer_in, causes, in_one_line, is_of_the_network, said_by
from star_agents.export.hub_session import ANSWER_S, bound_silence, endpoint_of, quiet_session
from star_agents.text.redaction import keep_secret, redactor

TOKEN = "HF_TOKEN"
MAIN = "main"
TRIES = 4
"""Of a commit that somebody else's came before, or over which the hub failed."""
_KIND = "dataset"
_SENT_BEFORE = frozenset({".parquet"})
"""Files that the hub takes one by one; what is small goes with the commit."""
_NOTHING_NEW = "No files have been modified"
_CONFLICTS = frozenset({409, 412})
_TROUBLES = frozenset({408, 429, 500, 502, 503, 504})
_REMARKS_KEPT = 20
_REFUSALS: Mapping[int, str] = {
    400: "finds a fault in what was sent",
    401: f"does not know the token in {TOKEN} (make one with write access in the settings of your account there)",
    402: "wants to be paid for more room",
    403: f"does not let the owner of {TOKEN} write there (a token with write access; the name before the slash is "
    "yours, or that of an organization whose member you are)",
    404: "has no such repository or branch, or none that this token may see",
    409: "is being changed by somebody else (push again: what was sent is not sent again)",
    412: "is being changed by somebody else (push again: what was sent is not sent again)",
    413: "takes no file of that size (give a smaller --shard-mb)",
    429: "takes no more requests for now (push again later: what was sent is not sent again)",
}
_FAILED = "fails at its end (push again later: what was sent is not sent again)"
_ROOM = ("quota", "storage limit", "storage space", "exceeded your")


class Target(NamedTuple):
    """Where a dataset goes."""

    repo: str
    """``user/name``."""
    branch: str = MAIN
    as_pr: bool = False
    """Whether it is proposed as a pull request to the main branch."""
    public: bool = False
    """Whether everybody may read it."""


class Upload(NamedTuple):
    """One file that goes out."""

    name: str
    """Its path in the repository."""
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What came of a push."""

    url: str
    """Of the commit, or of the pull request."""
    commit: str
    is_new: bool
    """Whether the repository was made for it."""
    is_changed: bool
    """False where the hub had everything already."""
    removed: Sequence[str]
    """Shards and plots of earlier pushes that are gone."""
    remarks: Sequence[str]
    """What the hub said beside it, and what had to be tried again."""


class _Remarks(logging.Handler):
    """Hears what the library would print: requests that it tries again, warnings of the hub."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.add(record.getMessage())

    def add(self, said: str) -> None:
        """Keep a remark, in bounds and without secrets."""
        remark = redactor.text(" ".join(said.split()))[:LONGEST_REMARK]
        if remark not in self.heard and len(self.heard) < _REMARKS_KEPT:
            self.heard.append(remark)


def token_of(environ: Mapping[str, str]) -> str:
    """The token to write with. Raises UsageError where the environment has none."""
    token = environ.get(TOKEN, "").strip()
    if not token:
        raise UsageError(
            f"push needs a token with write access in the variable {TOKEN}, and takes it from nowhere else "
            "(--dry-run needs none)"
        )
    keep_secret(token)
    return token


def check_repo(repo: str) -> None:
    """Raises UsageError where it is no name of a repository."""
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UsageError(f"{repo}: {str(error).splitlines()[0]} (write user/name)") from None
    if repo.count("/") != 1:
        raise UsageError(f"{repo}: write user/name: whose it is (a user or an organization), and what it is called")


class Hub:
    """One repository at the hub.

    Args:
        target: Where to.
        token: To write with.
        hear: Hears the name of each shard, and its bytes, once the hub has it.
        endpoint: Address of the hub; empty for the one in ``HF_ENDPOINT``, or Hugging Face's.
        pause: Waits so many seconds.
        answer_s: Longest silence of the hub before it counts as not there.
    """

    def __init__(
        self,
        target: Target,
        token: str,
        *,
        hear: Callable[[str, int], None] = lambda name, size: None,
        endpoint: str = "",
        pause: Callable[[float], None] = time.sleep,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.target = target
        self.endpoint = endpoint_of(endpoint)
        self._api = HfApi(endpoint=self.endpoint, token=token)
        self._hear, self._pause, self._answer_s = hear, pause, answer_s
        self._remarks = _Remarks()

    def push(self, files: Sequence[Upload], *, message: str, is_ours: Callable[[str], bool]) -> Sent:
        """Send files, and make them what stands in the repository.

        Args:
            files: All that are to be there.
            message: Of the commit.
            is_ours: Whether a path names what a push writes: such files of earlier ones are removed.

        Raises:
            UsageError: the repository is read by everybody, and this was not asked for.
            HubError: the hub refuses, fails, or cannot be reached.
        """
        with self._hearing_remarks():
            is_new = self._make_ready()
            if not is_new and (there := self._card()) is not None and MARK not in there:
                self._remarks.add("its README.md was not written by a push, and is replaced; its history keeps it")
            for one in files:
                if one.path.suffix in _SENT_BEFORE:
                    self._send(one)
                    self._hear(one.name, one.path.stat().st_size)
            return self._commit(files, message, is_ours, is_new=is_new)

    def _make_ready(self) -> bool:
        """Have repository and branch there; whether the repository is new."""
        with self._asking(f"{self.target.repo}"):
            try:
                info = self._api.repo_info(self.target.repo, repo_type=_KIND)
            except RepositoryNotFoundError as error:
                if error.response.status_code != 404:
                    raise
                info = None
        if info is not None and not info.private and not self.target.public:
            raise UsageError(
                f"{self.target.repo}: everybody can read this repository; --public says that they may read these rows"
            )
        if info is not None and info.private and self.target.public:
            self._remarks.add(f"{self.target.repo} is private and stays so; its settings on the hub make it public")
        with self._asking(self.target.repo):
            if info is None:
                self._api.create_repo(self.target.repo, repo_type=_KIND, private=not self.target.public, exist_ok=True)
            if self.target.branch != MAIN:
                self._api.create_branch(self.target.repo, branch=self.target.branch, repo_type=_KIND, exist_ok=True)
        return info is None

    def _card(self) -> bytes | None:
        """The beginning of the card that stands there; ``None`` where there is none."""
        with self._asking(README), tempfile.TemporaryDirectory() as folder:
            try:
                path = self._api.hf_hub_download(
                    self.target.repo, README, repo_type=_KIND, revision=self.target.branch, local_dir=folder
                )
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                return None
            with Path(path).open("rb") as file:
                return file.read(HEAD_BYTES)

    def _send(self, file: Upload) -> None:
        with self._asking(file.name):
            self._api.preupload_lfs_files(
                self.target.repo,
                additions=[CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=file.path)],
                repo_type=_KIND,
                revision=self.target.branch,
                create_pr=self.target.as_pr,
                free_memory=False,
            )

    def _commit(self, files: Sequence[Upload], message: str, is_ours: Callable[[str], bool], *, is_new: bool) -> Sent:
        """One commit of everything; again where another one came before it, or where the hub failed over it."""
        for number in range(1, TRIES + 1):
            try:
                return self._try_to_commit(files, message, is_ours, is_new=is_new)
            except HubError as error:
                # A commit whose answer is lost may be made. Made again it changes nothing; a pull request would be two.
                may_try = error.status in _CONFLICTS or (error.may_pass and not self.target.as_pr)
                if number == TRIES or not may_try:
                    raise
                self._remarks.add(f"committed again: {error}")
                self._pause(2.0 ** (number - 1))
        raise AssertionError("the last try returns or raises")

    def _try_to_commit(
        self, files: Sequence[Upload], message: str, is_ours: Callable[[str], bool], *, is_new: bool
    ) -> Sent:
        names = {one.name for one in files}
        target = self.target
        with self._asking(target.repo):
            there = self._api.list_repo_files(target.repo, repo_type=_KIND, revision=target.branch)
            head = self._api.repo_info(target.repo, repo_type=_KIND, revision=target.branch).sha
            gone = sorted(name for name in there if is_ours(name) and name not in names)
            made = self._api.create_commit(
                target.repo,
                [
                    *(CommitOperationAdd(path_in_repo=one.name, path_or_fileobj=one.path) for one in files),
                    *(CommitOperationDelete(path_in_repo=name) for name in gone),
                ],
                commit_message=message,
                repo_type=_KIND,
                revision=target.branch,
                create_pr=target.as_pr,
                parent_commit=head,
            )
            now = self._api.list_repo_files(target.repo, repo_type=_KIND, revision=made.oid)
        if lacks := sorted(names - set(now)):
            raise HubError(
                f"{target.repo}: took the commit {made.oid[:8]}, and lacks {', '.join(lacks[:3])} "
                "(a .gitignore in the repository may keep such files out)"
            )
        return Sent(
            url=made.pr_url or made.commit_url,
            commit=made.oid,
            is_new=is_new,
            is_changed=made.oid != head,
            removed=gone,
            remarks=[one for one in self._remarks.heard if not one.startswith(_NOTHING_NEW)],
        )

    @contextmanager
    def _hearing_remarks(self) -> Iterator[None]:
        """Within it the library prints nothing, and its remarks are kept."""
        log = logging.getLogger("huggingface_hub")
        handlers = list(log.handlers)
        log.handlers[:] = [self._remarks]
        try:
            with quiet_session():
                yield
        finally:
            log.handlers[:] = handlers

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Make our errors of what goes wrong within."""
        try:
            bound_silence(self._answer_s)
            yield
        except (OfflineModeIsEnabled, httpx.HTTPError, httpx.InvalidURL, RuntimeError, OSError, ValueError) as error:
            raise self._ours(error, what) from error

    def _ours(self, error: BaseException, what: str) -> HubError:
        if isinstance(error, OfflineModeIsEnabled):
            return HubError(f"{what}: HF_HUB_OFFLINE is set, so nothing is sent")
        if (answer := answer_in(error)) is not None:
            status = answer.response.status_code
            said = said_by(answer)
            why = _REFUSALS.get(status, _FAILED if status in _TROUBLES or status >= 500 else "refuses")
            if status in (402, 403, 413) and any(word in said.lower() for word in _ROOM):
                why = "has no room left for you (make some there, or pay for more)"
            told = f"{what}: {self.endpoint} {why}" + (f"; it says: {said}" if said else f" [{status}]")
            return HubError(told, status=status, may_pass=status in _TROUBLES)
        first = list(causes(error))[-1]
        said = in_one_line(str(first) or type(first).__name__)
        if is_of_the_network(error):
            fix = "check the network, HF_ENDPOINT and proxies; push again: what was sent is not sent again"
            return HubError(f"{what}: {self.endpoint} cannot be reached: {said} ({fix})", may_pass=True)
        return HubError(f"{what}: cannot be sent: {said}")
