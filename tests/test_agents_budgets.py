from __future__ import annotations

import contextlib

import pytest
from budget_limits import dollars, limits
from hypothesis import given, settings
from hypothesis import strategies as st

from star_agents.agents.budgets import Budgets, Charge, Reservation
from star_agents.errors import BudgetExhausted
from star_agents.events import BudgetCleared, BudgetReached

NOON = 1_782_907_200.0
"""2026-07-01 12:00 UTC."""
DAY = 86_400.0


class Clock:
    """Seconds since 1970, turned by hand."""

    def __init__(self, at: float = NOON) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def test_a_call_that_could_pass_the_agents_budget_is_refused_with_the_key_to_raise() -> None:
    budgets = Budgets(dollars(gpt=1.0))
    budgets.settle(budgets.reserve("gpt", Charge(0.5)), Charge(0.25))
    budgets.reserve("gpt", Charge(0.5))
    with pytest.raises(BudgetExhausted) as refused:
        budgets.reserve("gpt", Charge(0.3))
    message = str(refused.value)
    for part in ("agent gpt", "$0.3", "$1", "$0.25 spent", "$0.5 reserved", "`agents.gpt.budget_usd`", "agents.yaml"):
        assert part in message
    assert refused.value.agent == "gpt"


def test_the_budget_of_everybody_counts_every_agent_and_names_no_one() -> None:
    budgets = Budgets(dollars(1.0))
    budgets.settle(budgets.reserve("a", Charge(0.6)), Charge(0.6))
    with pytest.raises(BudgetExhausted, match=r"raise `budget_usd`") as refused:
        budgets.reserve("b", Charge(0.6))
    assert refused.value.agent is None


def test_settling_frees_what_was_reserved_beyond_the_cost() -> None:
    budgets = Budgets(dollars(1.0))
    budgets.settle(budgets.reserve("a", Charge(1.0)), Charge(0.1))
    assert (budgets.spent(), budgets.reserved()) == (0.1, 0.0)
    budgets.reserve("a", Charge(0.9))


def test_a_cancelled_reservation_leaves_no_trace_and_cannot_be_used_again() -> None:
    budgets = Budgets(dollars(1.0))
    reservation = budgets.reserve("a", Charge(1.0))
    budgets.cancel(reservation)
    assert (budgets.spent(), budgets.reserved()) == (0.0, 0.0)
    with pytest.raises(KeyError):
        budgets.settle(reservation, Charge(1.0))


def test_what_nobody_knows_counts_as_the_bound_and_as_unknown() -> None:
    budgets = Budgets(dollars(1.0))
    budgets.settle(budgets.reserve("a", Charge(0.4)), None)
    budgets.settle(budgets.reserve("b", Charge(None)), None)
    assert (budgets.spent("a"), budgets.unknown_calls("a")) == (0.4, 1)
    assert (budgets.spent("b"), budgets.unknown_calls()) == (0.0, 2)


def test_an_unknown_price_is_let_through_below_a_limit_and_refused_at_it() -> None:
    budgets = Budgets(dollars(1.0))
    budgets.cancel(budgets.reserve("a", Charge(None)))
    budgets.settle(budgets.reserve("a", Charge(1.0)), Charge(1.0))
    with pytest.raises(BudgetExhausted, match="unknown price"):
        budgets.reserve("a", Charge(None))


def test_a_free_call_is_let_through_at_the_limit_and_beyond_it() -> None:
    budgets = Budgets(dollars(1.0))
    budgets.restore({"gpt": Charge(2.0)})
    budgets.settle(budgets.reserve("local", Charge(0.0)), Charge(0.0))
    assert budgets.spent() == 2.0


def test_a_restart_begins_with_what_was_spent_before() -> None:
    budgets = Budgets(dollars(1.0, a=0.5))
    budgets.restore({"a": Charge(0.5), "b": Charge(0.25)})
    assert budgets.spent() == 0.75
    with pytest.raises(BudgetExhausted, match=r"agents\.a"):
        budgets.reserve("a", Charge(0.1))
    budgets.reserve("b", Charge(0.25))


