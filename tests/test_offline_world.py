"""The closed world: what is stated can be read back, and the checker tells sound responses from flawed ones."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import get_args

import pytest

from star_agents.offline import world
from star_agents.offline.families import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_every_wording_reads_back_to_the_task_it_states(family: str) -> None:
    rng = Random(1)
    assert len(FAMILIES[family].wordings) >= 3
    for _ in range(100):
        task = world.draw(rng, family)
        for wording in range(len(FAMILIES[family].wordings)):
            stated = world.build(family, wording, task.slots)
            assert world.solve(stated.question) == stated
            assert stated.right == task.right


@pytest.mark.parametrize("family", FAMILIES)
def test_sound_responses_pass_the_checker_and_flawed_ones_fail(family: str) -> None:
    rng = Random(2)
    for _ in range(100):
        task = world.draw(rng, family)
        for kind in get_args(world.Kind):
            response = world.write(task, kind, rng)
            assert response
            assert world.check(task, response) == (kind in world.SOUND), (task.question, kind, response)
            assert world.check(task.question, response) == world.check(task, response)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("ana has three eggs and gets four more . how many eggs does ana have now ?", "seven"),
        ("turn 3 hours into minutes for ben .", "180"),
        ("sort these numbers of eva from large to small : 2 , 9 , 4 .", "9 , 4 , 2"),
        ("what comes next in the row of leo : 4 , 7 , 10 ?", "13"),
        ("tell gina the smaller one of 71 and 17 .", "17"),
        ("today is saturday . will has a test in three days . which day is that ?", "tuesday"),
        ("which month is two months after december ? zoe wants to know .", "february"),
        (
            "replace the word dog by cat in the sentence of udo .\n\nthe small dog sees a ball",
            "the small cat sees a ball",
        ),
        ("what is the capital of peru ? mia asks .", "lima"),
        ("jan has the groups tools , fruits , animals . to which one does rake belong ?", "tools"),
        ("count the fruits among apple , dog , plum for rosa .", "two"),
        ("which colour does ben have in the table ?\n\nana : red ; ben : blue", "blue"),
        ("ana is taller than ben . ben is taller than eva . who is the shortest ?", "eva"),
    ],
)
def test_the_answers_are_right(question: str, answer: str) -> None:
    task = world.solve(question)
    assert task is not None
    assert task.right.answer == answer


def test_the_parts_of_the_world_have_their_share_and_their_own_questions() -> None:
    rng = Random(3)
    questions = {world.draw(rng).question for _ in range(5000)}
    parts = [world.part_of(question) for question in questions]
    assert 0.07 < parts.count("test") / len(parts) < 0.13
    assert 0.16 < parts.count("seed") / len(parts) < 0.24
    for part in get_args(world.Part):
        assert world.part_of(world.draw(rng, part=part).question) == part


def test_the_same_generator_gives_the_same_world() -> None:
    first, second = Random(4), Random(4)
    for _ in range(50):
        one, other = world.draw(first), world.draw(second)
        assert one == other
        assert world.write(one, "padded", first) == world.write(other, "padded", second)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "How do I sort a list in Python?",
        "which number is larger , 12 or 12 ? ana asks .",
        "what is the capital of atlantis ? mia asks .",
        "sort these numbers of eva from large to small : one , two .",
        "turn x hours into minutes for ben .",
        "which colour does ben have in the table ?\n\nno table here",
        "which colour does ben have in the table ?",
        "größer 🙂\x00",
    ],
)
def test_text_from_outside_is_not_taken_for_a_task(text: str) -> None:
    assert world.solve(text) is None
    assert not world.check(text, "the answer is 1 .")


def test_no_human_written_instruction_is_taken_for_a_task(shared_data: Path) -> None:
    lines = (shared_data / "self_instruct" / "seed_tasks.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 175
    assert all(world.solve(json.loads(line)["instruction"]) is None for line in lines)


def test_a_reworded_task_keeps_its_answer_and_a_stretched_one_stays_in_its_family() -> None:
    rng = Random(5)
    for _ in range(300):
        task = world.draw(rng)
        reworded, stretched = world.reword(task, rng), world.stretch(task, rng)
        assert reworded.instruction != task.instruction
        assert world.solve(reworded.question) == reworded
        assert reworded.right == task.right
        assert world.solve(stretched.question) == stretched
        assert stretched.family == task.family
