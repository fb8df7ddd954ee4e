"""What `-s` may name, which of its seeds are taken, and columns that are called otherwise."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from storage_commands import star

import star_agents as sa
from star_agents.api.inputs import given_seeds
from star_agents.cli.main import cli
from star_agents.config.models import Config
from star_agents.engine.batch import load_seeds
from star_agents.engine.configuration import check_config
from star_agents.engine.seed_sources import ByChance, find_sources
from star_agents.errors import ConfigError, SeedFileError, UsageError
from star_agents.storage.incoming.seed_files import Collection, row_of_seed
from star_agents.storage.reader import StoreReader

EVOL = {"recipe": "evol", "evol": {"writer": "coach", "rounds": 1}}
STAR = {"star": {"selection": "gap", "base_pairs": [{"instruction": "keep", "response": "seed"}]}}


def config(**more: Any) -> Config:
    return check_config({"agents": {"coach": {"model": "offline/coach"}}, **(more or EVOL)}, environ={})


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def rows(first: int, count: int) -> list[dict[str, str]]:
    return [{"instruction": f"Question {n}?", "output": f"Answer {n}."} for n in range(first, first + count)]


def test_a_pattern_stands_for_its_files_by_name_packed_or_not_and_several_are_read_as_one(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", rows(3, 3))
    write(tmp_path / "a.jsonl.gz", rows(0, 3))
    write(tmp_path / "deep" / "er" / "c.jsonl", rows(5, 4))
    sources = find_sources([f"{tmp_path}/*.jsonl*", f"{tmp_path}/**/c.jsonl"], documents=False)
    assert [path.name for path in sources.paths] == ["a.jsonl.gz", "b.jsonl", "c.jsonl"]
    assert sources.name == "a.jsonl.gz and 2 more"
    file = load_seeds(sources, config(), skip_bad=False, limit=None)
    assert [seed.sample.instruction for seed in file.seeds] == [f"Question {n}?" for n in range(9)]
    assert file.repeated == 1
    assert file.seeds[6].source == "c.jsonl:2"


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    odd = write(tmp_path / "rows[1].jsonl", rows(0, 2))
    assert find_sources([str(odd)], documents=False).paths == (odd,)


def test_what_no_file_is_called_like_and_a_file_that_is_named_twice_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "a.jsonl", rows(0, 2))
    with pytest.raises(SeedFileError, match=r"no file is called like this \(check the pattern"):
        find_sources([f"{tmp_path}/*.parquet"], documents=False)
    with pytest.raises(SeedFileError, match=r"a\.jsonl: is named twice"):
        find_sources([str(one), f"{tmp_path}/*.jsonl"], documents=False)


def test_a_seed_that_cannot_be_worked_takes_no_other_of_that_name_with_it(tmp_path: Path) -> None:
    unanswered = [{"instruction": "Who?"}]
    write(tmp_path / "one" / "rows.jsonl", rows(0, 1))
    write(tmp_path / "two" / "rows.jsonl", unanswered)
    file = load_seeds(
        find_sources([f"{tmp_path}/*/rows.jsonl"], documents=False), config(**STAR), skip_bad=True, limit=None
    )
    assert [seed.sample.instruction for seed in file.seeds] == ["Question 0?"]
    assert [problem.field for problem in file.problems] == ["response"]


def test_a_sample_is_the_same_one_each_time_in_the_files_order_and_a_shuffle_mixes_it(tmp_path: Path) -> None:
    given = write(tmp_path / "a.jsonl", rows(0, 60))

    def taken(by_chance: ByChance, limit: int | None = None) -> list[str]:
        file = load_seeds(given, config(), skip_bad=False, limit=limit, by_chance=by_chance)
        return [seed.sample.instruction for seed in file.seeds]

    everything = taken(ByChance())
    sample = taken(ByChance(sample=10))
    assert sample == taken(ByChance(sample=10)) == [one for one in everything if one in sample]
    assert len(sample) == 10 < len(everything)
    mixed = taken(ByChance(sample=10, shuffle=5))
    assert mixed != [one for one in everything if one in mixed]
    assert set(mixed) != set(sample)
    assert taken(ByChance(shuffle=5), limit=10) != everything[:10]
    assert sorted(taken(ByChance(shuffle=5))) == sorted(everything)
    assert taken(ByChance(sample=1_000)) == everything


@pytest.mark.parametrize("wrong", [{"sample": 0}, {"sample": -3}, {"limit": 0}, {"limit": -1}])
def test_from_python_too_fewer_than_one_seed_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be at least 1"):
        sa.run(config(), rows(0, 3), out=tmp_path, progress=False, **wrong)  # type: ignore[arg-type]


def test_columns_that_are_called_otherwise_are_read_as_named_and_the_row_s_own_of_that_name_go_beside() -> None:
    named = {"instruction": "prompt", "response": "gold"}
    row = {"prompt": "Why?", "gold": "Because.", "instruction": "task 7", "output": "a draft", "input": "of the sky"}
    seed = sa_seed(named, row)
    assert (seed.sample.instruction, seed.sample.input, seed.sample.response) == ("Why?", "of the sky", "Because.")
    assert seed.meta == {"beside_instruction": "task 7", "beside_output": "a draft"}


def test_a_column_that_goes_beside_takes_no_other_one_s_name() -> None:
    row = {"prompt": "Why?", "instruction": "task 7", "beside_instruction": "mine"}
    meta = {"beside_beside_instruction": "task 7", "beside_instruction": "mine"}
    assert sa_seed({"instruction": "prompt"}, row).meta == meta
    own = sa.Seed.of(sa.Sample(instruction="Why?"), meta={"output": 3, "beside_output": 4})
    assert row_of_seed(own)["beside_beside_output"] == 3


def test_rows_from_python_without_a_column_that_is_named_are_refused_as_a_file_s_are() -> None:
    wrong = config(**EVOL, seeds={"columns": {"instruction": "promt"}})
    with pytest.raises(SeedFileError, match=r"no row has a column 'promt' .*the first rows have instruction, output"):
        given_seeds(rows(0, 2), wrong, skip_bad=True)
    assert len(given_seeds([sa.Sample(instruction="Who?")], wrong, skip_bad=True).seeds) == 1


def test_messages_under_another_name_are_turns_whatever_else_the_row_holds() -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    seed = sa_seed({"messages": "dialogue"}, {"dialogue": turns, "instruction": "x", "prompt": "y"})
    assert (seed.sample.instruction, seed.sample.response) == ("Why?", "Because.")


def sa_seed(named: Mapping[str, str], row: Mapping[str, Any]) -> sa.Seed:
    read = Collection(named)
    read.add(row, "rows.jsonl:1")
    file = read.file()
    assert not file.problems
    return file.seeds[0]


def test_a_column_that_no_row_has_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    given = write(tmp_path / "a.jsonl", rows(0, 3))
    wrong = config(**EVOL, seeds={"columns": {"instruction": "prompt", "response": "output"}})
    with pytest.raises(SeedFileError) as caught:
        load_seeds(given, wrong, skip_bad=True, limit=None)
    assert [problem.field for problem in caught.value.problems] == ["seeds.columns.instruction"]
    both = config(**EVOL, seeds={"columns": {"instruction": "prompt", "response": "gold"}})
    with pytest.raises(SeedFileError, match=r"no row has a column 'prompt' .*the first rows have instruction, output"):
        load_seeds(given, both, skip_bad=True, limit=None)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"instrution": "prompt"}, "columns.instrution"),
        ({"response": "gold"}, "name the column of `instruction`"),
        ({"messages": "talk", "response": "gold"}, "stands without the others"),
        ({"instruction": "text", "response": "text"}, "`text` is named for two things"),
    ],
)
def test_a_map_that_cannot_be_meant_is_refused_where_it_stands(columns: Mapping[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config(**EVOL, seeds={"columns": columns})


def test_run_takes_a_sample_of_packed_files_with_columns_of_their_own_and_the_same_again(tmp_path: Path) -> None:
    given = [{"prompt": f"What is {n} plus 1?", "gold": f"{n + 1}", "id": n} for n in range(30)]
    write(tmp_path / "a.jsonl.gz", given[:15])
    write(tmp_path / "b.jsonl", given[15:])
    yaml = tmp_path / "agents.yaml"
    yaml.write_text(
        "agents: {coach: {model: offline/coach}}\nrecipe: evol\nevol: {writer: coach, rounds: 1}\n"
        "seeds: {columns: {instruction: prompt, response: gold}}\n"
    )
    command = ["run", "--sample", "4", "-c", str(yaml), "-s", f"{tmp_path}/*.jsonl*", "-o", str(tmp_path / "out"), "-q"]
    first = CliRunner().invoke(cli, command)
    assert first.exit_code == 0, first.output
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().seeds == reader.counts().done == 4
    again = CliRunner().invoke(cli, [*command, "--json"])
    assert json.loads(again.stdout)["calls_sent"] == 0
    assert json.loads(again.stdout)["seeds_added"]["source"] == "a.jsonl.gz and 1 more"
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().seeds == 4


def test_rows_that_are_wrong_alike_are_told_once_with_how_many_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "seeds.jsonl", [*rows(0, 30), {"document": "A text.", "title": 7}])
    (tmp_path / "agents.yaml").write_text(
        json.dumps({"agents": {"tutor": {"model": "offline/tutor"}}, "recipe": "agent_instruct"})[:-1]
        + ', "agent_instruct": {"writer": "tutor"}}'
    )
    done = star("run", "-c", tmp_path / "agents.yaml", "-s", path, "-o", tmp_path / "out")
    said = done.err.splitlines()
    at = next(number for number, line in enumerate(said) if line.startswith("error: seeds.jsonl:1: "))
    assert done.code == 2
    assert "recipe agent_instruct takes document" in said[at]
    assert said[at + 1] == "  the same 29 more times, the last one at seeds.jsonl:30"
    assert "seeds.jsonl:2:" not in done.err