def test_a_lowered_limit_lets_nothing_more_through() -> None:
    budgets = Budgets(dollars(2.0))
    budgets.settle(budgets.reserve("a", Charge(1.0)), Charge(1.0))
    budgets.set_limits(dollars(0.5))
    with pytest.raises(BudgetExhausted):
        budgets.reserve("a", Charge(0.001))
    budgets.set_limits([])
    budgets.reserve("a", Charge(100.0))


# Days


def test_a_daily_budget_is_refused_until_midnight_utc_and_begins_anew_then() -> None:
    clock = Clock()
    budgets = Budgets(dollars(1.0, per_day=True), clock=clock)
    budgets.settle(budgets.reserve("a", Charge(1.0)), Charge(1.0))
    with pytest.raises(BudgetExhausted) as refused:
        budgets.reserve("a", Charge(0.1))
    assert refused.value.resets_at == NOON + DAY / 2
    for part in ("daily budget of $1", "$1 spent today", "`budget_usd_per_day`", "or wait until 2026-07-02 00:00 UTC"):
        assert part in str(refused.value)
    clock.at = NOON + DAY / 2 - 0.001
    with pytest.raises(BudgetExhausted):
        budgets.reserve("a", Charge(0.1))
    clock.at = NOON + DAY / 2
    budgets.reserve("a", Charge(1.0))
    assert (budgets.spent(), budgets.spent(today=True), budgets.reserved(today=True)) == (1.0, 0.0, 1.0)


def test_an_agents_day_is_its_own_and_a_lifetime_budget_never_resets() -> None:
    budgets = Budgets([*dollars(5.0), *dollars(a=1.0, per_day=True)], clock=Clock())
    budgets.settle(budgets.reserve("a", Charge(1.0)), Charge(1.0))
    with pytest.raises(BudgetExhausted, match=r"raise `agents\.a\.budget_usd_per_day`") as own:
        budgets.reserve("a", Charge(0.1))
    assert own.value.agent == "a"
    budgets.settle(budgets.reserve("b", Charge(4.0)), Charge(4.0))
    with pytest.raises(BudgetExhausted, match=r"raise `budget_usd` in agents.yaml to go on$") as everybodys:
        budgets.reserve("a", Charge(0.1))
    assert (everybodys.value.agent, everybodys.value.resets_at) == (None, None)


def test_a_reservation_belongs_to_the_day_it_was_made_on_however_late_its_call_ends() -> None:
    clock = Clock()
    budgets = Budgets(dollars(1.0, per_day=True), clock=clock)
    late = budgets.reserve("a", Charge(1.0))
    clock.at += DAY
    early = budgets.reserve("a", Charge(0.75))
    budgets.settle(late, Charge(0.5))
    assert (budgets.spent(today=True), budgets.reserved(today=True)) == (0.0, 0.75)
    budgets.settle(early, Charge(0.25))
    assert (budgets.spent(today=True), budgets.spent(), budgets.reserved()) == (0.25, 0.75, 0.0)


def test_a_clock_that_is_set_back_over_midnight_finds_what_that_day_had_spent() -> None:
    clock = Clock()
    budgets = Budgets(dollars(1.0, per_day=True), clock=clock)
    budgets.settle(budgets.reserve("a", Charge(1.0)), Charge(1.0))
    clock.at += DAY
    budgets.settle(budgets.reserve("a", Charge(1.0)), Charge(1.0))
    for at in (NOON, NOON + DAY):
        clock.at = at
        with pytest.raises(BudgetExhausted):
            budgets.reserve("a", Charge(0.01))


def test_a_restart_begins_with_what_the_day_has_spent() -> None:
    clock = Clock()
    budgets = Budgets([*dollars(10.0), *dollars(1.0, per_day=True)], clock=clock)
    assert budgets.day_began() == NOON - DAY / 2
    budgets.restore({"a": Charge(5.0)}, {"a": Charge(0.9)}, day_began=budgets.day_began())
    with pytest.raises(BudgetExhausted, match="daily"):
        budgets.reserve("a", Charge(0.2))
    budgets.reserve("a", Charge(0.1))
    clock.at += DAY
    budgets.reserve("a", Charge(0.2))


