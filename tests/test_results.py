"""Finished seeds as a store hands them out: what is told without reading them whole is what they say when read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from recorded.store import NAMES, unpack
from storage_samples import fill_store, make_outcome, make_seed

from star_agents.records import Row, Sample
from star_agents.storage.outgoing.export import FORMATS, dataset_rows
from star_agents.storage.read_later import ReadLater, plain_at
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result
from star_agents.text.plain_data import to_json


@pytest.fixture
def recorded(tmp_path: Path) -> StoreReader:
    """A store of an earlier version, with seeds that ended in every way."""
    unpack(NAMES[0], tmp_path)
    return StoreReader(tmp_path)


def read_whole(results: Sequence[Result]) -> list[Result]:
    """The same, of records that are there."""
    return [Result.of(one.seed, one.row, one.judge_exam) for one in results]


def test_the_columns_of_a_finished_seed_say_what_its_records_say(recorded: StoreReader) -> None:
    with recorded:
        found = list(recorded.results())
    assert {one.header.kind for one in found} == {"kept", "base", "dropped"}
    assert [one.header for one in found] == [one.header for one in read_whole(found)]
    assert [one.outcome.chosen for one in found] == [one.chosen for one in found]
    assert [one.outcome.winner for one in found] == [one.winner for one in found]


@pytest.mark.parametrize("format", FORMATS)
def test_rows_are_the_same_whether_a_seed_is_read_whole_or_as_far_as_is_asked(
    recorded: StoreReader, format: str
) -> None:
    with recorded:
        whole = read_whole(list(recorded.results()))
        assert list(dataset_rows(recorded, format)) == list(dataset_rows(recorded, format, results=whole))


async def test_rows_of_several_trials_of_none_and_with_texts_of_their_own_are_the_same_read_either_way(
    tmp_path: Path,
) -> None:
    seeds = [make_seed(number) for number in range(6)]
    outcomes = [replace(make_outcome(seed), rows=rows) for seed, rows in zip(seeds, _rows_of_every_kind(), strict=True)]
    others = [replace(one, recipe="mine") for one in outcomes]
    for name, some in {"star": outcomes, "mine": others}.items():
        await fill_store(tmp_path / name, *zip(seeds, some, strict=True))
        with StoreReader(tmp_path / name) as reader:
            for format in FORMATS:
                found = list(dataset_rows(reader, format, reasoning=True))
                whole = read_whole(list(reader.results()))
                assert found == list(dataset_rows(reader, format, reasoning=True, results=whole))
                assert format in ("tools", "dpo", "sharegpt-dpo", "messages-dpo") or len(found) == 7


def _rows_of_every_kind() -> list[tuple[Row, ...]]:
    """Rows of one trial, of the same twice, of another text than its trial's, of two trials, of none, and none; the
    texts are those that ``make_outcome`` gives."""

    def sft(number: int, response: str, *trials: int) -> Row:
        sample = Sample(instruction=f"Question {number}?", response=response)
        return Row(shape="sft", data={"sample": sample.to_dict()}, labels={"type": "a"}, from_trials=trials)

    good = "A good answer."
    return [
        (sft(0, good, 1),),
        (sft(1, good, 1), sft(1, good, 1)),
        (sft(2, "Edited.", 1), sft(2, "A bad answer.", 2)),
        (sft(3, good, 2, 1),),
        (sft(4, "Out of nothing."),),
        (),
    ]


def test_other_rows_stand_in_the_outcome_too(recorded: StoreReader) -> None:
    with recorded:
        one = next(one for one in recorded.results() if one.rows)
    without = one.with_rows(())
    assert (without.rows, without.outcome.rows, without.chosen) == ((), (), ())
    assert without.outcome.trials == one.outcome.trials
    assert without.seed == one.seed
    assert one.rows == one.outcome.rows != ()


def test_of_records_that_are_read_later_those_alone_are_made_that_are_asked_for() -> None:
    made: list[int] = []

    def read(data: dict[str, int]) -> int:
        made.append(data["left"])
        return data["left"]

    plain = [to_json({"left": left}) for left in (0, 1, 2)]
    records = ReadLater(read, plain)
    assert plain_at(plain, 2) == {"left": 2}
    assert (records[1], records[1], made) == (1, 1, [1])
    assert [isinstance(one, str) for one in plain] == [True, False, False]  # Each text is read once, by whoever it is.


def test_what_judges_said_of_one_trial_is_told_as_their_records_tell_it(recorded: StoreReader) -> None:
    with recorded:
        results = list(recorded.results())
    said = [(one, place) for one in results for place in range(one.count_trials)]
    found = [one.judgements_data(place) for one, place in said]
    assert found == [[each.to_dict() for each in one.outcome.judgements_of(place)] for one, place in said]
    assert sum(map(len, found)) > 5
