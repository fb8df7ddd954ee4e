"""The games of an arena as a store holds them, without the texts that they were about."""

from __future__ import annotations

import sqlite3
from sys import intern

from star_agents.arena.games import Game
from star_agents.storage.sql import execute


def games(connection: sqlite3.Connection) -> list[Game]:
    """Every game of the outcomes that count, in the order in which these took effect."""
    return [
        Game(
            prompt=seed_id,
            judge=intern(judge),
            first=intern(first),
            second=intern(second),
            first_score=first_score,
            second_score=second_score,
            answers_are_equal=not judge,
            first_reward=first_reward,
            second_reward=second_reward,
            gap=gap,
        )
        for seed_id, judge, first, second, first_score, second_score, first_reward, second_reward, gap in execute(
            connection, "games"
        )
    ]