def test_a_day_that_ends_while_a_restart_asks_the_store_is_not_charged_to_the_next() -> None:
    clock = Clock()
    budgets = Budgets(dollars(1.0, per_day=True), clock=clock)
    began = budgets.day_began()
    clock.at += DAY
    budgets.restore({"a": Charge(0.9)}, {"a": Charge(0.9)}, day_began=began)
    budgets.reserve("a", Charge(1.0))


# Reached and cleared


def test_a_budget_is_told_as_reached_once_however_many_are_refused_and_cleared_when_it_is_raised() -> None:
    told: list[BudgetReached | BudgetCleared] = []
    budgets = Budgets(dollars(1.0), tell=told.append)
    budgets.settle(budgets.reserve("a", Charge(0.9)), Charge(0.9))
    for _ in range(100):
        with pytest.raises(BudgetExhausted):
            budgets.reserve("a", Charge(0.2))
    (reached,) = told
    assert isinstance(reached, BudgetReached)
    assert reached.resets_at is None
    (state,) = budgets.states()
    assert (state.key, state.spent, state.limit, state.reached) == ("budget_usd", 0.9, 1.0, reached.message)
    budgets.set_limits(dollars(1.0))
    assert len(told) == 1, "an edit of something else clears nothing"
    budgets.set_limits(dollars(1.2))
    assert told[1:] == [BudgetCleared(message="`budget_usd` allows calls again: it is $1.2 now")]
    assert budgets.states()[0].reached == ""


def test_a_daily_budget_that_was_reached_is_cleared_when_the_day_turns() -> None:
    told: list[BudgetReached | BudgetCleared] = []
    clock = Clock()
    budgets = Budgets(dollars(a=0.5, per_day=True), clock=clock, tell=told.append)
    with pytest.raises(BudgetExhausted):
        budgets.reserve("a", Charge(0.6))
    assert budgets.states()[0].reached
    clock.at += DAY
    assert budgets.states()[0].reached == ""
    assert [type(event) for event in told] == [BudgetReached, BudgetCleared]
    assert "a new day has begun" in told[1].message


def test_what_only_calls_in_flight_keep_out_has_not_reached_the_budget() -> None:
    told: list[BudgetReached | BudgetCleared] = []
    budgets = Budgets(dollars(1.0), tell=told.append)
    first = budgets.reserve("a", Charge(0.9))
    with pytest.raises(BudgetExhausted) as refused:
        budgets.reserve("a", Charge(0.2))
    assert (refused.value.is_passing, told) == (True, [])
    budgets.settle(first, Charge(0.9))
    with pytest.raises(BudgetExhausted) as refused:
        budgets.reserve("a", Charge(0.2))
    assert (refused.value.is_passing, len(told)) == (False, 1)


def test_states_name_every_budget_of_agents_yaml_everybodys_first() -> None:
    budgets = Budgets([*dollars(2.0), *dollars(0.5, a=0.25, per_day=True), *dollars(b=1.0)], clock=Clock())
    budgets.settle(budgets.reserve("b", Charge(0.1)), Charge(0.1))
    budgets.reserve("a", Charge(0.2))
    assert [(state.key, state.spent, state.reserved, state.resets_at) for state in budgets.states()] == [
        ("budget_usd", 0.1, 0.2, None),
        ("budget_usd_per_day", 0.1, 0.2, NOON + DAY / 2),
        ("agents.a.budget_usd_per_day", 0.0, 0.2, NOON + DAY / 2),
        ("agents.b.budget_usd", 0.1, 0.0, None),
    ]


# Calls and tokens


