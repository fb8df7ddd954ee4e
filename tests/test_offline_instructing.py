"""AgentInstruct on sample agents: documents of the closed world, every skill in its forms, a checker of all of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from daemons import star_agents
from lines import read_jsonl, results, run

from star_agents.engine.configuration import read_config
from star_agents.offline import DOCUMENTS_PATH, documents, facts
from star_agents.offline.checking import is_answerable, is_right
from star_agents.recipes.parts.forms import Written, answer_form_flaw, missing_text_flaw
from star_agents.recipes.skill_files import built_in_skill, built_in_skills
from star_agents.records import Document, Seed
from star_agents.storage.incoming.seed_files import read_seeds
from star_agents.storage.results import Result

ALL = """
agents: {{coach: {{model: offline/coach}}, tutor: {{model: offline/tutor}}}}
recipe: agent_instruct
agent_instruct:
  {{writer: coach, answerer: tutor, skills: [{skills}], skills_per_document: 2, types_per_document: 4,
   instructions_per_document: 8}}
concurrency: 1
"""
TEXT = (
    "ana has five apples . ben has two apples . ana leaves on monday . the boat of ben is red . "
    "thank you for this question ."
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    folder = tmp_path_factory.mktemp("instructing")
    (folder / "agents.yaml").write_text(ALL.format(skills=", ".join(built_in_skills())))
    asyncio.run(run(read_config(folder / "agents.yaml"), list(read_seeds(DOCUMENTS_PATH).seeds), folder / "out"))
    return results(folder / "out")


def test_each_skill_that_ships_gives_rows_and_each_row_has_the_form_of_its_type(found: list[Result]) -> None:
    rows = [row for one in found for row in one.outcome.rows]
    assert {row.labels["skill"] for row in rows} == set(built_in_skills())
    for row in rows:
        skill = built_in_skill(row.labels["skill"])
        kind = next(one for one in skill.types if one.name == row.labels["type"])
        form = skill.form_of(kind)
        sample = row.data["sample"]
        assert row.labels["form"] == form
        written = Written(instruction="", options=tuple(kind.labels), keys=("answer",))
        if form in ("json", "code") or (form == "label" and kind.labels):
            assert answer_form_flaw(sample["response"], written, form) == ""
        assert bool(sample.get("tools")) == (form == "tool_calls")
        assert len(sample.get("history", [])) == (2 if form == "messages" else 0)


async def test_sample_agents_play_every_kind_of_task_with_tools(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(ALL.format(skills="tool_use").replace("skills_per_document: 2, ", ""))
    seeds = read_seeds(DOCUMENTS_PATH).seeds[:20]
    await run(read_config(tmp_path / "agents.yaml"), list(seeds), tmp_path / "out")
    outcomes = [one.outcome for one in results(tmp_path / "out")]
    rows = [row for one in outcomes for row in one.rows]
    assert {row.labels["type"] for row in rows} == {kind.name for kind in built_in_skill("tool_use").types}
    assert {row.labels["rounds"] for row in rows} == {"0", "1"}
    failed = {one.failure.detail for outcome in outcomes for one in outcome.trials if one.failure}
    repeats = ("the document has the same instruction already", "it repeats an earlier instruction (")
    assert [one for one in failed if not one.startswith(repeats)] == []


def test_no_row_needs_a_text_that_it_does_not_carry(found: list[Result]) -> None:
    for one in found:
        for row in one.outcome.rows:
            skill = built_in_skill(row.labels["skill"])
            kind = next(kind for kind in skill.types if kind.name == row.labels["type"])
            sample = row.data["sample"]
            if skill.carries_text(kind):
                assert sample.get("input") or sample.get("history")
            else:
                assert missing_text_flaw(sample["instruction"]) == ""


def test_nine_of_ten_refined_instructions_can_be_answered_and_rows_are_right_where_that_can_be_told(
    found: list[Result],
) -> None:
    refined, rows = [], []
    for one in found:
        for trial in one.outcome.trials:
            if trial.sample.tools:
                continue  # What functions give nobody can know before.
            if (trial.measures.get("rounds") or 0) > 0:
                refined.append(is_answerable(trial.sample.question))
            if trial.failure is None and not trial.sample.history:
                rows.append(is_right(trial.sample.question, trial.sample.response or ""))
    assert len(refined) > 100
    assert sum(refined) >= 0.9 * len(refined)
    assert len(rows) > 100
    assert sum(rows) >= 0.9 * len(rows)


def test_it_runs_from_the_command_line_without_a_key(tmp_path: Path) -> None:
    assert star_agents("init", "--recipe", "agent_instruct", tmp_path / "a.yaml").returncode == 0
    done = star_agents("run", "-c", tmp_path / "a.yaml", "-s", "offline", "-n", "4", "-o", tmp_path / "out", "-q")
    assert done.returncode == 0, done.stderr
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) > 20


async def test_documents_of_anybody_are_worked_too(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(ALL.format(skills="reading_comprehension, text_modification"))
    text = "Lighthouses guided merchant vessels along dangerous coasts long before satellites existed."
    seeds = [Seed.of(Document(text=f"{text} Keeper {number} lived there.")) for number in range(4)]
    await run(read_config(tmp_path / "agents.yaml"), seeds, tmp_path / "out")
    assert sum(len(one.outcome.rows) for one in results(tmp_path / "out")) >= 4


def test_the_file_of_documents_is_the_one_that_the_program_writes(tmp_path: Path) -> None:
    documents.write(tmp_path / "documents.jsonl")
    assert (tmp_path / "documents.jsonl").read_bytes() == DOCUMENTS_PATH.read_bytes()
    seeds = read_seeds(DOCUMENTS_PATH).seeds
    assert len(seeds) == documents.COUNT
    for seed in seeds:
        known = facts.read_facts(seed.document.text)
        assert len(known.values) == 8
        assert {one[0] for one in known.values} == set(facts.FACT_KINDS)


@pytest.mark.parametrize(
    ("question", "answer", "right"),
    [
        ("how many apples does ana have ?", "ana has five apples . the answer is five .", True),
        ("how many apples does ana have ?", "the answer is four .", False),
        ("how many coins does ana have ?", "the text does not say that . the answer is not stated .", True),
        ("how many apples do ana and ben have together ?", "the answer is seven .", True),
        ("who has more apples , ana or ben ?", "the answer is ana .", True),
        ("which day is three days after the one on which ana leaves ?", "the answer is thursday .", True),
        (
            "which colour has the boat of ben ?\nthe last word of your reply must be blue .",
            "the answer is red blue .",
            True,
        ),
        ("which colour has the boat of ben ?\n\nA) red\nB) blue", "So it is. Answer: A", True),
        ("which colour has the boat of ben ?\n\nA) red\nB) blue", "So it is. Answer: B", False),
        ("write yes if the answer is red , and no if it is not . which colour has the boat of ben ?", "yes", True),
        ("write yes if the answer is blue , and no if it is not . which colour has the boat of ben ?", "yes", False),
        ("write JSON with the key answer . how many apples does ana have ?", '{"answer": "five"}', True),
        ("write python code that prints the answer . how many apples does ana have ?", '```\nprint("five")\n```', True),
    ],
)
def test_the_checker_tells_a_right_answer_in_every_form(question: str, answer: str, right: bool) -> None:
    asked = f"{question}\n\n{TEXT}"
    assert is_answerable(asked)
    assert is_right(asked, answer) == right


def test_the_checker_tells_what_nobody_can_answer() -> None:
    assert not is_answerable("how many apples does ana have ?")
    assert not is_answerable(f"how many apples does ana have ?\nsay also what nobody in the world can know .\n\n{TEXT}")
    assert not is_answerable("What is a lighthouse?")


def test_a_text_that_is_changed_says_otherwise_or_nothing() -> None:
    about = ("count", "apples", "ana")
    without = facts.without(TEXT, about)
    assert about not in facts.read_facts(without).values
    assert len(facts.read_facts(without).values) == 3
    assert json.dumps(without).count("ana has") == 0
