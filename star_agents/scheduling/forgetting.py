"""What a memory bank forgets that is full: the oldest instructions, but not all it has of arms that win seldom. Pure.

Every instruction in a bank won something, so age is what tells them apart: an old one was won against agents, prompts
and settings of an earlier time. By age alone an arm that wins seldom would be forgotten, and with it the kind of
instruction that only this arm is good at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

OF_EACH = 1000
"""The newest instructions of each arm stay, as far as those of all arms fill no more than a quarter of the room."""


def of_each(arms: Collection[str], at_most: int) -> int:
    """How many of the newest of each arm stay, where ``at_most`` are held of all."""
    return min(OF_EACH, at_most // (4 * max(1, len(set(arms)))))


def kept(arms: Sequence[str], at_most: int) -> list[bool]:
    """Which instructions are held where there are more than ``at_most``: that many of them, or all.

    Args:
        arms: Who won each, oldest first.
        at_most: How many.
    """
    stays = [True] * len(arms)
    too_many = len(arms) - at_most
    if too_many <= 0:
        return stays
    left, least = Counter(arms), of_each(arms, at_most)
    for place, arm in enumerate(arms):
        if left[arm] > least:
            stays[place] = False
            left[arm] -= 1
            too_many -= 1
            if not too_many:
                break
    return stays


def kept_of_oldest(oldest: Sequence[str], others: Sequence[str], at_most: int) -> list[bool]:
    """Which of the oldest instructions stay when they go all at once.

    Args:
        oldest: Who won each, oldest first.
        others: Who won those that came after them.
        at_most: How many are held before anything is forgotten.
    """
    left = Counter(others)
    least = of_each({*left, *oldest}, at_most)
    stays = [False] * len(oldest)
    for place in range(len(oldest) - 1, -1, -1):
        if left[oldest[place]] < least:
            stays[place] = True
            left[oldest[place]] += 1
    return stays
