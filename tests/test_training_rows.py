"""What `train` reads: every format of `export`, a run's folder, and rows that are no rows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from storage_samples import HISTORY, fill_store, make_outcome, make_seed
from test_tool_dialogues import DIALOGUE, ENDS_WITH_A_CALL, PLAIN, outcome_of
from training_samples import pairs, samples, write

from star_agents.engine.training.rows import Rows, read_examples
from star_agents.errors import SeedFileError, UsageError
from star_agents.records import Message, Seed
from star_agents.storage.outgoing.export import FORMATS, dataset_rows, write_export, write_run_folder
from star_agents.storage.reader import StoreReader
from star_agents.training.request import Method

SEEDS = [make_seed(1), make_seed(2, input="Some input."), make_seed(3, history=HISTORY), make_seed(4)]
SINGLE = [one for one in SEEDS if not one.sample.history]


def read(source: Path, method: Method = "sft", *, eval_share: float = 0.0, bad_rows: float = 0.0) -> Rows:
    return read_examples(source, method, eval_share=eval_share, seed=0, bad_rows=bad_rows)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder: plain rows, preferences, and rows that hold tools."""
    folder = tmp_path_factory.mktemp("run")
    told = [Seed.of(one) for one in (DIALOGUE, ENDS_WITH_A_CALL, PLAIN)]
    outcomes = [*((seed, make_outcome(seed)) for seed in SEEDS), *((one, outcome_of(one, one.sample)) for one in told)]
    asyncio.run(fill_store(folder, *outcomes))
    return folder


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("single")
    asyncio.run(fill_store(folder, *((seed, make_outcome(seed)) for seed in SINGLE)))
    return folder


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_of_export_is_read_to_the_same_examples_as_the_folder(
    format: str, suffix: str, store: Path, single: Path, tmp_path: Path
) -> None:
    source = single if format == "alpaca" else store
    with StoreReader(source) as reader:
        write_export(dataset_rows(reader, format), tmp_path / f"rows{suffix}")
    method: Method = "dpo" if format.endswith("dpo") else "sft"
    exported, whole = read(tmp_path / f"rows{suffix}", method), read(source, method)
    told = [(one.prompt, one.answer, one.rejected) for one in exported.examples]
    known = [(one.prompt, one.answer, one.rejected) for one in whole.examples]
    assert told == ([one for one in known if "<tool" in str(one)] if format == "tools" else known)
    assert len(told) == {"alpaca": 3, "tools": 2}.get(format, 8 if method == "dpo" else 7)
    assert exported.files.keys() == {f"rows{suffix}"}
    assert not whole.files


def test_calls_of_tools_stay_calls_from_the_folder_and_from_an_export(store: Path, tmp_path: Path) -> None:
    with StoreReader(store) as reader:
        write_export(dataset_rows(reader, "tools"), tmp_path / "tools.jsonl")
    for source in (store, tmp_path / "tools.jsonl"):
        dialogue, call = (one for one in read(source).examples if one.tools)
        assert [turn["role"] for turn in dialogue.turns][-4:] == ["user", "assistant", "tool", "assistant"]
        assert dialogue.turns[-3]["tool_calls"][0]["function"]["arguments"] == {"city": "Rome"}
        assert (dialogue.answers, call.answers) == (2, 1)
        assert '{"name": "weather", "arguments": {"city": "Rome"}}' in call.answer


def test_a_folder_without_its_store_is_read_by_its_files(store: Path, tmp_path: Path) -> None:
    with StoreReader(store) as reader:
        write_run_folder(reader, tmp_path)
    assert len(read(tmp_path).examples) == 7
    assert len(read(tmp_path, "dpo").examples) == 8
    (tmp_path / "dataset.jsonl").unlink()
    (tmp_path / "preferences.jsonl").unlink()
    with pytest.raises(UsageError, match="holds neither a store nor one of dataset"):
        read(tmp_path)


def test_where_rows_come_from_is_told_by_their_provenance(store: Path) -> None:
    rows = read(store)
    assert rows.recipes == {"star": 4, "mine": 3}, "of the rows that are learned, not of the preferences beside them"
    assert rows.revisions == {1}
    assert rows.agents["offline/a"] == 4


