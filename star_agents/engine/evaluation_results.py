"""What came of an evaluation, out of the store of its folder: answers, grades, verdicts, and what they come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import star_agents
from star_agents.arena.grades import Grade, Standing, standing
from star_agents.arena.pair_verdicts import PairVerdict, WinRate, orders_agree, win_rates
from star_agents.arena.ratings import RESAMPLES
from star_agents.engine.evaluation import Evaluation, question_digest
from star_agents.recipes import compared_answers
from star_agents.recipes.compared_answers import side_of
from star_agents.recipes.graded_questions import ENDED, JUDGEMENT, SCORE, TURN, UNREAD
from star_agents.recipes.parts.benchmark import MODEL, MODELS, QUESTION, REPEAT
from star_agents.records import Flat, Judgement, Outcome, Seed, Trial
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result
from star_agents.storage.store import STORE_FILE

CUT = "ended by length"
DIFFICULTY = "difficulty"
"""Label of questions, as of the WizardLM set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GradedTurn(Flat):
    """One model's answer to one turn, and what the judge made of it."""

    question: str
    category: str
    model: str
    repeat: int
    turn: int
    asked: str
    answer: str
    """Empty where the model wrote nothing."""
    score: float | None
    judgement: str
    """What the judge wrote, its reasons included."""
    unread: str = ""
    """Why there is no grade; empty where there is one."""
    ended: str = ""
    """How the answer ended, if not well."""
    is_judged: bool = True
    """Whether the judge said anything: what nobody judged is missing, and not unreadable."""

    def grade(self) -> Grade:
        """What of it counts."""
        return Grade(
            model=self.model,
            question=self.question,
            category=self.category,
            turn=self.turn,
            repeat=self.repeat,
            score=self.score,
        )


@dataclass(kw_only=True, slots=True)
class Found:
    """What a folder holds of an evaluation."""

    turns: list[GradedTurn] = field(default_factory=list[GradedTurn])
    """In the order in which seeds were queued."""
    answers: dict[tuple[str, str, int], tuple[str, ...]] = field(
        default_factory=dict[tuple[str, str, int], tuple[str, ...]]
    )
    verdicts: list[PairVerdict] = field(default_factory=list[PairVerdict])
    games: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Of these verdicts, one for each order, as lines of ``battles.jsonl``."""

    @property
    def judged(self) -> list[GradedTurn]:
        """What a judge said something of, a number or not."""
        return [one for one in self.turns if one.is_judged]


def read_found(out: Path, evaluation: Evaluation) -> Found:
    """All that there is so far; what was asked under another protocol, or of other models, is left."""
    found, comparisons = Found(), list[Result]()
    if not (out / STORE_FILE).is_file():
        return found
    graded = {seed.id for seed in evaluation.graded_seeds()}
    with StoreReader(out) as reader:
        for result in reader.results():
            if result.header.seed_id in graded:
                _add_graded(found, result.seed, result.outcome)
            elif result.header.recipe == compared_answers.NAME:
                comparisons.append(result)
    compared = {seed.id for seed in evaluation.compared_seeds(found.answers)} if comparisons else set[str]()
    for result in comparisons:
        if result.header.seed_id in compared:
            _add_compared(found, result.seed, result.outcome)
    return found


def dropped_in(out: Path) -> dict[str, bool]:
    """By id of each seed that has an outcome in a folder, whether it was dropped."""
    if not (out / STORE_FILE).is_file():
        return {}
    with StoreReader(out) as reader:
        return {one.seed.id: one.outcome.kind == "dropped" for one in reader.results()}


def without_hopeless(out: Path, seeds: Sequence[Seed]) -> list[Seed]:
    """Seeds without those that were dropped although the judge was heard: the same reply would be read again."""
    if not (out / STORE_FILE).is_file():
        return list(seeds)
    with StoreReader(out) as reader:
        dropped = {one.seed.id for one in reader.results() if one.outcome.kind == "dropped" and _was_heard(one.outcome)}
    return [one for one in seeds if one.id not in dropped]


def _was_heard(outcome: Outcome) -> bool:
    return bool(outcome.judgements) or (bool(outcome.trials) and all(JUDGEMENT in one.notes for one in outcome.trials))


def _add_graded(found: Found, seed: Seed, outcome: Outcome) -> None:
    question, model, repeat = seed.meta[QUESTION], str(seed.meta[MODEL]), int(seed.meta[REPEAT])
    turns = [_turn(question, model, repeat, one) for one in outcome.trials]
    found.turns += turns
    answered = [one for one in outcome.trials if one.failure is None]
    if len(answered) == len(question["turns"]):
        found.answers[question["id"], model, repeat] = tuple(one.sample.response or "" for one in answered)


def _turn(question: Mapping[str, Any], model: str, repeat: int, trial: Trial) -> GradedTurn:
    failed = "" if trial.failure is None else f"no answer: {trial.failure}"
    return GradedTurn(
        question=question["id"],
        category=question["category"],
        model=model,
        repeat=repeat,
        turn=int(trial.notes[TURN]),
        asked=trial.sample.instruction,
        answer=trial.sample.response or "",
        score=trial.measures.get(SCORE),
        judgement=trial.notes.get(JUDGEMENT, ""),
        unread=failed or trial.notes.get(UNREAD, ""),
        ended=trial.notes.get(ENDED, ""),
        is_judged=JUDGEMENT in trial.notes,
    )


def _add_compared(found: Found, seed: Seed, outcome: Outcome) -> None:
    question, repeat = seed.meta[QUESTION], int(seed.meta[REPEAT])
    first, second = map(str, seed.meta[MODELS])
    for turn in range(1, len(question["turns"]) + 1):
        orders = outcome.judgements[2 * (turn - 1) : 2 * turn]
        if len(orders) < 2:
            continue
        found.verdicts.append(
            PairVerdict(
                first=first,
                second=second,
                question=question["id"],
                category=question["category"],
                turn=turn,
                forward=side_of(orders[0]),
                backward=side_of(orders[1]),
                repeat=repeat,
            )
        )
        found.games += [_game(question, repeat, turn, outcome.trials, one) for one in orders]


def _game(
    question: Mapping[str, Any], repeat: int, turn: int, trials: Sequence[Trial], said: Judgement
) -> dict[str, Any]:
    """A line of ``battles.jsonl``: of the two, the better has the one point, and each half of it where neither is."""
    first, second = trials[said.left], trials[said.right]
    again = f"#{repeat}" if repeat > 1 else ""
    return {
        "prompt": f"{question['id']}/{turn}{again}",
        "judge": said.judge,
        "first": first.arm,
        "second": second.arm,
        "first_score": said.value,
        "second_score": None if said.value is None else 1 - said.value,
        "reason": said.reason,
        "cost_usd": said.cost_usd,
        "first_chars": len(first.sample.response or ""),
        "second_chars": len(second.sample.response or ""),
        "category": question["category"],
        "question": question["id"],
        "turn": turn,
    }


@dataclass(frozen=True, kw_only=True)
class Results:
    """What an evaluation comes to so far."""

    evaluation: Evaluation
    found: Found
    standings: tuple[Standing, ...]
    """The best first; without a grade last."""
    win_rates: tuple[WinRate, ...] = ()
    missing_pairs: int = 0
    """Comparisons that there are not, of turns in both orders."""

    @property
    def unreadable_share(self) -> float:
        """Of all judgements, the share that no grade can be read of."""
        judged = sum(one.graded + one.unreadable for one in self.standings)
        return sum(one.unreadable for one in self.standings) / judged if judged else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for scripts and for whoever compares with it later."""
        evaluation, pairs = self.evaluation, self.found.verdicts
        agreed, both = orders_agree(pairs)
        return {
            "made_by": f"star-agents {star_agents.__version__}",
            "protocol": evaluation.protocol,
            "questions": {one.id: question_digest(one) for one in evaluation.questions},
            "turns": evaluation.turns,
            "repeats": evaluation.repeats,
            "counted": "median of each turn over repeats" if evaluation.repeats > 1 else "each turn",
            "resamples": RESAMPLES,
            "models": [one.to_dict() for one in self.standings],
            "pairs": {
                "rule": "both orders have to agree, else a tie; a tie is half a win",
                "rates": [one.to_dict() for one in self.win_rates],
                "orders_agree": agreed,
                "orders_read": both,
                "missing": self.missing_pairs,
            }
            if self.win_rates
            else None,
        }


