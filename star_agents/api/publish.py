"""`card` and `push`: what a folder holds, as a dataset that others can read and load."""

from __future__ import annotations

import os
from pathlib import Path

from star_agents.engine.publishing.making import make
from star_agents.engine.publishing.pushing import Pushed, PushRequest
from star_agents.engine.publishing.pushing import push as push_folder
from star_agents.export.hub import MAIN, Target
from star_agents.export.licences import read_licence

PathLike = str | os.PathLike[str]


def card(
    folder: PathLike,
    *,
    out: PathLike | None = None,
    name: str = "",
    license: str | None = None,
    license_name: str | None = None,
    license_link: str | None = None,
) -> str:
    """The card of a dataset, as Markdown with the head that the hub reads.

    Args:
        folder: Of a run or a daemon, made here or by the command; also while it is worked on.
        out: A file that the card is written to, with pictures in ``plots/`` beside it; ``None``: nothing is written.
        name: What the dataset is called; the folder's name where nothing is said.
        license: An identifier of the hub, such as ``cc-by-4.0``, or ``other``. It is never guessed.
        license_name: With ``other``: what it is called.
        license_link: With ``other``: where its text stands.

    Raises:
        StoreError: there is no store in the folder, or nothing was worked on there yet.
        UsageError: the licence is none, or the file cannot be written.
    """
    made = make(Path(folder), name=name, licence=read_licence(license, license_name, license_link))
    if out is not None:
        made.write(Path(out))
    return made.card


def push(
    folder: PathLike,
    repo: str,
    *,
    license: str | None = None,
    license_name: str | None = None,
    license_link: str | None = None,
    public: bool = False,
    pr: bool = False,
    branch: str = MAIN,
    name: str = "",
    card: PathLike | None = None,
    message: str = "",
    allow_key_shapes: bool = False,
    dry_run: bool = False,
) -> Pushed:
    """Send rows and card to a dataset repository of the hub, in one commit; what is there already is not sent again.

    The token, with write access, comes from the variable ``HF_TOKEN``; ``HF_ENDPOINT`` names another hub.

    Args:
        folder: Of a run or a daemon, made here or by the command; also while it is worked on.
        repo: ``user/name``; made where it is missing.
        license: As in ``card``; it is needed, here or in the head of ``card``.
        license_name: As in ``card``.
        license_link: As in ``card``.
        public: Whether everybody may read it; a new repository is private otherwise.
        pr: Whether it is proposed as a pull request.
        branch: Made where it is missing.
        name: What the dataset is called in its card; that of the repository where nothing is said.
        card: A card of your own in the place of the one that is made.
        message: Of the commit.
        allow_key_shapes: Whether texts go out that hold what is only shaped like a key.
        dry_run: Make and look through everything, and send nothing.

    Returns:
        ``rows`` by config, ``files`` with their bytes, and ``sent``: ``url``, ``commit``, ``is_changed``, ``remarks``.

    Raises:
        UsageError: no licence, no rows, a secret in what would go out, no token, or a name that is none.
        StoreError: there is no store in the folder, or another push of it is at work.
        HubError: the hub refuses, fails, or cannot be reached.
    """
    request = PushRequest(
        folder=Path(folder),
        target=Target(repo, branch, pr, public),
        licence=read_licence(license, license_name, license_link),
        name=name,
        card=None if card is None else Path(card),
        message=message,
        allow_key_shapes=allow_key_shapes,
        dry_run=dry_run,
    )
    return push_folder(request, os.environ)
