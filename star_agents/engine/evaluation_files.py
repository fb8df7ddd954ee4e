"""What `evaluate` writes into its folder: scores, grades, pictures, the page, battles."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from star_agents.engine.evaluation_against import Against
from star_agents.engine.evaluation_results import GradedTurn, Results, grade_rows, table_rows
from star_agents.engine.evaluation_sentences import against_rows, pair_rows, remarks
from star_agents.report.evaluation import as_svg, bars, radar
from star_agents.report.evaluation_page import (
    EvaluationPage,
    ShownAnswer,
    ShownQuestion,
    ShownTurn,
    evaluation_page,
)
from star_agents.report.pictures import picture
from star_agents.storage.evaluation_files import EVALUATION_FILE, GRADES_FILE, PAIRS_FILE, TABLE_FILE
from star_agents.storage.formats.row_writing import atomic_file, write_rows
from star_agents.text.plain_data import json_text

REPORT_FILE = "report.html"


def write_all(results: Results, against: Against | None, out: Path, *, pictures: str) -> list[Path]:
    """Everything that can be told so far; each file takes its name only when it is whole. The files that there are."""
    told = {**results.to_dict(), "against": None if against is None else against.to_dict()}
    with atomic_file(out / EVALUATION_FILE) as handle:
        handle.write(json_text(told, indent=2).encode() + b"\n")
    write_rows(out / GRADES_FILE, grade_rows(results.found))
    write_rows(out / TABLE_FILE, table_rows(results))
    names = [EVALUATION_FILE, TABLE_FILE, GRADES_FILE]
    if results.found.games:
        write_rows(out / PAIRS_FILE, iter(results.found.games))
        names.append(PAIRS_FILE)
    title, categories = _title(results), _categories(results)
    drawn = {"radar": radar(title, results.standings, categories), "bars": bars(title, results.standings, categories)}
    for name, drawing in drawn.items():
        if drawing is not None:
            with atomic_file(out / f"{name}.{pictures}") as handle:
                handle.write(picture(as_svg(drawing), f".{pictures}"))
            names.append(f"{name}.{pictures}")
    write_page(results, against, out)
    return [out / name for name in (*names, REPORT_FILE)]


def write_page(results: Results, against: Against | None, out: Path, *, running: str = "") -> None:
    """The page of the evaluation; ``running``: how far it is, while it runs."""
    protocol = results.evaluation.protocol
    page = EvaluationPage(
        title=_title(results),
        judge=results.evaluation.judge,
        standings=results.standings,
        categories=_categories(results),
        remarks=list(remarks(results)),
        questions=_questions(results),
        pairs=pair_rows(results),
        against=[] if against is None else against_rows(against),
        differences=() if against is None else against.differences,
        protocol=[(name.replace("_", " "), _plain(value)) for name, value in protocol.items()],
        running=running,
    )
    with atomic_file(out / REPORT_FILE) as handle:
        handle.write(evaluation_page(page).encode("utf-8", "replace"))


def _title(results: Results) -> str:
    return f"{results.evaluation.benchmark.name}, {len(results.evaluation.questions)} questions"


def _categories(results: Results) -> list[str]:
    return list(dict.fromkeys(name for one in results.standings for name in one.by_category))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _questions(results: Results) -> list[ShownQuestion]:
    """In the order of the file, those of which there is an answer."""
    by_turn: defaultdict[tuple[str, int], list[GradedTurn]] = defaultdict(list)
    for one in results.found.turns:
        by_turn[one.question, one.turn].append(one)
    order = {model: place for place, model in enumerate(one.model for one in results.standings)}
    verdicts = _verdicts(results)
    return [
        ShownQuestion(
            id=question.id,
            category=question.category,
            turns=[
                ShownTurn(
                    asked=asked,
                    reference=question.reference[turn - 1] if len(question.reference) >= turn else "",
                    answers=[
                        _shown(one)
                        for one in sorted(by_turn[question.id, turn], key=lambda one: (order[one.model], one.repeat))
                    ],
                    verdicts=verdicts[question.id, turn],
                )
                for turn, asked in enumerate(question.turns, start=1)
            ],
        )
        for question in results.evaluation.questions
        if (question.id, 1) in by_turn
    ]


def _shown(one: GradedTurn) -> ShownAnswer:
    return ShownAnswer(
        model=one.model,
        repeat=one.repeat,
        answer=one.answer,
        score=one.score,
        judgement=one.judgement,
        unread=one.unread,
        ended=one.ended,
    )


def _verdicts(results: Results) -> defaultdict[tuple[str, int], list[tuple[str, str]]]:
    """By question and turn: who stood first, what came of it, and what the judge wrote."""
    found: defaultdict[tuple[str, int], list[tuple[str, str]]] = defaultdict(list)
    for game in results.found.games:
        names = {1.0: f"{game['first']} is better", 0.0: f"{game['second']} is better", 0.5: "a tie"}
        verdict = names.get(game["first_score"], "unreadable")
        label = f"compared, {game['first']} first and {game['second']} second: {verdict}"
        found[game["question"], game["turn"]].append((label, game["reason"]))
    return found
