"""When failures have made the work worthless: the decision alone, fed with outcomes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from star_outcomes import read_star_outcome as stars

from star_agents.config.sections import FailureLimitsConfig
from star_agents.engine.failure_limits import FailureLimits
from star_agents.recipes.star_records import Assessed, Candidate, star_outcome
from star_agents.records import AgentPair, Failure, Outcome, OutcomeKind, Sample, Verdict, Vote
from star_agents.records.failures import (
    BUDGET_SPENT,
    DOWN,
    LONGEST_EXAMPLE,
    UNREADABLE,
    CountedFailure,
    FailureCount,
    Part,
    Tried,
    by_frequency,
    one_line,
)

SAMPLE = Sample(instruction="Why?", response="So.")


def outcome(kind: OutcomeKind = "base", failures: str = "", *tried: Tried) -> Outcome:
    """One base candidate and one drawn one for each letter: ``x`` failed, ``d`` was down, ``b`` had no budget."""
    reasons = {".": "", "x": "call: refused", "e": "empty: nothing", "d": "down: gone", "b": "budget: spent"}
    why = {letter: Failure.read(reason) for letter, reason in reasons.items()}
    base = Candidate(pair=AgentPair.from_name("keep/seed"), is_base=True, sample=SAMPLE)
    drawn = [
        Candidate(pair=AgentPair.from_name(f"keep/{n}"), is_base=False, sample=SAMPLE, failure=why[letter])
        for n, letter in enumerate(failures)
    ]
    candidates = tuple(Assessed(candidate=one) for one in (base, *drawn))
    return star_outcome("s", kind, candidates, tried=tried)


def tried(part: Part, tries: int, failed: int = 0, reason: str = "odd", name: str = "j") -> Tried:
    return Tried(
        part=part, name=name, tries=tries, failures=(CountedFailure(reason=reason, count=failed),) if failed else ()
    )


def limits(*, in_hand: int = 1, **settings: float) -> FailureLimits:
    return FailureLimits(FailureLimitsConfig.model_validate(settings), in_hand)


def test_nothing_is_judged_before_20_tries_and_more_than_half_of_them_is_too_much() -> None:
    found = limits()
    for _ in range(9):
        found.add(outcome("base", "xx"))
    assert found.passed() == ""
    found.add(outcome("base", ".."))
    assert "18 of the newest 20 candidates failed; failure_limits allows 50%" in found.passed()


def test_half_of_the_candidates_may_fail() -> None:
    found = limits()
    for _ in range(200):
        found.add(outcome("base", "x."))
        assert found.passed() == found.passed(at_end=True) == ""


def test_what_was_well_for_days_and_breaks_is_noticed_within_the_window() -> None:
    found = limits()
    for _ in range(5000):
        found.add(outcome("kept", "....", tried("referee", 4)))
    failed = 0
    while not found.passed():
        failed += 4
        found.add(outcome("base", "....", tried("referee", 4, 4)))
    assert failed == 52


@pytest.mark.parametrize("part", ["referee", "scorer", "embedder"])
def test_each_part_is_judged_by_itself_and_named(part: Part) -> None:
    found = limits()
    found.add(outcome("base"))
    found.add(outcome("base", "." * 40, tried(part, 20, 11, "no luck")))
    assert "11 of the newest 20" in found.passed()
    assert "no luck" in found.passed()
    own = {"referee": limits(referees=0.6), "scorer": limits(scorer=0.6), "embedder": limits(embedder=0.6)}
    other = own[part]
    other.add(outcome("base"))
    other.add(outcome("base", "." * 40, tried(part, 20, 11, "no luck")))
    assert other.passed() == ""


def test_a_seed_without_any_base_sample_counts_for_the_base_and_one_of_two_base_pairs_is_enough() -> None:
    whole = outcome("base")
    (one,) = stars(whole).candidates
    failed = replace(one, candidate=replace(one.candidate, failure=Failure(kind="call", detail="refused")))
    without, half = star_outcome("s", "kept", (failed, failed)), star_outcome("s", "kept", (failed, one))
    found = limits()
    for _ in range(30):
        found.add(half)
    assert found.passed() == ""
    for _ in range(31):
        found.add(without)
    assert "base samples failed" in found.passed()


def judged(value: float | None, *tried: Tried) -> Outcome:
    """A candidate that two referees were to judge."""
    whole = outcome("base", ".", *tried)
    vote = Vote(referee="k", value=1.0, agreed=True)
    drawn = replace(stars(whole).candidates[1], verdict=Verdict(value=value, votes=(vote,)))
    return star_outcome("s", whole.kind, (stars(whole).candidates[0], drawn), tried=whole.tried)


def test_one_referee_of_two_fails_half_of_the_votes_and_every_verdict() -> None:
    half = (tried("referee", 1, 1, "no luck"), tried("referee", 1, name="k"))
    found = limits()
    for _ in range(20):
        found.add(judged(None, *half))
    assert found.passed() == (
        "20 of the newest 20 verdicts failed; failure_limits allows 50%: referee j did not give 20 of 20 votes: no luck"
    )
    votes_alone, waits = limits(), limits()
    for _ in range(20):
        votes_alone.add(judged(0.5, *half))
        waits.add(judged(None, tried("referee", 1, 1, DOWN), tried("referee", 1, name="k")))
    assert votes_alone.passed(at_end=True) == waits.passed(at_end=True) == ""


@pytest.mark.parametrize("letter", ["d", "b"])
def test_outages_and_spent_budgets_are_no_fault(letter: str) -> None:
    found = limits()
    reason = DOWN if letter == "d" else BUDGET_SPENT
    for _ in range(50):
        found.add(outcome("base", letter * 4, tried("referee", 4, 4, reason)))
    assert found.passed(at_end=True) == ""


def test_with_many_seeds_in_hand_quick_failures_do_not_outrun_slow_successes() -> None:
    found = limits(in_hand=32)
    for _ in range(31):
        found.add(outcome("base", "xx"))
        assert found.passed() == ""
    for _ in range(32):
        found.add(outcome("base", ".."))
        assert found.passed() == ""


def test_at_its_end_a_short_batch_is_judged_by_the_few_tries_that_it_had() -> None:
    found = limits()
    assert found.passed(at_end=True) == ""
    found.add(outcome("dropped", "x"))
    assert (found.passed(), bool(found.passed(at_end=True))) == ("", True)


def test_share_1_lets_everything_fail() -> None:
    found = limits(share=1)
    for _ in range(100):
        found.add(outcome("base", "xx", tried("scorer", 3, 3)))
    assert found.passed(at_end=True) == ""


def test_a_batch_whose_first_seeds_are_all_put_back_has_begun_hopelessly() -> None:
    found, later = limits(in_hand=2), limits(in_hand=2)
    later.add(outcome("kept"))
    for _ in range(9):
        found.add_returned()
    assert not found.has_begun_hopelessly
    for one in (found, *[later] * 30):
        one.add_returned()
    assert (found.has_begun_hopelessly, later.has_begun_hopelessly) == (True, False)


def test_the_sentence_names_part_count_reason_and_the_first_example() -> None:
    def words(part: Part, name: str, reason: str, example: str = "") -> str:
        count = FailureCount(part=part, name=name, reason=reason, failures=40, tries=1200, example=example)
        return count.sentence

    assert words("agent", "b", "the provider does not know the model", "no such model `b`") == (
        "agent b failed 40 of 1,200 calls: the provider does not know the model (first: no such model `b`)"
    )
    assert words("referee", "j", UNREADABLE, "“I think …”") == (
        "referee j gave 40 of 1,200 votes unreadable (first: “I think …”)"
    )
    assert words("referee", "j", "no answer came") == "referee j did not give 40 of 1,200 votes: no answer came"
    assert words("scorer", "", "empty response", "empty response") == (
        "scorer refused 40 of 1,200 samples: empty response"
    )
    assert words("embedder", "e", "no connection") == "embedder e failed 40 of 1,200 instructions: no connection"


def test_the_most_frequent_is_told_first() -> None:
    counts = [FailureCount(part="agent", name=str(n), reason="r", failures=n, tries=9) for n in (2, 7, 3)]
    assert [one.failures for one in by_frequency(counts)] == [7, 3, 2]


def test_an_example_is_one_bounded_line_that_moves_no_terminal() -> None:
    odd = one_line("a\n b\t\x1b[31mred\x1b[0m \u202e \ud800 " + "x" * 1000)
    assert odd.isprintable()
    assert odd.startswith("a b \N{REPLACEMENT CHARACTER}[31mred")
    assert len(odd) == LONGEST_EXAMPLE
