"""A line's rest: one reason, ended by an edit, by the clock or for good."""

from __future__ import annotations

import asyncio

import pytest

from star_agents.engine.holds import Rest, Waiting


class Hands:
    """A rest with a clock turned by hand and workers that wait for its end."""

    def __init__(self) -> None:
        self.at = 0.0
        self.ended = 0
        self.rest = Rest(lambda: self.at, self._end)

    def _end(self) -> None:
        self.ended += 1

    async def workers(self, count: int = 5) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self.rest.over()) for _ in range(count)]
        for _ in range(3):
            await asyncio.sleep(0)
        return tasks


async def test_nobody_rests_without_a_reason() -> None:
    hands = Hands()
    await hands.rest.over()
    hands.rest.end()
    assert (hands.ended, hands.rest.waiting_for) == (0, None)


async def test_all_workers_rest_for_the_first_reason_and_its_end_is_told_once() -> None:
    hands = Hands()
    hands.rest.begin(Waiting(reason="first"))
    hands.rest.begin(Waiting(reason="second"))
    tasks = await hands.workers()
    assert hands.rest.waiting_for == Waiting(reason="first")
    assert not any(task.done() for task in tasks)
    hands.rest.end()
    await asyncio.gather(*tasks)
    assert hands.ended == 1
    await hands.rest.over()


async def test_a_rest_ends_by_itself_when_its_time_has_come() -> None:
    hands = Hands()
    hands.rest.begin(Waiting(reason="until ten", until=10.0))
    hands.at = 9.99  # So that ten comes a hundredth of a second from now by any clock.
    tasks = await hands.workers()
    assert not any(task.done() for task in tasks)
    hands.at = 10.0
    await asyncio.gather(*tasks)
    assert hands.ended == 1


async def test_a_rest_that_begins_the_moment_another_ends_holds_the_workers() -> None:
    hands = Hands()
    hands.rest.begin(Waiting(reason="first"))
    tasks = await hands.workers()
    hands.rest.end()
    hands.rest.begin(Waiting(reason="second"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    hands.rest.end()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("resting", [True, False])
async def test_a_line_that_ends_never_rests_again(resting: bool) -> None:
    hands = Hands()
    if resting:
        hands.rest.begin(Waiting(reason="first"))
    tasks = await hands.workers()
    hands.rest.close()
    hands.rest.begin(Waiting(reason="too late"))
    await asyncio.gather(*tasks, hands.rest.over())
    assert hands.rest.waiting_for is None
