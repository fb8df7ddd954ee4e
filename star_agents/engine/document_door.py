"""Which way what is given goes: to the door for documents, where the first recipe takes them, or to that for rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from star_agents.config.models import Config
from star_agents.documents.kinds import is_of_documents_alone
from star_agents.engine.document_intake import DocumentIntake, Heard
from star_agents.engine.earlier_documents import EarlierDocuments
from star_agents.engine.progress_bar import ProgressBar
from star_agents.engine.stages import stages_of
from star_agents.errors import Problem, SeedFileError
from star_agents.storage.incoming.seed_files import SeedFile, read_seeds


def intake_for(
    config: Config, source: str, *, folder: Path | None = None, skip_bad: bool = False
) -> DocumentIntake | None:
    """The intake of documents, where the first recipe takes them; ``None`` where it does not.

    Args:
        config: What the chain and the section `documents` say.
        source: What all of it is called where failures are counted.
        folder: Holds the store that knows what was taken in before; ``None``: nothing was.
        skip_bad: Go on however many are at fault.
    """
    first = next(iter(stages_of(config).values())).recipe
    if not first.works_on("document"):
        return None
    takes_samples = first.works_on("sample")
    return DocumentIntake(
        config.documents,
        source,
        share=config.failure_limits.share,
        earlier=EarlierDocuments(folder),
        takes_samples=takes_samples,
        skip_bad=skip_bad,
        columns=config.seeds.names,
    )


def read_for(
    config: Config,
    paths: Sequence[Path],
    *,
    name: str,
    folder: Path | None = None,
    skip_bad: bool = False,
    called: Mapping[Path, str] = MappingProxyType({}),
    hear: Heard = lambda done, total: None,
) -> SeedFile:
    """Read files, or folders of documents, as the first recipe takes them; ``name`` and ``folder`` as ``source`` and
    ``folder`` of ``intake_for``, ``called`` as of ``read_seeds``.

    Raises:
        SeedFileError: it cannot be read, or holds documents that no recipe takes. Bad rows do not raise, they are
            listed.
    """
    intake = intake_for(config, name, folder=folder, skip_bad=skip_bad)
    if intake is not None and all(path.exists() for path in paths):
        intake.read(*paths, hear=hear, called=called)
        intake.check_columns(name)
        return intake.file()
    for path in paths:
        refuse_documents(config, path)
    return read_seeds(*paths, columns=config.seeds.names, called=called)


def refuse_documents(config: Config, path: Path) -> None:
    """Raise SeedFileError where something holds documents, and the first recipe takes none."""
    first = next(iter(stages_of(config).values())).recipe
    if not first.works_on("document") and is_of_documents_alone(path) and path.exists():
        what = "a folder, as of documents" if path.is_dir() else "a document"
        message = f"recipe {first.name} takes {' or '.join(sorted(first.takes))}, and this is {what}"
        fix = "put a recipe that takes documents first in `recipe`, or name a file of rows"
        raise SeedFileError([Problem(where=str(path), field="", message=message, fix=fix)])


@contextmanager
def reading_progress(console: Console | None) -> Iterator[Heard]:
    """Show on a console how many files are read, where there are several."""
    with ExitStack() as drawn:
        bar: ProgressBar | None = None

        def hear(done: int, total: int) -> None:
            nonlocal bar
            if console is not None and bar is None:
                made = ProgressBar("files read", total, done=0, console=console, clock=time.monotonic, shortest_s=1.0)
                bar = drawn.enter_context(made)
            if bar is not None:
                bar.done = done
                bar.show()

        yield hear
