"""FastChat's protocol to the letter: temperatures, grades, verdicts, prompts, and the files in which they come."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from star_agents.arena.games import Game
from star_agents.arena.grades import Grade, change, mean_estimate, medians, standing
from star_agents.arena.leaderboard import leaderboard
from star_agents.arena.mt_bench import (
    PROMPTS,
    JudgePrompt,
    Question,
    Side,
    comparison_fields,
    grading_fields,
    joined,
    mistake_in,
    prompt_name,
    rating_in,
    verdict_in,
)
from star_agents.arena.pair_verdicts import PairVerdict, win_rates
from star_agents.engine.evaluation import OWN_PROMPTS, read_benchmark
from star_agents.errors import SeedFileError, UsageError
from star_agents.storage.incoming.question_files import (
    BENCHMARKS,
    QuestionFiles,
    find_questions,
    read_judge_prompts,
    read_questions,
    read_references,
)

FASTCHAT = Path(__file__).resolve().parents[2] / "shared" / "data" / "fastchat"
at_hand = pytest.mark.skipif(not FASTCHAT.is_dir(), reason="the shared data files are not at hand")

TRANSCRIPTS = (
    "It is good. Rating: [[7]]",
    "[[8.5]] it is",
    "Rating: [[6.]]",
    "First I thought [[3]], but no: [[9]]",
    "As said in [1], it is right. Rating: [[10]]",
    "Rating: [4]",
    "Rating: [5.5] of [10]",
    "Sources [2] and [3] are cited.",
    "[[10/10]]",
    "[[ 7 ]]",
    "Rating: 8",
    "[[rating]]",
    "[[-3]]",
    "[[0]]",
    "[[007]]",
    "[[3",
    "9]]",
    "[[2]]]]",
    "[ [6] ]",
    "[[1.2.3]]",
    "",
)
"""What judges write."""


def independent(transcripts: tuple[str, ...]) -> list[float]:
    """FastChat's rule in a few lines: the first [[n]], else the first [n]; what holds neither is left out."""
    scores = []
    for text in transcripts:
        for pattern in (r"\[\[(\d+\.?\d*)\]\]", r"\[(\d+\.?\d*)\]"):
            if match := re.search(pattern, text):
                scores.append(float(match[1]))
                break
    return scores


def test_grades_in_every_odd_form_average_to_what_an_independent_script_gives() -> None:
    grades = [
        Grade(model="m", question=str(place), category="c", turn=1, score=rating_in(text))
        for place, text in enumerate(TRANSCRIPTS)
    ]
    expected = independent(TRANSCRIPTS)
    found = standing("m", grades, ["c"], expected=len(TRANSCRIPTS))
    assert found.score.value == pytest.approx(fmean(expected), abs=1e-12)
    assert (found.graded, found.unreadable) == (len(expected), len(TRANSCRIPTS) - len(expected))
    assert (found.unreadable, found.outside, found.missing) == (9, 1, 0)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("Rating: [[7]]", 7),
        ("[[3]] or [[9]]", 3),
        ("see [2]; Rating: [[10]]", 10),
        ("Rating: [4]", 4),
        ("[[10/10]]", None),
        ("[[-3]]", None),
        ("[[99]]", 99),
        ("[[" + "9" * 400 + "]]", None),
    ],
)
def test_the_first_double_brackets_count_before_any_single_ones(said: str, score: float | None) -> None:
    assert rating_in(said) == score


def test_verdicts_are_looked_for_in_fastchats_order() -> None:
    assert verdict_in("[[B]] at first, but then [[A]]") == "first"
    assert verdict_in("[[C]] or [[B]]") == "second"
    assert verdict_in("A tie: [[C]].") == "tie"
    assert verdict_in("[A] is better") is None


@pytest.mark.parametrize(
    ("forward", "backward", "value"),
    [
        ("first", "second", 1.0),
        ("second", "first", 0.0),
        ("first", "first", 0.5),
        ("second", "second", 0.5),
        ("tie", "tie", 0.5),
        ("first", "tie", 0.5),
        ("tie", "first", 0.5),
        ("second", "tie", 0.5),
        ("first", None, None),
        (None, "tie", None),
    ],
)
def test_any_disagreement_of_two_orders_is_a_tie(forward: Side | None, backward: Side | None, value: Any) -> None:
    verdict = PairVerdict(first="a", second="b", question="1", category="c", turn=1, forward=forward, backward=backward)
    assert verdict.value == value
    assert (joined(forward, backward) is None) == (value is None)


