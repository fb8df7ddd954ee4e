"""Which texts were taken in, by their signatures: before one is added, one that is nearly the same is sought.

Look-up and insert happen in one transaction, that of the seeds or of the outcome: of two that come at once and are
nearly the same, the second one finds the first. Nothing is held in memory, however many there are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from star_agents.storage.sql import execute
from star_agents.text.minhash import BANDS, Signature

MOST_COMPARED = 512
"""Candidates of one look-up that are compared, those first that have most bands in common. Where more texts than that
are half alike, such as by one template, one that is alike as a whole stands among the first."""
MOST_OF_BAND = 2_000
"""Entries of one band that a look-up reads. Each band has its own share, so that those that only a few texts have are
read however many have another one, such as all files with one licence."""
OF_SEED = -1
"""The place of a seed's own text."""
FIRST_ROW = -2
"""The place of the first row of an outcome; that of the next one is one less, and so on."""


def place_of(seed_id: str, place: int) -> str:
    """Where a text stands: ``SEED``, ``SEED:trial N`` or ``SEED:row N``, counted from 0."""
    if place == OF_SEED:
        return seed_id
    return f"{seed_id}:" + (f"trial {place}" if place >= 0 else f"row {FIRST_ROW - place}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """A text that another one nearly repeats."""

    seed_id: str
    """Whose text it is, or of whose outcome."""
    place: int
    """Of its trial among those of the outcome; ``OF_SEED``: it is the text of the seed itself; from ``FIRST_ROW`` down:
    that of a row."""
    source: str
    """Where that seed came from, for people."""
    similarity: float
    """Estimated; 1 where all values agree."""

    @property
    def name(self) -> str:
        """What people find it by."""
        return self.source or f"seed {self.seed_id}"

    @property
    def where(self) -> str:
        """Where it stands (``place_of``)."""
        return place_of(self.seed_id, self.place)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unlike:
    """Of seeds that are taken in only where no earlier one is nearly the same: what they are known by."""

    signatures: Mapping[str, Signature]
    """By the id of the seed. One that is known already may have none in the store: an older release took it in."""
    least: float
    """Similarity from which two are nearly the same, in (0, 1]."""
    source: str
    """What all of it is called where failures are counted."""


class NearTexts:
    """The texts that a store has taken in, in a transaction or in a connection that only reads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def find(self, sought: Sequence[Signature], least: float, *, but_of: str = "") -> Earlier | None:
        """The text that is most similar to one, where that is ``least`` or more; of several the first.

        Args:
            sought: Signatures of the one text.
            least: In (0, 1].
            but_of: A seed whose texts do not count.
        """
        best: tuple[float, int, str, int] | None = None
        for one in sought:
            rows = [row for row in self._candidates(one) if row[1] != but_of]
            similarities = one.similarities([row[3] for row in rows])
            for alike, (number, seed_id, place, _) in zip(similarities, rows, strict=True):
                if alike >= least and (best is None or (-alike, number) < (-best[0], best[1])):
                    best = alike, number, seed_id, place
        if best is None:
            return None
        similarity, _, seed_id, place = best
        source = execute(self._connection, "source_of_seed", id=seed_id).fetchone()
        return Earlier(seed_id=seed_id, place=place, source=source[0] if source else "", similarity=similarity)

    def claim(self, kept: Signature, sought: Sequence[Signature], seed_id: str, least: float) -> Earlier | None:
        """What the text of a seed nearly repeats; where that is nothing it is found from now on, however often it is
        claimed."""
        own = (seed_id, OF_SEED)
        if any(own == (row[1], row[2]) for one in sought for row in self._candidates(one)):
            return None
        earlier = self.find(sought, least, but_of=seed_id)
        if earlier is None:
            self.add(kept, seed_id)
        return earlier

    def _candidates(self, one: Signature) -> Sequence[tuple[int, str, int, bytes]]:
        bands = sorted(set(one.bands))
        asked = {f"band_{place}": bands[place] if place < len(bands) else None for place in range(BANDS)}
        found = execute(self._connection, "candidates", most=MOST_OF_BAND, compared=MOST_COMPARED, **asked)
        return found.fetchall()

    def add(self, kept: Signature, seed_id: str, place: int = OF_SEED) -> None:
        """Let a text be found from now on."""
        added = execute(self._connection, "add_signature", seed_id=seed_id, place=place, signature=kept.values)
        bands = json.dumps(sorted(set(kept.bands)))
        execute(self._connection, "add_signature_bands", id=added.fetchone()[0], bands=bands)
