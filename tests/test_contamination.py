"""What of a benchmark a row holds, and what it is taken for."""

from __future__ import annotations

import random

import numpy as np
import pytest

from star_agents.admission.contamination import FREQUENT, BenchmarkIndex
from star_agents.admission.ngram_table import NgramTable, ngrams, word_number
from star_agents.records.contamination import BenchmarkItem, Contamination, PartKind

LONG = (
    "A farmer has 17 sheep, and all but nine of them run away during the storm. The next morning a neighbour brings "
    "back three, of which one is not his. How many sheep are on the farm at noon, and how many of those belong to him?"
)
MIDDLE = "Compose an engaging travel blog post about a recent trip to Hawaii, highlighting cultural experiences there."
SHORT = "Write a knock knock joke about bananas."


def item(*parts: tuple[PartKind, str], name: str = "bench", line: int = 1) -> BenchmarkItem:
    return BenchmarkItem(benchmark=name, id=f"q{line}", where=f"{name}.jsonl:{line}", parts=parts)


def index(*questions: str, **settings: float) -> BenchmarkIndex:
    items = [item(("question", text), line=line) for line, text in enumerate(questions, start=1)]
    return BenchmarkIndex(items, coverage=settings.get("coverage", 0.5), ngram=int(settings.get("ngram", 8)))


def only(found: tuple[Contamination, ...]) -> Contamination:
    assert len(found) == 1
    return found[0]


# What is found.


@pytest.mark.parametrize("question", [LONG, MIDDLE, SHORT])
def test_an_item_is_found_wherever_in_a_row_it_stands_and_however_it_is_written(question: str) -> None:
    row = [
        "Hello!",
        f"Please help me.\n\n{question.upper().replace(' ', '  ').replace(',', ' —')} Thanks a lot.",
        "Sure.",
    ]
    assert only(index(question).check(row)).coverage == 1


def test_the_evidence_says_which_item_where_it_stands_and_what_was_matched() -> None:
    found = only(index("What is it?", LONG).check(["Tell me.", f"Now: {LONG}"]))
    assert (found.benchmark, found.item, found.where, found.part) == ("bench", "q2", "bench.jsonl:2", "question")
    assert found.matched.startswith("a farmer has 17 sheep, and all but nine of them run away")
    assert len(found.matched) <= 200
    assert Contamination.from_dict(found.to_dict()) == found
    assert "100% of the question of bench q2 (bench.jsonl:2)" in found.told


def test_a_half_of_a_long_item_is_enough_and_a_third_is_not() -> None:
    words = LONG.split()
    assert only(index(LONG).check([" ".join(words[:24])])).coverage == pytest.approx(24 / len(words), abs=0.01)
    assert index(LONG).check([" ".join(words[:16])]) == ()
    assert index(LONG, coverage=0.3).check([" ".join(words[:16])])


def test_pieces_of_one_item_add_up_within_a_row_and_not_between_rows() -> None:
    words = LONG.split()
    pieces = [" ".join(words[:13]), " ".join(words[20:33])]
    assert index(LONG).check(pieces)
    assert [index(LONG).check([piece]) for piece in pieces] == [(), ()]


def test_an_item_of_two_turns_is_found_by_either_and_told_once() -> None:
    asked = BenchmarkIndex([item(("question", LONG), ("follow-up", MIDDLE))])
    assert only(asked.check([LONG])).part == "question"
    assert only(asked.check([MIDDLE])).part == "follow-up"
    assert len(asked.check([LONG, "Nine.", MIDDLE])) == 1


def test_an_answer_is_looked_for_as_well_when_it_is_long_enough_to_be_somebodys_own() -> None:
    answered = BenchmarkIndex([item(("question", MIDDLE), ("answer", LONG))])
    assert only(answered.check(["What do you know of sheep?", LONG])).part == "answer"
    short = BenchmarkIndex([item(("question", LONG), ("answer", MIDDLE))])
    assert short.check(["Write to me.", MIDDLE]) == ()


def test_parts_in_the_same_words_are_told_of_every_item_that_has_them() -> None:
    twice = BenchmarkIndex([item(("question", LONG), name="one"), item(("question", LONG.lower()), name="other")])
    assert [found.benchmark for found in twice.check([LONG])] == ["one", "other"]


def test_the_coverage_is_that_of_a_plain_search() -> None:
    chance = random.Random(3)
    part = [f"w{chance.randrange(25)}" for _ in range(60)]
    seen = set[bool]()
    for _ in range(200):
        pieces = [part[at : at + chance.randrange(5, 20)] for at in (chance.randrange(60) for _ in range(4))]
        row = [word for piece in pieces for word in (*piece, "otherwise")]
        ngrams = {tuple(row[at : at + 8]) for at in range(len(row) - 7)}
        covered = {at + step for at in range(53) for step in range(8) if tuple(part[at : at + 8]) in ngrams}
        found = index(" ".join(part)).check([" ".join(row)])
        assert [one.coverage for one in found] == [pytest.approx(len(covered) / 60, abs=0.001)] * (len(covered) >= 30)
        seen.add(bool(found))
    assert seen == {True, False}


# Short items.


@pytest.mark.parametrize("place", range(len(MIDDLE.split())))
def test_one_word_changed_anywhere_hides_no_item_of_eight_words_or_more(place: int) -> None:
    for question in (MIDDLE, "Describe five key principles in evaluating an argument carefully."):
        words = question.split()
        if place < len(words):
            for changed in ([], ["otherwise"], [words[place], "really"]):
                row = " ".join([*words[:place], *changed, *words[place + 1 :]])
                assert index(question).check([f"Please: {row} Thank you."]), row