def test_a_tie_is_half_a_win_and_what_cannot_be_read_is_no_battle() -> None:
    said: list[tuple[Side | None, Side | None]] = [
        ("first", "second"),
        ("first", "first"),
        ("second", "first"),
        (None, "tie"),
    ]
    verdicts = [
        PairVerdict(
            first="a", second="b", question=str(place), category="c", turn=1, forward=forward, backward=backward
        )
        for place, (forward, backward) in enumerate([*said, ("first", "second")])
    ]
    a, b = win_rates(verdicts, ["a", "b"])
    assert (a.wins, a.ties, a.losses, a.unreadable, a.rate.value) == (2, 1, 1, 1, 2.5 / 4)
    assert b.rate.value == 1.5 / 4
    assert b.rate.low is not None
    assert a.rate.high == pytest.approx(1 - b.rate.low)


# Temperatures and prompts


@at_hand
def test_models_are_asked_at_fastchats_temperature_for_every_category_of_both_benchmarks() -> None:
    expected = {"writing": 0.7, "roleplay": 0.7, "extraction": 0.0, "math": 0.0, "coding": 0.0, "reasoning": 0.0}
    expected |= {"stem": 0.1, "humanities": 0.1}
    expected |= dict.fromkeys(["generic", "knowledge", "common-sense", "fermi", "counterfactual"], 0.7)
    found = {one.category: one.temperature for name in ("mt_bench", "vicuna") for one in benchmark(name)}
    assert found == expected


def test_a_row_may_have_a_temperature_of_its_own() -> None:
    assert Question(id="1", category="math", turns=("1 + 1?",), own_temperature=0.3).temperature == 0.3


def benchmark(name: str) -> list[Question]:
    return read_questions(find_questions(name, FASTCHAT))


@at_hand
@pytest.mark.parametrize(
    ("name", "categories", "turns", "references"),
    [
        (
            "mt_bench",
            dict.fromkeys(["writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem"], 10),
            160,
            30,
        ),
        ("vicuna", {"generic": 10, "fermi": 10, "coding": 7, "math": 3}, 80, 10),
    ],
)
def test_fastchats_files_are_read_as_they_are(
    name: str, categories: dict[str, int], turns: int, references: int
) -> None:
    questions = benchmark(name)
    found = Counter(one.category for one in questions)
    assert (len(questions), sum(len(one.turns) for one in questions)) == (80, turns)
    assert categories.items() <= found.items()
    assert sum(bool(one.reference) for one in questions) == references
    assert all(len(one.reference) >= len(one.turns) for one in questions if one.needs_reference)


@at_hand
@pytest.mark.parametrize("name", ["mt_bench", "vicuna"])
@pytest.mark.parametrize("mode", ["single", "pair"])
def test_a_judge_is_shown_what_fastchat_shows_it_character_for_character(name: str, mode: Any) -> None:
    rows = [json.loads(line) for line in (FASTCHAT / "judge_prompts.jsonl").read_text("utf-8").splitlines()]
    templates = {row["name"]: row for row in rows}
    references = read_references(next(FASTCHAT.glob(f"{name}*_reference_gpt-4.jsonl")))
    prompts = read_judge_prompts(FASTCHAT / "judge_prompts.jsonl")
    a, b = ("It is {4}; {question}.\n", " second {answer}"), ("No: {0}", "5 %s")
    for question in benchmark(name):
        for turn in range(1, len(question.turns) + 1):
            with_reference = question.category in ("math", "reasoning", "coding")
            base = {"single": "single-math-v1" if with_reference else "single-v1"}
            base["pair"] = "pair-math-v1" if with_reference else "pair-v2"
            called = base[mode] + ("-multi-turn" if turn == 2 else "")
            assert prompt_name(mode, question, turn) == called
            written: dict[str, str] = {
                "question": question.turns[0],
                "answer": a[0],
                "answer_a": a[0],
                "answer_b": b[0],
            }
            for place, text in enumerate(question.turns, start=1):
                written[f"question_{place}"] = text
                written |= {f"answer_{place}": a[place - 1], f"answer_a_{place}": a[place - 1]}
                written[f"answer_b_{place}"] = b[place - 1]
            for place, text in enumerate(references.get(question.id, ()), start=1):
                written[f"ref_answer_{place}"] = text
            expected = "".join(
                written[part[1:-1]] if re.fullmatch(r"\{\w+\}", part) else part
                for part in re.split(r"(\{\w+\})", templates[called]["prompt_template"])
            )
            shown = grading_fields(question, a, turn) if mode == "single" else comparison_fields(question, a, b, turn)
            system, user = prompts[called].messages(shown)
            assert user.content == expected
            assert (system.role, system.content) == ("system", templates[called]["system_prompt"])


