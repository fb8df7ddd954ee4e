"""What the steps of a campaign came to: rows, loss rate of the target, mean difficulty, ratings, what a step gained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from star_agents.arena.game_table import GameTable
from star_agents.arena.games import battles_of, games_of
from star_agents.arena.leaderboard import leaderboard
from star_agents.arena.ratings import Rating, Ratings
from star_agents.engine.campaign.plan import Step
from star_agents.errors import UsageError
from star_agents.records import Outcome, Seed
from star_agents.storage.formats.row_writing import write_rows
from star_agents.storage.incoming.seed_files import row_of_seed
from star_agents.storage.outgoing.game_files import read_games
from star_agents.storage.outgoing.result_rows import Row, preference_rows, reward_rows, selected_rows
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result
from star_agents.storage.store import STORE_FILE

_SEEDS_AT_ONCE = 500
_TARGET = "target"
"""Role of the trials of whoever learns."""


@dataclass(slots=True)
class PartFigures:
    """What the battles of one part say of the target that fought them."""

    seeds: int = 0
    """Of the part, that have an outcome."""
    dropped: int = 0
    battles: int = 0
    """Of the target."""
    lost: int = 0
    tied: int = 0
    margins: list[float] = field(default_factory=list[float])
    """Points by which the best opponent was ahead, of each instruction that gave a row to fine-tune on."""
    calls: int = 0
    usd: float = 0.0
    unknown: int = 0
    """Calls of unknown price."""

    def add(self, outcome: Outcome) -> None:
        """What an outcome says."""
        self.seeds += 1
        self.dropped += outcome.kind == "dropped"
        place = next((at for at, one in enumerate(outcome.trials) if one.role == _TARGET), None)
        if place is None:
            return
        target = outcome.trials[place]
        for battle in battles_of(games_of(outcome.trials, outcome.judgements, outcome.seed_id)).battles:
            if target.arm in (battle.left, battle.right):
                self.battles += 1
                self.tied += battle.winner is None
                self.lost += battle.winner not in (None, target.arm)
        if any(row.shape == "sft" for row in outcome.rows) and (gap := target.measures.get("gap")) is not None:
            self.margins.append(gap)

    def to_dict(self) -> dict[str, Any]:
        """As the state of a step keeps it."""
        return {
            "seeds": self.seeds,
            "dropped": self.dropped,
            "battles": self.battles,
            "lost": self.lost,
            "tied": self.tied,
            "loss_rate": self.lost / self.battles if self.battles else None,
            "difficulty": fmean(self.margins) if self.margins else None,
            "calls": self.calls,
            "usd": self.usd,
            "calls_of_unknown_price": self.unknown,
        }


def figures_of(folder: Path, part: str) -> PartFigures:
    """What the store of the data says of one part."""
    found, roots = PartFigures(), list[str]()
    with StoreReader(folder) as reader:
        for result in reader.results():
            if result.header.part == part:
                found.add(result.outcome)
                if not result.header.parent:
                    roots.append(result.header.seed_id)
        for start in range(0, len(roots), _SEEDS_AT_ONCE):
            for one in reader.usage_of_seeds(roots[start : start + _SEEDS_AT_ONCE]):
                found.calls += one.calls
                found.usd += one.usd
                found.unknown += one.unknown
    return found


def spent_in(folder: Path) -> dict[str, Any]:
    """Calls and US dollars of a store so far."""
    if not (folder / STORE_FILE).is_file():
        return {"calls": 0, "usd": 0.0, "calls_of_unknown_price": 0}
    with StoreReader(folder) as reader:
        usage = reader.agent_usage()
    return {
        "calls": sum(one.answered for one in usage),
        "usd": sum(one.cost_usd or 0.0 for one in usage),
        "calls_of_unknown_price": sum(one.unknown_price for one in usage),
    }


def write_step_rows(folder: Path, step: Step, seeds: Sequence[Seed], out: Path) -> dict[str, int]:
    """Write what a step is trained on: rows of its stage from all parts that it learns from, oldest part first.

    Args:
        folder: Of the store of the data.
        step: The training step.
        seeds: Of its part, where it learns from these as they are.
        out: The file, of JSON lines; not written without any row.

    Returns:
        Rows, and how many of them come of the step's own part.
    """
    counted = {"rows": 0, "own_rows": 0}

    def rows() -> Iterator[Row]:
        for part in step.learns_from:
            for row in _seed_rows(seeds) if not step.makes_data else _rows_of_part(folder, part, _RowsOf[step.stage]):
                counted["rows"] += 1
                counted["own_rows"] += part == step.part
                yield row

    write_rows(out, rows())
    return counted


def _seed_rows(seeds: Sequence[Seed]) -> Iterator[Row]:
    """Seeds with their own responses."""
    yield from (row_of_seed(seed) for seed in seeds if seed.kind == "sample")


def _rows_of_part(folder: Path, part: str, rows_of: Callable[[Result], Iterator[Row]]) -> Iterator[Row]:
    with StoreReader(folder) as reader:
        for result in reader.results():
            if result.header.part == part:
                yield from rows_of(result)


def _sft_rows(result: Result) -> Iterator[Row]:
    return selected_rows(result, "messages")


def _pairs_with_margin(result: Result) -> Iterator[Row]:
    """The pairs that a reward model learns from, whose prompts RLOO answers; a recipe without margins gives pairs."""
    given = list(reward_rows(result))
    yield from given or preference_rows(result)


_RowsOf: dict[str | None, Callable[[Result], Iterator[Row]]] = {
    "sft": _sft_rows,
    "dpo": preference_rows,
    "rloo": _pairs_with_margin,
}


def ratings_in(folder: Path, *, anchor: str | None = None, anchor_rating: float = 1000.0) -> Ratings | None:
    """The ratings of everybody who met in the exams; ``None`` where nobody did, or the anchor is in no battle."""
    if not (folder / STORE_FILE).is_file():
        return None
    try:
        found = read_games(folder)
        board = leaderboard(GameTable.of_columns(found.rows), anchor=anchor, anchor_rating=anchor_rating)
    except (UsageError, ValueError):
        return None
    return board.ratings


def gain_over(folder: Path, player: str, before: str) -> Rating | None:
    """By how many Elo points one target is ahead of another, with its 95 % interval: its rating where the other is
    fixed at 0. ``None`` where the exams do not say."""
    ratings = ratings_in(folder, anchor=before, anchor_rating=0.0)
    if ratings is None or player not in {one.player for one in ratings.players}:
        return None
    return ratings.of(player)


def is_flat(gain: Rating | None) -> bool:
    """Whether a gain may be none: its interval reaches 0 or less. Of what the exams do not say, nobody can tell."""
    if gain is None or gain.standing in ("wins all", "unrated"):
        return False
    return gain.standing == "loses all" or gain.low is None or gain.low <= 0
