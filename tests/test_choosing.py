"""Properties of the choice: Eq. 5, the tie rules, and that lazy judging chooses what exhaustive judging chooses."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from star_agents.recipes.choosing import Contender, Contest, relative_gaps, worths

Verdicts = Mapping[int, float | None]

gaps = st.lists(st.one_of(st.none(), st.floats(-2, 2), st.sampled_from([0.0, 0.1, 0.2, 0.2])), min_size=1, max_size=8)


@given(gaps)
def test_a_relative_gap_lies_in_0_to_1_and_the_largest_positive_one_is_1(values: list[float | None]) -> None:
    dual = relative_gaps(values)
    assert all(0.0 <= value <= 1.0 for value in dual)
    positive = [gap for gap in values if gap is not None and gap > 0]
    assert max(dual) == (1.0 if positive else 0.0)


@given(gaps)
def test_a_gap_that_is_not_positive_gives_0_and_order_is_never_inverted(values: list[float | None]) -> None:
    dual = relative_gaps(values)
    for gap, value in zip(values, dual, strict=True):
        assert value == 0.0 or (gap is not None and gap > 0)
    known = [(gap, value) for gap, value in zip(values, dual, strict=True) if gap is not None]
    for low_gap, low in known:
        assert all(low <= high for high_gap, high in known if low_gap <= high_gap)


@st.composite
def contests(draw: st.DrawFn) -> tuple[list[Contender], Verdicts]:
    """One base sample and up to seven others, with the verdict that each would get; ``None``: none can be read."""
    values = draw(st.lists(st.sampled_from([None, -0.3, 0.0, 0.05, 0.1, 0.1, 0.2, 0.4, 0.4]), min_size=1, max_size=8))
    extra_base = draw(st.booleans())
    selection = draw(st.sampled_from(["dual", "referee"]))
    worth = worths(selection, values, values, relative_gaps(values))  # type: ignore[arg-type] # sampled from the literals
    contenders = [
        Contender(order=index, is_base=index == 0 or (index == 1 and extra_base), worth=worth[index], gap=values[index])
        for index in range(len(values))
    ]
    verdicts = {index: draw(st.sampled_from([0.0, 0.5, 1.0, None])) for index in range(len(values))}
    return contenders, verdicts


def judge_all(contenders: list[Contender], verdicts: Verdicts, *, everybody: bool) -> tuple[int | None, int]:
    contest = Contest(contenders, base=0, judged_by_referee=True)
    judged = 0
    while (index := contest.next_to_judge(everybody=everybody)) is not None:
        contest.settle(index, verdicts[index])
        judged += 1
    return contest.winner(), judged


def by_definition(contenders: list[Contender], verdicts: Verdicts) -> int:
    """Eq. 7 and its ties written down once more, without the contest; who has no verdict is not in it."""
    said = {index: 0.5 if index == 0 else verdicts[index] for index in range(len(contenders))}
    pi_llm = {index: value for index, value in said.items() if value is not None}
    pi = {index: value * contenders[index].worth for index, value in pi_llm.items()}
    if max(pi.values()) <= 0:
        return 0

    def key(index: int) -> tuple[float, float, float, bool, int]:
        one = contenders[index]
        return pi[index], pi_llm[index], -9.0 if one.gap is None else one.gap, one.is_base, -one.order

    return max(pi, key=key)


@settings(max_examples=500)
@given(contests())
def test_lazy_judging_chooses_what_exhaustive_judging_chooses(case: tuple[list[Contender], Verdicts]) -> None:
    contenders, verdicts = case
    lazy, few = judge_all(contenders, verdicts, everybody=False)
    exhaustive, many = judge_all(contenders, verdicts, everybody=True)
    assert lazy == exhaustive == by_definition(contenders, verdicts)
    assert few <= many


@given(contests())
def test_a_candidate_of_no_worth_is_never_judged(case: tuple[list[Contender], Verdicts]) -> None:
    contenders, verdicts = case
    contest = Contest(contenders, base=0, judged_by_referee=True)
    while (index := contest.next_to_judge(everybody=True)) is not None:
        assert contenders[index].worth > 0
        contest.settle(index, verdicts[index])


def contender(order: int, worth: float, *, is_base: bool = False, gap: float | None = None) -> Contender:
    return Contender(order=order, is_base=is_base, worth=worth, gap=worth if gap is None else gap)


def test_judging_stops_at_the_first_winner_of_the_largest_gap() -> None:
    contenders = [contender(0, 0.5, is_base=True), contender(1, 1.0), contender(2, 0.8), contender(3, 0.6)]
    winner, judged = judge_all(contenders, {1: 1.0, 2: 1.0, 3: 1.0}, everybody=False)
    assert (winner, judged) == (1, 1)


def test_equal_scores_go_to_the_better_verdict() -> None:
    contenders = [contender(0, 0.1, is_base=True), contender(1, 1.0), contender(2, 0.5)]
    winner, _ = judge_all(contenders, {1: 0.5, 2: 1.0}, everybody=False)
    assert winner == 2


def test_a_full_tie_with_the_base_goes_to_the_base() -> None:
    contenders = [contender(0, 1.0, is_base=True), contender(1, 1.0)]
    assert judge_all(contenders, {1: 0.5}, everybody=False)[0] == 0


def test_a_full_tie_between_candidates_goes_to_the_one_drawn_first() -> None:
    contenders = [contender(0, 0.0, is_base=True), contender(1, 1.0), contender(2, 1.0)]
    assert judge_all(contenders, {1: 1.0, 2: 1.0}, everybody=True)[0] == 1


def test_when_no_score_is_above_zero_the_base_is_kept() -> None:
    contenders = [contender(0, 0.0, is_base=True, gap=-0.5), contender(1, 1.0), contender(2, 0.0, gap=-0.1)]
    assert judge_all(contenders, {1: 0.0, 2: 1.0}, everybody=True)[0] == 0


def test_without_a_referee_the_largest_gap_wins_and_nobody_is_judged() -> None:
    contenders = [contender(0, 0.5, is_base=True), contender(1, 0.7), contender(2, 1.0)]
    contest = Contest(contenders, base=0, judged_by_referee=False)
    assert contest.next_to_judge(everybody=True) is None
    assert contest.winner() == 2


def test_ifd_ranks_by_the_small_model_alone() -> None:
    assert worths("ifd", [None] * 3, [0.5, 2.0, None], [0.0] * 3) == [0.25, 1.0, 0.0]
