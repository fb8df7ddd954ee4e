"""Datasets out: what export writes, read_seeds reads back; preferences only where a verdict stands behind them."""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from storage_samples import (
    HISTORY,
    answered,
    commit,
    fill_store,
    intent,
    keeping,
    make_assessed,
    make_dropped,
    make_outcome,
    make_reply,
    make_seed,
)

from star_agents.errors import UsageError
from star_agents.records import PAIRS, Message, Outcome, Reward, Sample, Seed
from star_agents.records.findings import Finding, Objection
from star_agents.storage.connection import connect
from star_agents.storage.incoming.seed_files import read_seeds
from star_agents.storage.migrations import migrate, scripts
from star_agents.storage.outgoing.export import FORMATS, dataset_rows, rejected_rows, write_export, write_run_folder
from star_agents.storage.outgoing.result_rows import TOOLS
from star_agents.storage.read_later import later
from star_agents.storage.reader import StoreReader
from star_agents.storage.sql import queries
from star_agents.storage.store import STORE_FILE, Store
from star_agents.text.plain_data import (
    from_record_json,
    from_records_json,
    json_bytes,
    json_text,
    to_json,
    to_record_json,
)

Fill = Callable[..., Coroutine[Any, Any, StoreReader]]

SEEDS = [
    make_seed(1),
    make_seed(2, input="Some input."),
    make_seed(3, history=HISTORY),
    make_seed(4, history=HISTORY[:1]),
    make_seed(5, instruction="Odd \u2028 漢字 \U0001f600", response="x"),
    make_seed(6, response=None),
]


@pytest.fixture
def fill(tmp_path: Path, request: pytest.FixtureRequest) -> Fill:
    """Put seeds with their outcomes into a store and open it for reading."""

    async def put(*pairs: tuple[Seed, Outcome]) -> StoreReader:
        await fill_store(tmp_path / "store", *pairs)
        reader = StoreReader(tmp_path / "store")
        request.addfinalizer(reader.close)
        return reader

    return put


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
@pytest.mark.parametrize("format", ["alpaca", "messages", "sharegpt"])
@pytest.mark.parametrize("provenance", [True, False])
async def test_what_export_writes_reads_back_the_same(
    format: str, suffix: str, provenance: bool, fill: Fill, tmp_path: Path
) -> None:
    seeds = [seed for seed in SEEDS if format != "alpaca" or seed.sample.history in ((), HISTORY[:1])]
    reader = await fill(*((seed, make_outcome(seed)) for seed in seeds))
    path = tmp_path / f"dataset{suffix}"
    assert write_export(dataset_rows(reader, format, provenance=provenance), path) == len(seeds)
    file = read_seeds(path)
    assert file.problems == ()
    wanted = [answered(seed.sample, "A good answer.") for seed in seeds]
    if format == "alpaca":
        assert [seed.sample for seed in file.seeds] == wanted
    else:
        assert [seed.sample.messages for seed in file.seeds] == [sample.messages for sample in wanted]
    assert all(("provenance" in seed.meta) == provenance for seed in file.seeds)


async def test_a_row_says_where_it_comes_from(fill: Fill) -> None:
    reader = await fill((SEEDS[0], make_outcome(SEEDS[0])))
    (row,) = dataset_rows(reader, "alpaca")
    provenance = json.loads(row.pop("provenance"))
    assert row == {"instruction": "Question 1?", "input": "", "output": "A good answer.", "system": ""}
    assert provenance == {
        "seed_id": SEEDS[0].id,
        "source": "seeds.jsonl:1",
        "kind": "kept",
        "pair": "keep/a",
        "models": {"response": "offline/a"},
        "prompts": ["respond@1:0123abcd"],
        "ifd_small": 0.9,
        "ifd_large": 0.7,
        "gap": 0.9 - 0.7,
        "formula": "perplexity_ratio",
        "pi_dual": 0.5,
        "pi_llm": 1.0,
        "judge_exam": "",
        "votes": [{"referee": "judge", "value": 1.0, "agreed": True, "readable": True}],
        "pi": 0.5,
        "cost_usd": 0.75,
        "revision": 1,
        "seq": 1,
    }


