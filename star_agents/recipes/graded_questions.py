"""A model answers a question of a benchmark turn by turn, and a judge grades each turn: what `evaluate` works by.

FastChat's single-answer grading (``arena/mt_bench.py``): the second turn is asked with the model's own first answer
before it, and graded with both in view. Grades are read from what the judge wrote, which is never asked to mend it:
what cannot be read is no grade, and is counted. A question of which no grade can be read at all is dropped, so that a
judge that grades nothing ends the work (``failure_limits``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from star_agents.arena.mt_bench import ANSWER_TOKENS, HIGHEST, LOWEST, Question, grading_fields, prompt_name, rating_in
from star_agents.config.recipes import ReplyTokens, Temperature
from star_agents.recipes.parts.benchmark import (
    MODEL,
    QUESTION,
    REPEAT,
    BenchmarkSettings,
    Said,
    ask,
    benchmark_seed,
    hear_judge,
    question_in,
    said,
)
from star_agents.recipes.parts.gathering import gather_within_budget
from star_agents.recipes.protocol import Measure, Recipe, Workbench, done, dropped, recipe
from star_agents.records import Failure, Message, Outcome, Sample, Seed, Trial
from star_agents.records.replies import total_usd

NAME = "graded_questions"
SCORE = "score"
ANSWER = "answer"
"""Role of the trials, one for each turn."""
TURN, JUDGEMENT, ENDED, UNREAD = "turn", "judgement", "ended", "unread"
"""Notes of a trial: which turn it is, what the judge wrote, how the answer ended if not well, and why there is no
grade."""


class GradedQuestionsSettings(BenchmarkSettings):
    """How models are asked and graded."""

    answer_temperature: Temperature | None = None
    """Instead of those that FastChat has for each category."""
    answer_max_tokens: ReplyTokens = ANSWER_TOKENS
    """Longest answer; a longer one is cut, and judged as it is."""
    system: str = ""
    """A system turn before the questions; empty: none."""


def graded_seed(question: Question, model: str, repeat: int, asked_as: Any) -> Seed:
    """A question that one model is to answer."""
    meta = {
        QUESTION: plain(question),
        MODEL: model,
        REPEAT: repeat,
        "category": question.category,
    }
    return benchmark_seed(NAME, question.turns[0], meta, asked_as)


def plain(question: Question) -> Mapping[str, Any]:
    """A question as plain data."""
    data = question.to_dict()
    return {
        **data,
        "turns": list(question.turns),
        "reference": list(question.reference),
        "labels": dict(question.labels),
    }


@recipe(
    takes="instruction",
    settings=GradedQuestionsSettings,
    measures=[Measure(SCORE, low=LOWEST, high=HIGHEST, what="of an answer, as the judge grades it")],
    name=NAME,
)
async def graded_questions(seed: Seed, bench: Workbench, settings: GradedQuestionsSettings) -> Outcome:
    """A benchmark's question, answered turn by turn and graded: what `evaluate` asks."""
    question = question_in(seed, MODEL)
    answers = await _answers(question, str(seed.meta[MODEL]), bench, settings)
    trials = _trials(question, str(seed.meta[MODEL]), answers, settings)
    written = tuple(one.text for one in answers if isinstance(one, Said))
    if len(written) < len(question.turns):
        return dropped(seed, f"turn {len(answers)} was not answered: {answers[-1]}", trials=trials)
    names = [prompt_name("single", question, turn) for turn in range(1, len(written) + 1)]
    jobs = [
        hear_judge(bench, settings, name, grading_fields(question, written, turn), f"grade:{turn}")
        for turn, name in enumerate(names, start=1)
    ]
    heard = [said(one) for one in (await gather_within_budget(bench, jobs)).results]
    judged = [
        _judged(trial, one, settings.prompt_version(name))
        for trial, one, name in zip(trials, heard, names, strict=True)
    ]
    if failed := next((one for one in heard if isinstance(one, Failure)), None):
        return dropped(seed, f"the judge gave no grade: {failed}", trials=judged)
    if all(one.measures[SCORE] is None for one in judged):
        return dropped(seed, f"no grade can be read: {judged[0].notes[UNREAD]}", trials=judged)
    return done(seed, trials=judged)


async def _answers(
    question: Question, model: str, bench: Workbench, settings: GradedQuestionsSettings
) -> list[Said | Failure]:
    """One for each turn, up to the first that failed."""
    told = [Message(role="system", content=settings.system)] if settings.system else []
    own = settings.answer_temperature
    sampling = {
        "temperature": question.temperature if own is None else own,
        "max_tokens": settings.answer_max_tokens,
    }
    answers: list[Said | Failure] = []
    for turn, text in enumerate(question.turns, start=1):
        told.append(Message(role="user", content=text))
        answers.append(answer := await ask(bench, model, told, f"answer:{turn}", **sampling))
        if isinstance(answer, Failure):
            break
        told.append(Message(role="assistant", content=answer.text))
    return answers


def _trials(
    question: Question, model: str, answers: Sequence[Said | Failure], settings: GradedQuestionsSettings
) -> list[Trial]:
    """One for each turn, yet without a grade."""
    told = (Message(role="system", content=settings.system),) if settings.system else ()
    trials: list[Trial] = []
    for turn, (text, answer) in enumerate(zip(question.turns, answers, strict=False), start=1):
        asked = Sample(instruction=text, history=told)
        notes = {TURN: str(turn)}
        if isinstance(answer, Failure):
            trials.append(
                Trial(arm=model, role=ANSWER, sample=asked, failure=answer, notes=notes, cost_usd=answer.cost_usd)
            )
            break
        trials.append(
            Trial(
                arm=model,
                role=ANSWER,
                sample=replace(asked, response=answer.text),
                models={ANSWER: answer.model} if answer.model else {},
                cost_usd=answer.cost_usd,
                notes=notes | ({ENDED: answer.flaw} if answer.flaw else {}),
            )
        )
        told = (*told, Message(role="user", content=text), Message(role="assistant", content=answer.text))
    return trials


def _judged(trial: Trial, heard: Said | Failure, version: str) -> Trial:
    """A trial with its grade, or why it has none."""
    if isinstance(heard, Failure):
        return replace(trial, notes={**trial.notes, UNREAD: str(heard)})
    score = rating_in(heard.text)
    unread = {} if score is not None else {UNREAD: ", ".join(filter(None, ("the judge wrote no [[n]]", heard.flaw)))}
    return replace(
        trial,
        measures={SCORE: score},
        models={**trial.models, "judge": heard.model} if heard.model else trial.models,
        prompts=(version,),
        cost_usd=total_usd((trial.cost_usd, heard.cost_usd)),
        notes={**trial.notes, JUDGEMENT: heard.text, **unread},
    )


GRADED_QUESTIONS: Recipe[GradedQuestionsSettings] = graded_questions
