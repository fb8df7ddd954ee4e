"""The recipe from draw to outcome, on a scripted bench."""

from __future__ import annotations

import pytest
from star_outcomes import read_star_outcome as stars

from star_agents.config.star import Selection
from star_agents.errors import AgentError
from star_agents.recipes.scripted import ScriptedBench, refusal
from star_agents.recipes.star import StarSettings, star
from star_agents.records import AgentPair, Draw, Outcome, Sample, Score, Seed, Verdict
from star_agents.storage.why import why

BASE = AgentPair(instruction="keep", response="seed")
A, B, C = (AgentPair(instruction="keep", response=name) for name in "abc")
SEED = Seed.of(Sample(instruction="why?", response="base"))
RESPONSES = {BASE.name: "base", A.name: "from a", B.name: "from b", C.name: "from c"}


def gap(value: float, small: float = 0.9) -> Score:
    return Score(ifd_small=small, ifd_large=small - value)


SCORES = {"base": gap(0.2), "from a": gap(0.4), "from b": gap(0.3, 1.2), "from c": gap(-0.1)}


FAILED = Verdict(value=None, failure="referee j: the provider failed")


def bench(**changes: object) -> ScriptedBench:
    draw = Draw(base=(BASE,), sampled=(A, B, C))
    script: dict[str, object] = {"responses": RESPONSES, "scores": SCORES, "verdicts": {"from a": 1.0, "from b": 1.0}}
    return ScriptedBench(SEED, draw, **{**script, **changes})  # type: ignore[arg-type] # a script's parts


async def outcome_of(on: ScriptedBench, selection: Selection = "dual", **settings: object) -> Outcome:
    return await star(SEED, on, StarSettings(selection=selection, **settings))  # type: ignore[arg-type] # a test's switches


def pair_of(outcome: Outcome) -> str:
    winner = stars(outcome).winner
    assert winner is not None
    return winner.candidate.pair.name


async def test_the_candidate_with_the_largest_judged_gap_is_kept_and_its_pair_alone_rewarded() -> None:
    outcome = await outcome_of(bench(), reward="chosen")
    assert (outcome.kind, pair_of(outcome)) == ("kept", A.name)
    assert stars(outcome).rewards == ((A.name, 1.0), (B.name, 0.0), (C.name, 0.0))


async def test_nobody_is_judged_who_cannot_change_the_choice() -> None:
    on = bench()
    await outcome_of(on)
    assert on.judged == [A.name]


async def test_a_candidate_that_loses_to_the_base_leaves_the_next_best_its_place() -> None:
    on = bench(verdicts={"from a": 0.0, "from b": 1.0})
    outcome = await outcome_of(on)
    assert pair_of(outcome) == B.name
    assert dict(stars(outcome).rewards)[B.name] == pytest.approx(0.75)
    assert on.judged == [A.name, B.name]


async def test_when_every_candidate_loses_the_base_is_kept_and_nobody_rewarded() -> None:
    outcome = await outcome_of(bench(verdicts={"from a": 0.0, "from b": 0.0}))
    assert (outcome.kind, pair_of(outcome)) == ("base", BASE.name)
    assert {value for _, value in stars(outcome).rewards} == {0.0}


UNREAD = {"from a": None, "from b": None}


async def test_a_candidate_without_a_readable_verdict_cannot_win_and_the_next_best_is_judged() -> None:
    on = bench(verdicts={"from a": None, "from b": 0.5})
    outcome = await outcome_of(on)
    assert (pair_of(outcome), on.judged) == (B.name, [A.name, B.name]), "a readable tie is ½, as in Eq. 7"
    assert [one.pi for one in stars(outcome).candidates if one.candidate.pair == A] == [None]


async def test_where_no_verdict_can_be_read_the_base_stays_and_nothing_is_learned_of_anybody() -> None:
    for reward in ("judged", "all", "chosen"):
        outcome = await outcome_of(bench(verdicts=UNREAD), reward=reward)
        assert (outcome.kind, pair_of(outcome)) == ("base", BASE.name)
        assert stars(outcome).rewards == ((C.name, 0.0),), "of c it is known without a verdict that it is of no worth"
        assert why(outcome) == (
            "The base keep/seed was kept because none of the 2 verdicts on another candidate could be read, and "
            "nothing wins unread."
        )


async def test_under_selection_referee_nothing_wins_by_an_unreadable_verdict_either() -> None:
    outcome = await outcome_of(bench(verdicts={**UNREAD, "from c": None}), selection="referee")
    assert (outcome.kind, stars(outcome).rewards) == ("base", ())


async def test_rewarding_all_judges_every_candidate_of_worth() -> None:
    on = bench(verdicts={"from a": 1.0, "from b": 0.5})
    outcome = await outcome_of(on, reward="all")
    assert sorted(on.judged) == [A.name, B.name]
    assert dict(stars(outcome).rewards) == pytest.approx({A.name: 1.0, B.name: 0.375, C.name: 0.0})


