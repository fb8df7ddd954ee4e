"""Finished seeds that lack what agents.yaml now asks for, such as an opponent that came later.

Where the settings of their recipe ask for it, they are worked once more, and add to what they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from star_agents.bench.stage import Stage
from star_agents.events import SeedsReopened
from star_agents.recipes.protocol import CatchUp
from star_agents.storage.store import Store

_CLEARED = "the texts behind them were cleared (retention_days)"
_PAGE = 64


async def reopen_lacking(store: Store, stages: Mapping[str, Stage]) -> SeedsReopened | None:
    """Let finished seeds wait that lack something, and others be done again where nothing is asked for any more.

    Returns:
        What changed; ``None`` for nothing.
    """
    found = _Found()
    for name, stage in stages.items():
        if (catch_up := stage.recipe.catch_up) is None:
            continue
        if arms := list(catch_up.arms(stage.settings)):
            await found.look(store, stage, catch_up, arms)
        else:
            found.kinds.update(await store.close_reopened(name))
    if not (any(found.kinds.values()) or found.left_out):
        return None
    return SeedsReopened(
        message=found.sentence(),
        seeds=found.seeds,
        calls=found.calls,
        kinds=dict(found.kinds),
        left_out=dict(found.left_out),
    )


class _Found:
    def __init__(self) -> None:
        self.seeds = self.calls = 0
        self.left_out: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    async def look(self, store: Store, stage: Stage, catch_up: CatchUp, arms: Sequence[str]) -> None:
        """Through all outcomes of a recipe in which some of these arms have no trial."""
        last = 0
        while page := await store.lacking(stage.recipe.name, arms, after=last, limit=_PAGE):
            last = page[-1].row.seq
            reopened: list[int] = []
            for row, is_cleared in page:
                lack = _CLEARED if is_cleared else catch_up.lacks(row.outcome, stage.settings)
                if isinstance(lack, str):
                    self.left_out[lack] += 1
                elif lack:
                    reopened.append(row.seq)
                    self.calls += lack
            more = await store.reopen(reopened)
            self.seeds += more.total()
            self.kinds.update(more)

    def sentence(self) -> str:
        """In words."""
        told = []
        if self.seeds:
            what = "1 finished seed catches" if self.seeds == 1 else f"{self.seeds:,} finished seeds catch"
            told.append(f"{what} up with what agents.yaml asks for: about {self.calls:,} calls")
        elif (fewer := -self.kinds.total()) > 0:
            told.append(f"{fewer:,} seeds no longer wait to catch up; what they have stays")
        told += [f"{n:,} finished seeds do not catch up: {why}" for why, n in self.left_out.items()]
        return "; ".join(told)