def test_a_budget_of_calls_or_tokens_holds_where_nobody_knows_the_price() -> None:
    told: list[BudgetReached | BudgetCleared] = []
    budgets = Budgets([*limits("calls", 3), *limits("tokens", a=1000)], tell=told.append)
    budgets.settle(budgets.reserve("a", Charge(None, tokens=900)), Charge(None, tokens=150))
    with pytest.raises(BudgetExhausted, match=r"a call of up to 900 tokens could pass the budget of 1,000 tokens"):
        budgets.reserve("a", Charge(None, tokens=900))
    for _ in range(2):
        budgets.settle(budgets.reserve("b", Charge(None, tokens=10**9)), Charge(None, tokens=7))
    with pytest.raises(BudgetExhausted, match=r"one more call .* of 3 calls \(3 calls spent.*raise `budget_calls`"):
        budgets.reserve("b", Charge(None))
    assert [(state.unit, state.spent) for state in budgets.states()] == [("calls", 3), ("tokens", 150)]
    budgets.set_limits(limits("calls", 4))
    assert told[-1] == BudgetCleared(message="`budget_calls` allows calls again: it is 4 calls now")
    budgets.reserve("b", Charge(None))


def test_tokens_that_nobody_counted_are_as_many_as_were_reserved() -> None:
    budgets = Budgets(limits("tokens", 1000))
    budgets.settle(budgets.reserve("a", Charge(0.0, tokens=400)), Charge(0.0, tokens=None))
    budgets.settle(budgets.reserve("a", Charge(0.0, tokens=500)), None)
    assert budgets.spent(unit="tokens") == 900
    with pytest.raises(BudgetExhausted, match="a call of up to 101 tokens"):
        budgets.reserve("a", Charge(0.0, tokens=101))


def test_a_free_call_is_still_a_call() -> None:
    budgets = Budgets([*dollars(0.0), *limits("calls", 1)])
    budgets.settle(budgets.reserve("local", Charge(0.0)), Charge(0.0))
    with pytest.raises(BudgetExhausted, match="budget_calls"):
        budgets.reserve("local", Charge(0.0))


def test_calls_and_tokens_of_a_day_begin_anew_and_a_restart_goes_on_with_them() -> None:
    clock = Clock()
    budgets = Budgets([*limits("calls", 2, per_day=True), *limits("tokens", 50, per_day=True)], clock=clock)
    taken = {"a": Charge(0.0, tokens=40, calls=1)}
    budgets.restore(taken, taken, day_began=budgets.day_began())
    with pytest.raises(BudgetExhausted, match="budget_tokens_per_day"):
        budgets.reserve("a", Charge(0.0, tokens=11))
    budgets.reserve("a", Charge(0.0, tokens=10))
    with pytest.raises(BudgetExhausted, match="1 call reserved"):
        budgets.reserve("a", Charge(0.0))
    clock.at += DAY
    budgets.reserve("a", Charge(0.0, tokens=50, calls=2))


usd = st.floats(min_value=0, max_value=0.5, allow_nan=False)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.one_of(st.none(), usd), st.floats(0, 1), st.integers(0, 9), st.floats(0, DAY / 3)
        )
    )
)
def test_spent_and_reserved_never_pass_a_limit_of_a_life_or_of_any_day(
    calls: list[tuple[str, float | None, float, int, float]],
) -> None:
    clock, own = Clock(), {"a": 2.1, "b": 1.2}
    budgets = Budgets([*dollars(3.0, a=2.1, b=1.2), *dollars(1.0, a=0.7, per_day=True)], clock=clock)
    waiting: list[tuple[Reservation, float]] = []
    for agent, bound, share, end, seconds in calls:
        clock.at += seconds
        with contextlib.suppress(BudgetExhausted):
            waiting.append((budgets.reserve(agent, Charge(bound)), share))
        if waiting and end > 4:
            reservation, share = waiting.pop(end % len(waiting))
            if end == 9:
                budgets.cancel(reservation)
            elif reservation.charge.usd is None or end == 8:
                budgets.settle(reservation, None)
            else:
                budgets.settle(reservation, Charge(reservation.charge.usd * share))
        for state in budgets.states():
            assert state.spent + state.reserved <= state.limit + 1e-15
        for name, limit in own.items():
            assert budgets.spent(name) + budgets.reserved(name) <= limit + 1e-15