async def test_rewarding_the_judged_learns_of_whom_the_choice_came_to_know_and_buys_no_verdict() -> None:
    on = bench(verdicts={"from a": 0.5, "from b": 0.0}, scores={**SCORES, "from b": gap(0.1)})
    outcome = await outcome_of(on, reward="judged")
    assert (on.judged, pair_of(outcome)) == ([A.name], A.name)
    assert stars(outcome).rewards == ((A.name, 0.5), (C.name, 0.0)), (
        "b was never judged; c is of no worth, which is known"
    )

    beaten = await outcome_of(bench(verdicts={"from a": 0.0, "from b": 1.0}), reward="judged")
    assert dict(stars(beaten).rewards) == pytest.approx({A.name: 0.0, B.name: 0.75, C.name: 0.0})
    failed = await outcome_of(bench(responses={BASE.name: "base", B.name: "from b"}), reward="judged")
    assert dict(stars(failed).rewards) == pytest.approx({A.name: 0.0, B.name: 1.0, C.name: 0.0})


async def test_a_copy_of_the_base_is_a_tie_that_nobody_is_paid_for() -> None:
    on = bench(responses={**RESPONSES, A.name: "base"}, scores={**SCORES, "base": gap(0.5)}, verdicts={"from b": 0.0})
    outcome = await outcome_of(on)
    assert outcome.kind == "base"
    assert A.name not in on.judged


async def test_a_pair_that_fails_is_one_candidate_less_and_its_reason_is_kept() -> None:
    outcome = await outcome_of(bench(responses={BASE.name: "base", B.name: "from b"}))
    assert pair_of(outcome) == B.name
    assert {one.candidate.pair.name for one in stars(outcome).candidates if one.candidate.failure} == {A.name, C.name}


async def test_when_no_drawn_pair_can_be_reached_the_seed_is_dropped_not_settled_as_its_base() -> None:
    outcome = await outcome_of(bench(responses={BASE.name: "base"}))
    assert (outcome.kind, stars(outcome).chosen) == ("dropped", None)
    assert "no drawn pair could be reached" in outcome.reason


async def test_without_a_base_sample_a_judging_selection_drops_the_seed() -> None:
    outcome = await outcome_of(bench(responses={A.name: "from a"}))
    assert outcome.kind == "dropped"
    assert "no base sample" in outcome.reason


async def test_a_referee_that_cannot_be_had_is_an_error_not_a_verdict() -> None:
    with pytest.raises(AgentError, match="referee is gone"):
        await outcome_of(bench(verdicts={"from a": refusal("referee is gone")}))


async def test_a_candidate_on_which_every_referee_failed_cannot_win_and_the_next_best_is_judged() -> None:
    outcome = await outcome_of(bench(verdicts={"from a": FAILED, "from b": 1.0}))
    assert pair_of(outcome) == B.name
    assert A.name not in dict(stars(outcome).rewards)
    assert "no verdict on 1 could be had" in why(outcome)


async def test_where_referees_fail_on_the_only_candidate_that_they_were_asked_about_the_base_stays() -> None:
    one = Draw(base=(BASE,), sampled=(A,))
    outcome = await outcome_of(
        ScriptedBench(SEED, one, responses=RESPONSES, scores=SCORES, verdicts={"from a": FAILED})
    )
    assert (outcome.kind, stars(outcome).rewards) == ("base", ())
    assert why(outcome).endswith("the one verdict on another candidate could not be had, and nothing wins without one.")


async def test_where_referees_fail_on_every_candidate_the_seed_is_dropped_and_nothing_is_learned() -> None:
    outcome = await outcome_of(bench(verdicts={"from a": FAILED, "from b": FAILED}))
    assert (outcome.kind, stars(outcome).chosen, stars(outcome).rewards) == ("dropped", None, ())
    assert outcome.reason == FAILED.failure
    assert all(one.verdict is None or one.verdict.value != 1.0 for one in stars(outcome).candidates)


@pytest.mark.parametrize(
    ("selection", "winner", "scored", "judged"),
    [("gap", A.name, 4, 0), ("ifd", B.name, 4, 0), ("referee", A.name, 0, 1), ("base", BASE.name, 0, 0)],
)
async def test_each_selection_ranks_by_its_own_and_asks_for_no_more(
    selection: Selection, winner: str, scored: int, judged: int
) -> None:
    on = bench()
    assert pair_of(await outcome_of(on, selection)) == winner
    assert (on.scored, len(on.judged)) == (scored, judged)


async def test_random_choice_is_the_same_for_the_same_seed_and_reaches_everyone() -> None:
    picks = {pair_of(await outcome_of(bench(), "random", random_seed=number)) for number in range(40)}
    again = {pair_of(await outcome_of(bench(), "random", random_seed=3)) for _ in range(5)}
    assert picks == {BASE.name, A.name, B.name, C.name}
    assert len(again) == 1


async def test_an_outcome_survives_plain_data() -> None:
    outcome = await outcome_of(bench())
    assert Outcome.from_dict(outcome.to_dict()) == outcome
