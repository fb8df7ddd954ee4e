"""The leaderboard of an arena that is at work, made anew when somebody asks and games were added."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from star_agents.arena.judge_health import JudgeHealth
from star_agents.arena.leaderboard import leaderboard
from star_agents.arena.ratings import ANCHOR_RATING, Rating
from star_agents.records import is_reward_model
from star_agents.storage.reader import StoreReader
from star_agents.storage.readers import Readers
from star_agents.web.replies import ArenaJudge, Leaderboard, RatedPlayer

RESAMPLES = 200
"""Of the intervals: ends within a few points of those of `elo`, in a fifth of the time."""
OLDEST_S = 10.0
"""How old an answer may be while games come in; of a large arena, whose making takes seconds, twenty times as long."""


@dataclass(slots=True)
class Standings:
    """Keeps the newest leaderboard, so that however many ask, one is made at a time."""

    _made: Leaderboard | None = None
    _at: float = 0.0
    _took_s: float = 0.0
    _making: anyio.Lock = field(default_factory=anyio.Lock)

    async def of(self, readers: Readers, seq: int) -> Leaderboard:
        """The leaderboard as of this outcome, or of some seconds ago."""
        async with self._making:
            now = anyio.current_time()
            if self._made is None or (self._made.seq != seq and now - self._at >= self._oldest_s):
                self._made = await readers.ask(lambda reader: made(reader, seq))
                self._at = anyio.current_time()
                self._took_s = self._at - now
            return self._made

    @property
    def _oldest_s(self) -> float:
        return max(OLDEST_S, 20 * self._took_s)


def made(reader: StoreReader, seq: int) -> Leaderboard:
    """The leaderboard of all games; without players where nobody was judged."""
    games = reader.games()
    try:
        board = leaderboard(games, resamples=RESAMPLES)
    except ValueError:  # No battle counts yet.
        return Leaderboard(
            seq=seq,
            anchor="",
            anchor_rating=ANCHOR_RATING,
            prompts=0,
            battles=0,
            one_order_only=0,
            players=[],
            points={},
            meetings={},
            judges=[],
        )
    ratings = board.ratings
    return Leaderboard(
        seq=seq,
        anchor=ratings.anchor,
        anchor_rating=ratings.anchor_rating,
        prompts=ratings.prompts,
        battles=ratings.battles,
        one_order_only=board.one_order_only,
        players=[_player(one) for one in ratings.players],
        points=ratings.points,
        meetings=ratings.meetings,
        judges=[_judge(one) for one in board.judges],
    )


def _player(one: Rating) -> RatedPlayer:
    return RatedPlayer(**one.to_dict(), losses=one.losses)


def _judge(one: JudgeHealth) -> ArenaJudge:
    return ArenaJudge(
        judge=one.judge,
        games=one.games,
        unreadable=one.unreadable,
        agreement=one.agreement.rate,
        has_position=not is_reward_model(one.judge),
        first_bonus=one.first_bonus,
        self_preference=one.self_preference,
    )
