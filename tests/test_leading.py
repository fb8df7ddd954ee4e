"""Who is called the best is clear of all others by more than chance."""

from __future__ import annotations

from math import comb
from typing import Any

import pytest
from storage_samples import tallies_of

from star_agents.config.changes import MARKS, config_marks
from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.engine.status import describe
from star_agents.scheduling.win_rates import leader, win_rate
from star_agents.storage.rows import Counts


@pytest.mark.parametrize(
    ("wins", "answers", "low", "high"),
    # Newcombe 1998 (Statistics in Medicine 17, 857-872), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_wilsons(wins: int, answers: int, low: float, high: float) -> None:
    rate = win_rate(wins, answers)
    assert [rate.low, rate.high] == pytest.approx([low, high], abs=5e-5)
    assert rate.rate == wins / answers


def test_who_never_or_always_won_has_an_interval_that_ends_there() -> None:
    assert all(win_rate(0, n).low == 0.0 and win_rate(n, n).high == 1.0 for n in range(1, 50))


def test_the_interval_holds_what_it_promises_about_as_often_as_it_says() -> None:
    for answers in (5, 20, 80):
        for share in (0.05, 0.3, 0.5):
            held = sum(
                comb(answers, wins) * share**wins * (1 - share) ** (answers - wins)
                for wins in range(answers + 1)
                if win_rate(wins, answers).low <= share <= win_rate(wins, answers).high
            )
            assert held > 0.89, (answers, share)


def test_nobody_leads_by_chance() -> None:
    assert leader({}) is None
    assert leader({"a": win_rate(9, 10)}) is None, "the best of nothing"
    assert leader({"a": win_rate(9, 10), "b": win_rate(0, 0)}) is None
    assert leader({"a": win_rate(6, 12), "b": win_rate(4, 12), "c": win_rate(2, 12)}) is None
    assert leader({"a": win_rate(1, 1), "b": win_rate(0, 1)}) is None


def test_one_leads_when_it_is_clear_of_every_other_that_answered() -> None:
    rates = {"b": win_rate(20, 100), "a": win_rate(60, 100), "new": win_rate(0, 0)}
    assert leader(rates) == "a"
    assert leader({**rates, "new": win_rate(2, 3)}) is None, "three answers say too little of it"
    assert leader({**rates, "new": win_rate(0, 10)}) == "a"


def test_the_status_names_a_best_pair_and_agent_only_where_they_are_clear() -> None:
    zeros: dict[str, Any] = dict.fromkeys(Counts.__slots__, 0)
    nothing = Counts(**zeros)
    probabilities = {"keep/a": 0.4, "keep/b": 0.6}

    def told(drawn: dict[str, int], won: dict[str, int]) -> tuple[str | None, str | None]:
        status = describe(nothing, {}, [], [], probabilities, tallies_of(drawn, won))
        assert set(status.win_rates) == set(probabilities)
        return status.best_pair, status.best_agent

    assert told({}, {}) == (None, None)
    assert told({"keep/a": 12, "keep/b": 12}, {"keep/a": 6, "keep/b": 3}) == (None, None), "probability is no proof"
    assert told({"keep/a": 90, "keep/b": 90}, {"keep/a": 60, "keep/b": 10}) == ("keep/a", "a")
    gone = {"keep/a": 90, "keep/b": 90, "keep/gone": 90}
    assert told(gone, {"keep/a": 60, "keep/b": 10, "keep/gone": 80}) == ("keep/a", "a"), "what is gone leads nobody"


def test_marks_say_what_each_edit_changed_and_when() -> None:
    def config(more: str, agents: str = "ab") -> str:
        named = ", ".join(f"{name}: {{model: x/{name}}}" for name in agents)
        return parse_config(f"agents: {{{named}}}\nselection: gap\n{more}").model_dump_json()

    first, second = config("candidates: 2"), config("candidates: 3", "abc")
    assert config_marks([(1, 0, 5.0, first)]) == []
    (mark,) = config_marks([(1, 0, 5.0, first), (2, 40, 9.0, second)])
    assert (mark.revision, mark.seq, mark.at) == (2, 40, 9.0)
    assert {"+ agent c", "+ pair keep/c", "~ candidates"} <= set(mark.changes)
    many = [(n, n, float(n), config(f"candidates: {n + 1}")) for n in range(MARKS + 20)]
    assert [one.revision for one in config_marks(many)][:: MARKS - 1] == [20, MARKS + 19]


def test_a_mark_stands_even_where_a_config_of_another_version_cannot_be_read() -> None:
    now = Config.model_validate_json('{"agents": {"a": {"model": "x/y"}}}').model_dump_json()
    (mark,) = config_marks([(1, 0, 1.0, '{"agents": {}, "a_key_of_old": 1}'), (2, 3, 2.0, now)])
    assert mark.changes == ("~ agents.yaml",)
