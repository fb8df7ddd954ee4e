"""The status of a folder, read from outside: of one that nobody works on, or while a batch or a daemon does."""

from __future__ import annotations

from pathlib import Path

from star_agents.config.kept import kept_config
from star_agents.engine.accounts import budgets_of, limits_of, restore_budgets
from star_agents.engine.status import describe
from star_agents.errors import StoreError
from star_agents.observe.status import FolderStatus
from star_agents.records import PAIRS
from star_agents.scheduling.policies import probabilities_of
from star_agents.storage.reader import StoreReader
from star_agents.storage.recipe_tallies import probabilities_in_force


def status_of_folder(folder: Path) -> FolderStatus:
    """What was done there so far.

    Raises:
        StoreError: there is no store, or nothing was worked on there yet.
    """
    with StoreReader(folder) as reader:
        revisions, pools, tallies = reader.revisions(), reader.pools(), reader.tallies()
        if not revisions:
            raise StoreError(f"{folder}: nothing was worked on here yet (start with `run` or `serve`)")
        config = kept_config(revisions[-1].config)
        budgets = budgets_of(config)
        day_began = budgets.day_began()
        has_daily = any(limit.per_day for limit in limits_of(config))
        today = reader.taken(day_began) if has_daily else {}  # Of millions of calls it takes seconds.
        restore_budgets(budgets, reader.taken(), today, day_began=day_began)
        return describe(
            reader.counts(),
            reader.spend(),
            reader.pair_costs(),
            budgets.states(),
            probabilities_of(config, pools[PAIRS].state) if PAIRS in pools else {},
            tallies,
            exams=reader.exams(),
            point_exams=reader.point_exams(),
            pools=probabilities_in_force(pools, tallies.recipes),
            wanted=config.target_rows,
        )
