"""The card of a folder, and all that goes out with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from star_agents.engine.hub_sources import pins_of
from star_agents.engine.publishing.facts import dataset_facts
from star_agents.engine.publishing.gathering import Gathered, gather
from star_agents.engine.run_facts import read_facts
from star_agents.export.card import PLOTS, README, dataset_card
from star_agents.export.licences import Licence
from star_agents.report.plots import Plot, plots
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.storage.outgoing.shards import SHARD_BYTES
from star_agents.storage.reader import StoreReader


@dataclass(frozen=True, kw_only=True)
class Made:
    """A card with what it tells of."""

    card: str
    plots: Sequence[Plot]
    gathered: Gathered

    def write(self, readme: Path) -> list[Path]:
        """Write the card, and its pictures into a folder beside it; the files. Raises UsageError."""
        pictures = {readme.parent / PLOTS / one.file: one.svg for one in self.plots}
        for path, text in {**pictures, readme: self.card}.items():
            with atomic_file(path) as handle:
                handle.write(text.encode("utf-8", "replace"))
        return [readme, *pictures]

    def look_for_secrets(self) -> None:
        """Look through card and pictures, too."""
        self.gathered.secrets.look(self.card, README)
        for one in self.plots:
            self.gathered.secrets.look(one.svg, f"{PLOTS}/{one.file}")


def make(
    folder: Path,
    *,
    name: str = "",
    repo: str = "",
    licence: Licence | None = None,
    into: Path | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> Made:
    """Read a folder of `run` or `serve`, also while it is worked on.

    Args:
        folder: Where the store is.
        name: What the dataset is called; that of the repository or the folder where nothing is said.
        repo: ``user/name`` at the hub, where that is known.
        licence: As a person named it.
        into: Where its rows are written as shards; ``None``: they are counted.
        shard_bytes: A shard of so many gets no further rows.

    Raises:
        StoreError: there is no store, or nothing was worked on there yet.
        UsageError: shards cannot be written.
    """
    called = name or repo.rpartition("/")[2] or folder.resolve().name
    with StoreReader(folder) as reader:
        told = read_facts(reader, folder.resolve().name)
        gathered = gather(reader, into=into, shard_bytes=shard_bytes)
        drawn = plots(told)
        facts = dataset_facts(
            reader, told, gathered, drawn, pins=pins_of(folder), name=called, repo=repo, licence=licence
        )
    return Made(card=dataset_card(facts), plots=drawn, gathered=gathered)
