"""What battles teach the target: rows to fine-tune on, preference pairs, reward pairs, decided from scores alone.

Nothing here costs a call: other thresholds decide again from the same battles. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

from star_agents.arena.games import Battle, Pairing
from star_agents.records import Flat

Mode = Literal["target", "round_robin"]
GOOD = 7.0
"""Points from which an answer is good; an instruction without one teaches nothing (``usefulness``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds(Flat):
    """By how many points a battle must be decided to teach something. At the threshold counts (the paper is silent)."""

    sft: float = 3.0
    """K of rows to fine-tune on: Arena Learning's best of 0 to 5 for the first round; 1 in later ones."""
    preference: float = 2.0
    """K of preference and reward pairs: the paper's best."""
    min_winner: float = 5.0
    """A winner below teaches nothing: a 4 that beats a 1 is no example. Ours; the paper has no such rule. Where reward
    models alone judge, nobody says how good a winner is, and it is not asked for."""


class Lesson(NamedTuple):
    """A battle that teaches: whose answer to take, and over whose."""

    prompt: str
    chosen: str
    rejected: str
    margin: float
    """In points, above 0."""
    chosen_score: float | None
    """``None``: its jurors are reward models, which say how far it is ahead and not how good it is."""


def pairings(players: Sequence[str], target: str, mode: Mode) -> list[tuple[str, str]]:
    """Who meets whom over one prompt, each pair once, its names in alphabetical order.

    Depends on the mode alone: which battles are fought must not depend on how others ended, or ratings are biased.
    """
    pairs = combinations(sorted(set(players)), 2)
    return [pair for pair in pairs if mode == "round_robin" or target in pair]


def unjudged(
    battles: Iterable[Battle], prompts: Iterable[str], players: Sequence[str], target: str, mode: Mode
) -> list[Pairing]:
    """The battles that a mode would have and nobody judged."""
    fought = {(one.prompt, one.left, one.right) for one in battles}
    wanted = [(prompt, *pair) for prompt in prompts for pair in pairings(players, target, mode)]
    return [pairing for pairing in wanted if pairing not in fought]


def lesson_of(battle: Battle, least: float, min_winner: float) -> Lesson | None:
    """What a battle teaches; ``None``: it is too close, or its winner too bad, where anybody said how good it is."""
    winner = battle.winner
    score = None if winner is None else battle.score_of(winner)
    if winner is None or abs(battle.gap) < least or (score is not None and score < min_winner):
        return None
    loser = battle.right if winner == battle.left else battle.left
    return Lesson(battle.prompt, winner, loser, abs(battle.gap), score)


def row_to_learn(battles: Sequence[Battle], target: str, thresholds: Thresholds) -> Lesson | None:
    """Over one prompt: the best answer of those that the target clearly lost to; ``None`` where it lost to nobody so.

    Only the target's own battles count, so that ``target`` and ``round_robin`` give the same row. The best is who
    scored most against the target, then by the larger margin, then by name.
    """
    found = (lesson_of(one, thresholds.sft, thresholds.min_winner) for one in battles)
    lost = [lesson for lesson in found if lesson is not None and lesson.rejected == target]
    return min(lost, key=lambda one: (-(one.chosen_score or 0.0), -one.margin, one.chosen), default=None)


def pairs_to_prefer(battles: Sequence[Battle], thresholds: Thresholds, *, most: int | None = 1) -> tuple[Lesson, ...]:
    """Over one prompt: the clearest battles, the widest margin first. The target's own answer may be the chosen one.

    Args:
        battles: Of the prompt.
        thresholds: From where on a battle is clear.
        most: Pairs per prompt; ``None``: every clear battle. The paper's figures fit one.
    """
    found = (lesson_of(one, thresholds.preference, thresholds.min_winner) for one in battles)
    clear = sorted((one for one in found if one is not None), key=lambda one: (-one.margin, one.chosen, one.rejected))
    return tuple(clear[:most])


class Yield(NamedTuple):
    """How many rows a threshold gives."""

    threshold: float
    sft: int
    preference: int
    chosen: Mapping[str, int]
    """Preference pairs by the player that was chosen."""


def yields(
    by_prompt: Mapping[str, Sequence[Battle]], target: str, thresholds: Sequence[float], *, min_winner: float = 5.0
) -> list[Yield]:
    """The counterpart of Arena Learning's table of K: what each threshold would give, from these battles."""
    found = []
    for least in thresholds:
        asked = Thresholds(sft=least, preference=least, min_winner=min_winner)
        rows = [row_to_learn(battles, target, asked) for battles in by_prompt.values()]
        pairs = [pair for battles in by_prompt.values() for pair in pairs_to_prefer(battles, asked)]
        chosen: dict[str, int] = {}
        for pair in pairs:
            chosen[pair.chosen] = chosen.get(pair.chosen, 0) + 1
        found.append(Yield(least, sum(row is not None for row in rows), len(pairs), chosen))
    return found


def usefulness(scores: Mapping[str, float], target: str, least: float, *, good: float = GOOD) -> float:
    """In [0, 1]: what an instruction was good for: clip((best − target) / K, 0, 1), and 0 where even the best answer is
    rated below ``good``: neither too easy (everybody is good) nor too hard or broken (nobody is). The weighting is ours
    (ArenaInstruct).

    Raises:
        KeyError: the target has no score.
    """
    best = max(scores.values())
    return min(max((best - scores[target]) / least, 0.0), 1.0) if best >= good else 0.0
