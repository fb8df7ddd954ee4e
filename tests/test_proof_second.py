"""The second closed world: its checker is right by construction, its parts share no question, its rules are what they
are called."""

from __future__ import annotations

import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, get_args

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
families, tasks, pool = (import_module(f"proof.second.{name}") for name in ("families", "tasks", "pool"))
lessons, rules = (import_module(f"proof.second.{name}") for name in ("lessons", "rules"))
targets = import_module("proof.second.targets")
arms, outcomes = import_module("proof.arms"), import_module("proof.outcomes")
replacements, variants = import_module("proof.replacements"), import_module("proof.variants")
scores, table_of = import_module("proof.scores"), import_module("proof.table")
COUNTS = (1, 2, 3, 4)


def drawn(number: int) -> list[Any]:
    rng = Random(number)
    return [tasks.draw(rng, family, count) for family in families.FAMILIES for count in COUNTS for _ in range(number)]


@pytest.mark.parametrize("kind", get_args(tasks.Kind))
def test_every_kind_of_response_is_right_or_wrong_as_its_name_says(kind: str) -> None:
    rng = Random(5)
    for task in drawn(40):
        assert tasks.check(task, tasks.write(task, kind, rng)) == (kind in tasks.SOUND), task


def test_a_right_answer_to_another_question_or_with_a_word_more_or_less_is_wrong() -> None:
    for task in drawn(5):
        right = tasks.write(task, "shown", Random(1))
        assert not tasks.check(task, f"{right} or so")
        assert not tasks.check(task, right.rpartition(" ")[0])
        assert not tasks.check(task, "")
        assert not tasks.check("what is the capital of peru ?", right)


def test_a_question_is_recognised_from_its_text_in_either_wording_and_is_in_one_part_in_both() -> None:
    for task in drawn(25):
        assert tasks.read(task.question) == task
        other = tasks.Task(
            family=task.family,
            label=task.label,
            wording=1 - task.wording,
            start=task.start,
            operations=task.operations,
        )
        assert other.part == task.part
        assert other.question != task.question
    assert tasks.read("#a row : ka mo ri | push tu ?") is None
    assert tasks.read("#a line : ka mo ri | turn tu se ?") is None


def test_each_step_of_the_checker_is_what_its_operation_says() -> None:
    worked = {
        "#a row : ka mo ri | flip , roll , swap ?": "ka mo ri",
        "#a pile : ka mo | push tu , pop , pop ?": "ka",
        "#a queue : ka mo | join tu , serve , serve ?": "tu",
        "#a line : ka mo ri | turn mo tu , turn tu se ?": "ka se ri",
        "#a walk : ka mo ri | front ri , last ka ?": "ri mo ka",
        "#a slots : P ka Q mo | trade P Q , set P tu ?": "P tu Q ka",
    }
    for question, answer in worked.items():
        assert tasks.check(question, f"= {answer}"), question
    assert {question.split()[1] for question in worked} == set(families.FAMILIES)


def test_the_hard_half_of_the_examination_is_as_hard_as_what_a_coach_writes_and_no_row_asks_what_it_asks() -> None:
    exam = lessons.examination(12)
    candidates = pool.generate(160, 0, "mixed")
    rows = [[tasks.read(one.instruction) for one in row] for row in candidates.rows]
    coached = [pair.instruction == pool.COACH for pair in candidates.pairs]
    asked = Counter(len(task.operations) for row in rows for task, hard in zip(row[1:], coached, strict=True) if hard)
    assert {len(task.operations) for task in exam["hard"]} == set(asked)
    assert {len(task.operations) for task in exam["ordinary"]} == {len(row[0].operations) for row in rows}
    assert {task.part for half in exam.values() for task in half} == {"test"}
    assert {task.part for row in rows for task in row} == {"seed"}
    assert len({task.question for task in exam["ordinary"]}) == len(exam["ordinary"]) == 12 * len(families.FAMILIES)


def test_the_table_is_the_same_again_and_agents_are_as_good_as_planted() -> None:
    plain, again, mixed = (pool.generate(80, 4, style) for style in ("plain", "plain", "mixed"))
    assert plain == again
    assert sorted(map(repr, (row[1:] for row in plain.rows))) == sorted(map(repr, (row[1:] for row in mixed.rows)))
    found = pool.generate(600, 5, "mixed")
    usable = pool.usable(found)
    right = dict(zip(["seed", *(pair.name for pair in found.pairs)], usable.mean(axis=0), strict=True))
    assert 0.58 < right["seed"] < 0.72
    assert right["keep/tracer"] > right["coach/tracer"] > right["keep/hurried"] > right["keep/parrot"]
    well_put = pool.well_put(found, usable)
    names = [pair.name for pair in found.pairs]
    assert not well_put[:, 1 + names.index("keep/curt")].any()
    assert (well_put <= usable).all()