async def test_preferences_stand_on_verdicts(fill: Fill) -> None:
    reader = await fill((SEEDS[2], make_outcome(SEEDS[2])))
    better, worse = dataset_rows(reader, "dpo")
    prompt = [turn.to_dict() for turn in SEEDS[2].sample.prompt]

    def said(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    assert (better["prompt"], better["chosen"], better["rejected"]) == (
        prompt,
        said("A good answer."),
        said("Answer 3."),
    )
    assert (worse["prompt"], worse["chosen"], worse["rejected"]) == (prompt, said("Answer 3."), said("A bad answer."))
    origins = [json.loads(row["provenance"]) for row in (better, worse)]
    assert [(one["chosen_pair"], one["rejected_pair"]) for one in origins] == [
        ("keep/a", "keep/seed"),
        ("keep/seed", "keep/b"),
    ]


async def test_preferences_of_a_seed_whose_row_is_spare_are_those_of_any_other(fill: Fill) -> None:
    made = make_outcome(SEEDS[2])
    (row,) = made.rows
    told = Objection(filter="target_rows", reason="the rows that are wanted are there")
    spare = replace(made, rows=(), findings=(Finding(objection=told, action="spare", kind="row", row=row),))
    reader = await fill((SEEDS[2], spare), (SEEDS[0], make_outcome(SEEDS[0])))
    pairs = [json.loads(one["provenance"])["chosen_pair"] for one in dataset_rows(reader, "dpo")]
    assert pairs == ["keep/a", "keep/seed"] * 2
    assert len(list(dataset_rows(reader, "messages"))) == 1


def candidate_against_base(**fields: Any) -> Outcome:
    """An outcome of seed 1 with one candidate beside the base."""
    seed = SEEDS[0]
    base = make_assessed("keep/seed", seed.sample, is_base=True, pi_llm=0.5)
    sample = fields.pop("sample", answered(seed.sample, "Another."))
    return make_outcome(seed, candidates=(base, make_assessed("x/a", sample, **fields)), chosen=0, kind="base")


REWRITTEN = Sample(instruction="Another question?", response="Another.")
OTHER_HISTORY = Sample(instruction="Question 1?", response="Another.", history=HISTORY)

NO_PREFERENCE = [
    (candidate_against_base(), {}),
    (candidate_against_base(pi_llm=0.5), {}),
    (candidate_against_base(pi_llm=1.0), {}),
    (candidate_against_base(pi_llm=0.0, sample=SEEDS[0].sample), {"same text": 1}),
    (candidate_against_base(pi_llm=0.0, sample=REWRITTEN), {"different prompt": 1}),
    (candidate_against_base(pi_llm=0.0, sample=OTHER_HISTORY), {"different prompt": 1}),
    (make_dropped(SEEDS[0]), {}),
]


@pytest.mark.parametrize(("outcome", "counted"), NO_PREFERENCE)
async def test_without_a_verdict_on_the_same_prompt_there_is_no_preference(
    outcome: Outcome, counted: dict[str, int], fill: Fill
) -> None:
    reader = await fill((SEEDS[0], outcome))
    skipped: Counter[str] = Counter()
    assert list(dataset_rows(reader, "dpo", skipped=skipped)) == []
    assert skipped == counted


async def test_rejected_seeds_are_listed_with_their_reason_and_can_be_read_again(fill: Fill, tmp_path: Path) -> None:
    reader = await fill((SEEDS[0], make_outcome(SEEDS[0])), (SEEDS[2], make_dropped(SEEDS[2])))
    (row,) = rejected_rows(reader)
    origin = json.loads(row["provenance"])
    assert (origin["seed_id"], row["reason"]) == (SEEDS[2].id, "keep/a: length: cut")
    assert origin["failures"] == [{"pair": "keep/a", "failure": "length: cut"}]
    write_export([row], tmp_path / "rejected.jsonl")
    assert [seed.id for seed in read_seeds(tmp_path / "rejected.jsonl").seeds] == [SEEDS[2].id]


@pytest.mark.parametrize("format", [one for one in FORMATS if one != TOOLS])
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
async def test_export_never_fails_on_what_models_wrote(format: str, suffix: str, fill: Fill, tmp_path: Path) -> None:
    seed = make_seed(1, instruction="half \ud800 pair", response="nul \0 and \udfff")
    reader = await fill((seed, make_outcome(seed)))
    path = tmp_path / f"dataset{suffix}"
    assert write_export(dataset_rows(reader, format), path) > 0


async def test_alpaca_refuses_a_conversation_that_it_cannot_hold(fill: Fill) -> None:
    seed = make_seed(1, history=(Message(role="user", content="One."), Message(role="assistant", content="Two.")))
    reader = await fill((seed, make_outcome(seed)))
    with pytest.raises(UsageError, match="export as messages or sharegpt"):
        list(dataset_rows(reader, "alpaca"))
    assert len(list(dataset_rows(reader, "messages"))) == 1


async def test_unknown_formats_and_suffixes_are_refused_with_the_known_ones(fill: Fill, tmp_path: Path) -> None:
    reader = await fill((SEEDS[0], make_outcome(SEEDS[0])))
    with pytest.raises(
        UsageError,
        match="use one of alpaca, messages, prompt-completion, sharegpt, tools, dpo, sharegpt-dpo, messages-dpo",
    ):
        list(dataset_rows(reader, "csv"))
    with pytest.raises(UsageError, match=r"use one of \.jsonl, \.json, \.parquet"):
        write_export([], tmp_path / "dataset.csv")


@pytest.mark.parametrize(
    ("selection", "outcome", "why"),
    [
        ("dual", candidate_against_base(), "no candidate was judged better or worse than its base"),
        ("dual", candidate_against_base(pi_llm=0.0, sample=REWRITTEN), "every pair was left out: 1 different prompt"),
        ("ifd", candidate_against_base(), "`selection: ifd` judges nothing"),
    ],
)
async def test_files_without_a_row_are_not_written_and_why_is_said(
    selection: str, outcome: Outcome, why: str, tmp_path: Path
) -> None:
    for name in ("preferences.jsonl", "rejected.jsonl"):
        (tmp_path / name).write_text("of an earlier run\n")
    await fill_store(tmp_path, (SEEDS[0], outcome), selection=selection)
    with StoreReader(tmp_path) as reader:
        summary = write_run_folder(reader, tmp_path)
    assert summary["rows"]["not_written"] == {"preferences.jsonl": why, "rejected.jsonl": "no seed was dropped"}
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["dataset.jsonl"]


async def test_a_run_folder_tells_the_whole_run(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await store.save_pools({PAIRS: {"weights": {"keep/a": 0.5, "keep/b": 0.5}}}, 1)
        await store.add_revision("d", '{"selection": "dual", "evolution": {"policy": "paper"}}')
        await store.add_seeds(SEEDS)
        await store.lease(5)
        await store.intend([intent("k")])
        await store.record_answers([("k", make_reply(cost_usd=None))])
        for seed in SEEDS[:3]:
            await store.commit_outcome(
                make_outcome(seed),
                foresee=keeping({"weights": {"keep/a": 0.8, "keep/b": 0.2}}),
                memory=None,
                revision=1,
            )
        await commit(store, make_dropped(SEEDS[3]))
        await store.save_pools({PAIRS: {"weights": {"keep/a": 0.8, "keep/b": 0.2}}}, 1)
        with StoreReader(tmp_path) as reader:
            summary = write_run_folder(reader, tmp_path / "out")
    lines = {path.name: len(path.read_text().splitlines()) for path in (tmp_path / "out").glob("*.jsonl")}
    assert lines == {"dataset.jsonl": 3, "preferences.jsonl": 6, "rejected.jsonl": 1}
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert summary["rows"] == {
        "dataset": 3,
        "preferences": 6,
        "rejected": 1,
        "preferences_skipped": {},
        "not_written": {},
    }
    counts = summary["counts"]
    assert (counts["seeds"], counts["done"], counts["kept"], counts["dropped"]) == (6, 4, 3, 1)
    assert (counts["waiting"], counts["working"]) == (1, 1)
    assert summary["cost"] == {
        "known_usd": None,
        "calls_of_unknown_price": 1,
        "usd_per_sample": None,
        "usd_per_improved": None,
    }
    assert (summary["agents"]["a"]["answered"], summary["agents"]["a"]["prompt_tokens"]) == (1, 10)
    assert summary["pairs"]["keep/a"] == {
        "candidates": 4,
        "failures": 1,
        "wins": 3,
        "mean_pi": 0.5,
        "cost_usd": 1.0,
        "candidates_of_unknown_cost": 0,
        "usd_per_win": 1 / 3,
        "probability_start": 0.5,
        "probability_now": 0.8,
    }
    assert summary["pairs"]["keep/seed"]["probability_now"] is None
    assert summary["pairs"]["keep/b"]["usd_per_win"] is None, "it won nothing"
    assert (summary["selection"], summary["policy"]) == ("dual", "paper")
    assert summary["versions"]["schema"] == len(scripts())


@pytest.mark.parametrize("query", ["results", "row_sources"])
def test_a_page_of_results_sorts_nothing_however_many_are_left(tmp_path: Path, query: str) -> None:
    with closing(connect(tmp_path / STORE_FILE)) as connection:
        migrate(connection, tmp_path / STORE_FILE, scripts())
        page = {"after": 0, "up_to": 1 << 40, "limit": 9}
        plan = connection.execute(f"EXPLAIN QUERY PLAN {queries()[query]}", page)
        steps = [step for *_, step in plan]
    assert not any("TEMP B-TREE" in step for step in steps), steps


def test_records_that_are_read_later_are_equal_to_those_that_are_read_at_once() -> None:
    plain = [{"pool": "p", "arm": arm, "value": 0.5} for arm in "abc"]
    at_once = tuple(map(Reward.from_dict, plain))
    read = later(Reward.from_dict, [plain[0], to_json(plain[1]), plain[2]])
    assert (read == at_once, at_once == read, read != at_once[:2]) == (True, True, True)
    assert (len(read), read[-1], read[1:], (*read,)) == (3, at_once[2], at_once[1:], at_once)
    with pytest.raises(IndexError):
        read[3]


def test_numbers_of_records_come_back_as_they_went_those_of_tools_and_recipes_however_large() -> None:
    large: list[dict[str, Any]] = [
        {"parameters": {"maximum": 2**70}},
        {"data": {"n": [2**64]}},
        {"notes": {"n": -(2**63) - 1}},
    ]
    for value in ({"a": 2**64 - 1, "b": 5e-324, "c": "\ud800"}, {"notes": {"n": 1e300}}, *large, {}):
        for text in (to_json(value), to_record_json(value)):
            found = from_record_json(text)
            assert (found, repr(found)) == (value, repr(value))
            among_others = from_records_json(f"[1,{text},null]")
            assert repr(among_others) == repr([1, value, None])


def test_lines_of_rows_are_compact_and_say_what_json_for_people_says() -> None:
    odd = {"n": 2**70, "half": "\ud800", "whole": "\ud83d\ude00", "day": datetime.date(2026, 1, 2), 5: (1, None)}
    assert json_bytes({"a": [1, {"b": "ä\n"}]}) == '{"a":[1,{"b":"ä\\n"}]}'.encode()
    values: list[Any] = [odd, {"a": [0.1, 1e-7, 1e16, -0.0]}, {"a": [math.nan, -math.inf, "NaN"]}, [], "\x00\x7f\u2028"]
    for value in values:
        assert json.loads(json_bytes(value)) == json.loads(json_text(value))


@pytest.mark.parametrize("no_number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_in_no_record(no_number: float) -> None:
    for value in (no_number, {"a": [None, {"b": (1.0, no_number)}]}):
        with pytest.raises(ValueError, match="not JSON compliant"):
            to_record_json(value)
    assert to_record_json({"a": [None, 0.5, "null"]}) == '{"a":[null,0.5,"null"]}'


@pytest.mark.parametrize("no_data", [object(), Reward(pool="p", arm="a", value=0.5), datetime.date(2026, 1, 2), {1, 2}])
def test_what_is_no_plain_data_is_in_no_record(no_data: object) -> None:
    with pytest.raises(TypeError):
        to_record_json({"a": no_data})
