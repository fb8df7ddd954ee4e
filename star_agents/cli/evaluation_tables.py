"""How `evaluate` shows what models came to."""

from __future__ import annotations

from star_agents.arena.bootstrap import Estimate, in_words
from star_agents.cli.tables import print_table
from star_agents.engine.evaluation_against import Against
from star_agents.engine.evaluation_results import Results
from star_agents.engine.evaluation_sentences import against_rows, pair_rows, remarks
from star_agents.text.printing import say


def show(results: Results) -> None:
    """Print scores, categories, and what is not in them."""
    turns = sorted({turn for one in results.standings for turn in one.by_turn})
    rows = [
        [
            one.model,
            in_words(one.score),
            *(in_words(one.by_turn.get(turn, Estimate(None))) for turn in (turns if len(turns) > 1 else ())),
            *(f"{number:,}" for number in (one.graded, one.unreadable, one.missing)),
        ]
        for one in results.standings
    ]
    columns = [
        "model",
        "score",
        *(f"turn {turn}" for turn in turns if len(turns) > 1),
        "graded",
        "unread",
        "missing",
    ]
    print_table(f"{results.evaluation.benchmark.name}, judged by {results.evaluation.judge}", columns, rows)
    for sentence in remarks(results):
        say(sentence)
    categories = list(dict.fromkeys(name for one in results.standings for name in one.by_category))
    if len(categories) > 1:
        rows = [[name, *(in_words(one.by_category[name]) for one in results.standings)] for name in categories]
        print_table("by category", ["category", *(one.model for one in results.standings)], rows)
    levels = list(dict.fromkeys(name for one in results.standings for name in one.by_difficulty))
    if len(levels) > 1:
        rows = [[name, *(in_words(one.by_difficulty[name]) for one in results.standings)] for name in levels]
        print_table("by difficulty", ["difficulty", *(one.model for one in results.standings)], rows)
    if results.win_rates:
        _show_pairs(results)


def _show_pairs(results: Results) -> None:
    columns = ["model", "against", "won", "wins", "ties", "losses", "unreadable"]
    print_table("pairs", columns, pair_rows(results))
    pairs = results.to_dict()["pairs"]
    say(
        f"both orders agree in {pairs['orders_agree']:,} of {pairs['orders_read']:,} turns; else it is a tie, and a "
        "tie is half a win"
    )
    if results.missing_pairs:
        say(f"{results.missing_pairs:,} comparisons are missing")


def show_against(against: Against) -> None:
    """Print what changed since an earlier evaluation."""
    columns = ["model", f"in {against.folder}", "difference", "turns", "better", "worse", ""]
    print_table("against an earlier evaluation, paired by turn", columns, against_rows(against))
    for sentence in against.differences:
        say(f"not the same: {sentence}")
