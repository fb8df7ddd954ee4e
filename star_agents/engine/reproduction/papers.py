"""What a paper found, by arm, with the number of its table: a data file beside this one, and its only place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from star_agents.config.data_files import DataEntry, Passage, Word, read_data_file
from star_agents.config.old_places import Location
from star_agents.config.star import Selection

FILES = Path(__file__).with_name("files")
BENCHMARKS = ("vicuna", "wizardlm", "mt_bench")
Source = Literal["nothing", "seeds", "plain_seeds", "run"]


class PaperRow(DataEntry):
    """A row of the paper's tables."""

    tables: tuple[int, ...]
    """Numbers of the tables that have it."""
    name: Passage
    """What the paper calls it."""
    vicuna: float | None = None
    """Score on that benchmark; left out: the table does not say."""
    wizardlm: float | None = None
    """Likewise."""
    mt_bench: float | None = None
    """Likewise."""
    average: float
    """Of the three, as printed."""

    def of(self, benchmark: str) -> float | None:
        """Its score on one benchmark."""
        found: float | None = getattr(self, benchmark)
        return found


class Arm(DataEntry):
    """A way to come by the rows that the target is trained on."""

    what: Passage
    """In a few words."""
    learns_from: Source
    """`nothing`: it is not trained; the seeds, the plain ones, or what a `run` makes of the seeds."""
    selection: Selection | None = None
    """Of the run."""
    evolves: bool = False
    """Whether probabilities of pairs evolve (Eq. 8)."""
    remembers: bool = False
    """Whether there is a memory bank."""
    row: PaperRow | None = None
    """The paper's; left out: it has none."""

    def mistakes(self) -> Iterator[tuple[Location, str]]:
        """As the base says."""
        if (self.learns_from == "run") != (self.selection is not None):
            yield ("selection",), "an arm that learns from a run names its selection, and no other does"


class Paper(DataEntry):
    """A paper's experiment."""

    paper: Passage
    """Which, and how it was measured."""
    benchmarks: Mapping[Word, Passage] = Field(min_length=1)
    """Names for people."""
    arms: Mapping[Word, Arm] = Field(min_length=1)
    """In the order of the paper's averages."""

    @property
    def averages(self) -> dict[str, float]:
        """The paper's average of each arm that it has."""
        return {name: arm.row.average for name, arm in self.arms.items() if arm.row is not None}


def star_paper() -> Paper:
    """Tables 2 to 4 of Star-Agents."""
    return read_data_file(FILES / "star.paper_tables.yaml", Paper)
