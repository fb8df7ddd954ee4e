"""A pause: nothing is taken from the queue until somebody resumes, over restarts too."""

from __future__ import annotations

from pathlib import Path

import anyio
from lines import config_for, results, seeds, take_in_seeds
from openai_server import OpenAIServer

from star_agents.engine.engine import Engine
from star_agents.engine.wiring import open_engine
from star_agents.events import CallEnded, Event, OutcomeCommitted, PairsDrawn
from star_agents.observe.bus import Bus
from star_agents.storage.store import Store


class Heard:
    """Every event, and a way to wait for outcomes."""

    def __init__(self) -> None:
        self.bus = Bus()
        self.events: list[Event] = []
        self._news = anyio.Event()
        self.bus.subscribe(self._hear)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        news, self._news = self._news, anyio.Event()
        news.set()

    @property
    def outcomes(self) -> list[OutcomeCommitted]:
        return [event for event in self.events if isinstance(event, OutcomeCommitted)]

    async def wait_for_outcomes(self, count: int) -> None:
        while len(self.outcomes) < count:
            await self._news.wait()


async def in_hand_after_looking(line: Engine) -> int:
    """Seeds in hand once every worker had its turn at the queue."""
    await anyio.wait_all_tasks_blocked()
    return (await line.store.open_work()).seeds


async def test_a_paused_line_takes_no_seed_and_goes_on_when_resumed(tmp_path: Path) -> None:
    heard = Heard()
    async with (
        OpenAIServer() as server,
        await Store.open(tmp_path) as store,
        open_engine(config_for(server.url), store, bus=heard.bus, seeds_expected=None, ends_when_empty=False) as line,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(line.work)
        await take_in_seeds(line, seeds(3), "test")
        await heard.wait_for_outcomes(3)
        await line.pause()
        await take_in_seeds(line, seeds(8), "test")
        assert await in_hand_after_looking(line) == 0
        assert line.waiting_for is not None
        assert "resume" in line.waiting_for.reason
        assert len(heard.outcomes) == 3
        await line.resume()
        await heard.wait_for_outcomes(8)
        assert line.waiting_for is None
        line.close()
    assert len(results(tmp_path)) == 8


async def test_a_pause_outlives_a_restart_and_a_paused_line_can_be_closed(tmp_path: Path) -> None:
    heard = Heard()
    async with OpenAIServer() as server:
        for resumed in (False, True):
            async with (
                await Store.open(tmp_path) as store,
                open_engine(
                    config_for(server.url), store, bus=heard.bus, seeds_expected=None, ends_when_empty=False
                ) as line,
                anyio.create_task_group() as tasks,
            ):
                if not resumed:
                    await line.pause()
                tasks.start_soon(line.work)
                await take_in_seeds(line, seeds(4), "test")
                assert await in_hand_after_looking(line) == 0
                assert line.is_paused
                if resumed:
                    await line.resume()
                    await heard.wait_for_outcomes(4)
                line.close()
    assert len(heard.outcomes) == 4


async def test_a_seed_s_events_tell_its_draw_its_calls_and_how_long_it_took(tmp_path: Path) -> None:
    heard = Heard()
    async with OpenAIServer() as server:
        async with (
            await Store.open(tmp_path) as store,
            open_engine(config_for(server.url), store, bus=heard.bus, seeds_expected=1, ends_when_empty=True) as line,
        ):
            await take_in_seeds(line, seeds(1), "test")
            await line.work()
        (drawn,) = (event for event in heard.events if isinstance(event, PairsDrawn))
        ended = [event for event in heard.events if isinstance(event, CallEnded)]
        assert len(drawn.pairs) == 2
        assert len(ended) == len(server.requests)
    assert {event.outcome for event in ended} == {"ok"}
    assert heard.outcomes[0].seconds >= max(event.seconds for event in ended)