def test_each_bad_row_is_told_by_file_line_and_field_and_beyond_the_share_stops_it(tmp_path: Path) -> None:
    bad: list[Any] = [
        {"messages": "none"},
        {**pairs(1)[0], "chosen": 5},
        {**pairs(1)[0], "rejected": pairs(1)[0]["chosen"]},
        {**pairs(1)[0], "margin": "wide"},
        {"document": "A text."},
        {"text": "alone"},
    ]
    file = write(tmp_path / "rows.jsonl", [*samples(10), *bad])
    with pytest.raises(SeedFileError) as refused:
        read(file, bad_rows=0.3)
    told = str(refused.value).splitlines()
    assert [line.split(": ")[0] for line in told[:6]] == [f"rows.jsonl:{line}" for line in range(11, 17)]
    assert "chosen: must be a text or one turn of the assistant; found the number 5" in told[1]
    assert "rejected: is the chosen answer once more" in told[2]
    assert told[6].startswith("6 of 16 rows: cannot be read, and --bad-rows 0.3 lets 4 be left out")
    rows = read(file, bad_rows=0.4)
    assert (rows.bad, len(rows.problems), len(rows.examples)) == (6, 6, 10)


def test_rows_of_another_shape_are_counted_and_where_there_are_none_to_learn_the_method_that_takes_them_is_named(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "rows.jsonl", [*samples(3), *pairs(2)])
    assert read(file).shapes == {"sft": 3, "preference": 2}
    with pytest.raises(UsageError, match="sft learns from answered rows; found 2 preference rows: --method dpo or "):
        read(write(tmp_path / "pairs.jsonl", pairs(2)))


def test_a_reward_model_takes_rows_with_margins_where_there_are_some_and_each_pair_once(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", [*pairs(3), *pairs(3, margin=2.5)])
    assert [one.margin for one in read(file, "reward").examples] == [2.5] * 3
    assert [one.margin for one in read(file, "dpo").examples] == [None] * 3


def test_rloo_answers_each_prompt_once_whatever_rows_it_stands_in(tmp_path: Path) -> None:
    unanswered = [{"messages": [{"role": "user", "content": "Question 9?"}]}]
    rows = read(write(tmp_path / "rows.jsonl", [*samples(4), *pairs(3), *unanswered]), "rloo")
    assert [one.prompt[-1]["content"] for one in rows.examples] == [f"Question {n}?" for n in (0, 1, 2, 3, 9)]
    assert rows.repeated == 3


def test_rows_of_one_prompt_are_held_out_together_and_about_as_many_as_asked(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "rows.jsonl", [*samples(400), *samples(400)]), eval_share=0.2)
    held, learned = ({one.group for one in part} for part in (rows.held_out, rows.examples))
    assert not held & learned
    assert 120 < len(rows.held_out) < 200
    assert len(rows.held_out) == 2 * len(held)


def test_another_order_or_another_word_is_another_digest(tmp_path: Path) -> None:
    first = samples(3)
    others = (first[::-1], [*first[:2], *samples(4)[3:]])
    digests = {read(write(tmp_path / "a.jsonl", rows)).digest for rows in (first, *others)}
    assert len(digests) == 3
    assert read(write(tmp_path / "b.jsonl", first)).digest in digests


def test_a_row_may_say_of_itself_what_it_likes_and_breaks_nothing(tmp_path: Path) -> None:
    odd: list[Any] = ["{", json.dumps([1]), {"revision": "x", "models": 5, "trials": [3]}, 7, {"trials": {"a": 1}}]
    rows = read(write(tmp_path / "rows.jsonl", [{**samples(1)[0], "provenance": one} for one in odd]))
    assert (len(rows.examples), rows.revisions, rows.agents) == (5, set(), {})


def test_a_turn_of_a_system_stands_before_the_prompt(store: Path) -> None:
    (with_system,) = (one for one in read(store).examples if one.prompt[0]["role"] == "system" and not one.tools)
    assert [Message.from_dict(turn) for turn in with_system.prompt[:3]] == list(HISTORY)
