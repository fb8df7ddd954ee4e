"""Rows out of documents in the proof: what is asked for, what is held out, and what the figures compare."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from lines import results

from star_agents.offline import facts, resolve_model, world
from star_agents.records import Sample

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
arms, rows = import_module("proof.documents_arms"), import_module("proof.documents_rows")
documents, report = import_module("proof.documents_world"), import_module("proof.report_documents")
sections = import_module("proof.sections")


def test_a_type_that_names_a_question_is_asked_as_often_as_it_was_drawn_and_at_its_level(tmp_path: Path) -> None:
    made = rows.make(rows.AGENT, documents.texts(6, 3), "", 3, tmp_path / "run")
    found = [row for one in results(tmp_path / "run" / "out") for row in one.outcome.rows]
    assert len(made.rows) == len(found) > 12
    told = [(row.labels["type"], int(row.labels["rounds"])) for row in found]
    assert [documents.kind_and_level(row.data["sample"]["instruction"]) for row in found] == told
    assert len({kind for kind, _ in told}) > 3
    assert made.calls > 2 * len(found)
    again = rows.make(rows.AGENT, documents.texts(6, 3), "", 3, tmp_path / "run")
    assert again == made


@pytest.mark.slow
def test_the_model_that_is_trained_fights_and_only_what_it_lost_is_a_row(tmp_path: Path) -> None:
    target = resolve_model("offline/small")
    made = rows.make(rows.ARENA, documents.texts(4, 3), target, 3, tmp_path / "run")
    fought = [one for one in results(tmp_path / "run" / "out") if one.outcome.recipe == "arena"]
    assert len(made.asked) == len(fought) > 8
    lost = [one for one in fought if one.outcome.rows]
    assert len(lost) == len(made.rows) == len(made.target_said)
    assert not any(said == row.response for said, row in zip(made.target_said, made.rows, strict=True))
    assert {row.labels["loser"] for one in lost for row in one.outcome.rows if row.shape == "sft"} == {"target"}


def test_the_words_of_each_kind_are_told_apart_and_no_other_text_names_one() -> None:
    for kind in documents.KINDS:
        assert facts.kind_asked_for(f"A question {facts.words_for(kind)}.") == kind
        assert facts.words_for(kind) in rows.SKILL.read_text(encoding="utf-8")
    assert facts.kind_asked_for("A question whose answer is stated in the text.") is None


def test_no_row_for_training_asks_what_is_held_out_and_every_cell_is_examined() -> None:
    items = documents.items(4)
    assert {(one.kind, one.level) for one in items} == {
        (kind, level) for kind in documents.KINDS for level in documents.LEVELS
    }
    assert len({one.task.instruction for one in items}) == len(items) == 4 * 18
    assert all(documents.is_held_out(one.task.instruction) for one in items)
    for one in items:
        assert documents.kind_and_level(one.task.instruction) == (one.kind, one.level)
        assert world.check(one.task, world.write(one.task, "good", Random(0)))
        assert not world.check(one.task, "the answer is nothing .")
    own, first = documents.own_questions(documents.texts(20, 3), 3), documents.first_rows(120, (0, 1))
    assert {documents.kind_and_level(row.instruction) for row in own} == {(kind, 0) for kind in facts.FACT_KINDS}
    assert not any(documents.is_held_out(row.instruction) for row in (*own, *first))
    assert all(documents.is_usable(row) for row in (*own, *first))
    assert not documents.is_usable(Sample(instruction=own[0].instruction, response="the answer is nothing ."))


def _right(arm: str, items: list[Any], seeds: int) -> Any:
    knows = {"arena_instruct": (0, 1), "agent_instruct": (0,)}.get(arm, ())
    return np.array([[float(one.level in knows) for one in items]] * seeds)


def test_figures_are_paired_and_say_where_an_arm_is_ahead() -> None:
    items, plan = documents.items(4), arms.QUICK
    row = documents.first_rows(1, (1,))
    taught = {(arm, 0): arms.Taught(rows=row, calls_per_row=2.0) for arm in arms.ARMS}
    right = {arm: _right(arm, items, 1) for arm in arms.ARMS}
    found = arms.figures(taught, right, _right("nobody", items, 1), items, plan)
    named = {one.arm: one for one in found}
    agent, arena = named["agent_instruct"], named["arena_instruct"]
    assert arena.arena_over.low == arena.arena_over.value == arena.arena_over.high == 0
    assert agent.arena_over.value == pytest.approx(1 / 3)
    assert 0 < agent.arena_over.low < 1 / 3 < agent.arena_over.high
    assert (arena.by_cell["more", 1], agent.by_cell["more", 1]) == (1.0, 0.0)
    assert arena.shares == {documents.kind_and_level(row[0].instruction): 1.0}
    assert (arena.rows, arena.calls, arena.usable) == (1, 2.0, 1.0)
    whole = arms.Found(
        items=len(items),
        before=0.0,
        untrained=0.0,
        before_by_cell=arena.by_cell,
        lost={"arena_instruct": 0.5},
        arms=found,
    )
    text = sections.markdown(report.documents("documents", "a title", whole))
    assert "| arena_instruct | 1 | 2.0 | 2 | 100.0 | – | 1.0 | 66.7 [" in text
    assert "| more, 1 | 100 | 0 | 0 | 0 | 100 | 0 |" in text
