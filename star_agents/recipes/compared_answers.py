"""A judge says which of two models answered a benchmark's question better: what `evaluate --pairwise` works by.

FastChat's ``pair-v2``: each turn by itself, in both orders. The answers are those that were graded, so that nobody is
asked them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from star_agents.arena.mt_bench import Question, Side, comparison_fields, prompt_name, verdict_in
from star_agents.recipes.graded_questions import plain
from star_agents.recipes.parts.benchmark import (
    ANSWERS,
    MODELS,
    QUESTION,
    REPEAT,
    BenchmarkSettings,
    Said,
    benchmark_seed,
    hear_judge,
    question_in,
    said,
)
from star_agents.recipes.parts.gathering import gather_within_budget
from star_agents.recipes.protocol import Recipe, Workbench, done, dropped, recipe
from star_agents.records import Failure, Judgement, Message, Outcome, Sample, Seed, Trial

NAME = "compared_answers"
ANSWER = "answer"
ORDERS = ((0, 1), (1, 0))
_POINTS: Mapping[Side, float] = {"first": 1.0, "second": 0.0, "tie": 0.5}


class ComparedAnswersSettings(BenchmarkSettings):
    """How a judge compares."""


def compared_seed(question: Question, answers: Mapping[str, Sequence[str]], repeat: int, asked_as: Any) -> Seed:
    """Two models' answers to a question.

    Args:
        question: What both answered.
        answers: Of the two models, by name; one for each turn.
        repeat: Which of the repeats they are of.
        asked_as: As ``benchmark_seed`` has it.
    """
    meta = {
        QUESTION: plain(question),
        MODELS: list(answers),
        ANSWERS: [list(some) for some in answers.values()],
        REPEAT: repeat,
        "category": question.category,
    }
    return benchmark_seed(NAME, question.turns[0], meta, asked_as)


@recipe(takes="instruction", settings=ComparedAnswersSettings, name=NAME)
async def compared_answers(seed: Seed, bench: Workbench, settings: ComparedAnswersSettings) -> Outcome:
    """Two models' answers to a benchmark's question, compared in both orders: what `evaluate --pairwise` asks."""
    question = question_in(seed, MODELS, ANSWERS)
    written = [tuple(some) for some in seed.meta[ANSWERS]]
    turns = range(1, len(question.turns) + 1)
    trials = [
        _trial(question, str(seed.meta[MODELS][which]), written[which], turn) for turn in turns for which in (0, 1)
    ]
    games = list(product(turns, ORDERS))
    jobs = [
        hear_judge(
            bench,
            settings,
            prompt_name("pair", question, turn),
            comparison_fields(question, written[one], written[other], turn),
            f"compare:{turn}:{one}",
        )
        for turn, (one, other) in games
    ]
    heard = [said(one) for one in (await gather_within_budget(bench, jobs)).results]
    if failed := next((one for one in heard if isinstance(one, Failure)), None):
        return dropped(seed, f"the judge did not compare: {failed}", trials=trials)
    judgements = tuple(
        _judgement(settings.judge, (2 * (turn - 1) + one, 2 * (turn - 1) + other), one_said)
        for (turn, (one, other)), one_said in zip(games, heard, strict=True)
        if isinstance(one_said, Said)
    )
    if not any(_is_whole(judgements, turn) for turn in turns):
        return replace(dropped(seed, "no turn has a verdict in both orders", trials=trials), judgements=judgements)
    return done(seed, trials=trials, judgements=judgements)


def _is_whole(judgements: Sequence[Judgement], turn: int) -> bool:
    return all(one.readable for one in judgements[2 * (turn - 1) : 2 * turn])


def _trial(question: Question, model: str, written: Sequence[str], turn: int) -> Trial:
    """One model's answer to one turn."""
    told: list[Message] = []
    for text, answer in zip(question.turns[: turn - 1], written, strict=False):
        told += [Message(role="user", content=text), Message(role="assistant", content=answer)]
    sample = Sample(instruction=question.turns[turn - 1], history=tuple(told), response=written[turn - 1])
    return Trial(arm=model, role=ANSWER, sample=sample, notes={"turn": str(turn)})


def _judgement(judge: str, places: tuple[int, int], heard: Said) -> Judgement:
    """One turn in one order, left being shown first."""
    left, right = places
    side = verdict_in(heard.text)
    return Judgement(
        judge=judge,
        left=left,
        right=right,
        value=None if side is None else _POINTS[side],
        readable=side is not None,
        orders=1,
        reason=heard.text or heard.flaw,
        cost_usd=heard.cost_usd,
    )


def side_of(judgement: Judgement) -> Side | None:
    """What a judgement of one order says; ``None`` where it cannot be read."""
    return next((side for side, value in _POINTS.items() if value == judgement.value), None)


COMPARED_ANSWERS: Recipe[ComparedAnswersSettings] = compared_answers
