"""Eq. 8 keeps a distribution, draws are distinct, and state survives what happens to it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.config.sections import EvolutionConfig
from star_agents.scheduling.draw import draw_pairs
from star_agents.scheduling.policies import (
    MOST,
    PaperPolicy,
    Policy,
    ThompsonPolicy,
    UniformPolicy,
    make_policy,
    restore_policy,
)

NAMES = [f"keep/{letter}" for letter in "abcdefgh"]
rewards = st.lists(st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 1)), max_size=4), max_size=60)


@given(rewards, st.floats(1e-6, 10), st.sampled_from([0.0, 0.01, 0.1, 0.125]))
def test_eq_8_keeps_a_distribution_and_its_floor(
    outcomes: list[list[tuple[str, float]]], rate: float, floor: float
) -> None:
    policy = PaperPolicy(NAMES, rate=rate, floor=floor)
    for outcome in outcomes:
        policy.observe(outcome)
        p = policy.probabilities()
        assert sum(p.values()) == pytest.approx(1, abs=1e-9)
        assert all(value >= floor - 1e-12 for value in p.values())


def test_eq_8_is_the_papers_arithmetic() -> None:
    policy = PaperPolicy(["keep/a", "keep/b", "keep/c", "keep/d"], rate=0.1)
    policy.observe([("keep/b", 0.5), ("keep/c", 0.0)])
    assert policy.probabilities() == pytest.approx(
        {"keep/a": 0.25 / 1.05, "keep/b": 0.30 / 1.05, "keep/c": 0.25 / 1.05, "keep/d": 0.25 / 1.05}
    )


def test_a_rewarded_pair_gains_and_every_other_loses() -> None:
    policy = PaperPolicy(NAMES, rate=0.1)
    before = policy.probabilities()
    policy.observe([("keep/c", 1.0)])
    after = policy.probabilities()
    assert after["keep/c"] > before["keep/c"]
    assert all(after[name] < before[name] for name in NAMES if name != "keep/c")


def test_left_to_itself_no_pair_dies_out() -> None:
    policy = make_policy(EvolutionConfig(), NAMES, seeds=10)
    for _ in range(100):
        policy.observe([("keep/a", 1.0)])
    assert min(policy.probabilities().values()) == pytest.approx(0.15 / len(NAMES))


def test_the_papers_curve_appears_at_its_scale() -> None:
    """10 % to about 30 % for a pair that wins often, over 70,000 seeds, with β = 5 / seeds (methods, note 16)."""
    rng = random.Random(7)
    policy = make_policy(EvolutionConfig(rate="paper"), NAMES, seeds=70_000)
    for _ in range(70_000):
        drawn = policy.draw(4, rng, NAMES)
        winner = "keep/a" if "keep/a" in drawn and rng.random() < 0.5 else rng.choice(drawn)
        policy.observe([(name, 0.6 if name == winner else 0.0) for name in drawn])
    assert 0.25 < policy.probabilities()["keep/a"] < 0.7


@given(
    st.integers(0, 12), st.integers(0, 2**32), st.sets(st.sampled_from(NAMES)), st.sampled_from(["paper", "thompson"])
)
def test_a_draw_is_distinct_complete_and_within_what_it_may_take(
    count: int, seed: int, among: set[str], kind: str
) -> None:
    policy = make_policy(EvolutionConfig(policy=kind), NAMES, seeds=10)  # type: ignore[arg-type] # sampled from the literals
    drawn = policy.draw(count, random.Random(seed), sorted(among))
    assert len(drawn) == len(set(drawn)) == min(count, len(among))
    assert set(drawn) <= among


def test_draws_follow_the_probabilities() -> None:
    policy = PaperPolicy(["keep/a", "keep/b"], rate=1.0)
    policy.restore({"policy": "paper", "weights": {"keep/a": 0.9, "keep/b": 0.1}})
    rng = random.Random(1)
    first = [policy.draw(1, rng, ["keep/a", "keep/b"])[0] for _ in range(2000)]
    assert 0.87 < first.count("keep/a") / 2000 < 0.93


def test_a_pair_whose_probability_fell_to_zero_is_still_drawn_when_nothing_else_is_left() -> None:
    policy = PaperPolicy(["keep/a", "keep/b"], rate=1.0)
    policy.restore({"policy": "paper", "weights": {"keep/a": 1.0, "keep/b": 0.0}})
    assert sorted(policy.draw(2, random.Random(1), ["keep/a", "keep/b"])) == ["keep/a", "keep/b"]


def test_the_uniform_policy_learns_nothing() -> None:
    policy = UniformPolicy(NAMES)
    policy.observe([("keep/a", 1.0)])
    assert set(policy.probabilities().values()) == {1 / len(NAMES)}


def test_thompson_sampling_finds_the_better_pair() -> None:
    rng = random.Random(3)
    policy = ThompsonPolicy(NAMES)
    for _ in range(400):
        (pair,) = policy.draw(1, rng, NAMES)
        policy.observe([(pair, 0.9 if pair == "keep/d" else 0.2)])
    drawn = [policy.draw(1, rng, NAMES)[0] for _ in range(100)]
    assert drawn.count("keep/d") > 90


@pytest.mark.parametrize("policy", [PaperPolicy(NAMES, rate=0.03), ThompsonPolicy(NAMES), UniformPolicy(NAMES)])
def test_state_survives_json_bit_for_bit(policy: Policy) -> None:
    rng = random.Random(5)
    for _ in range(50):
        policy.observe([(name, rng.random()) for name in policy.draw(3, rng, NAMES)])
    kept = json.loads(json.dumps(policy.state()))
    policy.observe([("keep/a", 1.0)])
    policy.restore(kept)
    assert policy.state() == kept


def test_a_new_pair_enters_with_the_mean_and_the_others_keep_their_ratios() -> None:
    policy = PaperPolicy(["keep/a", "keep/b"], rate=1.0)
    policy.restore({"policy": "paper", "weights": {"keep/a": 0.75, "keep/b": 0.25}})
    policy.configure(["keep/a", "keep/b", "keep/new"])
    assert policy.probabilities() == pytest.approx({"keep/a": 0.5, "keep/b": 1 / 6, "keep/new": 1 / 3})


def test_a_removed_pair_leaves_its_share_to_the_others() -> None:
    policy = PaperPolicy(["keep/a", "keep/b", "keep/c"], rate=1.0)
    policy.restore({"policy": "paper", "weights": {"keep/a": 0.6, "keep/b": 0.2, "keep/c": 0.2}})
    policy.configure(["keep/a", "keep/b"])
    assert policy.probabilities() == pytest.approx({"keep/a": 0.75, "keep/b": 0.25})


def test_another_kind_of_policy_starts_fresh_instead_of_misreading_kept_state() -> None:
    policy = ThompsonPolicy(NAMES)
    restore_policy(policy, PaperPolicy(NAMES[:3], rate=1.0).state(), NAMES)
    assert set(policy.probabilities()) == set(NAMES)


@pytest.mark.parametrize(("rate", "scale"), [("auto", 20), ("paper", 5)])
def test_beta_scales_with_the_length_of_the_run(rate: Any, scale: int) -> None:
    for seeds in (10_000, 1000):
        policy = make_policy(EvolutionConfig(rate=rate), NAMES, seeds=seeds)
        for _ in range(seeds):
            policy.observe([])
        policy.observe([("keep/a", 1.0)])
        assert policy.probabilities()["keep/a"] == pytest.approx((1 / 8 + scale / seeds) / (1 + scale / seeds))


@pytest.mark.parametrize("seeds", [1, 60, 300, 100_000, None])
def test_one_outcome_moves_no_probability_by_more_than_the_largest_beta(seeds: int | None) -> None:
    policy = make_policy(EvolutionConfig(), NAMES, seeds=seeds)
    before = policy.probabilities()
    policy.observe([("keep/a", 1.0)])
    after = policy.probabilities()
    assert max(abs(after[name] - before[name]) for name in NAMES) <= MOST
    assert after["keep/a"] > before["keep/a"] + 0.8 * MOST


def test_a_daemon_learns_from_the_seeds_it_has_seen_as_a_run_of_that_length_does() -> None:
    daemon = make_policy(EvolutionConfig(), NAMES, seeds=None)
    batch = make_policy(EvolutionConfig(), NAMES, seeds=1000)
    for number in range(1000):
        outcome = [(NAMES[number % 3], 1.0)]
        daemon.observe(outcome)
        batch.observe(outcome)
    assert daemon.probabilities() == batch.probabilities()
    assert daemon.probabilities()["keep/a"] > 0.25


def test_late_outcomes_of_a_long_life_move_little_whatever_the_early_ones_did() -> None:
    policy = make_policy(EvolutionConfig(horizon=10_000), NAMES, seeds=None)
    for _ in range(20_000):
        policy.observe([("keep/a", 0.5), ("keep/b", 0.5)])
    before = policy.probabilities()["keep/c"]
    policy.observe([("keep/c", 1.0)])
    assert 0 < policy.probabilities()["keep/c"] - before <= 20 / 10_000


def test_how_many_outcomes_were_learned_from_is_kept_with_the_probabilities() -> None:
    policy = make_policy(EvolutionConfig(), NAMES, seeds=5000)
    for _ in range(1000):
        policy.observe([("keep/a", 1.0)])
    again = make_policy(EvolutionConfig(), NAMES, seeds=5000)
    restore_policy(again, json.loads(json.dumps(policy.state())), NAMES)
    for one in (policy, again):
        one.observe([("keep/b", 1.0)])
    assert again.probabilities() == policy.probabilities()


def test_probabilities_that_an_older_release_learned_are_not_unlearned_at_a_larger_beta() -> None:
    policy = make_policy(EvolutionConfig(), NAMES, seeds=5000)
    restore_policy(policy, {"policy": "paper", "weights": dict.fromkeys(NAMES, 1 / 8)}, NAMES)
    policy.observe([("keep/a", 1.0)])
    assert policy.probabilities()["keep/a"] == pytest.approx((1 / 8 + 20 / 5000) / (1 + 20 / 5000))


@given(
    st.lists(st.sampled_from([*NAMES, "gone/x"]), max_size=8),
    st.integers(1, 10),
    st.integers(0, 4),
    st.integers(0, 999),
)
def test_a_draw_with_memory_is_distinct_and_complete(
    remembered: list[str], m: int, from_memory: int, seed: int
) -> None:
    drawn = draw_pairs(
        PaperPolicy(NAMES, rate=0.1),
        remembered,
        base=(),
        candidates=m,
        from_memory=from_memory,
        rng=random.Random(seed),
    )
    names = [pair.name for pair in drawn.sampled]
    known = set(remembered) & set(NAMES)
    assert len(names) == len(set(names)) == min(m, len(NAMES))
    assert drawn.from_memory == min(from_memory, m, len(known))
    assert set(names[: drawn.from_memory]) <= known


@pytest.mark.parametrize("seeds", [40, 100_000, None])
def test_pools_that_learn_by_children_leave_what_earns_no_more_as_soon_however_long_they_earned_before(
    seeds: int | None,
) -> None:
    policies = [make_policy(EvolutionConfig(), NAMES, seeds=seeds, fed_back=True) for _ in range(2)]
    for policy, before in zip(policies, (100, 5000), strict=True):
        for _ in range(before):
            policy.observe([("keep/a", 1.0)])
        assert policy.probabilities()["keep/a"] > 0.8
        for number in range(20):
            policy.observe([("keep/a", 0.0), (NAMES[1 + number % (len(NAMES) - 1)], 1.0)])
        assert policy.probabilities()["keep/a"] < 0.2


def test_a_rate_that_is_written_down_is_that_of_every_pool() -> None:
    policies = [
        make_policy(EvolutionConfig(rate=0.3), NAMES, seeds=50, fed_back=fed_back) for fed_back in (True, False)
    ]
    for policy in policies:
        policy.observe([("keep/a", 1.0)])
    assert policies[0].probabilities() == policies[1].probabilities()
