"""How many calls one deployment may have in flight: learnt from its 429s, and from nothing else (design §5).

More by one (and a sixteenth) after every epoch that went well, down to seven tenths when more than a quarter of an
epoch's answers were 429. An epoch is as many answers as were allowed in flight when it began, and at least 32.

- A quarter is tolerated, since a gateway that rejects a random tenth of its calls says nothing about how many it takes;
  halving on each of them ends at one call in flight. A provider that takes only so many is found all the same: a 429
  comes at once and an answer does not, so the first call too many is soon most of what is heard.
- A 429 to a call that was sent before the last fall is old news. Counted, it would drive the limit far below the true
  one: whatever was in flight then comes back rejected as well.
"""

from __future__ import annotations

_SHORTEST_EPOCH = 32
"""Fewer answers say too little: of 32, a random tenth passes a quarter about once in 250 epochs."""
_TOLERATED = 4
"""One answer in so many may be a 429."""
_FALL = 0.7
_RISE = 16


class AdaptiveLimit:
    """Additive increase, multiplicative decrease, between 1 and ``ceiling``. Pure: no clock, no task.

    Args:
        ceiling: Most calls in flight; where the limit starts.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self._in_a_row = 0
        self.limit = ceiling
        """Calls that may be in flight now."""
        self.falls = 0
        """How often the limit fell. Note it when a call is sent, and hand it to ``rate_limited``."""
        self._begin()

    @property
    def is_exhausted(self) -> bool:
        """Whether so many calls were rejected in a row that it was not chance: more than a quarter of the limit."""
        return self._in_a_row > self.limit // _TOLERATED

    def succeeded(self) -> None:
        """Count a call that was not rejected."""
        self._in_a_row = 0
        self._left -= 1
        if not self._left:
            self._rise()

    def rate_limited(self, falls_when_sent: int) -> None:
        """Count a 429 to a call that was sent when ``falls`` had that value."""
        self._in_a_row += 1
        if falls_when_sent != self.falls:
            return
        self._left -= 1
        self._spare -= 1
        if self._spare < 0:
            self.limit = max(1, int(self.limit * _FALL))
            self.falls += 1
            self._begin()
        elif not self._left:
            self._rise()

    def set_ceiling(self, ceiling: int) -> None:
        """Change the ceiling. A limit that stood at the old one goes along; a lower one was learnt, and stays."""
        self.limit = ceiling if self.limit == self._ceiling else min(self.limit, ceiling)
        self._ceiling = ceiling
        self._begin()

    def _rise(self) -> None:
        self.limit = min(self._ceiling, self.limit + 1 + self.limit // _RISE)
        self._begin()

    def _begin(self) -> None:
        """Begin an epoch. It ends early as soon as its 429s are more than it tolerates."""
        self._left = max(_SHORTEST_EPOCH, self.limit)
        self._spare = self._left // _TOLERATED