def results_of(evaluation: Evaluation, out: Path, *, pairwise: bool = False) -> Results:
    """What there is so far; comparisons are missing where they are to be (``pairwise``), or where there are some."""
    found = read_found(out, evaluation)
    by_model: defaultdict[str, list[GradedTurn]] = defaultdict(list)
    for one in found.judged:
        by_model[one.model].append(one)
    asked = {one.category for one in evaluation.questions}
    categories = [name for name in evaluation.benchmark.categories if name in asked]
    labels = {one.id: one.labels.get(DIFFICULTY, "") for one in evaluation.questions}
    difficulties = {name: value for name, value in labels.items() if value}
    standings = [
        standing(
            model,
            [one.grade() for one in by_model[model]],
            categories,
            expected=evaluation.turns * evaluation.repeats,
            repeats=evaluation.repeats,
            difficulties=difficulties,
            notes=_notes(by_model[model]),
        )
        for model in evaluation.models
    ]
    rates = win_rates(found.verdicts, sorted(evaluation.models)) if found.verdicts else []
    whole = evaluation.pair_calls // 2 if pairwise or found.verdicts else 0
    return Results(
        evaluation=evaluation,
        found=found,
        standings=tuple(sorted(standings, key=lambda one: -(one.score.value or 0.0))),
        win_rates=tuple(sorted(rates, key=lambda one: (bool(one.against), -(one.rate.value or 0.0)))),
        missing_pairs=whole - len(found.verdicts),
    )


def _notes(turns: Sequence[GradedTurn]) -> dict[str, int]:
    return {
        "cut_answers": sum(one.ended == CUT for one in turns),
        "broken_off_answers": sum(bool(one.answer) and one.ended not in ("", CUT) for one in turns),
        "empty_answers": sum(not one.answer for one in turns),
    }


def grade_rows(found: Found) -> Iterator[dict[str, Any]]:
    """Every judgement as a line of ``grades.jsonl``."""
    for one in found.turns:
        yield one.to_dict()


def table_rows(results: Results) -> Iterator[dict[str, Any]]:
    """A line of ``table.csv`` for each model and category, each turn, and all together."""
    for one in results.standings:
        parts = [("all", one.score), *((f"turn {turn}", each) for turn, each in one.by_turn.items())]
        parts += [(f"difficulty {level}", each) for level, each in one.by_difficulty.items()]
        for name, each in (*parts, *one.by_category.items()):
            yield {"model": one.model, "part": name, "score": each.value, "low": each.low, "high": each.high}


def why_unread(found: Found) -> list[tuple[str, int]]:
    """Reasons for which there is no grade, the most frequent first."""
    return Counter(one.unread for one in found.turns if one.unread).most_common()
