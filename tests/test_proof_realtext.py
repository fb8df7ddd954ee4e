"""The proof on real text: its pure parts, its losses beside the product's, and the data as it is."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from star_agents.config.sections import ScoringConfig
from star_agents.offline import resolve_model
from star_agents.records import Sample
from star_agents.scoring.dual_model import DualModel

TOOLS = Path(__file__).resolve().parents[1] / "tools"
sys.path.insert(0, str(TOOLS))
checkers, choosing, concordance, data, halves, job, losses, measures, ranking, sft, small = (
    import_module(f"proof.realtext.{name}")
    for name in (
        *("checkers", "choosing", "concordance", "data", "halves", "job"),
        *("losses", "measures", "ranking", "sft", "small"),
    )
)

PASSING = {
    "capital letters only": "THE SEA IS WIDE.",
    "lower case": "the sea is wide.",
    'word "Answer:"': "Answer: it is wide.",
    '"That is all."': "The sea is wide. That is all.",
    "quotation marks": '"The sea is wide."',
    "without a single comma": "The sea is wide. It is blue.",
    "JSON object": '```json\n{"name": "sea", "use": "swimming"}\n```',
    "double angle brackets": "<<A wide sea>>",
    "yes or no": "Yes.",
    "three asterisks": "The sea is wide.\n***\nIt is blue.",
    "one word": "Wide.",
    "exactly two sentences": "The sea is wide. Is it blue?",
    "at most ten words": "Wide and blue.",
    "at least thirty words": "wide " * 30,
    "bullet points": "- wide\n- blue\n- deep",
    "numbered list": "1. Swim.\n2. Dive.\n3. Sail.\n4. Rest.",
    "five words": "wave, salt, fish, boat, sand",
    'word "blue"': "The blue sea is blue.",
    "in French": "La mer est belle et très profonde.",
    "in Spanish": "El mar es muy hermoso y profundo.",
    "in German": "Das Meer ist schön und sehr tief.",
    "in Italian": "Il mare è bello e molto profondo.",
}
FAILING = "The Sea, I think, is wide"


def test_the_larger_value_of_the_better_answer_counts_one_and_a_tie_one_half() -> None:
    better, worse = np.array([3.0, 1.0, 2.0, 5.0]), np.array([1.0, 2.0, 2.0, 4.0])
    right = concordance.concordant(better, worse)
    assert right.tolist() == [1.0, 0.0, 0.5, 1.0]
    found = concordance.within_pairs(right, ["a", "b", "c", "d"])
    assert found.value == pytest.approx(0.625)
    assert found.low < 0.625 < found.high


def test_pairs_of_one_instruction_are_drawn_together() -> None:
    right = np.random.default_rng(0).integers(0, 2, 60).astype(float)
    apart = concordance.within_pairs(right, [str(at) for at in range(60)])
    repeated = concordance.within_pairs(np.repeat(right, 5), [str(at) for at in range(60) for _ in range(5)])
    assert repeated == apart, "five copies of each pair are no more evidence"


def test_a_threshold_is_asked_across_instructions_and_not_within_each() -> None:
    hardness = np.array([0.0, 10.0, 20.0, 30.0])
    found = concordance.between_groups(hardness + 1, hardness)
    assert concordance.within_pairs(concordance.concordant(hardness + 1, hardness), list("abcd")).value == 1
    assert found.value == pytest.approx(10 / 16)
    assert found.low <= found.value <= found.high


def test_an_instruction_is_always_in_the_same_half_and_the_halves_are_about_even() -> None:
    texts = [f"Tell me about number {number}." for number in range(2_000)]
    found = Counter(map(halves.half_of, texts))
    assert set(found) == set(halves.HALVES)
    assert abs(found["exploration"] - 1_000) < 120
    again = Counter((halves.half_of(text), halves.half_of(text, "other")) for text in texts)
    assert min(again.values()) > 400, "another salt is another split"
    assert halves.half_of("Name a fruit.") == "exploration"


@pytest.mark.parametrize("rule", checkers.RULES, ids=lambda rule: rule.ask.format(topic="the sea"))
def test_each_checker_tells_obedience_from_its_lack(rule: Any) -> None:
    (answer,) = (text for words, text in PASSING.items() if words in rule.ask)
    one = checkers.Checkable(instruction=rule.ask.format(topic="the sea"), rule=rule)
    assert one.passes(f"\n{answer}  ")
    assert not one.passes("")
    assert not one.passes("... !")
    if "at most ten" not in rule.ask:
        assert not one.passes(FAILING)
    else:
        assert not one.passes("wide " * 11)


def test_there_are_enough_checkable_instructions_and_no_two_are_alike() -> None:
    found = checkers.checkables()
    assert 40 <= len(found) <= 100
    assert len({one.instruction for one in found}) == len(found)
    assert {one.rule.kind for one in found} == {"format", "count", "language"}


def pair(question: str, answers: tuple[str, str], votes: tuple[int, ...]) -> Any:
    return data.Pair(source="", asked=Sample(instruction=question), answers=answers, votes=votes, category="")


def test_a_majority_prefers_and_a_tie_or_a_split_does_not() -> None:
    one = [pair("q", ("a", "b"), votes).preferred for votes in ((1, 1, 2), (2, 0, 2), (0, 0, 1), (0, 0, 0), (1,))]
    assert one == [0, 1, None, None, 0]
    assert pair("q", ("a", "b"), (2, 2, 2)).is_unanimous
    assert not pair("q", ("a", "b"), (2, 2, 0)).is_unanimous
    assert not pair("q", ("a", "b"), (0, 0, 0)).is_unanimous


def known_losses(rng: Any, count: int) -> Any:
    return losses.Losses(
        tokens=rng.integers(2, 9, count).astype(float),
        given=10 * rng.random(count),
        given_end=rng.random(count),
        alone=10 * rng.random(count),
        alone_end=rng.random(count),
        ends=np.ones(count),
    )


def test_measures_are_what_they_are_called() -> None:
    rng = np.random.default_rng(1)
    of_small, of_large = known_losses(rng, 5), known_losses(rng, 5)
    found = measures.all_measures(of_small, of_large)
    at = 3
    ifd = [
        math.exp((one.given[at] + one.given_end[at] - one.alone[at] - one.alone_end[at]) / (one.tokens[at] + 1))
        for one in (of_small, of_large)
    ]
    assert found["gap", "score_eos"][at] == pytest.approx(ifd[0] - ifd[1])
    assert found["gap, relative (π_dual)", "score_eos"][at] == pytest.approx((ifd[0] - ifd[1]) / max(ifd))
    assert found["total log-ratio", "perplexity_ratio"][at] == pytest.approx(of_small.given[at] - of_large.given[at])
    assert found["log-likelihood, large", "score_eos"][at] == -(of_large.given[at] + of_large.given_end[at])


def test_the_losses_are_those_of_the_products_scores_in_both_modes(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    samples = [
        Sample(instruction="How many beads are 3 red and 4 blue ones?", response="Three and four are seven beads."),
        Sample(instruction="Name a day.", input="of the week", response="Monday."),
        Sample(instruction="Say nothing.", response=" "),
    ]
    folder = Path(resolve_model("offline/small"))
    found = losses.measured(samples, "small", folder, tmp_path / "losses.jsonl")
    for mode in measures.MODES:
        config = ScoringConfig.model_validate({"small": "offline/small", "mode": mode, "threads": 1, "device": "cpu"})
        scores = DualModel.load(config, large=False, resolve=resolve_model).score(samples)
        expected = [one.ifd_small for one in scores]
        assert expected[2] is None
        assert measures.view(found, mode).ifd[:2] == pytest.approx(expected[:2], rel=1e-4)
    assert math.isnan(found.tokens[2])
    again = losses.measured(samples, "small", tmp_path / "no model here", tmp_path / "losses.jsonl")
    assert (again.given[:2] == found.given[:2]).all(), "read from the file"


def test_arms_take_what_they_are_called_after() -> None:
    pairs = [pair(f"q{at}", ("short", "a longer answer"), (1, 1, 2)) for at in range(300)]
    samples = [one.sample(place) for one in pairs for place in (0, 1)]
    length = {sample: float(len(sample.response or "")) for sample in samples}
    values = dict.fromkeys((*choosing.BY_MEASURE.values(), choosing.RELATIVE_GAP), length)
    taken = {arm: choosing.answers(pairs, values, arm, 0) for arm in choosing.ANSWER_ARMS}
    short = {arm: sum(sample.response == "short" for sample in chosen) for arm, chosen in taken.items()}
    assert {arm: len(chosen) for arm, chosen in taken.items()} == dict.fromkeys(choosing.ANSWER_ARMS, 300)
    assert (short["longest"], short["people"]) == (0, 300)
    assert 185 <= short["dual"] <= 235, "the referee is right with 70 in 100"
    assert 110 <= short["random"] <= 190
    assert {sample.response for sample in choosing.rows(values, "longest", 50, 0)} == {"a longer answer"}
    assert choosing.rows(values, "random", 50, 1) != choosing.rows(values, "random", 50, 2)


def test_a_fitted_sum_finds_the_measure_that_people_go_by() -> None:
    rng = np.random.default_rng(2)
    keys = (("gap", "score_eos"), ("total log-ratio", "score_eos"))
    better = {key: rng.random(400) for key in keys}
    worse = {key: rng.random(400) for key in keys}
    better[keys[0]] += 0.5
    pairs = tuple(pair(f"q{at}", ("a", "b"), (1,)) for at in range(400))
    found = ranking.Ranked(pairs=pairs, better=better, worse=worse, left_out=0)
    fitted = ranking.fit(found, keys)
    assert fitted.weights[0] > 5 * abs(fitted.weights[1])
    assert fitted.auc(found).value == pytest.approx(found.auc(keys[0]).value, abs=0.03)
    assert found.over(keys[0], keys[1]).low > 0.2


def test_misaligned_rows_keep_their_lengths_and_lose_their_answers() -> None:
    samples = [Sample(instruction=f"Question {at}?", response=f"This is answer {at}." * (1 + at)) for at in range(41)]
    found = data.misaligned([*samples, Sample(instruction="Short?", response="Yes.")])
    assert len(found) >= 38
    for right, wrong in found:
        assert right.question == wrong.question
        assert right.response != wrong.response
        assert wrong.response in {
            one.response for one in samples if halves.half_of(one.question) == halves.half_of(right.question)
        }
    assert sorted(str(one.response) for one, _ in found) == sorted(str(one.response) for _, one in found)


def test_training_lowers_the_loss_and_a_pruned_model_holds_the_layers_that_were_kept() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = Path(resolve_model("offline/small"))
    pupil = sft.load(folder)
    rows = [Sample(instruction=f"Count to {at}.", response=f"One to {at}, done.") for at in range(2, 18)]
    before = sft.mean_losses(pupil, rows)
    kept = pupil.model.get_input_embeddings().weight.clone()
    assert sft.fine_tune(pupil, rows, epochs=3, seed=0) > 16 * 10
    assert sum(sft.mean_losses(pupil, rows)) < 0.9 * sum(before)
    assert (pupil.model.get_input_embeddings().weight == kept).all()

    student = small.pruned(folder, keep=(0, 1, 3))
    whole = small.pruned(folder, keep=(0, 1, 2, 3))
    ids = torch.arange(5, 25)[None]
    assert len(student.model.layers) == student.config.num_hidden_layers == 3
    assert (
        float(small.losses(whole, whole, ids)[0].detach()) < 0.01 < float(small.losses(whole, student, ids)[0].detach())
    )


def test_every_question_is_worked_out_to_its_tables(tmp_path: Path, shared_data: Path) -> None:
    torch.set_num_threads(1)
    few = job.Plan(steps=0, pairs=20, pool=10, taken=4, seeds=1, arms=2, checks=4)
    facts = small.Distilled(
        layers=2, layers_of_large=4, parameters=1, tokens=0, divergence=(0.0, 0.0), loss=(0.0, 0.0), loss_of_large=0.0
    )
    models = {size: Path(resolve_model(f"offline/{size}")) for size in ("small", "large")}
    out = tmp_path / "kept"
    out.mkdir()
    for size, folder in models.items():
        (tmp_path / size).mkdir()
        for file in folder.iterdir():
            (tmp_path / size / file.name).symlink_to(file)
    setting = job.Setting(large=tmp_path / "large", small=tmp_path / "small", models=facts, out=out, plan=few)
    found = {one.name: one for part in job.PARTS.values() for one in part(setting)}
    assert list(found) == [
        *("realtext pandalm", "realtext pandalm parts", "realtext misaligned", "realtext vicuna"),
        *("realtext vicuna categories", "realtext answers taught", "realtext rows taught"),
    ]
    for section in found.values():
        text = import_module("proof.sections").markdown(section)
        assert not re.search(r"\bnan\b", text)
        assert all(len(row) == len(grid.head) for grid in section.grids for row in grid.rows)
    assert [row[0] for row in found["realtext rows taught"].grids[0].rows] == ["nothing", "random", "longest"]


def test_what_measures_sees_no_votes() -> None:
    for name in ("losses", "measures", "sft"):
        assert "realtext.data" not in (TOOLS / "proof" / "realtext" / f"{name}.py").read_text("utf-8")


def test_without_the_model_it_says_what_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(SystemExit, match="tools/real_model setup"):
        list(job.sections(tmp_path, quick=True))


def test_a_missing_file_of_real_rows_is_named(tmp_path: Path) -> None:
    with pytest.raises(data.NoData, match=r"testset-v1\.json.*names the repository"):
        data.pandalm(tmp_path)


def test_the_real_rows_are_as_described(shared_data: Path) -> None:
    people = data.pandalm(shared_data)
    assert len(people) == 999
    assert Counter(one.preferred for one in people) == {0: 422, 1: 472, None: 105}
    assert sum(one.is_unanimous for one in people) == 794
    assert "True" in {answer for one in people for answer in one.answers}
    reviews = data.vicuna(shared_data)
    assert len(reviews) == 400
    assert Counter(one.preferred for one in reviews)[None] == 34
    assert len({one.asked.question for one in reviews}) == 80
    pool = data.pool(shared_data)
    assert len(set(pool)) == len(pool) == data.POOL
    read = {
        one.question
        for one in data.rows_to_train_on(shared_data)
        if halves.half_of(one.question, data.READ) == "exploration"
    }
    assert read.isdisjoint(one.question for one in pool)
    assert read.isdisjoint(one.asked.question for one in people)