def test_without_a_file_the_judge_is_asked_in_our_own_words_and_every_prompt_can_be_filled(tmp_path: Path) -> None:
    ours = read_judge_prompts(OWN_PROMPTS)
    assert ours.keys() == PROMPTS.keys()
    path = tmp_path / "q.jsonl"
    path.write_text('{"question_id": 1, "category": "math", "turns": ["1?", "2?"], "reference": ["one", "two"]}\n')
    found = read_benchmark(find_questions(str(path), None))
    assert found.judge_prompts_are_ours
    (question,) = found.questions
    answers = ("eins", "zwei")
    for turn in (1, 2):
        single = (
            ours[prompt_name("single", question, turn)].messages(grading_fields(question, answers, turn))[1].content
        )
        pair = (
            ours[prompt_name("pair", question, turn)]
            .messages(comparison_fields(question, answers, answers, turn))[1]
            .content
        )
        for text in (single, pair):
            assert all(part in text for part in (*question.turns[:turn], *question.reference[:turn], answers[turn - 1]))
    assert all("[[" in one.system for one in ours.values()), "each says how to write the grade or the verdict"


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("{question} {answer} {refs}", "has a place {refs}, which single-v1 does not fill"),
        ("{question}", "has no place {answer}"),
        ("{question} {answer", "its braces cannot be read"),
        ("{question} {answer!r}", "a place holds a format"),
        ("{question.__class__} {answer}", "has a place {question.__class__}"),
    ],
)
def test_a_judges_prompt_that_cannot_be_filled_is_told(template: str, what: str) -> None:
    assert what in mistake_in("single-v1", template)


def test_a_prompt_without_a_system_turn_is_sent_without_one() -> None:
    prompt = JudgePrompt(system="", template="{question} {answer}")
    assert [one.role for one in prompt.messages({"question": "q", "answer": "a"})] == ["user"]


# Files


def written(folder: Path, *rows: Any, name: str = "q.jsonl") -> QuestionFiles:
    path = folder / name
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return find_questions(str(path), None)


def row(**changed: Any) -> dict[str, Any]:
    return {"question_id": 2, "category": "writing", "turns": ["Write."], **changed}


