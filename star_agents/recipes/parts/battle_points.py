"""What battles say of the players' answers, in points, and what they earn. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from star_agents.arena.games import Battle
from star_agents.arena.lessons import usefulness
from star_agents.records import Reward, Trial

TARGET, OPPONENT = "target", "opponent"
"""Roles of trials."""
POOL = "opponents"


def scores_of(battles: Sequence[Battle], player: str) -> list[float]:
    """A player's points, of each of its battles that has any."""
    own = (one.score_of(player) for one in battles if player in (one.left, one.right))
    return [score for score in own if score is not None]


def against_target(battles: Sequence[Battle], target: str, opponents: Collection[str]) -> dict[str, float]:
    """Points of the target and of each opponent in the target's own battles, which either mode has."""
    own = [one for one in battles if target in (one.left, one.right)]
    found = {player: scores_of(own, player) for player in (target, *opponents)}
    return {player: fmean(scores) for player, scores in found.items() if scores}


def worth_of(battles: Sequence[Battle], target: str, met: Mapping[str, float], least: float) -> float | None:
    """What an instruction is good for (``arena.lessons.usefulness``); ``None`` where the target met no other answer.

    Where reward models alone judge, nobody says how good the best answer is: the distance alone counts.
    """
    if target in met:
        return usefulness(met, target, least)
    ahead = _farthest(battles, target)
    return None if ahead is None else min(max(ahead / least, 0.0), 1.0)


def with_points(
    trials: Sequence[Trial], battles: Sequence[Battle], met: Mapping[str, float], useful: float | None
) -> tuple[Trial, ...]:
    """The trials with their points.

    Args:
        trials: The players' answers to one instruction.
        battles: Over it.
        met: As ``against_target`` has it.
        useful: The usefulness of the instruction.
    """
    target = next((one.arm for one in trials if one.role == TARGET), "")
    best = max((score for player, score in met.items() if player != target), default=None)
    own = met.get(target)
    gap = _farthest(battles, target) if best is None or own is None else best - own
    lost = lost_share(battles, target)
    of_target = {"target_score": own, "best_score": best, "gap": gap, "lost": lost, "usefulness": useful}
    found = []
    for one in trials:
        scores = scores_of(battles, one.arm)
        measures = {"score": fmean(scores) if scores else None, **(of_target if one.role == TARGET else {})}
        found.append(replace(one, measures=measures))
    return tuple(found)


def lost_share(battles: Sequence[Battle], target: str) -> float | None:
    """Share of the target's battles over one instruction that it lost, by however little; ``None`` where it had none.

    One value for each instruction: its battles share an answer, and count as one when how sure a rate is is told.
    """
    own = [one for one in battles if target in (one.left, one.right)]
    return fmean(one.winner not in (None, target) for one in own) if own else None


def _farthest(battles: Sequence[Battle], target: str) -> float | None:
    """How far the best opponent is ahead where reward models alone judge, which say distances and no points of each."""
    told = [one for one in battles if target in (one.left, one.right) and one.jurors]
    return max((one.gap if one.right == target else -one.gap for one in told), default=None)


def earned(
    trials: Sequence[Trial], battles: Sequence[Battle], target: str, *, least: float, min_winner: float
) -> list[Reward]:
    """What each drawn opponent taught the target: its margin over ``least``, as far as 1; 0 where it won nothing.

    An opponent whose battle nobody could judge is not spoken of, and neither is one whose call failed.
    """
    found = unanswered_rewards(trials)
    for battle in battles:
        if target not in (battle.left, battle.right):
            continue
        opponent = battle.left if battle.right == target else battle.right
        points = battle.score_of(opponent)
        is_lesson = battle.winner == opponent and (points is None or points >= min_winner)
        value = min(abs(battle.gap) / least, 1.0) if is_lesson else 0.0
        found.append(Reward(pool=POOL, arm=opponent, value=value))
    return found


def unanswered_rewards(trials: Sequence[Trial]) -> list[Reward]:
    """Drawn opponents whose reply is no answer taught nothing."""
    failed = [one.arm for one in trials[1:] if one.failure and one.failure.kind in ("length", "empty", "format")]
    return [Reward(pool=POOL, arm=arm, value=0.0) for arm in failed]
