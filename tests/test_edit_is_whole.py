"""An edit of agents.yaml that fails on its way into force has changed nothing, whichever part it failed in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from star_agents.agents.client import AgentClient
from star_agents.config.changes import until_restart
from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.engine.configuration import read_config
from star_agents.engine.engine import Engine
from star_agents.engine.wiring import open_engine
from star_agents.errors import ConfigError, StoreError
from star_agents.events import ConfigApplied, Event
from star_agents.observe.bus import Bus
from star_agents.storage.ledger import PoolStates
from star_agents.storage.store import Store

BEFORE = parse_config("agents:\n  tutor: {model: offline/tutor, budget_calls: 5}\nselection: random\n")
AFTER = parse_config(
    "agents:\n  tutor: {model: offline/tutor, budget_calls: 7}\n  poet: {model: offline/poet}\n"
    "selection: random\nevolution: {policy: uniform}\n"
)


class FullStore(Store):
    """A store whose disk is full for one verb."""

    fails_at = ""
    waits_at = ""

    async def add_revision(self, digest: str, config: str) -> int:
        await self._meet("add_revision")
        return await super().add_revision(digest, config)

    async def save_pools(self, pools: PoolStates, revision: int) -> None:
        await self._meet("save_pools")
        await super().save_pools(pools, revision)

    async def _meet(self, verb: str) -> None:
        if verb == self.fails_at:
            raise StoreError("the disk is full")
        if verb == self.waits_at:
            await anyio.sleep_forever()


@asynccontextmanager
async def line_in(folder: Path, heard: list[Event]) -> AsyncIterator[tuple[Engine, FullStore]]:
    bus = Bus()
    bus.subscribe(heard.append)
    async with (
        await FullStore.open(folder) as store,
        open_engine(BEFORE, store, bus=bus, seeds_expected=2, ends_when_empty=False) as line,
    ):
        yield line, store


def in_force(line: Engine) -> tuple[object, ...]:
    return (
        line.config,
        line.revision,
        agents_of(line.client),
        [state.limit for state in line.client.budgets.states()],
        line.settling.own_pool.probabilities(),
        line.settling.own_pool.state(),
    )


def agents_of(client: AgentClient) -> set[str]:
    return set(client.states())


@pytest.mark.parametrize("verb", ["add_revision", "save_pools"])
async def test_an_edit_that_the_store_cannot_keep_changes_nothing(verb: str, tmp_path: Path) -> None:
    heard: list[Event] = []
    async with line_in(tmp_path, heard) as (line, store):
        before = in_force(line)
        store.fails_at = verb
        with pytest.raises(StoreError, match="disk is full"):
            await line.reconfigure(AFTER)
        assert in_force(line) == before
        assert not any(isinstance(event, ConfigApplied) for event in heard)
        store.fails_at = ""
        await line.reconfigure(AFTER)
        assert line.config == AFTER
        assert agents_of(line.client) == {"tutor", "poet"}
        assert [state.limit for state in line.client.budgets.states()] == [7]


async def test_an_edit_that_is_cancelled_on_its_way_changes_nothing(tmp_path: Path) -> None:
    async with line_in(tmp_path, []) as (line, store):
        before = in_force(line)
        store.waits_at = "save_pools"
        with anyio.move_on_after(0.05) as scope:
            await line.reconfigure(AFTER)
        assert scope.cancelled_caught
        assert in_force(line) == before


def in_file(folder: Path, more: str) -> Config:
    (folder / "agents.yaml").write_text("agents:\n  tutor: {model: offline/tutor}\n" + more)
    return read_config(folder / "agents.yaml")


def test_vectors_are_named_by_what_makes_them_until_a_restart_whatever_recipe_an_edit_brings(tmp_path: Path) -> None:
    scored, other = (in_file(tmp_path, some) for some in ("selection: gap\n", "recipe: evol\nevol: {writer: tutor}\n"))
    assert (scored.embedder, other.embedder) == ("small", "hashing")
    in_force, delayed = until_restart(scored, other)
    assert in_force.embedder == "small"
    assert "memory" in delayed


def test_a_recipe_that_needs_a_scorer_which_is_not_loaded_is_refused_until_a_restart(tmp_path: Path) -> None:
    other, scored = (in_file(tmp_path, some) for some in ("recipe: evol\nevol: {writer: tutor}\n", "selection: gap\n"))
    with pytest.raises(ConfigError, match=r"recipe: needs a scorer model that is not loaded \(start anew"):
        until_restart(other, scored)
