"""The queue before an agent's deployments: real asyncio, on a loop where waiting takes no time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import in_virtual_time, now

from star_agents.agents.breaker import Breaker
from star_agents.agents.gate import Gate, Outcome, Slot
from star_agents.errors import AgentRateLimited, AgentUnavailable

FOREVER = 1e9


def gate_of(*names: str, ceiling: int = 8, **options: Any) -> Gate:
    return Gate(names or ("a",), ceiling=ceiling, clock=now, **options)


async def settle() -> None:
    """Let everybody run who can."""
    for _ in range(6):
        await asyncio.sleep(0)


async def enter_all(gate: Gate, count: int, give_up_after_s: float = FOREVER) -> list[asyncio.Task[Slot]]:
    tasks = [asyncio.create_task(gate.enter(give_up_after_s)) for _ in range(count)]
    await settle()
    return tasks


def done(tasks: Sequence[asyncio.Task[Slot]]) -> list[int]:
    return [number for number, task in enumerate(tasks) if task.done()]


async def take_down(gate: Gate, times: int = 5) -> None:
    """Fail calls in a row until no deployment is up."""
    while not gate.is_down:
        for slot in [await gate.enter(FOREVER) for _ in range(times)]:
            slot.leave("failed", error="connection refused")


@in_virtual_time
async def test_where_there_is_room_nobody_waits() -> None:
    gate = gate_of()
    entering = gate.enter(FOREVER)
    with pytest.raises(StopIteration) as entered:
        entering.send(None)
    slot: Slot = entered.value.value
    assert (slot.index, slot.is_probe, slot.waited_down_s) == (0, False, 0.0)
    assert (gate.in_flight, gate.queued) == (1, 0)
    slot.leave("ok")
    assert gate.in_flight == 0


@in_virtual_time
async def test_beyond_the_ceiling_they_queue_and_come_in_order() -> None:
    gate = gate_of(ceiling=2)
    tasks = await enter_all(gate, 5)
    assert (done(tasks), gate.in_flight, gate.queued) == ([0, 1], 2, 3)
    tasks[1].result().leave("ok")
    await settle()
    assert done(tasks) == [0, 1, 2]
    tasks[2].result().leave("ok")
    tasks[0].result().leave("ok")
    await settle()
    assert done(tasks) == [0, 1, 2, 3, 4]


@in_virtual_time
async def test_a_newcomer_cannot_overtake_somebody_whose_turn_has_come() -> None:
    gate = gate_of(ceiling=1)
    first = await gate.enter(FOREVER)
    tasks = await enter_all(gate, 1)
    first.leave("ok")
    tasks += await enter_all(gate, 1)
    assert done(tasks) == [0]


@in_virtual_time
async def test_nor_overtake_somebody_whose_turn_has_come_before_the_timer_noticed() -> None:
    ahead = 0.0
    gate = Gate(["a"], ceiling=1, clock=lambda: now() + ahead)
    (await gate.enter(FOREVER)).leave("rate_limited", retry_after=10.0)
    tasks = await enter_all(gate, 1)
    ahead = 10.0
    tasks += await enter_all(gate, 1)
    await asyncio.sleep(10.1)
    assert done(tasks) == [0]


@in_virtual_time
async def test_the_ceiling_is_that_of_all_deployments_together() -> None:
    gate = gate_of("a", "b", "c", ceiling=4)
    await enter_all(gate, 10)
    assert gate.in_flight == 4
    assert sum(state.in_flight for state in gate.describe()) == 4


@in_virtual_time
async def test_the_deployment_with_the_fewest_in_flight_is_next_and_of_those_the_one_idle_for_longest() -> None:
    gate = gate_of("a", "b", "c", ceiling=100)
    slots = [await gate.enter(FOREVER) for _ in range(5)]
    assert [slot.index for slot in slots] == [0, 1, 2, 0, 1]
    for slot in (slots[1], slots[4], slots[0]):
        slot.leave("ok")
    assert [(await gate.enter(FOREVER)).index for _ in range(5)] == [1, 2, 0, 1, 2]


@in_virtual_time
async def test_whom_to_choose_is_asked_once_a_call_and_only_where_there_is_a_choice() -> None:
    asked: list[int] = []

    def choose() -> int:
        asked.append(gate.idlest())
        return asked[-1]

    gate = gate_of("a", "b", ceiling=100, choose=choose)
    for _ in range(20):
        slot = await gate.enter(FOREVER)
        slot.leave("failed" if slot.index == 1 else "ok")
    assert asked == [0, 1] * 5
    assert gate.describe()[1].breaker == "open"


@in_virtual_time
async def test_what_choose_raises_reaches_the_caller_and_costs_no_room() -> None:
    broken = True

    def choose() -> int:
        if broken:
            raise RuntimeError("the Router knows none of them")
        return 0

    gate = gate_of("a", "b", ceiling=1, choose=choose)
    with pytest.raises(RuntimeError, match="knows none"):
        await gate.enter(FOREVER)
    assert gate.in_flight == 0
    broken = False
    slot = await gate.enter(FOREVER)
    tasks = await enter_all(gate, 2)
    broken = True
    slot.leave("ok")
    await settle()
    assert [type(task.exception()) for task in tasks] == [RuntimeError, RuntimeError]
    assert (gate.in_flight, gate.queued) == (0, 0)


@in_virtual_time
async def test_a_raised_ceiling_wakes_those_who_wait() -> None:
    gate = gate_of(ceiling=1)
    tasks = await enter_all(gate, 4)
    gate.set_ceiling(3)
    await settle()
    assert done(tasks) == [0, 1, 2]


@in_virtual_time
async def test_a_lowered_ceiling_lets_those_in_flight_end_and_nobody_else_in() -> None:
    gate = gate_of(ceiling=4)
    tasks = await enter_all(gate, 6)
    gate.set_ceiling(2)
    for task in tasks[:2]:
        task.result().leave("ok")
    await settle()
    assert (done(tasks), gate.in_flight) == ([0, 1, 2, 3], 2)
    tasks[2].result().leave("ok")
    await settle()
    assert (done(tasks), gate.in_flight) == ([0, 1, 2, 3, 4], 2)


@in_virtual_time
async def test_a_slot_is_left_once_however_often_that_is_said() -> None:
    gate = gate_of(ceiling=1)
    slot = await gate.enter(FOREVER)
    slot.leave("ok")
    slot.leave("abandoned")
    assert gate.in_flight == 0


@in_virtual_time
async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    gate = gate_of(ceiling=1)
    tasks = await enter_all(gate, 4)
    tasks[1].cancel()
    await settle()
    assert gate.queued == 2
    tasks[0].result().leave("ok")
    await settle()
    assert done(tasks) == [0, 1, 2]


@in_virtual_time
async def test_what_is_handed_over_in_the_moment_of_a_cancellation_goes_to_the_next() -> None:
    for cancel_first in (False, True):
        gate = gate_of(ceiling=1)
        tasks = await enter_all(gate, 3)
        if cancel_first:
            tasks[1].cancel()
        tasks[0].result().leave("ok")
        tasks[1].cancel()
        await settle()
        assert tasks[1].cancelled()
        assert (done(tasks), gate.in_flight, gate.queued) == ([0, 1, 2], 1, 0)


@in_virtual_time
async def test_a_probe_cancelled_in_the_moment_of_its_hand_over_is_the_next_ones_probe() -> None:
    gate = gate_of()
    await take_down(gate)
    probe = await gate.enter(FOREVER)
    tasks = await enter_all(gate, 2)
    probe.leave("abandoned")
    tasks[0].cancel()
    await settle()
    assert tasks[0].cancelled()
    assert tasks[1].result().is_probe
    assert now() == pytest.approx(5.0, abs=0.01)


@in_virtual_time
async def test_cancelled_calls_are_nobodys_fault() -> None:
    gate = gate_of(ceiling=100)
    for task in await enter_all(gate, 100):
        task.result().leave("abandoned")
    (state,) = gate.describe()
    assert (state.breaker, state.limit, state.in_flight, state.last_error) == ("closed", 100, 0, None)


@in_virtual_time
async def test_a_deployment_that_is_down_takes_no_part_until_a_probe_is_answered() -> None:
    changes: list[tuple[str, str]] = []
    gate = gate_of("a", "b", ceiling=10, on_change=lambda name, what: changes.append((name, what)))
    for _ in range(10):
        slot = await gate.enter(FOREVER)
        slot.leave("ok" if slot.index else "failed", error="502")
    slots = [await gate.enter(FOREVER) for _ in range(6)]
    assert {slot.index for slot in slots} == {1}
    assert not gate.is_down
    assert (gate.describe()[0].breaker, gate.describe()[0].opens_in_s, gate.describe()[0].last_error) == (
        "open",
        5.0,
        "502",
    )
    await asyncio.sleep(5.0)
    probe, other = await gate.enter(FOREVER), await gate.enter(FOREVER)
    assert (probe.index, probe.is_probe) == (0, True)
    assert (other.index, other.is_probe) == (1, False)
    probe.leave("ok")
    assert (await gate.enter(FOREVER)).index == 0
    assert gate.describe()[0].last_error is None
    assert changes == [("a", "opened"), ("a", "half-opened"), ("a", "closed")]


@in_virtual_time
async def test_where_all_are_down_one_probe_goes_and_the_others_wait_for_it() -> None:
    gate = gate_of()
    await take_down(gate)
    tasks = await enter_all(gate, 4)
    assert done(tasks) == []
    await asyncio.sleep(5.1)
    assert (done(tasks), gate.in_flight) == ([0], 1)
    await asyncio.sleep(3)
    probe = tasks[0].result()
    probe.leave("ok")
    await settle()
    assert not gate.is_down
    assert done(tasks) == [0, 1, 2, 3]
    assert [task.result().is_probe for task in tasks] == [True, False, False, False]
    assert probe.waited_down_s == pytest.approx(5.0, abs=0.01)
    assert tasks[1].result().waited_down_s == pytest.approx(8.1)


@in_virtual_time
async def test_after_a_failed_probe_the_next_waiter_is_the_next_probe_twice_as_late() -> None:
    gate = gate_of()
    await take_down(gate)
    tasks = await enter_all(gate, 2)
    await asyncio.sleep(5.1)
    tasks[0].result().leave("failed")
    await asyncio.sleep(9.8)
    assert done(tasks) == [0]
    await asyncio.sleep(0.3)
    assert done(tasks) == [0, 1]


@in_virtual_time
async def test_a_429_to_the_probe_shows_that_the_deployment_is_up() -> None:
    gate = gate_of()
    await take_down(gate)
    probe = await gate.enter(FOREVER)
    assert probe.is_probe
    probe.leave("rate_limited")
    assert not gate.is_down


@in_virtual_time
async def test_a_blackout_costs_time_and_no_call() -> None:
    gate = gate_of("a", "b", ceiling=8)
    answered: list[int] = []

    async def call(number: int) -> None:
        while True:
            slot = await gate.enter(900.0)
            await asyncio.sleep(0.05)
            if 1.0 <= now() < 6.0:
                slot.leave("failed")
                continue
            slot.leave("ok")
            answered.append(number)
            return

    await asyncio.gather(*(call(number) for number in range(500)))
    assert len(set(answered)) == 500
    assert now() < 500 * 0.05 / 8 + 5.0 + 5.1 + 1.0
    assert (gate.in_flight, gate.queued, gate.is_down) == (0, 0, False)


@in_virtual_time
async def test_a_wait_ends_once_everything_was_down_for_longer_than_the_callers_patience() -> None:
    gate = gate_of()
    await take_down(gate)
    patient, impatient, hopeful = (asyncio.create_task(gate.enter(seconds)) for seconds in (60.0, 2.0, 0.0))
    await settle()
    with pytest.raises(AgentUnavailable, match="connection refused") as caught:
        await hopeful
    assert now() == pytest.approx(0.0, abs=0.01)
    assert caught.value.certainly_unpaid
    with pytest.raises(AgentUnavailable):
        await impatient
    assert now() == pytest.approx(2.0, abs=0.3)
    assert (gate.queued, patient.done()) == (1, False)
    (await patient).leave("ok")


@in_virtual_time
async def test_only_time_in_which_everything_is_down_tries_the_patience() -> None:
    gate = gate_of(ceiling=1, breaker=lambda: Breaker(failures=1))
    slot = await gate.enter(FOREVER)
    waiting = asyncio.create_task(gate.enter(6.0))
    await asyncio.sleep(3600)
    assert not waiting.done()
    slot.leave("failed")
    slot = await waiting
    assert slot.waited_down_s == pytest.approx(5.0, abs=0.01)
    slot.leave("failed")
    with pytest.raises(AgentUnavailable):
        await gate.enter(6.0)
    assert now() == pytest.approx(3600 + 5 + 6, abs=0.3)


@in_virtual_time
@pytest.mark.parametrize(("asked", "when_down_s"), [(60.0, 1.0), (600.0, 600.0), (600.0, 900.0)])
async def test_a_pause_is_waited_for_and_is_no_outage(asked: float, when_down_s: float) -> None:
    """However short the patience with an outage, a minute is what a limit per minute asks for."""
    gate = gate_of(ceiling=1)
    (await gate.enter(900.0)).leave("rate_limited", retry_after=asked)
    assert not gate.is_down
    slot = await gate.enter(900.0, when_down_s=when_down_s)
    assert now() == pytest.approx(asked, abs=0.01)
    assert (slot.is_probe, slot.waited_down_s) == (False, 0.0)


@in_virtual_time
async def test_a_rest_longer_than_an_outage_is_waited_for_is_as_good_as_one_to_who_comes_and_to_who_waits() -> None:
    gate = gate_of(ceiling=1)
    slot = await gate.enter(900.0, when_down_s=60.0)
    waiting = [asyncio.create_task(gate.enter(900.0, when_down_s=patience)) for patience in (60.0, 900.0)]
    await settle()
    slot.leave("rate_limited", retry_after=601.0, error="slow down")
    await settle()
    assert done(waiting) == [0]
    for ended in (waiting[0], asyncio.create_task(gate.enter(900.0, when_down_s=60.0))):
        with pytest.raises(
            AgentUnavailable, match=r"a rest of more than 60 s.*slow down.*`wait_when_down_s`"
        ) as failure:
            await ended
        assert (failure.value.is_outage, failure.value.certainly_unpaid) == (True, True)
    assert now() == 0
    assert gate.is_at_rest(60.0, 900.0)
    assert not gate.is_rejecting, "who waits longer has not given up"
    (await waiting[1]).leave("ok")
    assert now() == pytest.approx(601.0, abs=0.01)
    assert not gate.is_at_rest(60.0, 900.0)


@in_virtual_time
async def test_while_one_deployment_rests_however_long_nobody_is_at_rest() -> None:
    gate = gate_of("a/0", "a/1", ceiling=2)
    (await gate.enter(900.0)).leave("rate_limited", retry_after=600.0)
    assert not gate.is_at_rest(60.0, 900.0)
    (await gate.enter(900.0, when_down_s=60.0)).leave("ok")
    assert now() == 0


@in_virtual_time
async def test_a_pause_longer_than_the_patience_ends_the_wait_at_once_with_what_was_asked() -> None:
    gate = gate_of(ceiling=1)
    (await gate.enter(900.0)).leave("rate_limited", retry_after=86_400.0, error="slow down")
    with pytest.raises(AgentRateLimited, match=r"is asked again in 3600 s \(a: slow down\)") as failure:
        await gate.enter(900.0)
    assert now() < 1
    assert (failure.value.is_outage, failure.value.certainly_unpaid) == (True, True)
    assert gate.is_rejecting
    assert gate.rejection is not None
    assert gate.rejection.asks_again_in_s == pytest.approx(3_600, abs=1), "it may be well again by then"


@in_virtual_time
async def test_one_rejection_among_many_pauses_nobody_and_a_row_of_them_does() -> None:
    changes: list[str] = []
    gate = gate_of(ceiling=16, on_change=lambda _, what: changes.append(what))
    slots = [await gate.enter(FOREVER) for _ in range(16)]
    for slot in slots[:4]:
        slot.leave("rate_limited", retry_after=7.0)
    (await gate.enter(FOREVER)).leave("abandoned")
    assert now() == 0.0
    slots[4].leave("rate_limited", retry_after=7.0)
    slots[5].leave("rate_limited", retry_after=2.0)
    slots[6].leave("rate_limited")
    assert gate.describe()[0].opens_in_s == 7.0
    await gate.enter(FOREVER)
    assert now() == pytest.approx(7.0, abs=0.01)
    assert changes == ["paused"]


@in_virtual_time
async def test_while_one_deployment_is_paused_the_others_go_on() -> None:
    gate = gate_of("a", "b", ceiling=2)
    (await gate.enter(FOREVER)).leave("rate_limited", retry_after=60.0)
    assert [(await gate.enter(FOREVER)).index for _ in range(2)] == [1, 1]
    assert now() == 0.0


@in_virtual_time
async def test_a_fallen_limit_is_held_while_calls_sent_before_it_are_in_flight() -> None:
    gate = gate_of(ceiling=100)
    tasks = await enter_all(gate, 200)
    for task in tasks[:26]:
        task.result().leave("rate_limited")
    assert gate.describe()[0].limit == 70
    tasks[26].result().leave("rate_limited")
    await settle()
    in_flight = gate.in_flight
    assert in_flight == 98
    for task in tasks[27 : 27 + in_flight - 70]:
        task.result().leave("ok")
    assert gate.in_flight == 70
    tasks[90].result().leave("ok")
    assert gate.in_flight == 70


@in_virtual_time
async def test_ten_thousand_wait_and_come_in_order() -> None:
    gate = gate_of(ceiling=50)
    order: list[int] = []

    async def call(number: int) -> None:
        slot = await gate.enter(FOREVER)
        order.append(number)
        await asyncio.sleep(0.1)
        slot.leave("ok")

    await asyncio.gather(*(call(number) for number in range(10_000)))
    assert order == list(range(10_000))
    assert now() == pytest.approx(10_000 / 50 * 0.1)


async def job(gate: Gate, calls: int, serve: Callable[[], Awaitable[Outcome]], retry_after: float | None) -> float:
    """Seconds that a job takes whose rejected calls wait as they were told to, or half a second, and try again."""
    began = now()

    async def call() -> None:
        while True:
            slot = await gate.enter(900.0)
            outcome = await serve()
            slot.leave(outcome, retry_after=retry_after)
            if outcome == "ok":
                return
            await asyncio.sleep(retry_after or 0.5)

    await asyncio.gather(*(call() for _ in range(calls)))
    return now() - began


@pytest.mark.parametrize("retry_after", [None, 1.0])
@in_virtual_time
async def test_a_random_tenth_of_429s_costs_less_than_two_fifths_of_the_time(retry_after: float | None) -> None:
    rng = random.Random(3)

    def provider(share: float) -> Callable[[], Awaitable[Outcome]]:
        async def serve() -> Outcome:
            rejected = rng.random() < share
            await asyncio.sleep(0.01 if rejected else 0.2)
            return "rate_limited" if rejected else "ok"

        return serve

    clean = await job(gate_of(ceiling=64), 2000, provider(0.0), retry_after)
    assert await job(gate_of(ceiling=64), 2000, provider(0.1), retry_after) <= 1.4 * clean


@pytest.mark.parametrize(("retry_after", "used"), [(None, 0.7), (1.0, 0.3)])
@in_virtual_time
async def test_what_a_provider_can_serve_at_once_is_used_and_not_stormed(
    retry_after: float | None, used: float
) -> None:
    serving, rejections, k, calls = 0, 0, 20, 2000

    async def serve() -> Outcome:
        nonlocal serving, rejections
        if serving >= k:
            rejections += 1
            await asyncio.sleep(0.01)
            return "rate_limited"
        serving += 1
        await asyncio.sleep(0.2)
        serving -= 1
        return "ok"

    seconds = await job(gate_of(ceiling=200), calls, serve, retry_after)
    assert seconds <= calls * 0.2 / k / used
    assert rejections <= calls


STEPS = st.one_of(
    st.just(("enter",)),
    st.tuples(st.just("leave"), st.integers(0, 99), st.sampled_from(["ok", "rate_limited", "failed", "abandoned"])),
    st.tuples(st.just("leave and cancel"), st.integers(0, 99), st.booleans()),
    st.tuples(st.just("cancel"), st.integers(0, 99)),
    st.tuples(st.just("ceiling"), st.integers(1, 6)),
    st.tuples(st.just("time"), st.floats(0.01, 20.0)),
)


class Crowd:
    """Callers at a gate, and what must hold between any two steps."""

    def __init__(self, deployments: int) -> None:
        self.ceiling = 3
        self.gate = gate_of(
            *(f"d{number}" for number in range(deployments)),
            ceiling=self.ceiling,
            breaker=lambda: Breaker(failures=2, cooldown_s=1.0),
        )
        self.waiting: list[asyncio.Task[Slot]] = []
        self.slots: list[Slot] = []

    async def step(self, what: str, *args: Any) -> None:
        if what == "enter":
            self.waiting.append(asyncio.create_task(self.gate.enter(FOREVER)))
        elif what == "leave" and self.slots:
            self.leave(args[0], args[1])
        elif what == "leave and cancel" and self.slots and self.waiting:
            if args[1]:
                self.waiting[0].cancel()
            self.leave(args[0], "ok")
            self.waiting[0].cancel()
        elif what == "cancel" and self.waiting:
            self.waiting[args[0] % len(self.waiting)].cancel()
        elif what == "ceiling":
            self.ceiling = args[0]
            self.gate.set_ceiling(self.ceiling)
        elif what == "time":
            await asyncio.sleep(args[0])
        before = self.gate.in_flight
        await settle()
        self.check(before)

    def leave(self, number: int, outcome: Outcome) -> None:
        self.slots.pop(number % len(self.slots)).leave(outcome, retry_after=3.0)

    def check(self, before: int) -> None:
        gate, alive = self.gate, [task for task in self.waiting if not task.cancelled()]
        served = [task for task in alive if task.done()]
        assert served == alive[: len(served)], "somebody was overtaken"
        self.slots += [task.result() for task in served]
        self.waiting = alive[len(served) :]
        states = gate.describe()
        assert gate.in_flight == len(self.slots) == sum(state.in_flight for state in states)
        assert gate.in_flight <= max(self.ceiling, before), "more in flight than allowed"
        assert gate.queued == len(self.waiting)
        free = [
            state
            for state in states
            if state.in_flight < state.limit and state.opens_in_s is None and state.breaker != "half_open"
        ]
        assert not self.waiting or not free or gate.in_flight >= self.ceiling, "somebody waits for nothing"

    async def drain(self) -> None:
        while self.waiting or self.slots:
            while self.slots:
                self.leave(0, "ok")
            await asyncio.sleep(1.0)
            self.check(self.gate.in_flight)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3), st.lists(STEPS, max_size=60))
@in_virtual_time
async def test_whatever_happens_nobody_is_lost_overtaken_or_let_in_beyond_the_ceiling(
    deployments: int, steps: list[tuple[Any, ...]]
) -> None:
    crowd = Crowd(deployments)
    for step in steps:
        await crowd.step(*step)
    await crowd.drain()
    assert (crowd.gate.in_flight, crowd.gate.queued) == (0, 0)


@in_virtual_time
async def test_while_a_deployment_is_held_nothing_passes_and_callers_wait_as_for_one_that_is_down() -> None:
    told: list[tuple[str, str]] = []
    gate = gate_of("a", on_change=lambda name, what: told.append((name, what)))
    in_flight = await gate.enter(FOREVER)
    gate.hold(0, "its server is being started")
    assert (gate.is_down, gate.describe()[0].opens_in_s) == (True, None)
    in_flight.leave("ok")
    assert gate.is_down, "an answer of before says nothing of the server that is started"
    patient, other = await enter_all(gate, 1), asyncio.create_task(gate.enter(FOREVER, when_down_s=30))
    await asyncio.sleep(31)
    with pytest.raises(AgentUnavailable, match="its server is being started"):
        await other
    assert done(patient) == []
    gate.release(0)
    await settle()
    assert done(patient) == [0]
    assert (gate.is_down, gate.describe()[0].last_error, told) == (False, None, []), "whoever holds it tells of it"


@in_virtual_time
async def test_nobody_waits_for_deployments_that_are_all_given_up() -> None:
    gate = gate_of("a", "b")
    gate.hold(0, "it keeps ending", for_good=True)
    (slot,) = await enter_all(gate, 1)
    assert slot.result().index == 1, "the other one is up"
    gate.hold(1, "it is being started")
    waiting = await enter_all(gate, 2)
    gate.hold(1, "so does this one", for_good=True)
    await settle()
    for task in waiting:
        with pytest.raises(AgentUnavailable, match="so does this one") as failed:
            task.result()
        assert failed.value.is_outage
    with pytest.raises(AgentUnavailable, match="given up"):
        await gate.enter(FOREVER)
    gate.release(1)
    assert (await gate.enter(FOREVER)).index == 1
