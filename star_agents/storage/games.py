"""The games of an arena as a store holds them, without the texts that they were about."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from sys import intern

from star_agents.arena.game_table import GameColumns, GameRow
from star_agents.storage.pages import latest_seq
from star_agents.storage.sql import execute

COLUMNS = ("category", "language", "set")
"""Columns of a seed that battles can be grouped by; ``set``: the part of a test set, diverse or hard."""
LABELS = (*COLUMNS, "part")
"""What of a game's prompt battles can be grouped by."""
Lengths = dict[tuple[str, str], int]
"""Characters of an answer, by prompt and player."""


@dataclass(kw_only=True, slots=True)
class StoredGames:
    """Games of the outcomes that count: in the order in which their seeds were queued, then what was added later."""

    seq: int = 0
    """The newest outcome that was looked at."""
    rows: GameColumns = field(default_factory=GameColumns)
    lengths: Lengths = field(default_factory=Lengths)
    labels: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """By prompt, of those that have any of ``LABELS``."""


def add_games(connection: sqlite3.Connection, known: StoredGames) -> StoredGames:
    """The games with those that came since, added in place; anew where an outcome has taken another's place."""
    if known.seq and next(execute(connection, "replaced_since", after=known.seq))[0]:
        known = StoredGames()
    answers: dict[tuple[int, int], tuple[str, str]] = {}
    for seq, ord_, seed_id, arm, chars in execute(connection, "arena_answers", after=known.seq):
        prompt, player = answers[seq, ord_] = intern(seed_id), intern(arm)
        if chars is not None:
            known.lengths[prompt, player] = chars
    for seq, judge, left, right, *said in execute(connection, "arena_judgements", after=known.seq):
        one, other = answers.get((seq, left)), answers.get((seq, right))
        if one is not None and other is not None and one != other:
            first_score, second_score, gap, is_measured = said
            told = (first_score, second_score, gap, bool(is_measured))
            known.rows.append(GameRow(one[0], judge, one[1], other[1], *told))
    for seed_id, *values in execute(connection, "arena_labels", after=known.seq):
        found = {name: value for name, value in zip(LABELS, values, strict=True) if isinstance(value, str)}
        if found:
            known.labels[seed_id] = found
    known.seq = latest_seq(connection)
    return known
