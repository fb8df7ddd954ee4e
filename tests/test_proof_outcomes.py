"""The proof's shortcuts say what the product says: the vectorised choice, lazy judging, the draw of a replay."""

from __future__ import annotations

import random
import sys
from importlib import import_module
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.config.sections import EvolutionConfig
from star_agents.scheduling.draw import draw_pairs
from star_agents.scheduling.policies import make_policy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
arms, outcomes, replay = (import_module(f"proof.{name}") for name in ("arms", "outcomes", "replay"))
scores, variants = (import_module(f"proof.{name}") for name in ("scores", "variants"))

PAIRS = 4
GAPS = st.sampled_from([float("nan"), -0.3, -0.1, 0.0, 0.1, 0.1, 0.2, 0.3])
ROWS = st.lists(
    st.tuples(
        st.lists(GAPS, min_size=1 + PAIRS, max_size=1 + PAIRS),
        st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=PAIRS, max_size=PAIRS),
        st.lists(st.booleans(), min_size=PAIRS, max_size=PAIRS),
    ),
    min_size=1,
    max_size=8,
)


@given(ROWS, st.integers(1, 3), st.integers(0, 10))
def test_the_outcome_of_a_draw_is_what_the_products_contest_decides_and_pays_for(
    rows: list[tuple[list[float], list[float], list[bool]]], m: int, seed: int
) -> None:
    gap = np.array([gaps for gaps, _, _ in rows])
    verdict = np.array([[0.5, *said] for _, said, _ in rows])
    same = np.array([[True, *again] for _, _, again in rows])
    gap = np.where(same, gap[:, :1], gap)  # the same words have the same gap
    drawn = random.Random(seed).sample(range(1, 1 + PAIRS), m)
    found = outcomes.choose(gap, verdict, same, drawn)
    for at in range(len(rows)):
        one = arms.choose_row("dual", drawn, gap[at], gap[at], verdict[at], same[at], random.Random(0))
        everybody = arms.choose_row(
            "dual", drawn, gap[at], gap[at], verdict[at], same[at], random.Random(0), lazy=False
        )
        assert (found.winner[at], found.judged[at]) == (one.column, one.verdicts)
        assert everybody.column == one.column
        assert everybody.verdicts >= one.verdicts


def table(rows: int = 60, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    gap = rng.normal(0.05, 0.1, (rows, 1 + PAIRS))
    verdict = rng.choice([0.0, 0.5, 1.0], gap.shape)
    verdict[:, 0] = 0.5
    return gap, verdict, np.zeros(gap.shape, dtype=bool)


def test_the_first_rule_among_the_variants_is_eq_7() -> None:
    gap, verdict, same = table()
    drawn = np.tile([3, 1], (len(gap), 1))
    taken = variants.choose(variants.product, gap, verdict, same, drawn)
    assert taken.tolist() == outcomes.choose(gap, verdict, same, (3, 1)).winner.tolist()


def test_where_a_tie_keeps_the_base_only_a_winner_replaces_it() -> None:
    gap, verdict, same = table()
    drawn = np.tile([2, 4], (len(gap), 1))
    for rule in (variants.win_only, variants.win_first):
        taken = variants.choose(rule, gap, verdict, same, drawn)
        won = verdict[np.arange(len(gap)), taken] > 0.5
        assert (won == (taken > 0)).all()
        assert won.any()


@pytest.mark.parametrize("kind", ["paper", "uniform", "thompson"])
def test_a_replay_draws_as_the_product_does_without_a_memory_bank(kind: str) -> None:
    names = [f"keep/{letter}" for letter in "abcdef"]
    policies = [make_policy(EvolutionConfig(policy=kind), names, seeds=50) for _ in range(2)]  # type: ignore[arg-type] # sampled from the literals
    ours, products = random.Random(1), random.Random(1)
    for _ in range(50):
        drawn = policies[0].draw(3, ours, names)
        sampled = draw_pairs(policies[1], (), base=(), candidates=3, from_memory=0, rng=products).sampled
        assert drawn == [pair.name for pair in sampled]
        for policy in policies:
            policy.observe([(drawn[0], 0.7), (drawn[1], 0.0), (drawn[2], 0.0)])


def test_a_replay_learns_which_pair_earns_and_lags_by_the_seeds_in_flight() -> None:
    gap, verdict, same = (
        np.full((10, 1 + PAIRS), 0.1),
        np.full((10, 1 + PAIRS), 0.0),
        np.zeros((10, 1 + PAIRS), dtype=bool),
    )
    verdict[:, 0], verdict[:, 2] = 0.5, 1.0
    known = outcomes.every_draw(gap, verdict, same, 2)
    assert set(known.index) == set(permutations(range(1, 1 + PAIRS), 2))
    names = [f"keep/{letter}" for letter in "abcd"]
    shares = []
    for in_flight in (0, 64):
        policy = make_policy(EvolutionConfig(), names, seeds=200)
        rows = np.zeros(200, dtype=np.int32)
        trace = replay.replay(
            policy, [known], rows, pairs=names, m=2, in_flight=in_flight, reward="chosen", rng=random.Random(2)
        )
        drawn = np.array(list(known.index))[trace.draws]
        shares.append((drawn[-50:] == 2).mean())
        assert trace.curve[0].tolist() == [0.25] * 4
        assert policy.probabilities()["keep/b"] > 0.4
    assert shares[0] >= shares[1] > 0.25


def test_a_pair_without_a_score_or_with_a_gap_below_zero_is_never_chosen() -> None:
    gap = np.array([[-0.1, np.nan, -0.2, 0.0, -0.3]])
    verdict = np.array([[0.5, 1.0, 1.0, 1.0, 1.0]])
    found = outcomes.choose(gap, verdict, np.zeros(gap.shape, dtype=bool), (1, 2, 3))
    assert (found.winner[0], found.judged[0], found.pi.max()) == (0, 0, 0.0)
