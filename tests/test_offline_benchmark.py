"""The sample benchmark, and the sample judge that grades and compares from the prompt alone."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from lines import read_jsonl

from star_agents.arena import mt_bench
from star_agents.engine.evaluation import OWN_PROMPTS
from star_agents.offline import QUESTIONS_PATH, questions, seeds, world
from star_agents.offline.agents import respond
from star_agents.storage.incoming.question_files import read_judge_prompts


def graded(name: str, shown: dict[str, str]) -> str:
    """What the sample referee writes to one of our own prompts of a benchmark."""
    messages = read_judge_prompts(OWN_PROMPTS)[name].messages(shown)
    return respond("referee", [one.to_dict() for one in messages]).text


@pytest.mark.parametrize("name", [name for name, use in mt_bench.PROMPTS.items() if use.mode == "single"])
def test_the_referee_grades_a_benchmark_by_what_it_is_shown(name: str) -> None:
    rng = Random(name)
    grades: dict[world.Kind, list[float]] = {"good": [], "wrong": [], "off": []}
    for kind in grades:
        for _ in range(60):
            first, task = world.draw(rng), world.draw(rng)
            shown = {"question": task.question, "answer": world.write(task, kind, rng), "question_1": first.question}
            shown |= {"answer_1": world.write(first, "off", rng)}
            shown |= {"question_2": shown["question"], "answer_2": shown["answer"]}
            said = graded(name, {**shown, "ref_answer_1": "A.", "ref_answer_2": "B."})
            grade = mt_bench.rating_in(said)
            assert grade is not None, said
            grades[kind].append(grade)
    means = [sum(given) / len(given) for given in grades.values()]
    assert means[0] > means[1] + 3 > means[2] + 4, means


@pytest.mark.parametrize("name", [name for name, use in mt_bench.PROMPTS.items() if use.mode == "pair"])
def test_the_referee_names_the_better_of_two_answers_to_a_benchmark(name: str) -> None:
    rng = Random(name)
    named: Counter[object] = Counter()
    for _ in range(60):
        first, task = world.draw(rng), world.draw(rng)
        better, worse = world.write(task, "good", rng), world.write(task, "off", rng)
        shown = {"question": task.question, "answer_a": better, "answer_b": worse}
        for turn, asked in (("1", first.question), ("2", task.question)):
            shown |= {f"question_{turn}": asked, f"answer_a_{turn}": better, f"answer_b_{turn}": worse}
        named[mt_bench.verdict_in(graded(name, {**shown, "ref_answer_1": "A.", "ref_answer_2": "B."}))] += 1
    assert named["first"] >= 54, named


def test_the_sample_benchmark_is_the_one_that_ships_and_asks_what_no_sample_seed_asks() -> None:
    assert questions.rows() == read_jsonl(QUESTIONS_PATH)
    asked = {turn for row in questions.rows() for turn in row["turns"]}
    assert len(asked) == 2 * questions.COUNT
    assert asked.isdisjoint("\n\n".join(filter(None, (row["instruction"], row["input"]))) for row in seeds.rows())
