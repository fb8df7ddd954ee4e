"""Rewards among judgements: which battles a scale is made of, and what rewards stand for once there is one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from star_agents.arena.games import Battle, battles_of, games_of
from star_agents.arena.quantile_map import Measured, QuantileMap, points_around
from star_agents.records import Judgement, Trial, is_reward_model

_Pair = frozenset[str]


def measured_battles(
    trials: Sequence[Trial], judgements: Sequence[Judgement], jury: Sequence[str]
) -> dict[str, list[Measured]]:
    """By reward model of the jury, the battles that it measured; with agents in the jury, those that they scored."""
    is_alone = all(map(is_reward_model, jury))
    scored = _scored_by_agents(trials, judgements)
    found: dict[str, list[Measured]] = {judge: [] for judge in jury if is_reward_model(judge)}
    for one in judgements:
        if not one.rewards:
            continue
        gap = _gap_of(scored.get(_pair(trials, one)), trials[one.left].arm)
        if is_alone or gap is not None:
            found[one.judge].append(Measured(one.rewards[0] - one.rewards[1], gap))
    return found


def scaled(
    trials: Sequence[Trial], judgements: Sequence[Judgement], maps: Mapping[str, QuantileMap], jury: Sequence[str]
) -> tuple[Judgement, ...]:
    """The judgements with points for rewards, as far as there are maps.

    Beside agents, the gap that a margin stands for lies around the middle of what the agents give to both answers: a
    reward model has no level that holds over prompts. Where no agent scored a battle it has none, and says nothing.
    Alone it says how far one answer is ahead, and no points of either.
    """
    is_alone = all(map(is_reward_model, jury))
    scored = _scored_by_agents(trials, judgements)
    found = []
    for one in judgements:
        made = maps.get(one.judge)
        battle = scored.get(_pair(trials, one))
        if made is None or not one.rewards:
            found.append(one)
            continue
        gap = made.gap(one.rewards[0] - one.rewards[1])
        if is_alone:
            found.append(replace(one, gap=gap, scale=made.name))
        elif battle is None or battle.left_score is None or battle.right_score is None:
            found.append(one)
        else:
            middle = (battle.left_score + battle.right_score) / 2
            found.append(replace(one, scores=points_around(gap, middle), scale=made.name))
    return tuple(found)


def _scored_by_agents(trials: Sequence[Trial], judgements: Sequence[Judgement]) -> dict[_Pair, Battle]:
    games = games_of(trials, [one for one in judgements if not is_reward_model(one.judge)])
    return {frozenset((one.left, one.right)): one for one in battles_of(games).battles if one.left_score is not None}


def _pair(trials: Sequence[Trial], judgement: Judgement) -> _Pair:
    return frozenset((trials[judgement.left].arm, trials[judgement.right].arm))


def _gap_of(battle: Battle | None, left: str) -> float | None:
    if battle is None:
        return None
    return battle.gap if battle.left == left else -battle.gap
