"""The queue in front of the budgets: reservations of calls in flight make others wait, not fail."""

from __future__ import annotations

import asyncio

import pytest
from budget_limits import dollars

from star_agents.agents.budget_queue import BudgetQueue
from star_agents.agents.budgets import Budgets, Charge, Reservation
from star_agents.errors import BudgetExhausted


async def turn() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_call_waits_for_one_in_flight_and_takes_what_that_did_not_need() -> None:
    budgets = Budgets(dollars(1.0))
    queue = BudgetQueue(budgets)
    first = await queue.reserve("a", Charge(0.8))
    second = asyncio.create_task(queue.reserve("b", Charge(0.8)))
    await turn()
    assert (second.done(), queue.queued) == (False, 1)
    budgets.settle(first, Charge(0.1))
    assert (await second).agent == "b"
    assert queue.queued == 0


async def test_a_call_that_waited_for_nothing_is_refused_once_the_money_itself_is_spent() -> None:
    budgets = Budgets(dollars(1.0))
    queue = BudgetQueue(budgets)
    first = await queue.reserve("a", Charge(0.8))
    second = asyncio.create_task(queue.reserve("a", Charge(0.8)))
    await turn()
    budgets.settle(first, Charge(0.8))
    with pytest.raises(BudgetExhausted, match=r"\$0.8 spent"):
        await second
    with pytest.raises(BudgetExhausted):
        await queue.reserve("a", Charge(0.3))


async def test_a_thousand_calls_at_once_spend_a_small_budget_to_its_end_and_not_beyond() -> None:
    budgets = Budgets(dollars(1.0, b=0.4))
    queue = BudgetQueue(budgets)
    spent: list[str] = []

    async def call(agent: str) -> None:
        reservation = await queue.reserve(agent, Charge(0.1))
        assert budgets.spent() + budgets.reserved() <= 1.0
        await asyncio.sleep(0)
        budgets.settle(reservation, Charge(0.01))
        spent.append(agent)

    ends = await asyncio.gather(*(call("ab"[number % 2]) for number in range(1000)), return_exceptions=True)
    refused = [end for end in ends if end is not None]
    assert all(isinstance(end, BudgetExhausted) and not end.is_passing for end in refused)
    assert len(spent) + len(refused) == 1000
    assert 0.9 < budgets.spent() <= 1.0, "worst cases are ten times the price, and yet it is spent to the end"
    assert budgets.spent("b") <= 0.4
    assert (queue.queued, budgets.reserved()) == (0, 0.0)


async def test_calls_go_in_the_order_of_asking_and_a_cheap_one_of_another_budget_goes_past() -> None:
    budgets = Budgets(dollars(a=1.0, b=1.0))
    queue = BudgetQueue(budgets)
    first = await queue.reserve("a", Charge(1.0))
    order: list[float] = []

    async def call(usd: float) -> None:
        await queue.reserve("a", Charge(usd))
        order.append(usd)

    waiting = [asyncio.create_task(call(usd)) for usd in (0.5, 0.2, 0.1)]
    await turn()
    await queue.reserve("b", Charge(1.0))
    budgets.settle(first, Charge(0.1))
    await asyncio.gather(*waiting)
    assert order == [0.5, 0.2, 0.1]


async def test_a_raised_limit_lets_waiting_calls_through() -> None:
    budgets = Budgets(dollars(1.0))
    queue = BudgetQueue(budgets)
    await queue.reserve("a", Charge(1.0))
    waiting = asyncio.create_task(queue.reserve("a", Charge(1.0)))
    await turn()
    budgets.set_limits(dollars(2.0))
    await waiting


async def test_a_call_that_is_cancelled_leaves_the_queue_and_gives_back_what_it_was_just_handed() -> None:
    budgets = Budgets(dollars(1.0))
    queue = BudgetQueue(budgets)
    first = await queue.reserve("a", Charge(1.0))
    gone, handed, third = (asyncio.create_task(queue.reserve("a", Charge(1.0))) for _ in range(3))
    await turn()
    gone.cancel()
    await turn()
    budgets.cancel(first)
    handed.cancel()  # At the very moment at which it was handed its reservation.
    assert isinstance(await third, Reservation)
    assert gone.cancelled()
    assert handed.cancelled()
    assert budgets.reserved() == 1.0