@pytest.mark.parametrize(
    ("bad", "field", "what"),
    [
        (row(turns=[]), "turns", "is empty"),
        (row(turns=["a", "b", "c"]), "turns", "holds 3 turns"),
        (row(turns="Write."), "turns", "must be a list; found text"),
        (row(turns=["a", 3]), "turns[1]", "must be text; found the number 3"),
        (row(category=None), "category", "must be text; found null"),
        (row(question_id=None), "question_id", "must be a number or a text; found null"),
        (row(question_id="x" * 201), "question_id", "is 201 characters long; 200 are the most"),
        (row(question_id=1), "question_id", "1 is there already, in q.jsonl:1"),
        (row(category="math"), "category", "whose judge is shown a reference answer, and there is none"),
        (row(category="math", turns=["a", "b"], reference=["one"]), "turns", "there are 2, and reference answers to 1"),
        (row(required_temperature="hot"), "required_temperature", "must be a number from 0 to 5; found text"),
        (3, "", "must be an object"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_field(tmp_path: Path, bad: Any, field: str, what: str) -> None:
    with pytest.raises(SeedFileError) as told:
        read_questions(written(tmp_path, row(question_id=1), bad))
    (problem,) = told.value.problems
    assert (problem.where, problem.field) == ("q.jsonl:2", field)
    assert what in problem.message


def test_the_wizardlm_set_is_read_with_skill_and_difficulty(tmp_path: Path) -> None:
    one = {"idx": 7, "Skill": "Math", "Difficulty": 3, "Instruction": "What is 1 + 1?"}
    (question,) = read_questions(written(tmp_path, one, name="WizardLM_testset.jsonl"))
    assert (question.id, question.category, question.turns) == ("7", "Math", ("What is 1 + 1?",))
    assert question.labels == {"skill": "Math", "difficulty": "3"}
    assert (question.temperature, question.needs_reference) == (0.7, False), "FastChat's words are in small letters"
    assert find_questions("wizardlm", tmp_path).questions.name == "WizardLM_testset.jsonl"


def test_fastchats_own_folders_bring_references_and_prompts_along(tmp_path: Path) -> None:
    (tmp_path / "mt_bench" / "reference_answer").mkdir(parents=True)
    for place in ("mt_bench/question.jsonl", "mt_bench/reference_answer/gpt-4.jsonl", "judge_prompts.jsonl"):
        (tmp_path / place).write_text("")
    found = find_questions("mt_bench", tmp_path)
    assert found == find_questions(str(tmp_path / "mt_bench" / "question.jsonl"), None)
    assert (found.name, found.references, found.judge_prompts) == (
        "mt_bench",
        tmp_path / "mt_bench" / "reference_answer" / "gpt-4.jsonl",
        tmp_path / "judge_prompts.jsonl",
    )
    (tmp_path / "mt_bench" / "reference_answer" / "mine.jsonl").write_text("")
    with pytest.raises(UsageError, match="several files of references; name one"):
        find_questions("mt_bench", tmp_path)
    mine = tmp_path / "mt_bench" / "reference_answer" / "mine.jsonl"
    assert find_questions("mt_bench", tmp_path, references=mine).references == mine, "what is named is taken"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_that_is_not_there_is_told_with_where_it_was_looked_for(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="holds none of"):
        find_questions(name, tmp_path)
    with pytest.raises(UsageError, match="where the questions lie is not known"):
        find_questions(name, None)
    with pytest.raises(UsageError, match="there is no such file"):
        find_questions(f"{name}.jsonl", tmp_path)


def test_a_prompt_that_is_missing_from_the_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "judge_prompts.jsonl"
    path.write_text(
        '{"name": "single-v1", "system_prompt": "", "prompt_template": "{question} {answer}"}\n{"name": "x"}\n'
    )
    with pytest.raises(SeedFileError, match="no prompt is called single-math-v1"):
        read_judge_prompts(path)
    ours = OWN_PROMPTS.read_text("utf-8").splitlines()
    path.write_text("\n".join(line for line in ours if '"type": "single"' in line))
    assert len(read_judge_prompts(path, pairwise=False)) == 4, "those that compare are needed by who compares"
    with pytest.raises(SeedFileError, match="no prompt is called pair-v2"):
        read_judge_prompts(path)


# Arithmetic


def grade(question: int, turn: int, score: float | None, repeat: int = 1, category: str = "c") -> Grade:
    return Grade(model="m", question=str(question), category=category, turn=turn, repeat=repeat, score=score)


def test_the_score_is_the_plain_mean_of_turns_without_weights_for_categories() -> None:
    grades = [
        grade(1, 1, 10),
        grade(1, 2, 4, category="c"),
        grade(2, 1, 1, category="d"),
        grade(2, 2, None, category="d"),
    ]
    found = standing("m", grades, ["c", "d"], expected=6)
    assert found.score.value == 5.0
    assert {name: one.value for name, one in found.by_category.items()} == {"c": 7.0, "d": 1.0}
    assert {turn: one.value for turn, one in found.by_turn.items()} == {1: 5.5, 2: 4.0}
    assert (found.graded, found.unreadable, found.missing) == (3, 1, 2)


def test_of_repeats_the_median_of_each_turn_counts_and_their_spread_is_told() -> None:
    scores: dict[tuple[int, int], list[float | None]] = {(1, 1): [9, 1, 8, 7, None], (1, 2): [3, 3, 3, 4, 4]}
    scores |= {(2, 1): [5, 6, 7, 8, 9]}
    grades = [
        grade(question, turn, score, repeat)
        for (question, turn), some in scores.items()
        for repeat, score in enumerate(some, start=1)
    ]
    expected = [median(one for one in some if one is not None) for some in scores.values()]
    found = standing("m", grades, ["c"], expected=15, repeats=5)
    assert list(medians(grades).values()) == expected == [7.5, 3, 7]
    assert found.score.value == pytest.approx(fmean(expected))
    assert found.repeats is not None
    assert found.repeats.means == (17 / 3, 10 / 3, 6, 19 / 3, 6.5)
    assert found.repeats.spread == pytest.approx(1.28884, abs=1e-5)


def test_scores_by_difficulty_go_from_the_easiest_to_the_hardest() -> None:
    levels = {"1": "10", "2": "9", "3": "9"}
    grades = [grade(1, 1, 2), grade(2, 1, 6), grade(3, 1, 9), grade(4, 1, 1)]
    found = standing("m", grades, ["c"], expected=4, difficulties=levels)
    assert [(level, one.value) for level, one in found.by_difficulty.items()] == [("9", 7.5), ("10", 2.0)]


def test_both_turns_of_a_question_stay_together_in_the_bootstrap() -> None:
    """Turns that always agree tell no more than one: an interval over turns would be narrower by the root of 2."""
    scores = [1, 9, 3, 7, 2, 10, 5, 6, 4, 8]
    once = mean_estimate({(str(place), 1): float(score) for place, score in enumerate(scores)})
    twice = mean_estimate({(str(place), turn): float(score) for place, score in enumerate(scores) for turn in (1, 2)})
    assert twice == once


def test_ratings_of_compared_answers_know_that_both_turns_are_of_one_question() -> None:
    def games(turns: int) -> list[Game]:
        return [
            Game(prompt=f"{place}/{turn}", judge="j", first=one, second=other, first_score=mark, second_score=1 - mark)
            for place in range(40)
            for turn in range(1, turns + 1)
            for one, other, mark in (("a", "b", float(place % 3 > 0)), ("b", "a", float(place % 3 == 0)))
        ]

    questions = {f"{place}/{turn}": str(place) for place in range(40) for turn in (1, 2)}
    once, apart = (leaderboard(games(turns)).ratings for turns in (1, 2))
    joined = leaderboard(games(2), questions=questions).ratings
    assert (joined.prompts, joined.battles, apart.prompts) == (40, 80, 80)
    ends = [(one.of("b").low or 0.0, one.of("b").high or 0.0) for one in (once, joined, apart)]
    assert ends[1] == pytest.approx(ends[0]), "a second turn that ends as the first tells nothing new"
    assert ends[2][1] - ends[2][0] < 0.8 * (ends[1][1] - ends[1][0])


def test_one_question_alone_has_no_interval() -> None:
    found = standing("m", [grade(1, 1, 7), grade(1, 2, 3), grade(2, 1, 5)], ["c"], expected=3)
    assert found.by_turn[2] == (3.0, None, None)
    assert found.score.low is not None


def test_a_change_is_paired_by_turn_and_clear_only_where_its_interval_leaves_0_out() -> None:
    base = {(str(place), turn): float(1 + place % 9) for place in range(40) for turn in (1, 2)}
    categories = {str(place): "c" for place in range(40)}
    better = {turn: score + 1 - 2 * (int(turn[0]) % 10 == 0) for turn, score in base.items()}
    found = change(("new", better), ("old", base), categories)
    assert found.difference.value == pytest.approx(0.8)
    assert (found.turns, found.questions, found.better, found.worse, found.is_clear) == (80, 40, 72, 8, True)
    assert found.difference.high is not None
    assert found.difference.high <= 1.0, "questions are as hard for both, and that is no part of it"
    noise = {turn: score + (1 if int(turn[0]) % 2 else -1) for turn, score in base.items()}
    assert not change(("new", noise), ("old", base), categories).is_clear
    few = change(("new", {("0", 1): 5.0}), ("old", base), categories)
    assert (few.turns, few.difference.value) == (1, 4.0)
