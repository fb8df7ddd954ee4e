"""The leaderboard of an arena that is at work, made anew when somebody asks and games were added."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from star_agents.arena.game_table import GameTable
from star_agents.arena.judge_health import JudgeHealth
from star_agents.arena.leaderboard import leaderboard
from star_agents.arena.ratings import ANCHOR_RATING, Rating
from star_agents.observe.status import WinRate
from star_agents.records import is_reward_model
from star_agents.scheduling.win_rates import win_rate
from star_agents.storage.games import StoredGames
from star_agents.storage.reader import StoreReader
from star_agents.storage.readers import Readers
from star_agents.web.replies import ArenaJudge, Leaderboard, RatedPlayer

RESAMPLES = 200
"""Of the intervals: ends within a few points of those of `elo`, in a fifth of the time."""
OLDEST_S = 10.0
"""How old an answer may be while games come in; of a large arena, whose making takes seconds, twenty times as long."""


@dataclass(slots=True)
class Standings:
    """Keeps the newest leaderboard and the games behind it, so that however many ask, one is made at a time, and each
    outcome is read once."""

    _made: Leaderboard | None = None
    _games: StoredGames = field(default_factory=StoredGames)
    _at: float = 0.0
    _took_s: float = 0.0
    _making: anyio.Lock = field(default_factory=anyio.Lock)

    async def of(self, readers: Readers, seq: int) -> Leaderboard:
        """The leaderboard as of this outcome, or of some seconds ago."""
        async with self._making:
            now = anyio.current_time()
            if self._made is None or (self._made.seq != seq and now - self._at >= self._oldest_s):
                self._games, self._made = await readers.ask(lambda reader: rated_games(reader, self._games))
                self._at = anyio.current_time()
                self._took_s = self._at - now
            assert self._made is not None, "made above, if never before"
            return self._made

    @property
    def _oldest_s(self) -> float:
        return max(OLDEST_S, 20 * self._took_s)


def rated_games(reader: StoreReader, known: StoredGames) -> tuple[StoredGames, Leaderboard]:
    """The leaderboard of all games, those that are known and those that came since; without players where nobody was
    judged."""
    found = reader.games(known)
    try:
        board = leaderboard(
            GameTable.of_columns(found.rows), labels=found.labels, lengths=found.lengths, resamples=RESAMPLES
        )
    except ValueError:  # No battle counts yet.
        return found, Leaderboard(
            seq=found.seq,
            anchor="",
            anchor_rating=ANCHOR_RATING,
            prompts=0,
            battles=0,
            one_order_only=0,
            players=[],
            points={},
            meetings={},
            judges=[],
            juror_spread=None,
            by_label={},
        )
    ratings = board.ratings
    return found, Leaderboard(
        seq=found.seq,
        anchor=ratings.anchor,
        anchor_rating=ratings.anchor_rating,
        prompts=ratings.prompts,
        battles=ratings.battles,
        one_order_only=board.one_order_only,
        players=[_player(one) for one in ratings.players],
        points=ratings.points,
        meetings=ratings.meetings,
        judges=[_judge(one) for one in board.judges],
        juror_spread=board.spread,
        by_label={
            label: {group: {player: rate.rate for player, rate in rates.items()} for group, rates in groups.items()}
            for label, groups in board.by_label.items()
        },
    )


def _player(one: Rating) -> RatedPlayer:
    return RatedPlayer(**one.to_dict(), losses=one.losses)


def _judge(one: JudgeHealth) -> ArenaJudge:
    return ArenaJudge(
        judge=one.judge,
        games=one.games,
        unreadable=one.unreadable,
        both_orders=one.both_orders,
        agreement=WinRate(**one.agreement._asdict()),
        by_position=WinRate(**win_rate(one.by_position, one.both_orders)._asdict()),
        first_won=WinRate(**one.first_share._asdict()),
        has_position=not is_reward_model(one.judge),
        first_bonus=one.first_bonus,
        longer_won=WinRate(**one.longer_share._asdict()),
        own_battles=one.own_battles,
        self_preference=one.self_preference,
    )