def planted() -> tuple[Any, ...]:
    rng = np.random.default_rng(3)
    gap = rng.normal(0.05, 0.1, (200, 6))
    gap[rng.random(gap.shape) < 0.05] = np.nan
    verdict = rng.choice([0.0, 0.5, 1.0], gap.shape)
    verdict[:, 0] = 0.5
    return gap, verdict, np.zeros(gap.shape, dtype=bool), 1 + np.argsort(rng.random((200, 5)), axis=1)[:, :3]


def test_referee_only_and_dual_are_what_the_product_chooses() -> None:
    gap, verdict, same, places = planted()
    found = scores.Scores(small=gap, large=np.zeros_like(gap))
    for rule, selection in ((replacements.REFEREE, "referee"), (replacements.DUAL, "dual")):
        taken = variants.choose(replacements.REPLACEMENTS[rule], gap, verdict, same, places)
        products = arms.choose_all(selection, places, found, verdict, same, 1)
        assert [int(column) for column in taken] == [one.column for one in products], rule


def test_a_rule_that_puts_the_verdict_first_never_takes_a_worse_verdict_and_then_the_widest_gap() -> None:
    gap, verdict, same, places = planted()
    columns = np.hstack([np.zeros((len(places), 1), dtype=int), places])
    taken = variants.choose(replacements.gap_among_equals, gap, verdict, same, places)
    for row, column in enumerate(taken):
        best = max(verdict[row, columns[row]])
        assert verdict[row, column] == best
        equals = [at for at in columns[row] if verdict[row, at] == best]
        assert np.nan_to_num(gap[row, column], nan=-9) == max(np.nan_to_num(gap[row, at], nan=-9) for at in equals)


def test_a_margin_lets_fewer_ties_displace_the_base() -> None:
    gap, verdict, same, places = planted()
    rules_tried = replacements.REPLACEMENTS
    names = [name for name in rules_tried if "among equals" in name or "spread" in name]
    kept = [(variants.choose(rules_tried[name], gap, verdict, same, places) == 0).mean() for name in names]
    assert kept == sorted(set(kept))
    assert len(kept) == 3


def test_what_is_learned_finds_the_truth_that_was_planted_and_a_rule_below_its_rivals_does_not_hold() -> None:
    gap, verdict, same, _ = planted()
    usable = verdict == 1
    found = table_of.Table(
        candidates=pool.Candidates(pairs=pool.PAIRS[:5], rows=()),
        scores=scores.Scores(small=gap, large=np.zeros_like(gap)),
        verdicts={"answers": verdict},
        same=same,
        usable=usable,
        well_put=usable & (gap > 0),
    )
    cases = [rules.Case(style="plain", referee="answers", m=3)]
    tables = {"plain": found}
    standings = {one.name: one for one in rules.standings(rules.measure(tables, cases, rules.tried(tables, cases)))}
    learned = standings[rules.LEARNED["usable"]]
    assert learned.mean["usable"] == standings[replacements.REFEREE].mean["usable"]
    assert not standings[replacements.DUAL].holds
    assert standings[replacements.DUAL].below["usable", replacements.REFEREE] == 1
    assert standings[replacements.DUAL].under["usable", replacements.DUAL] == 0


def test_the_models_are_made_once_and_the_same_again(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    homes = [tmp_path / name for name in "ab"]
    folders = [Path(targets.folder_of("small", home, share=0.002)) for home in homes]
    first, second = ((folder / "model.safetensors").read_bytes() for folder in folders)
    assert first == second
    made = (folders[0] / "model.safetensors").stat().st_mtime_ns
    assert targets.folder_of("small", homes[0], share=0.002) == str(folders[0])
    assert (folders[0] / "model.safetensors").stat().st_mtime_ns == made
    tokenizer = targets.make_tokenizer()
    known = tokenizer.get_vocab()
    asked = " ".join(task.question for task in drawn(30))
    said = " ".join(tasks.write(task, kind, Random(2)) for task in drawn(10) for kind in get_args(tasks.Kind))
    assert set(f"{asked} {said}".split()) <= known.keys()
