from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star_agents.agents.budgets import Budgets, Reservation
from star_agents.errors import BudgetExhausted


def test_a_call_that_could_pass_the_agents_budget_is_refused_with_the_key_to_raise() -> None:
    budgets = Budgets(None, {"gpt": 1.0})
    budgets.settle(budgets.reserve("gpt", 0.5), 0.25)
    budgets.reserve("gpt", 0.5)
    with pytest.raises(BudgetExhausted) as refused:
        budgets.reserve("gpt", 0.3)
    message = str(refused.value)
    for part in ("agent gpt", "$0.3", "$1", "$0.25 spent", "$0.5 reserved", "`agents.gpt.budget_usd`", "agents.yaml"):
        assert part in message
    assert refused.value.agent == "gpt"


def test_the_budget_of_everybody_counts_every_agent_and_names_no_one() -> None:
    budgets = Budgets(1.0)
    budgets.settle(budgets.reserve("a", 0.6), 0.6)
    with pytest.raises(BudgetExhausted, match=r"raise `budget_usd`") as refused:
        budgets.reserve("b", 0.6)
    assert refused.value.agent is None


def test_settling_frees_what_was_reserved_beyond_the_cost() -> None:
    budgets = Budgets(1.0)
    budgets.settle(budgets.reserve("a", 1.0), 0.1)
    assert (budgets.spent_usd(), budgets.reserved_usd()) == (0.1, 0.0)
    budgets.reserve("a", 0.9)


def test_a_cancelled_reservation_leaves_no_trace_and_cannot_be_used_again() -> None:
    budgets = Budgets(1.0)
    reservation = budgets.reserve("a", 1.0)
    budgets.cancel(reservation)
    assert (budgets.spent_usd(), budgets.reserved_usd()) == (0.0, 0.0)
    with pytest.raises(KeyError):
        budgets.settle(reservation, 1.0)


def test_what_nobody_knows_counts_as_the_bound_and_as_unknown() -> None:
    budgets = Budgets(1.0)
    budgets.settle(budgets.reserve("a", 0.4), None)
    budgets.settle(budgets.reserve("b", None), None)
    assert (budgets.spent_usd("a"), budgets.unknown_calls("a")) == (0.4, 1)
    assert (budgets.spent_usd("b"), budgets.unknown_calls()) == (0.0, 2)


def test_an_unknown_price_is_let_through_below_a_limit_and_refused_at_it() -> None:
    budgets = Budgets(1.0)
    budgets.cancel(budgets.reserve("a", None))
    budgets.settle(budgets.reserve("a", 1.0), 1.0)
    with pytest.raises(BudgetExhausted, match="unknown price"):
        budgets.reserve("a", None)


def test_a_free_call_is_let_through_at_the_limit() -> None:
    budgets = Budgets(0.0)
    budgets.settle(budgets.reserve("local", 0.0), 0.0)
    assert budgets.spent_usd() == 0.0


def test_a_restart_begins_with_what_was_spent_before() -> None:
    budgets = Budgets(1.0, {"a": 0.5})
    budgets.restore({"a": 0.5, "b": 0.25})
    assert budgets.spent_usd() == 0.75
    with pytest.raises(BudgetExhausted, match=r"agents\.a"):
        budgets.reserve("a", 0.1)
    budgets.reserve("b", 0.25)


def test_a_lowered_limit_lets_nothing_more_through() -> None:
    budgets = Budgets(2.0)
    budgets.settle(budgets.reserve("a", 1.0), 1.0)
    budgets.set_limits(0.5, {})
    with pytest.raises(BudgetExhausted):
        budgets.reserve("a", 0.001)
    budgets.set_limits(None, {})
    budgets.reserve("a", 100.0)


usd = st.floats(min_value=0, max_value=0.5, allow_nan=False)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.one_of(st.none(), usd), st.floats(0, 1), st.integers(0, 9))))
def test_spent_and_reserved_never_pass_a_limit(calls: list[tuple[str, float | None, float, int]]) -> None:
    limits = {"a": 0.7, "b": 0.4}
    budgets = Budgets(1.0, limits)
    waiting: list[tuple[Reservation, float]] = []
    for agent, bound, share, end in calls:
        with contextlib.suppress(BudgetExhausted):
            waiting.append((budgets.reserve(agent, bound), share))
        if waiting and end > 4:
            reservation, share = waiting.pop(end % len(waiting))
            if end == 9:
                budgets.cancel(reservation)
            elif reservation.usd is None or end == 8:
                budgets.settle(reservation, None)
            else:
                budgets.settle(reservation, reservation.usd * share)
        assert budgets.spent_usd() + budgets.reserved_usd() <= 1.0 + 1e-15
        for name, limit in limits.items():
            assert budgets.spent_usd(name) + budgets.reserved_usd(name) <= limit + 1e-15
