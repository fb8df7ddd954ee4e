"""Who goes into the next request: turns, bounds, and nothing that depends on the clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from star_agents.scoring.backlog import TOGETHER, Backlog, Call, Portion, Run, Work

PORTION = Portion(items=20, tokens=100_000, run=8)


def call(items: int, work: Work = "score", characters: int = 4) -> Call:
    return Call(
        work, ["x" * characters] * items if work == "embed" else [{"instruction": "x" * characters}] * items, 0.0
    )


def waiting(*calls: Call) -> Backlog:
    backlog = Backlog()
    for some in calls:
        backlog.add(some)
    return backlog


def everything(backlog: Backlog, portion: Portion = PORTION) -> list[list[Run]]:
    requests = []
    while backlog:
        requests.append(backlog.take(portion))
    return requests


@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["score", "embed"])), max_size=8))
def test_every_item_goes_into_exactly_one_request_within_its_bounds(sizes: list[tuple[int, Work]]) -> None:
    calls = [call(items, work) for items, work in sizes]
    requests = everything(waiting(*calls))
    for request in requests:
        assert sum(len(run.items) for run in request) <= PORTION.items
        assert len({run.call.work for run in request}) == 1
    for one in calls:
        taken = [at for request in requests for run in request if run.call is one for at in range(run.begin, run.end)]
        assert taken == list(range(len(one.items)))


def test_a_small_call_does_not_wait_behind_a_large_one() -> None:
    large, small = call(1000), call(4)
    first = waiting(large, small).take(PORTION)
    assert [(run.call is small, len(run.items)) for run in first] == [(False, 8), (True, 4), (False, 8)]


def test_long_items_make_a_small_request_but_a_seeds_candidates_stay_together() -> None:
    backlog = waiting(call(50, characters=4000))
    portion = Portion(items=256, tokens=2000, run=32)
    assert [len(run.items) for run in backlog.take(portion)] == [TOGETHER]


def test_what_goes_together_depends_on_the_calls_alone() -> None:
    def requests() -> list[list[int]]:
        calls = [call(30), call(3), call(70)]
        return [[calls.index(run.call) for run in request] for request in everything(waiting(*calls))]

    assert requests() == requests()


def test_a_dropped_call_is_taken_no_more() -> None:
    gone, here = call(30), call(2)
    backlog = waiting(gone, here)
    backlog.take(Portion(items=8, tokens=1000, run=8))
    backlog.drop(gone)
    backlog.drop(gone)
    assert [run.call for run in backlog.take(PORTION)] == [here]
    assert not backlog


def test_items_that_wait_are_counted_and_the_oldest_call_is_known() -> None:
    backlog = waiting(Call("embed", ["a", "b"], since=5.0), Call("embed", ["c"], since=3.0))
    assert (backlog.items, backlog.oldest) == (3, 3.0)
    assert not backlog.is_full(Portion(items=4, tokens=100, run=4))
    assert backlog.is_full(Portion(items=3, tokens=100, run=4))
    assert Backlog().oldest is None
