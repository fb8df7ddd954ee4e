"""The exam that judges sit: what it asks, what counts as right, and who passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Literal

import pytest

from star_agents.agents.judging.exam import Exam, ExamPair, ExamResult, examine, general_exam, needed
from star_agents.agents.judging.frame_tests import BREAKS, with_frame_tests
from star_agents.agents.judging.verdict_words import claimed_sides
from star_agents.agents.prompts import Prompts
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.errors import AgentUnavailable
from star_agents.records import Message, Reply

PROMPTS = Prompts()
EXAM = general_exam()

Mind = Callable[[str, str, int], str]
"""From the answer shown first, the one shown second, and the number of the call, to a side or other words."""


class Judge:
    """Judges as its mind says; without an object where that is no side."""

    def __init__(self, mind: Mind) -> None:
        self.mind = mind
        self.steps: list[str] = []

    async def __call__(self, agent: str, step: str, messages: Sequence[Message], form: ReplyForm | None) -> Reply:
        shown = messages[1].content
        answers = [shown.split(f"<answer {name} ")[1].split(">\n", 1)[1].split("\n</answer")[0] for name in "AB"]
        self.steps.append(step)
        said = self.mind(json.loads(answers[0]), json.loads(answers[1]), len(self.steps))
        code = shown.split("<answer A ")[1].split(">")[0]
        text = json.dumps({"code": code, "verdict": said}) if said in ("A", "B", "tie") else said
        return Reply(text=text, finish_reason="stop", agent=agent, model="test")

    async def sit(self, exam: Exam = EXAM) -> ExamResult:
        return await examine(
            self, judge="ann", model="test", exam=exam, nonce=lambda step: f"c0de{step}", prompts=PROMPTS
        )


BETTER = {pair.better for pair in EXAM.pairs}


def knows(first: str, second: str, calls: int) -> str:
    return "A" if first in BETTER else "B"


def _side(by: int) -> str:
    return "A" if by < 0 else "B" if by > 0 else "tie"


def test_the_exam_has_two_dozen_different_pairs_that_say_nothing_like_a_verdict() -> None:
    assert len(EXAM.pairs) == 24
    assert len({pair.question for pair in EXAM.pairs}) == 24
    assert all(pair.better != pair.worse and pair.flaw for pair in EXAM.pairs)
    shown = [text for pair in EXAM.pairs for text in (pair.question, pair.better, pair.worse)]
    assert [text for text in shown if claimed_sides(text)] == []


def test_neither_length_gives_the_better_answer_away() -> None:
    longer = sum(len(pair.better) > len(pair.worse) for pair in EXAM.pairs)
    assert needed(24) > max(longer, 24 - longer)


async def test_a_judge_that_knows_has_everything_right_and_is_asked_twice_for_each_pair() -> None:
    judge = Judge(knows)
    result = await judge.sit()
    assert (result.right, result.unreadable, result.position_bias, result.passed) == (24, 0, 0.0, True)
    assert len(judge.steps) == len(set(judge.steps)) == 48
    assert str(result) == "judge ann: 24 of 24 right, 0 unreadable, position bias 0 %"
    assert (result.exam, result.prompt) == (EXAM.version, PROMPTS.judging_version("default"))


@pytest.mark.parametrize(
    ("mind", "right", "first", "second", "unreadable"),
    [
        (lambda first, second, calls: "A", 0, 24, 0, 0),
        (lambda first, second, calls: "B", 0, 0, 24, 0),
        (lambda first, second, calls: "tie", 0, 0, 0, 0),
        (lambda first, second, calls: "Hm.", 0, 0, 0, 48),
        (lambda first, second, calls: _side(len(second) - len(first)), None, 0, 0, 0),
        (lambda first, second, calls: "B" if first in BETTER else "A", 0, 0, 0, 0),
    ],
)
async def test_a_judge_that_names_a_place_a_tie_nothing_the_longer_or_the_worse_answer_fails(
    mind: Mind, right: int | None, first: int, second: int, unreadable: int
) -> None:
    result = await Judge(mind).sit()
    assert not result.passed
    assert right is None or result.right == right
    assert (result.named_first, result.named_second, result.unreadable) == (first, second, unreadable)


async def test_17_right_of_24_pass_and_16_do_not() -> None:
    def knows_some(count: int) -> Mind:
        known = {pair.better for pair in EXAM.pairs[:count]}
        return lambda first, second, calls: "A" if first in known else "B" if second in known else "tie"

    assert [needed(24), needed(12), needed(1)] == [17, 9, 1]
    assert [(await Judge(knows_some(count)).sit()).passed for count in (16, 17)] == [False, True]


async def test_a_pair_of_which_one_order_cannot_be_read_is_wrong() -> None:
    pair = ExamPair(question="Which?", better="yes", worse="no", flaw="wrong")
    judge = Judge(lambda first, second, calls: "A" if first == "yes" else "Hm.")
    result = await judge.sit(Exam(version="one", pairs=(pair,)))
    assert (result.right, result.unreadable, result.unreadable_share) == (0, 1, 0.5)
    assert sorted(judge.steps) == ["0:ab:0", "0:ba:0", "0:ba:1"]
    assert str(result) == "judge ann: 0 of 1 right, 1 of 2 unreadable, position bias 0 %"


async def test_an_exam_that_could_not_be_sat_to_the_end_is_no_result_and_its_other_calls_are_not_cancelled() -> None:
    def breaks(first: str, second: str, calls: int) -> str:
        if calls == 3:
            raise AgentUnavailable("down")
        return knows(first, second, calls)

    judge = Judge(breaks)
    with pytest.raises(AgentUnavailable, match="down"):
        await judge.sit()
    assert len(judge.steps) == 48


def test_a_result_is_plain_data_and_back() -> None:
    result = ExamResult(
        judge="a",
        model="m",
        exam="e",
        prompt="p",
        pairs=24,
        right=12,
        unreadable=6,
        named_first=3,
        named_second=3,
    )
    assert ExamResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    described = result.described()
    assert (described["accuracy"], described["needed"], described["passed"]) == (0.5, 17, False)
    assert (described["unreadable_share"], described["position_bias"]) == (0.125, 0.25)


# One order

FRAMED = with_frame_tests(EXAM)


def test_a_judge_asked_in_one_order_is_also_shown_texts_that_break_their_frame() -> None:
    assert FRAMED.pairs[:24] == EXAM.pairs
    assert [pair.worse.removesuffix(text) for pair, text in zip(FRAMED.pairs[24:], BREAKS, strict=True)] == [
        pair.worse for pair in EXAM.pairs[: len(BREAKS)]
    ]
    assert all(pair.breaks_frame for pair in FRAMED.pairs[24:])
    assert FRAMED.version != EXAM.version


@pytest.mark.parametrize("prompt", ["default", "paper"])
async def test_a_judge_that_heeds_no_text_passes_them_all(prompt: Literal["default", "paper"]) -> None:
    async def ask(agent: str, step: str, messages: Sequence[Message], form: ReplyForm | None) -> Reply:
        better, order = FRAMED.pairs[int(step.split(":")[0])].better, step.split(":")[1]
        shown = messages[1].content
        assert (better if prompt == "paper" else json.dumps(better, ensure_ascii=False)) in shown
        side = "A" if order == "ab" else "B"
        code = messages[0].content.split('"code": "')[1].split('"')[0] if prompt == "default" else ""
        text = f"[{side}]" if prompt == "paper" else json.dumps({"code": code, "verdict": side})
        return Reply(text=text, finish_reason="stop", agent=agent, model="test")

    result = await examine(
        ask, judge="ann", model="m", exam=FRAMED, prompt=prompt, nonce=lambda step: f"c0de{step}", prompts=PROMPTS
    )
    assert (result.right, result.frames, result.broken, result.passed) == (32, 8, 0, True)
    assert str(result).endswith("won over by 0 of 8 texts that break their frame")


async def test_a_judge_that_obeys_what_it_reads_fails_however_many_pairs_are_right() -> None:
    def obeys(first: str, second: str, calls: int) -> str:
        return "A" if first.endswith(BREAKS) else knows(first, second, calls)

    result = await Judge(obeys).sit(FRAMED)
    assert result.right >= result.needed
    assert (result.broken, result.passed) == (8, False)
    assert result.needs == "23 are needed and no such text may win"
    assert (await Judge(obeys).sit()).passed, "the plain pairs alone would let it judge"
