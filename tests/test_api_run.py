"""`sa.run` in scripts: what it takes, what it gives, what it raises, and that its folder is the command's."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
import yaml
from api_inputs import TUTORED, rows
from daemons import star_agents
from lines import agents_yaml, origin, read_jsonl
from openai_server import OpenAIServer

import star_agents as sa

CANNOT = "give the path of agents.yaml, a dict with its keys, or a Config"


def seed_ids(result: sa.Folder) -> set[str]:
    return {origin(row)["seed_id"] for row in result.rows()}


def script(code: str, *arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A script that ends by itself."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env={**os.environ, **environ})


def with_star(**keys: Any) -> dict[str, Any]:
    """The config with other keys of recipe `star`."""
    return {**TUTORED, "star": {**TUTORED["star"], **keys}}


def test_it_returns_rows_preferences_and_status_and_says_what_came_out(tmp_path: Path) -> None:
    result = sa.run(TUTORED, "offline", out=tmp_path / "out", limit=8, progress=False)
    assert result.rows() == read_jsonl(tmp_path / "out" / "dataset.jsonl")
    assert len(result.rows()) == 8
    assert result.preferences() == read_jsonl(tmp_path / "out" / "preferences.jsonl")
    assert result.rejected() == []
    assert result.rows("alpaca", provenance=False)[0].keys() == {"instruction", "input", "output", "system"}
    assert result.status().seeds.kept == result.summary["counts"]["kept"]
    assert result.seeds_added["new"] == 8
    assert result.is_complete
    assert f"{result.summary['counts']['kept']} seeds improved" in repr(result)
    assert "8 rows" in repr(result)
    assert sa.Folder(tmp_path / "out").rows() == result.rows()


def test_its_frame_has_a_column_for_each_part_of_the_provenance(tmp_path: Path) -> None:
    result = sa.run(TUTORED, rows(4), out=tmp_path / "out", progress=False)
    frame = result.to_pandas()
    assert list(frame["seed_id"]) == [origin(row)["seed_id"] for row in result.rows()]
    assert frame["messages"][0] == result.rows()[0]["messages"]
    assert "pi" in frame.columns


def test_without_pandas_the_frame_is_refused_in_a_sentence_of_ours(tmp_path: Path) -> None:
    sa.run(TUTORED, rows(1), out=tmp_path / "out", progress=False)
    code = (
        "import sys; sys.modules['pandas'] = None\nimport star_agents as sa\n"
        "try: sa.Folder(sys.argv[1]).to_pandas()\nexcept sa.UsageError as error: print(error)"
    )
    assert "needs pandas, which is not installed" in script(code, tmp_path / "out").stdout


SOURCES: dict[str, Callable[[Path, list[dict[str, Any]]], Any]] = {
    "dicts": lambda folder, given: given,
    "generator": lambda folder, given: (row for row in given),
    "samples": lambda folder, given: [sa.Sample(instruction=r["instruction"], response=r["output"]) for r in given],
    "seeds": lambda folder, given: [
        sa.Seed.of(sa.Sample(instruction=r["instruction"], response=r["output"]), source="mine:1") for r in given
    ],
    "dataset": lambda folder, given: datasets.Dataset.from_list(given),
    "formatted dataset": lambda folder, given: datasets.Dataset.from_list(given).with_format("numpy"),
    "streamed dataset": lambda folder, given: datasets.Dataset.from_list(given).to_iterable_dataset(),
    "frame": lambda folder, given: pd.DataFrame(given),
    "frame of messages": lambda folder, given: pd.DataFrame(
        {
            "messages": [
                [{"role": "user", "content": r["instruction"]}, {"role": "assistant", "content": r["output"]}]
                for r in given
            ]
        }
    ),
    "path": lambda folder, given: written(folder / "seeds.jsonl", given),
    "path as text": lambda folder, given: str(written(folder / "seeds.jsonl", given)),
}


def written(path: Path, given: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, given)))
    return path


@pytest.mark.parametrize("kind", SOURCES)
def test_seeds_may_come_in_every_form_and_are_the_same_seeds(kind: str, tmp_path: Path) -> None:
    given = rows(3)
    result = sa.run(TUTORED, SOURCES[kind](tmp_path, given), out=tmp_path / "out", progress=False)
    expected = {sa.Seed.of(sa.Sample(instruction=r["instruction"], response=r["output"])).id for r in given}
    assert seed_ids(result) == expected


def test_what_pandas_counts_as_missing_is_no_text(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "instruction": ["one?", "two?"],
            "input": [None, float("nan")],
            "output": pd.array(["1", pd.NA], dtype="string"),
            "when": [pd.Timestamp("2026-01-01"), pd.NaT],
            "n": [1, 2],
        },
        index=[7, 9],
    )
    config = with_star(base_pairs=[{"instruction": "keep", "response": "tutor"}], selection="base")
    result = sa.run(config, frame, out=tmp_path / "out", progress=False)
    assert seed_ids(result) == {
        sa.Seed.of(sa.Sample(instruction="one?", response="1")).id,
        sa.Seed.of(sa.Sample(instruction="two?")).id,
    }


def test_a_seed_keeps_its_source_and_what_stands_beside_it(tmp_path: Path) -> None:
    seed = sa.Seed.of(sa.Sample(instruction="Count.", response="1"), source="mine:7", meta={"output": 1})
    result = sa.run(TUTORED, [seed], out=tmp_path / "out", progress=False)
    assert origin(result.rows()[0])["source"] == "mine:7"
    assert origin(result.rows()[0])["seed_id"] == seed.id


def test_the_config_may_be_a_path_a_dict_or_a_config_and_is_the_same_revision(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(yaml.safe_dump(TUTORED))
    for config in (path, str(path), TUTORED, sa.Config.model_validate_json(json.dumps(TUTORED))):
        result = sa.run(config, rows(2), out=tmp_path / "out", progress=False)
    assert result.summary["config_revisions"] == 1


def test_a_key_at_its_old_place_is_warned_of_and_works(tmp_path: Path) -> None:
    star = dict(TUTORED["star"])
    data = {**TUTORED, "star": star, "candidates": star.pop("candidates")}
    path = tmp_path / "agents.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    for config, place in ((path, "agents.yaml:"), (data, "config: candidates")):
        with pytest.warns(FutureWarning, match="`star.candidates`") as told:
            sa.run(config, rows(1), out=tmp_path / "out", progress=False)
        assert [str(one.message).startswith(place) for one in told] == [True]


def test_a_slip_in_a_file_is_told_with_line_field_and_fix(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text("agents:\n  a: {model: offline/tutor}\nrefere: {agents: [a]}\n")
    with pytest.raises(sa.ConfigError) as caught:
        sa.run(path, rows(1), out=tmp_path / "out")
    (problem,) = caught.value.problems
    assert (problem.where, problem.field, problem.fix) == ("agents.yaml:3", "refere", "did you mean `star.referee`?")
    assert not (tmp_path / "out").exists()


def test_an_agent_that_cannot_be_called_is_told_with_the_line_too(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text("agents:\n  a:\n    model: nowhere/at-all\nstar: {referee: {agents: [a]}, selection: referee}\n")
    with pytest.raises(sa.ConfigError) as caught:
        sa.run(path, rows(1), out=tmp_path / "out")
    assert caught.value.problems[0].where == "agents.yaml:3"
    data = {
        "agents": {"a": {"model": "nowhere/at-all"}},
        "star": {"referee": {"agents": ["a"]}, "selection": "referee"},
    }
    with pytest.raises(sa.ConfigError) as caught:
        sa.run(data, rows(1), out=tmp_path / "out")
    assert caught.value.problems[0].where == "config"


@pytest.mark.parametrize(
    ("config", "field", "told"),
    [
        ({**TUTORED, "refere": {}}, "refere", "did you mean `star.referee`?"),
        (with_star(referee={"agents": ["nobody"]}), "star.referee.agents[0]", "not in `agents`"),
        (with_star(candidates=object()), "star.candidates", "found a object"),
        ({**TUTORED, "budget_usd": float("inf")}, "budget_usd", "the number inf"),
        (sa.Config.model_construct(agents={}), "agents", "at least 1"),
        (17, "", CANNOT),
    ],
)
def test_a_slip_in_a_dict_or_a_config_is_told_with_its_field(
    config: Any, field: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(sa.ConfigError) as caught:
        sa.run(config, rows(1), out=tmp_path / "out")
    problem = caught.value.problems[0]
    assert (problem.where, problem.field) == ("config", field)
    assert told in str(problem)


def test_numbers_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(sa.UsageError, match="concurrency=0"):
        sa.run(TUTORED, rows(1), out=tmp_path / "out", concurrency=0)
    with pytest.raises(sa.UsageError, match="limit=0"):
        sa.run(TUTORED, rows(1), out=tmp_path / "out", limit=0)
    with pytest.raises(sa.UsageError, match="NUL"):
        sa.run(TUTORED, rows(1), out="a\0b")
    with pytest.raises(sa.UsageError, match="NUL"):
        sa.run("a\0b", rows(1), out=tmp_path / "out")


def test_a_document_for_a_recipe_that_takes_samples_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(sa.SeedFileError, match="recipe star takes instruction or sample, and this is a document"):
        sa.run(TUTORED, [sa.Document(text="Tea is grown in hills.")], out=tmp_path / "out", progress=False)


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        (rows(1)[0], "one dict was given where rows are expected"),
        (sa.Sample(instruction="one?"), "one Sample was given"),
        (datasets.DatasetDict(train=datasets.Dataset.from_list(rows(1))), "name one, as in data\\['train'\\]"),
        (17, "rows are expected"),
        (pd.DataFrame([["a", "b"]], columns=["instruction", "instruction"]), "two columns 'instruction'"),
    ],
)
def test_what_holds_no_rows_is_refused(seeds: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(sa.UsageError, match=told):
        sa.run(TUTORED, seeds, out=tmp_path / "out")


def test_every_bad_row_is_named_before_anything_is_spent(tmp_path: Path) -> None:
    bad: list[Any] = [
        *rows(1),
        {"instruction": ""},
        "text",
        sa.Sample(instruction=" "),
        sa.Sample(instruction="x", history=(sa.Message(role="user", content="alone"),)),
    ]
    with pytest.raises(sa.SeedFileError) as caught:
        sa.run(TUTORED, bad, out=tmp_path / "out")
    assert [one.where for one in caught.value.problems] == [f"seeds:row {n}" for n in (2, 3, 4, 5)]
    assert not (tmp_path / "out").exists()
    result = sa.run(TUTORED, bad, out=tmp_path / "out", skip_bad=True, progress=False)
    assert len(result.rows()) == 1
    with pytest.raises(sa.SeedFileError, match="no such file"):
        sa.run(TUTORED, tmp_path / "nothing.jsonl", out=tmp_path / "out")


def test_what_an_iterator_of_the_callers_raises_passes_through(tmp_path: Path) -> None:
    def broken() -> Any:
        yield rows(1)[0]
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        sa.run(TUTORED, broken(), out=tmp_path / "out")


async def test_inside_a_running_event_loop_it_works_too(tmp_path: Path) -> None:
    assert asyncio.get_running_loop().is_running()
    result = sa.run(TUTORED, rows(3), out=tmp_path / "out", progress=False)
    assert len(result.rows()) == 3


def test_a_budget_that_ends_it_is_warned_of_and_kept(tmp_path: Path) -> None:
    config = {**TUTORED, "budget_calls": 4, "concurrency": 1}
    with pytest.warns(sa.StoppedEarly, match="budget_calls") as warned:
        result = sa.run(config, rows(6), out=tmp_path / "out", progress=False)
    assert warned[0].filename == __file__
    assert not result.is_complete
    assert "budget_calls" in result.stopped_by
    assert "not done" in repr(result)
    assert result.summary["counts"]["done"] < 6


async def test_a_folder_of_the_command_is_gone_on_with_and_the_other_way_round(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        path = tmp_path / "agents.yaml"
        path.write_text(agents_yaml(server.url))
        seeds = written(tmp_path / "seeds.jsonl", rows(9))

        async def command(*more: str) -> None:
            files = ("-c", path, "-s", seeds, "-o", tmp_path / "out")
            done = await asyncio.to_thread(star_agents, "run", "-q", *files, *more)
            assert done.returncode == 0, done.stderr

        await command("-n", "3")
        first = len(server.requests)
        result = await asyncio.to_thread(sa.run, path, rows(6), out=tmp_path / "out", progress=False)
        assert result.seeds_added["duplicates"] == 3
        assert result.calls == len(server.requests) - first
        second = len(server.requests)
        await command()
        assert len(sa.Folder(tmp_path / "out").rows()) == 9
        assert first < second < len(server.requests)
        asked = [json.dumps(request.body, sort_keys=True) for request in server.requests]
        assert len(set(asked)) == len(asked), "no call is paid for twice"
        before = len(server.requests)
        result = await asyncio.to_thread(sa.run, path, seeds, out=tmp_path / "out", progress=False)
        assert (result.calls, len(server.requests)) == (0, before)


def test_what_the_command_leaves_in_a_folder_is_there_too_and_the_log_names_no_text(tmp_path: Path) -> None:
    sa.run(TUTORED, rows(2), out=tmp_path / "out", progress=False)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"dataset.jsonl", "summary.json", "store.sqlite3", "log.jsonl"} <= names
    events = [json.loads(line)["event"] for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert events.count("outcome_committed") == 2


SHOWS = """
import sys, logging, signal, gc
import star_agents as sa
from api_inputs import TUTORED, rows
before = (logging.getLogger().handlers[:], sys.excepthook, signal.getsignal(signal.SIGINT), gc.get_threshold())
if sys.argv[2] == "closed": sys.stderr.close()
if sys.argv[2] == "none": sys.stderr = None
result = sa.run(TUTORED, rows(3), out=sys.argv[1], progress=sys.argv[2] != "off")
after = (logging.getLogger().handlers[:], sys.excepthook, signal.getsignal(signal.SIGINT), gc.get_threshold())
print(len(result.rows()), before == after, gc.get_freeze_count())
"""


@pytest.mark.parametrize(("how", "shows"), [("on", True), ("off", False), ("closed", False), ("none", False)])
def test_progress_is_shown_on_stderr_or_not_and_a_stream_that_is_gone_fails_nobody(
    how: str, shows: bool, tmp_path: Path
) -> None:
    done = script(SHOWS, tmp_path / "out", how, PYTHONPATH=str(Path(__file__).parent))
    assert done.stdout == "3 True 0\n", "what is set for all of the process is left as it was"
    assert done.returncode == 0
    assert ("3/3 seeds" in done.stderr) == shows
    assert "Traceback" not in done.stderr
    assert shows or not done.stderr


def test_every_name_is_there_and_no_other(tmp_path: Path) -> None:
    assert {name for name in sa.__all__ if getattr(sa, name) is not None} == set(sa.__all__)
    assert set(sa.__all__) <= set(dir(sa))
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = sa.rum
