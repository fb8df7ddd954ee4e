"""When a skill is to be added to, what is a good new type, and when one is given up: the rules alone."""

from __future__ import annotations

import pytest

from star_agents.recipes.parts.growth import (
    LIKE_ONE,
    LIKE_TRIED,
    LONG_ASK,
    LONG_NAME,
    NO_NAME,
    NO_WORDS,
    TAKEN,
    TRIED,
    Plan,
    Proposal,
    Proposals,
    planned,
    refusal,
    type_of,
    why_retired,
)
from star_agents.recipes.parts.skills import Skill, Type
from star_agents.recipes.reads import Unreadable
from star_agents.records import Standing


def skill(form: str = "text") -> Skill:
    types = (Type(name="one", ask="Ask for the cause of what the text tells."), Type(name="other", ask="Another."))
    return Skill.model_validate(
        {"name": "mine", "title": "Mine", "about": "Things.", "form": form, "types": types, "answer": "Answer."}
    )


GONE = (Type(name="gone", ask="Count the vowels in every third word."),)


@pytest.mark.parametrize(
    ("name", "ask", "why"),
    [
        ("new", "Ask which of two dates came first.", ""),
        ("one", "Ask which of two dates came first.", TAKEN),
        ("gone", "Ask which of two dates came first.", TRIED),
        ("1st", "Ask which of two dates came first.", NO_NAME),
        ("", "Ask which of two dates came first.", NO_NAME),
        ("naïve", "Ask which of two dates came first.", NO_NAME),
        ("n" * 41, "Ask which of two dates came first.", LONG_NAME),
        ("new", "", NO_WORDS),
        ("new", "… the of and", NO_WORDS),
        ("new", "word " * 100, LONG_ASK),
        ("new", "For the cause, ask: what does the text tell?", LIKE_ONE),
        ("new", "Count vowels in each third word.", LIKE_TRIED),
    ],
)
def test_a_proposal_is_a_new_type_or_refused_with_its_reason(name: str, ask: str, why: str) -> None:
    assert refusal(Proposal(name, ask, ""), skill(), GONE) == why


def test_a_reply_is_read_into_names_as_types_have_them_and_lines_that_can_be_shown() -> None:
    reply = '{"types": [{"name": " Odd-one  Out", "ask": "Ask\\n for\\u0007 it. ", "example": " X "}, '
    reply += '{"name": "b", "ask": "B", "example": ""}, {"name": "c", "ask": "C", "example": ""}]}'
    assert Proposals(2).read(reply) == [Proposal("odd_one_out", "Ask for  it.", "X"), Proposal("b", "B", "")]


@pytest.mark.parametrize("reply", ['{"types": []}', '{"types": [{"name": "a"}]}', "[]", "no"])
def test_a_reply_without_a_type_cannot_be_read(reply: str) -> None:
    with pytest.raises(Unreadable):
        Proposals(2).read(reply)


def test_an_example_stays_where_it_has_the_form_of_the_skill() -> None:
    proposal = Proposal("new", "Ask which came first.", "Which came first?")
    told = type_of(proposal, skill())
    assert told.source == "grown"
    assert told.example is not None
    assert told.example.instruction == "Which came first?"
    assert type_of(proposal, skill("choice")).example is None, "options are missing"
    assert type_of(Proposal("new", "Ask.", "x" * 1_001), skill()).example is None


def standing(rewards: int, mean: float) -> Standing:
    return Standing(draws=rewards, rewards=rewards, earned=rewards * mean)


@pytest.mark.parametrize(
    ("own", "others", "says"),
    [
        (standing(9, 0.0), [standing(50, 0.9)], ""),
        (standing(10, 0.0), [standing(50, 0.0)], "it earned nothing in 10 draws"),
        (standing(10, 0.0), [], "it earned nothing in 10 draws"),
        (standing(10, 0.4), [standing(50, 0.6), standing(1, 0.1), standing(0, 0.0)], ""),
        (
            standing(10, 0.3),
            [standing(50, 0.6), standing(1, 0.1), standing(0, 0.0)],
            "it earned 0.30 in each of 10 draws",
        ),
        (standing(10, 0.5), [standing(50, 0.5)], "it earned 0.50 in each of 10 draws"),
        (standing(40, 0.2), [], ""),
    ],
)
def test_a_type_is_given_up_when_it_earned_nothing_or_no_more_than_one_of_those_that_there_were(
    own: Standing, others: list[Standing], says: str
) -> None:
    why = why_retired(own, others, 10)
    assert why.startswith(says)
    assert bool(why) == bool(says)


def plan(standings: dict[str, Standing], **limits: int) -> Plan:
    given, grown = {"s": ["s/a", "s/b"], "t": ["t/a"]}, {"s": ["s/new", "s/newer"], "t": []}
    return planned(standings, given, grown, **{"most": 3, "after": 10, "tries": 5, **limits})


def test_a_skill_is_due_each_time_its_types_have_earned_so_much_more() -> None:
    told = plan({"s/a": standing(30, 0.5), "s/new": standing(5, 1.0), "t/a": standing(99, 0.1)})
    assert told.due == {"s": 2}, "15 and 5 are two times ten; 9.9 are not one"
    assert told.room == 1


def test_while_as_many_are_drawn_as_may_be_none_is_due_and_one_that_goes_makes_room() -> None:
    earned = {"s/a": standing(30, 0.9), "s/new": standing(3, 0.5)}
    assert plan(earned, most=2).due == {}
    told = plan({**earned, "s/newer": standing(5, 0.0)}, most=2)
    assert (list(told.retired), told.due, told.room) == (["s/newer"], {"s": 2}, 1)


def test_new_types_have_their_first_draws_the_one_with_the_fewest_first() -> None:
    assert plan({"s/new": standing(2, 0.5)}).on_trial == ["s/newer", "s/new"]
    assert plan({"s/new": standing(5, 0.5), "s/newer": standing(4, 0.5)}).on_trial == ["s/newer"]
