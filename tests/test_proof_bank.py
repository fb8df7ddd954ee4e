"""The proof with the whole scheduler: it decides as the recipe does, the bank learns kinds, and costs add up."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from star_outcomes import read_star_outcome as stars

from star_agents.config.sections import EvolutionConfig
from star_agents.config.star import StarConfig
from star_agents.offline import resolve_model
from star_agents.recipes.scripted import ScriptedBench
from star_agents.recipes.star import StarSettings, star
from star_agents.records import KEEP, SEED, AgentPair, Draw, Sample, Score, Seed
from star_agents.scheduling.policies import make_policy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
bank, bankruns, costs = (import_module(f"proof.{name}") for name in ("bank", "bankruns", "costs"))
candidates, likelihood, longruns = (import_module(f"proof.{name}") for name in ("candidates", "likelihood", "longruns"))
policies, pool, scores, table = (import_module(f"proof.{name}") for name in ("policies", "pool", "scores", "table"))

PAIRS = tuple(AgentPair(instruction=KEEP, response=name) for name in "abcdef")


def known(gap: Any, verdict: Any, same: Any, embeddings: Any) -> Any:
    seeds = tuple(Seed.of(Sample(instruction=f"question {at}", response="base")) for at in range(len(gap)))
    return bank.Known(pairs=PAIRS, seeds=seeds, embeddings=embeddings, gap=gap, verdict=verdict, same=same)


def two_kinds(count: int = 600) -> Any:
    """Questions of two kinds, one vector each; ``a`` alone wins the first kind, ``b`` alone the second."""
    kind = np.arange(count) % 2
    embeddings = np.eye(2, dtype=np.float32)[kind]
    gap = np.full((count, 1 + len(PAIRS)), 0.1)
    verdict = np.zeros(gap.shape)
    verdict[:, 0], verdict[np.arange(count), 1 + kind] = 0.5, 1.0
    return known(gap, verdict, np.zeros(gap.shape, dtype=bool), embeddings), kind


@cache
def mixed_table(rows: int = 150) -> Any:
    """A real table of texts with random scores, verdicts and truth: no model is asked."""
    texts, rng = candidates.generate(rows, 7, "mixed"), np.random.default_rng(7)
    shape = (rows, 1 + len(texts.pairs))
    found = scores.Scores(small=rng.random(shape), large=rng.random(shape))
    verdict = rng.choice([0.0, 0.5, 1.0], shape)
    same = np.array([[one == row[0] for one in row] for row in texts.rows])
    usable = rng.random(shape) < 0.7
    return table.Table(
        candidates=texts, scores=found, verdicts={"answers": verdict}, same=same, usable=usable, well_put=usable
    )


@pytest.mark.parametrize("reward", ["chosen", "judged", "all"])
async def test_a_seed_is_decided_judged_and_rewarded_as_by_the_recipe(reward: Any) -> None:
    rng = np.random.default_rng(5)
    gap = rng.choice([np.nan, -0.1, 0.0, 0.1, 0.2, 0.3], (60, 7))
    verdict, same = rng.choice([0.0, 0.5, 1.0], (60, 7)), rng.random((60, 7)) < 0.1
    gap = np.where(same, gap[:, :1], gap)
    seen = known(gap, verdict, same, np.zeros((60, 2), dtype=np.float32))
    course = bank.run(seen, bank.Line(memory=False, reward=reward), 3, range(60), seed=1)
    for at, drawn in enumerate(course.drawn.tolist()):
        texts = {0: "base"} | {column: "base" if same[at, column] else f"text {column}" for column in drawn}
        known_scores = {
            text: Score(reason="none") if np.isnan(gap[at, column]) else Score(ifd_small=gap[at, column], ifd_large=0.0)
            for column, text in texts.items()
        }
        pairs = [PAIRS[column - 1] for column in drawn]
        scripted = ScriptedBench(
            seen.seeds[at],
            Draw(base=(AgentPair(instruction=KEEP, response=SEED),), sampled=tuple(pairs)),
            responses={"keep/seed": "base", **{PAIRS[column - 1].name: texts[column] for column in drawn}},
            scores=known_scores,
            verdicts={texts[column]: float(verdict[at, column]) for column in drawn},
        )
        outcome = await star(seen.seeds[at], scripted, StarSettings(selection="dual", reward=reward))
        winner = stars(outcome).winner
        assert winner is not None
        column = {"keep/seed": 0} | {pair.name: place for place, pair in enumerate(PAIRS, start=1)}
        assert course.chosen[at] == column[winner.candidate.pair.name]
        judged = {PAIRS[one - 1].name for one, paid in zip(drawn, course.judged[at], strict=True) if paid}
        assert judged == set(scripted.judged)
        assert bank._decide(seen, at, drawn, reward).rewards == stars(outcome).rewards


def test_the_bank_finds_who_wins_questions_of_a_kind_and_evolution_alone_does_not() -> None:
    seen, kind = two_kinds()
    share = {}
    for memory in (True, False):
        line = bank.Line(scale=20, memory=memory, draws=1)
        course = bank.run(seen, line, 1, range(600), seed=3)
        own = course.drawn[:, 0] == 1 + kind[course.rows]
        share[memory] = own[300:].mean()
        assert (course.from_memory[300:] == (1 if memory else 0)).all()
    assert share[True] > 0.95 > 0.6 > share[False]


def test_only_a_winner_that_is_no_base_pair_and_has_a_pi_enters_the_bank() -> None:
    rng = np.random.default_rng(1)
    shape, embeddings = (200, 7), np.ones((200, 2), dtype=np.float32)
    beaten, nobody = np.zeros(shape), np.zeros(shape, dtype=bool)
    beaten[:, 0] = 0.5
    for gap, verdict in ((np.full(shape, 0.1), beaten), (-rng.random(shape), np.ones(shape))):
        course = bank.run(known(gap, verdict, nobody, embeddings), bank.Line(), 2, range(200), seed=1)
        assert (course.chosen == 0).all()
        assert course.from_memory.sum() == 0
        assert (course.curve == 1 / len(PAIRS)).all()


def test_a_bank_may_ask_for_more_than_a_tie_and_is_kept_under_another_key() -> None:
    seen, _ = two_kinds(200)
    tied = known(seen.gap, np.full(seen.verdict.shape, 0.5), seen.same, seen.embeddings)
    tied.gap[:, 0] = 0.05  # the base is worth less, so a tie is enough to be chosen
    lines = [bank.Line(enters_above=least) for least in (0.0, 0.5)]
    proposed = [bank.run(tied, line, 2, range(200), seed=1).from_memory.sum() for line in lines]
    assert proposed[0] > proposed[1] == 0
    assert lines[0].key != lines[1].key


def test_a_run_over_a_table_is_the_same_again_and_its_ablations_are_other_runs() -> None:
    found = mixed_table()
    taken = {
        name: bankruns.columns(found, "answers", 3, line, 2, "hashing").tolist()
        for name, line in bankruns.LINES.items()
    }
    assert taken["full"] == bankruns.columns(found, "answers", 3, bankruns.FULL, 2, "hashing").tolist()
    assert len({tuple(one) for one in taken.values()}) == len(taken)


def test_the_figures_of_a_run_count_draws_on_a_seeds_own_specialists(tmp_path: Path) -> None:
    found = mixed_table()
    planted = bankruns.strength(found, "answers")
    assert planted.special.sum() == 6  # four specialists, two of which also stand behind the coach
    assert (planted.strong[:, [8, 10]] == [True, False]).all()  # chatty is right everywhere, the bluffer nowhere
    case = longruns.Case(style="mixed", referee="answers", m=2, steps=120)
    figures = {one.name: one for one in bankruns.measure(found, case, bankruns.LINES, 2, tmp_path, "hashing")}
    plain = figures[bankruns.PLAIN]
    assert plain.over_plain["usable"].value == 0
    assert 0.2 < plain.mean["own"].value < 0.5
    assert plain.mean["from_memory"].value == 0 < figures["full"].mean["from_memory"].value
    assert figures["full"].mean["calls"].value > 2


def test_a_pool_without_some_agents_is_the_same_table_with_their_pairs_left_out() -> None:
    found = mixed_table(20)
    fewer = bankruns.without(found, bankruns.GENERALISTS)
    assert [pair.name for pair in fewer.candidates.pairs] == [
        pair.name for pair in found.candidates.pairs if pair.response not in bankruns.GENERALISTS
    ]
    assert len(fewer.candidates.pairs) == 10
    linguist = [1 + [pair.name for pair in one.candidates.pairs].index("coach/linguist") for one in (found, fewer)]
    assert (found.scores.gap[:, linguist[0]] == fewer.scores.gap[:, linguist[1]]).all()
    assert found.candidates.rows[3][linguist[0]] == fewer.candidates.rows[3][linguist[1]]
    assert (fewer.usable[:, 0] == found.usable[:, 0]).all()


def test_one_rewrite_is_paid_for_whatever_number_of_pairs_share_it() -> None:
    pairs = [AgentPair(instruction=who, response="x") for who in (KEEP, "coach", "coach", "poet")]
    drawn = np.array([[1, 2, 3], [2, 3, 4], [1, 4, 2], [3, 2, 1]])
    assert bank.writing_calls(pairs, drawn).tolist() == [4, 5, 5, 4]


def test_tokens_are_those_of_the_calls_that_were_made() -> None:
    found = mixed_table()
    tokens = costs.lengths(found.candidates.rows, found.candidates.pairs)
    course = bank.run(bankruns.known(found, "answers", "hashing"), costs.UNIFORM, 15, range(150), seed=0)
    counted = costs.count(found, course, tokens)
    assert sorted(course.rows.tolist()) == list(range(150))
    assert all(len(set(drawn)) == 15 for drawn in course.drawn.tolist())
    assert counted.writing_calls == 16  # all fifteen, and the coach's one rewrite
    coach = tokens.rewrite[:, 13]
    assert (tokens.rewrite[:, 1:13] == 0).all()
    assert (coach > 0).all()
    assert counted.writing_tokens == pytest.approx((tokens.respond[:, 1:].sum() + coach.sum()) / 150)
    few = bank.run(bankruns.known(found, "answers", "hashing"), costs.UNIFORM, 2, range(150), seed=0)
    assert costs.count(found, few, tokens).judging_tokens < counted.judging_tokens


def test_calling_every_pair_costs_more_per_usable_row_than_drawing_two(tmp_path: Path) -> None:
    case = longruns.Case(style="mixed", referee="answers", m=2, steps=50)
    ways = {"two": (costs.UNIFORM, 2), "every pair": (costs.UNIFORM, 15)}
    two, every = costs.measure(mixed_table(), case, ways, 2, tmp_path)
    assert every.calls_of_all.value == every.tokens_of_all.value == 1
    assert two.calls_per_usable.high < every.calls_per_usable.low
    assert two.writing_of_all.value < 0.4


def test_the_referee_by_likelihood_prefers_sense_and_ties_the_same_words(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    row = candidates.generate(1, 3).rows[0]
    question = {"instruction": row[0].instruction, "input": row[0].input}
    good = next(one.response for one in row if one.response)
    shuffled = " ".join(reversed(good.split()))
    rows = [[Sample(**question, response=text) for text in (good, shuffled, good)]]
    rows.append([Sample(**question, response=text) for text in (shuffled, good, "apple " * 40)])
    values = likelihood.verdicts(rows, resolve_model("offline/large"), tmp_path / "kept.jsonl")
    assert values[0].tolist() == [0.5, 0.0, 0.5]
    assert values[1, :2].tolist() == [0.5, 1.0]


def test_the_curve_of_figure_5_begins_even_and_says_the_same_again(tmp_path: Path) -> None:
    found, case = mixed_table(), longruns.Case(style="mixed", referee="answers", m=2, steps=200)
    settings = (policies.Setting(kind="paper", scale=20),)
    (drawn,) = longruns.curves(found, case, settings, 2, tmp_path)
    assert drawn.probability.shape == (len(drawn.seeds_done), len(drawn.pairs)) == (100, 15)
    assert drawn.probability[0].tolist() == pytest.approx([1 / 15] * 15, abs=1e-6)
    assert drawn.probability.sum(axis=1) == pytest.approx(1, abs=1e-4)
    (again,) = longruns.curves(found, case, settings, 2, tmp_path)
    assert (again.probability == drawn.probability).all()


def test_what_ships_is_what_an_empty_section_means() -> None:
    pairs, rewards = pool.PAIRS, [(pool.PAIRS[0].name, 1.0), (pool.PAIRS[3].name, 0.5)]
    names = [pair.name for pair in pairs]
    left_to_itself = make_policy(EvolutionConfig(), names, seeds=200)
    said = make_policy(bank.SHIPPED.config(pairs, 3, 200, 0).evolution, names, seeds=200)
    for policy in (left_to_itself, said):
        for _ in range(50):
            policy.observe(rewards)
    assert left_to_itself.probabilities() == said.probabilities()
    assert bank.SHIPPED.reward == StarConfig().reward
