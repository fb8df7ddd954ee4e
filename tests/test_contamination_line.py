"""Contamination in a run: seeds that hold items of benchmarks ask nobody, rows that do are not in the dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from lines import agents_yaml, read_jsonl, results, run
from openai_server import Answer, OpenAIServer

from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError
from star_agents.records import Sample, Seed
from star_agents.storage.results import Result

ITEM = "Compose an engaging travel blog post about a recent trip to Hawaii, highlighting cultural experiences there."
REFERENCE = (
    "If you have just overtaken the second person, your current position is now second place, and the person whom you "
    "overtook is in third place; whoever was the first to start may well be behind both of you by now, as things are."
)
CLEAN = "Which of the two is the longer river, and by how much?"


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    path = tmp_path / "bench" / "question.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps({"question_id": 81, "turns": [ITEM], "reference": [REFERENCE]}) + "\n")
    return path


def agents_file(folder: Path, url: str, contamination: dict[str, Any]) -> Path:
    path = folder / "agents.yaml"
    base = [{"instruction": "keep", "response": "a"}]
    admission = {"admission": {"contamination": contamination}}
    changed = {**admission, "selection": "base", "base_pairs": base, "memory": {"enabled": False}}
    path.write_text(agents_yaml(url, agents=["a"], replaced=yaml.safe_dump(changed)))
    return path


async def ended(folder: Path, mode: str, *texts: str, answer: str = "It is so.") -> tuple[list[Result], int]:
    """How seeds of these texts end in a run under agents.yaml, and how many calls it made."""
    some = [Seed.of(Sample(instruction=text), source=f"s.jsonl:{n}") for n, text in enumerate(texts, start=1)]
    async with OpenAIServer(lambda body: Answer(text=answer)) as server:
        path = agents_file(folder, server.url, {"against": "bench/question.jsonl", "mode": mode})
        await run(read_config(path), some, folder / "out")
        calls = len(server.requests)
    return results(folder / "out"), calls


def sentences(folder: Path) -> list[str]:
    summary = json.loads((folder / "out" / "summary.json").read_text("utf-8"))
    return [one["sentence"] for one in summary["failures"]]


async def test_a_seed_that_holds_an_item_is_refused_before_anybody_is_paid_and_says_which(
    tmp_path: Path, bench: Path
) -> None:
    found, calls = await ended(tmp_path, "refuse", f"Please: {ITEM}")
    (one,) = found
    assert calls == 0
    assert one.outcome.kind == "dropped"
    assert one.outcome.reason == "admission refused the seed: contamination: it holds an item of bench"
    (refused,) = read_jsonl(tmp_path / "out" / "refused.jsonl")
    assert (refused["kind"], refused["filter"], refused["points_at"]) == ("seed", "contamination", "question.jsonl:1")
    assert refused["evidence"].startswith('100% of the question of 81: "compose an engaging travel blog post')
    assert any("admission refused 1 of 1 seeds: contamination" in told for told in sentences(tmp_path))


async def test_a_row_whose_answer_is_the_benchmarks_is_refused_when_it_settles(tmp_path: Path, bench: Path) -> None:
    found, calls = await ended(tmp_path, "refuse", CLEAN, answer=REFERENCE)
    assert calls > 0
    assert found[0].outcome.rows == ()
    (refused,) = read_jsonl(tmp_path / "out" / "refused.jsonl")
    assert (refused["kind"], refused["filter"]) == ("row", "contamination")
    assert not (tmp_path / "out" / "dataset.jsonl").exists()


async def test_where_it_is_only_reported_seeds_and_rows_go_on_and_are_told(tmp_path: Path, bench: Path) -> None:
    found, calls = await ended(tmp_path, "report", ITEM)
    assert calls > 0
    assert [len(one.outcome.rows) for one in found] == [1]
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 1
    assert {(one.action, one.kind) for one in found[0].outcome.findings} == {("reported", "seed"), ("reported", "row")}
    assert sum("contamination: it holds an item of bench" in told for told in sentences(tmp_path)) == 2


async def test_what_holds_no_item_passes(tmp_path: Path, bench: Path) -> None:
    found, calls = await ended(tmp_path, "refuse", CLEAN)
    assert calls > 0
    assert [(len(one.outcome.rows), one.outcome.findings) for one in found] == [(1, ())]


@pytest.mark.parametrize(
    ("contamination", "told"),
    [
        ({"against": []}, "admission.contamination.against"),
        ({"against": "none.jsonl"}, "admission.contamination.against.0: .*none.jsonl: no such file"),
        ({"against": ["bench/question.jsonl", {"file": "bad.jsonl"}]}, "against.1: bad.jsonl:2: question: is empty"),
        ({"against": {"file": "bad.jsonl", "columns": {"question": "x"}}}, "bad.jsonl:1: x: is no column of the row"),
        ({"against": "bench/question.jsonl", "mode": "drop"}, "admission.contamination.mode"),
    ],
)
def test_a_benchmark_that_cannot_be_used_refuses_agents_yaml_with_line_and_field(
    tmp_path: Path, bench: Path, contamination: dict[str, Any], told: str
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"question": "What is this?"}\n{"question": ""}\n')
    with pytest.raises(ConfigError, match=told):
        read_config(agents_file(tmp_path, "http://127.0.0.1:9", contamination))


def test_the_paths_of_benchmarks_begin_beside_agents_yaml_and_are_kept_whole(tmp_path: Path, bench: Path) -> None:
    config = read_config(agents_file(tmp_path, "http://127.0.0.1:9", {"against": ["bench/question.jsonl"]}))
    assert config.admission.contamination is not None
    assert [one.file for one in config.admission.contamination.against] == [str(bench)]
    assert config.admission.contamination.mode == "report"


def test_items_that_cannot_be_looked_for_are_told_when_agents_yaml_is_read(tmp_path: Path, bench: Path) -> None:
    with bench.open("a") as file:
        file.write('{"question_id": 82, "turns": ["Why?"]}\n')
    told: list[str] = []
    path = agents_file(tmp_path, "http://127.0.0.1:9", {"against": "bench/question.jsonl"})
    read_config(path, note=lambda note: told.append(str(note)))
    assert any("of the 2 items of bench 1 cannot be looked for (1 too short)" in one for one in told)
