"""The largest numbers that a call or a measure can bring: what is beyond them is none, whoever says so."""

from __future__ import annotations

MOST_TOKENS = 100_000_000
"""No count of one request is larger: the longest context there is holds ten million. The store's sums, whole numbers of
64 bits, have room for 90 billion such calls."""
MOST_USD = 1e9
"""No call costs more."""
MOST_MEASURED = 1e15
"""No measure of a recipe is larger: sums of such numbers stay finite."""
