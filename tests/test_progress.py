"""What a batch says while it works, of money and time."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from rich.console import Console
from storage_samples import make_outcome, make_seed

from star_agents.config.target import TargetConfig
from star_agents.engine.progress import BatchProgress
from star_agents.engine.progress_bar import ProgressBar
from star_agents.engine.target_rows import Given, RowCounts, TargetRows
from star_agents.events import CallAnswered, FailureFirstSeen, OutcomeCommitted
from star_agents.storage.rows import Counts

NOTHING = Counts(
    waiting=0,
    working=0,
    kept=0,
    base=0,
    dropped=0,
    calls_answered=0,
    calls_pending=0,
    calls_maybe_paid=0,
    prompt_tokens=0,
    completion_tokens=0,
    cost_usd=0.0,
    calls_of_unknown_price=0,
)


class Batch:
    """Ten seeds; one is done each minute."""

    def __init__(self, before: Counts = NOTHING) -> None:
        self.terminal = io.StringIO()
        self._at = 0.0
        console = Console(file=self.terminal, width=200)
        self._progress = BatchProgress(10, done=before.done, before=before, console=console, clock=lambda: self._at)

    def want(self, target: TargetRows) -> None:
        self._progress.target = target

    def answer(self, cost_usd: float | None) -> None:
        self._progress.hear(
            CallAnswered(
                seed_id="s",
                step="respond",
                agent="a",
                model="m",
                seconds=1.0,
                prompt_tokens=1,
                completion_tokens=1,
                cost_usd=cost_usd,
                from_journal=False,
            )
        )

    def fail(self, part: str, name: str, reason: str) -> str:
        """The line that the first failure of a kind prints."""
        self._progress.hear(FailureFirstSeen(part=part, agent=name, reason=reason))
        return self.terminal.getvalue().splitlines()[-1]

    def end_seed(self, cost_usd: float | None, **changes: Any) -> str:
        """The line that this seed's end prints."""
        self._at += 60
        outcome = replace(make_outcome(make_seed(1), cost_usd=cost_usd), **changes)
        self._progress.hear(OutcomeCommitted(seq=1, outcome=outcome, probabilities={}, seconds=1.0))
        return self.terminal.getvalue().splitlines()[-1]


def test_with_a_number_of_rows_what_is_to_come_is_what_they_need() -> None:
    batch = Batch()
    batch.want(TargetRows(TargetConfig(rows=4), (), RowCounts(rows=2), Given(seeds=4, rows=4)))
    batch.answer(0.5)
    line = batch.end_seed(0.5)
    assert line.startswith("1/3 seeds, 2 of 4 rows, 1 call, ")
    assert line.endswith("$1.5000 projected, about 2 min left")


def test_dollars_an_hour_time_left_and_the_cost_of_an_improved_seed_stand_in_the_line() -> None:
    batch = Batch()
    batch.answer(0.5)
    batch.answer(0.25)  # Of a seed that is still in hand: the projection goes by those that are done.
    assert batch.end_seed(0.5) == (
        "1/10 seeds, 2 calls, $0.7500, $0.7500 per improved seed, $45.0000 an hour, $5.0000 projected, about 9 min left"
    )
    assert "$22.5000 an hour" in batch.end_seed(0.25)


def test_what_is_not_known_is_counted_beside_what_is_and_alone_it_is_unknown() -> None:
    batch = Batch()
    batch.answer(None)
    assert batch.end_seed(None) == "1/10 seeds, 1 call, unknown, about 9 min left"
    batch.answer(0.5)
    told = batch.end_seed(0.5)
    assert "$0.5000 and 1 call of unknown price" in told
    assert "at least $2.5000 projected" in told


def test_where_another_recipe_works_the_cost_is_that_of_a_seed_kept() -> None:
    batch = Batch()
    batch.answer(0.5)
    batch.end_seed(0.5)
    assert "$0.5000, $0.2500 per seed kept, " in batch.end_seed(0.0, recipe="mine", kind="base")


def test_the_first_failure_of_a_kind_is_told_by_who_failed_and_at_what() -> None:
    batch, summed_up = Batch(), "; all of it is summed up at the end"
    why = ", the first time for this reason: it was so"
    assert batch.fail("agent", "gpt", "it was so") == f"agent gpt failed{why}{summed_up}"
    assert batch.fail("scorer", "", "it was so") == f"scorer failed{why}{summed_up}"
    assert batch.fail("usage", "gpt", "it was so") == f"agent gpt counted a reply wrongly{why}{summed_up}"
    refused = batch.fail("instructions", "mine", "it was so")
    assert refused == f"recipe mine gave an instruction that was refused{why}{summed_up}"


def test_a_file_of_rows_is_told_in_tenths_with_its_rate_and_what_goes_before() -> None:
    told, at = io.StringIO(), [0.0]
    bar = ProgressBar("rows", 10, done=4, console=Console(file=told, width=200), clock=lambda: at[0])
    bar.prepare("loading models")
    at[0] = 100.0
    bar.begin()
    at[0] = 102.0
    bar.done += 1
    bar.show("0.5 rows/s")
    assert told.getvalue() == "5/10 rows, 0.5 rows/s, about 10 s left\n"
    bar.done += 1
    bar.show("0.5 rows/s")
    bar.done = 10
    bar.show("all")
    assert told.getvalue().splitlines()[1:] == ["6/10 rows, 0.5 rows/s, about 4 s left", "10/10 rows, all"]
