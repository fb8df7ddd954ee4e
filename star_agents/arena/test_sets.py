"""Which instructions a test set is made of, in the manner of WizardArena (arXiv 2407.10627). Pure.

The paper groups the instructions by K-means (500 clusters). *Diverse*: two of each cluster. *Hard*: twenty of each
cluster are rated by how difficult they are, 0 to 10, and the 1,000 with the highest ratings are taken. What it leaves
open is read so:

- Of a cluster come first those nearest to its centre, which stand for it best.
- With fewer clusters each gives more: clusters take turns, the largest first, until there are as many as were asked
  for. At 500 clusters and 1,000 instructions that is two of each.
- What is diverse is not hard as well: the twenty are the next nearest.
- Ratings are whole numbers and tie by the hundred: of equal ones comes first whose turn came first, so that a tie, too,
  is spread over the clusters.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # Whoever needs no more than the scale, as the sample agents do, loads no numpy.
    from star_agents.arena.k_means import Grouping

CLUSTERS = 500
DIVERSE_EACH = 2
"""Instructions of a cluster that are taken as they are."""
RATED_EACH = 20
"""Instructions of a cluster that are rated."""
EASIEST, HARDEST = 0.0, 10.0
"""Ends of the scale of difficulty."""
T = TypeVar("T")


def clusters_for(instructions: int, most: int = CLUSTERS) -> int:
    """How many clusters: at most ``most``, and never so many that the mean cluster could not fill its 22 places."""
    return max(1, min(most, instructions // (DIVERSE_EACH + RATED_EACH)))


def in_turns(grouping: Grouping, without: Collection[int] = ()) -> list[int]:
    """Places of the vectors in turns of the clusters, the largest cluster first: the nearest to the centre of each,
    then the second nearest of each, and so on; equally near ones in their order."""
    taken = Counter[int]()
    ranked: list[tuple[int, int, int]] = []
    for place in grouping.distances.argsort(kind="stable").tolist():
        if place not in without:
            cluster = int(grouping.labels[place])
            ranked.append((taken[cluster], cluster, place))
            taken[cluster] += 1
    return [place for _, _, place in sorted(ranked)]


def to_rate(grouping: Grouping, without: Collection[int] = (), each: int = RATED_EACH) -> list[int]:
    """Places to be rated, in turns: of each cluster so many, nearest to its centre first."""
    taken = Counter[int]()
    found = []
    for place in in_turns(grouping, without):
        cluster = int(grouping.labels[place])
        if taken[cluster] < each:
            found.append(place)
            taken[cluster] += 1
    return found


def hardest(rated: Sequence[int], ratings: Mapping[int, float], count: int) -> list[int]:
    """The places with the highest ratings, the highest first; of equal ones, in the order of ``rated``.

    Args:
        rated: Places in the order of ``to_rate``.
        ratings: By place; one without a rating is not chosen.
        count: How many at most.
    """
    found = [place for place in rated if place in ratings]
    return sorted(found, key=lambda place: -ratings[place])[:count]


def without_repeats(items: Iterable[T], text_of: Callable[[T], str]) -> list[T]:
    """The first of each that say the same: in NFKC, without regard to case and blanks."""
    first: dict[str, T] = {}
    for item in items:
        key = " ".join(unicodedata.normalize("NFKC", text_of(item)).casefold().split())
        first.setdefault(key, item)
    return list(first.values())
