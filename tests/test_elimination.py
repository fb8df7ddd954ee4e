"""Which evolved instructions are eliminated, and for what."""

from __future__ import annotations

import pytest

from star_agents.recipes.parts.elimination import answer_flaw, copied_words, instruction_flaw, is_refusal

PARENT = "Name three rivers of Europe."
PROMPT = ["This time, add one constraint or requirement that an answer has to keep to. Do not answer it."]


def flaw(evolved: str, parent: str = PARENT) -> str:
    return instruction_flaw(evolved, parent=parent, prompt=PROMPT)


def test_an_instruction_of_new_words_has_no_flaw() -> None:
    assert flaw("Name three rivers of Europe that cross at least two borders.") == ""


@pytest.mark.parametrize("evolved", ["  name three  RIVERS of europe.\n", "NAME THREE RIVERS OF EUROPE."])
def test_case_and_blanks_make_no_new_instruction(evolved: str) -> None:
    assert flaw(evolved) == "the instruction has the same words as its parent"


@pytest.mark.parametrize("evolved", ["...", "of the", "?!"])
def test_an_instruction_without_words_is_eliminated(evolved: str) -> None:
    assert flaw(evolved) == "the instruction holds no words"


@pytest.mark.parametrize(
    ("evolved", "copied"),
    [
        ("Rewritten prompt: name three rivers that freeze.", "Rewritten prompt"),
        ("Here is the new instruction: name three cold rivers.", "new instruction"),
        ("<instruction>\nName three cold rivers.", "<instruction>"),
        ("#Given Prompt#: name three cold rivers", "Given Prompt"),
        ("Name rivers. Add one constraint or requirement that matters.", "add one constraint or requirement that"),
    ],
)
def test_words_of_the_prompt_in_an_instruction_are_named(evolved: str, copied: str) -> None:
    assert copied_words(evolved, parent=PARENT, prompt=PROMPT).lower() == copied.lower()
    assert copied_words(evolved, parent=PARENT, prompt=PROMPT) in flaw(evolved)


def test_words_that_the_parent_has_already_are_not_copied() -> None:
    parent = "Improve the given prompt: add one constraint or requirement that an answer has to keep to."
    evolved = f"{parent} Explain why."
    assert flaw(evolved, parent) == ""
    assert flaw(f"{evolved} Then a rewritten prompt.", parent) != ""


def test_new_instructions_of_a_processor_are_no_words_of_the_prompt() -> None:
    assert flaw("Design a new instruction set for a small processor.") == ""


def test_five_words_in_a_row_are_a_coincidence_and_six_are_copied() -> None:
    assert copied_words("say one constraint or requirement that helps", parent=PARENT, prompt=PROMPT) == ""
    assert copied_words("say one constraint or requirement that an end", parent=PARENT, prompt=PROMPT) != ""


@pytest.mark.parametrize("word", ["Sorry", "apologize", "apologise", "My apologies", "an apology"])
def test_an_apology_in_fewer_than_eighty_words_is_a_refusal(word: str) -> None:
    short, long = f"{word}, {'word ' * 77}", f"{word}, {'word ' * 80}"
    assert is_refusal(short, instruction=PARENT)
    assert not is_refusal(long, instruction=PARENT)
    assert "80 words" in answer_flaw(short, instruction=PARENT)


def test_the_bound_of_a_refusal_is_eighty_words() -> None:
    assert is_refusal("sorry " + "word " * 78, instruction=PARENT)
    assert not is_refusal("sorry " + "word " * 79, instruction=PARENT)


def test_an_apology_that_was_asked_for_and_one_inside_another_word_are_none() -> None:
    assert not is_refusal("I am sorry that I broke it.", instruction="Write an apology for a broken cup.")
    assert not is_refusal("Apologetics is a field of theology.", instruction=PARENT)


@pytest.mark.parametrize("answer", ["...", "It is the.", "— !", "and so on the"])
def test_an_answer_of_punctuation_and_stop_words_is_none(answer: str) -> None:
    assert answer_flaw(answer, instruction=PARENT) == "the answer holds nothing but punctuation and stop words"


@pytest.mark.parametrize("answer", ["42.", "No.", "A", "x = 1", "Ja.", "你好", "not so"])
def test_a_number_a_choice_a_no_and_words_of_other_languages_are_answers(answer: str) -> None:
    assert answer_flaw(answer, instruction=PARENT) == ""