def test_a_short_item_in_other_order_or_with_two_other_words_is_another_one() -> None:
    question = "Describe five key principles in evaluating an argument carefully."
    assert index(question).check(["In evaluating an argument carefully describe five key principles."]) == ()
    assert index(question).check(["Describe five key principles in evaluating a wine carefully."]) == ()


def test_a_phrase_that_anybody_writes_is_not_an_item_that_begins_with_it() -> None:
    question = "Write a Python function that returns a list of email addresses from a string."
    assert index(question).check(["Write a Python function that returns a list of primes below n."]) == ()


def test_below_eight_words_a_question_has_all_of_its_words_in_a_row_and_one_more_among_them_at_the_most() -> None:
    assert index(SHORT).check([f"I am bored. {SHORT}"])
    for place in range(1, 7):
        words = SHORT.split()
        assert index(SHORT).check([" ".join([*words[:place], "really", *words[place:]])]), place
    assert index(SHORT).check(["Write a truly funny knock knock joke about bananas."]) == ()
    assert index(SHORT).check(["Write a knock knock joke about apples."]) == ()


def test_a_question_of_three_or_four_words_is_found_only_as_a_whole_turn() -> None:
    asked = index("Prove Fermat's theorem.")
    assert asked.check(["prove fermat's THEOREM"])
    assert asked.check(["Who could prove Fermat's theorem?"]) == ()


def test_what_is_too_short_to_be_told_from_anything_is_left_out_and_counted() -> None:
    left = BenchmarkIndex(
        [item(("question", "Why?")), item(("question", ""), line=2), item(("question", LONG), line=3)]
    )
    assert (left.items["bench"], left.too_short["bench"]) == (3, 2)
    assert left.check(["Why?"]) == ()
    follow_up = BenchmarkIndex([item(("question", LONG), ("follow-up", "Can you make it shorter now?"))])
    assert follow_up.check([MIDDLE, "Aloha!", "Can you make it shorter now?"]) == ()


# Frequent n-grams.


def test_the_form_that_many_items_share_is_nobodys_item() -> None:
    form = "You are given a passage and a question about it. Read the passage with care and answer in one word only. "
    chance = random.Random(0)
    own = [" ".join(f"w{chance.randrange(10**6)}" for _ in range(30)) for _ in range(FREQUENT + 1)]
    many = index(*(form + text for text in own))
    assert many.check([form + "Something else entirely that no item of the benchmark has ever asked of anybody."]) == ()
    assert only(many.check([own[3]])).item == "q4"
    few = index(*(form + text for text in own[:FREQUENT]))
    assert few.items["bench"] == FREQUENT
    assert few.too_common["bench"] == 0


def test_items_that_say_only_what_many_say_are_left_out_and_counted() -> None:
    alike = [f"{LONG} Variant {number}" for number in range(FREQUENT + 1)]
    same = index(*alike)
    assert same.too_common["bench"] == FREQUENT + 1
    assert same.check([alike[0]]) == ()
    assert index(*[LONG] * (FREQUENT + 1)).too_common["bench"] == 0, "the same words are one part"


# Other scripts.

CHINESE = "请写一篇关于春天的短文，描述花园里盛开的花朵和飞舞的蝴蝶，并说明作者当时的心情。"


def test_in_scripts_without_spaces_characters_are_counted() -> None:
    assert only(index(CHINESE).check([f"你好！{CHINESE}谢谢。"])).coverage == 1
    assert index(CHINESE).check(["请写一篇关于秋天的短文，描述公园里金黄的落叶和安静的湖水，以及孩子们的笑声。"]) == ()
    assert index("春天花朵").too_short["bench"] == 1
    assert index("今天天气怎么样？").check(["今天天气怎么样"])
    assert index("今天天气怎么样？").check(["我想知道今天天气怎么样和明天去哪里"]) == ()
    thai = "ภาษาไทยเป็นภาษาที่มีระดับเสียงของคำแน่นอนหรือวรรณยุกต์เช่นเดียวกับภาษาจีน"
    assert only(index(thai).check([f"ช่วยด้วย {thai}"])).coverage == 1


def test_half_a_surrogate_pair_and_a_row_without_words_harm_nothing() -> None:
    assert index(LONG).check([]) == ()
    assert index(LONG).check(["", "!!!", "\ud800"]) == ()
    assert index("\ud800", "").check(["\ud800"]) == ()
    assert index().check([LONG]) == ()


# The table.


def test_the_table_finds_what_a_plain_search_finds() -> None:
    chance = random.Random(1)
    sequences = [[chance.choice("abcd") for _ in range(chance.randrange(3, 12))] for _ in range(30)]
    row = [chance.choice("abcd") for _ in range(60)]
    as_numbers = [np.array([word_number(word) for word in one], np.uint64) for one in [*sequences, row]]
    table = NgramTable(3, as_numbers[:-1], most=len(sequences))
    hits = table.find(ngrams(as_numbers[-1], 3))
    assert hits is not None
    found = set(zip(*(one.tolist() for one in hits), strict=True))
    assert found == {
        (number, place, at)
        for number, one in enumerate(sequences)
        for place in range(len(one) - 2)
        for at in range(len(row) - 2)
        if one[place : place + 3] == row[at : at + 3]
    }
    assert table.own.tolist() == [len(one) for one in sequences]
