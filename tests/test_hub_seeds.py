"""Seeds from a dataset of the hub: which files are meant, that they come once, and that a run keeps its commit."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from click.testing import CliRunner
from hub_server import Fault, HubServer

import star_agents as sa
from star_agents.cli.main import cli
from star_agents.engine.batch import load_seeds
from star_agents.engine.configuration import check_config
from star_agents.engine.hub_sources import PINS, fetch_for, pins_of
from star_agents.engine.provenance import source_of
from star_agents.engine.seed_sources import SeedSources
from star_agents.errors import HubError, SeedFileError, StarAgentsError, UsageError
from star_agents.export.hub_datasets import Fetched, fetch_dataset
from star_agents.export.hub_layout import layout_of, matches
from star_agents.export.hub_names import HubName
from star_agents.storage.incoming.seed_files import read_seeds

REPO = "somebody/rows"
where = partial(layout_of, where="hf:somebody/rows")


def lines(*rows: Mapping[str, Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(*rows: Mapping[str, Any]) -> bytes:
    kept = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), kept)
    return kept.getvalue()


def card(*configs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"configs": list(configs)}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("hf:user/name", ("user/name", "", "", "")),
        ("hf:squad", ("squad", "", "", "")),
        ("hf:user/name:main:test", ("user/name", "", "main", "test")),
        ("hf:user/name::test", ("user/name", "", "", "test")),
        ("hf:user/na.me@refs/convert/parquet:en", ("user/na.me", "refs/convert/parquet", "en", "")),
    ],
)
def test_a_name_says_repository_revision_config_and_split(text: str, meant: Sequence[str]) -> None:
    assert HubName.of(text) == tuple(meant)


@pytest.mark.parametrize("text", ["hf:", "hf:a/b/c", "hf:user/name:a:b:c", "hf:user name", "hf:user/name@"])
def test_what_names_no_dataset_is_refused(text: str) -> None:
    with pytest.raises(SeedFileError, match="names no dataset of the hub"):
        HubName.of(text)


def test_files_are_told_by_their_names_where_the_card_names_none() -> None:
    files = [
        "README.md",
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/test-00000-of-00001.parquet",
        "dataset_infos.json",
        ".hidden/train.jsonl",
    ]
    assert where(files, {}, config="", split="").files == tuple(files[1:3])
    assert where(files, {}, config="", split="test").files == (files[3],)
    with pytest.raises(SeedFileError, match=r"has no split 'validation' \(it has test, train\)"):
        where(files, {}, config="", split="dev")
    one = where(["a.jsonl.gz", "b.csv"], {}, config="", split="")
    assert (one.split, one.files) == ("train", ("a.jsonl.gz", "b.csv"))
    assert where(["x/dev.jsonl", "x/retrain.jsonl"], {}, config="", split="").files == ("x/dev.jsonl",)


def test_folders_are_configs_and_without_a_usual_one_one_has_to_be_named() -> None:
    files = ["de/train.jsonl", "en/train.jsonl", "en/test.jsonl"]
    assert where(files, {}, config="en", split="test").files == ("en/test.jsonl",)
    with pytest.raises(SeedFileError, match=r"has several of config, and none is the usual one \(name one \(de, en\)"):
        where(files, {}, config="", split="")
    assert where([*files, "default/train.jsonl"], {}, config="", split="").config == "default"
    assert where(["train/a.jsonl", "test/a.jsonl"], {}, config="", split="").files == ("train/a.jsonl",)


def test_what_the_card_names_holds_with_its_patterns_and_its_default() -> None:
    files = ["a/one.parquet", "a/deep/two.parquet", "b/x.jsonl", "b/y.jsonl", "loose.jsonl"]
    deep = {"config_name": "deep", "data_files": "a/**/*.parquet"}
    flat = {"config_name": "flat", "data_files": [{"split": "rows", "path": ["a/*.parquet", "loose.jsonl"]}]}
    last = {"config_name": "last", "data_dir": "b", "data_files": {"train": "[xy].jsonl"}, "default": True}
    told = card(deep, flat, last)
    assert where(files, told, config="deep", split="").files == ("a/deep/two.parquet", "a/one.parquet")
    assert where(files, told, config="flat", split="").files == ("a/one.parquet", "loose.jsonl")
    assert where(files, told, config="", split="").files == ("b/x.jsonl", "b/y.jsonl")
    with pytest.raises(SeedFileError, match="has no config 'other'"):
        where(files, told, config="other", split="")


@pytest.mark.parametrize(
    ("pattern", "path", "is_one"),
    [
        ("*.jsonl", "a.jsonl", True),
        ("*.jsonl", "below/a.jsonl", False),
        ("**/*.jsonl", "a.jsonl", True),
        ("**/*.jsonl", "very/deep/a.jsonl", True),
        ("data/**", "data/deep/a.jsonl", True),
        ("data/**", "other/a.jsonl", False),
        ("a/**/b/**/c.jsonl", "a/x/b/b/y/c.jsonl", True),
        ("[!t]*.jsonl", "train.jsonl", False),
        ("[z-a].jsonl", "z.jsonl", False),
    ],
)
def test_patterns_of_a_card_are_read_as_the_hub_reads_them(pattern: str, path: str, is_one: bool) -> None:
    assert matches(path, pattern) is is_one


def test_a_pattern_that_is_made_to_take_for_ever_takes_none() -> None:
    assert not matches("a/" * 200 + "b.jsonl", "**/*/" * 40 + "c.jsonl")
    assert not matches("a" * 250 + ".jsonl", "*a" * 100 + "b.jsonl")


def test_what_in_a_card_has_another_form_says_nothing() -> None:
    again: list[Any] = ["x" * 100]
    for _ in range(60):  # as aliases of YAML make it: two to the sixtieth texts
        again = [again, again]
    odd = card(
        {"config_name": again, "data_files": "a.jsonl"},
        {"config_name": "main", "data_files": [{"split": "train", "path": ["a.jsonl", again]}, {"split": again}, 7]},
    )
    found = where(["a.jsonl", "b.jsonl"], odd, config="", split="")
    assert (found.config, found.split, found.files) == ("main", "train", ("a.jsonl",))


def test_splits_are_called_as_the_field_calls_them_and_no_folder_beside_files_is_left_out() -> None:
    files = ["train.jsonl", "evaluation.jsonl", "dev.jsonl"]
    assert where(files, {}, config="", split="test").files == ("evaluation.jsonl",)
    assert where(files, {}, config="", split="eval").files == ("evaluation.jsonl",)
    assert where(files, {}, config="", split="validation").files == ("dev.jsonl",)
    assert where(["a.jsonl", "more/b.jsonl"], {}, config="", split="").files == ("a.jsonl", "more/b.jsonl")
    assert where(["vocabulary.json", "en/train.jsonl"], {}, config="", split="").files == ("en/train.jsonl",)


def test_a_repository_without_rows_says_where_those_of_a_script_are() -> None:
    with pytest.raises(SeedFileError, match="refs/convert/parquet"):
        where(["rows.py", "README.md"], {}, config="", split="")
    with pytest.raises(SeedFileError, match="the files that its card names are not there"):
        where(["a.jsonl"], card({"config_name": "x", "data_files": "b.jsonl"}), config="", split="")


@pytest_asyncio.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubServer]:
    """One that this process may reach: the library reads these variables when it is imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    async with HubServer() as server:
        yield server


async def fetched(hub: HubServer, given: str, out: Path | None, cache: Path) -> Fetched:
    return await anyio.to_thread.run_sync(partial(fetch_for, given, out, endpoint=hub.url, cache=cache))


async def test_a_run_reads_the_commit_that_it_began_with_and_fetches_nothing_twice(
    hub: HubServer, tmp_path: Path
) -> None:
    head = yaml.safe_dump(dict(card({"config_name": "main", "data_files": [{"split": "train", "path": "*.parquet"}]})))
    repo = hub.make(
        REPO,
        private=False,
        files={
            "README.md": f"---\n{head}---\n# Rows\n".encode(),
            "one.parquet": parquet({"instruction": "Why?", "output": "Because."}),
            "other.jsonl": lines({"instruction": "Not this one?", "output": "No."}),
        },
    )
    first = await fetched(hub, f"hf:{REPO}", tmp_path / "out", tmp_path / "cache")
    begun = repo.branches["main"]
    assert first.name == f"{REPO}@{begun[:10]} (main, train)"
    assert [seed.sample.instruction for seed in read_seeds(*first.paths).seeds] == ["Why?"]
    files = dict(repo.commits[begun])
    files["one.parquet"] = hub._keep(parquet({"instruction": "Newer?", "output": "Yes."}))
    repo.commit("main", files, "newer rows")
    asked = len(hub.requests)
    again = await fetched(hub, f"hf:{REPO}", tmp_path / "out", tmp_path / "cache")
    assert again == first
    assert len(hub.requests) == asked, "what is here is not asked for"
    part = await fetched(hub, f"hf:{REPO}:main:train", tmp_path / "out", tmp_path / "cache")
    assert part.pinned == first.pinned, "another name of the same dataset is of the same commit"
    newer = await fetched(hub, f"hf:{REPO}", tmp_path / "elsewhere", tmp_path / "cache")
    assert [seed.sample.instruction for seed in read_seeds(*newer.paths).seeds] == ["Newer?"]
    older = await fetched(hub, f"hf:{REPO}@{begun}", None, tmp_path / "cache")
    assert older.paths == first.paths


async def test_what_the_hub_refuses_is_told_in_words_and_what_is_here_needs_no_network(
    hub: HubServer, tmp_path: Path
) -> None:
    hub.make(REPO, private=False, files={"train.jsonl": lines({"instruction": "Why?", "output": "So."})})
    with pytest.raises(HubError, match=r"has no such dataset or revision|nobody whom it does not know"):
        await fetched(hub, "hf:somebody/nothing", tmp_path, tmp_path / "cache")
    with pytest.raises(HubError, match="has no such dataset or revision"):
        await fetched(hub, f"hf:{REPO}@gone", tmp_path, tmp_path / "cache")
    hub.faults = [Fault(method="GET", path="/api/datasets/", status=403, said="Access to it is restricted")]
    with pytest.raises(HubError, match=r"granted access .*it says: Access to it is restricted"):
        await fetched(hub, f"hf:{REPO}", tmp_path, tmp_path / "cache")
    assert not (tmp_path / PINS).exists()
    hub.faults = []
    assert len((await fetched(hub, f"hf:{REPO}", tmp_path, tmp_path / "cache")).paths) == 1
    await hub.__aexit__()
    url = hub.url
    with pytest.raises(HubError, match="cannot be reached") as caught:
        fetch_for("hf:somebody/others", tmp_path, endpoint=url, cache=tmp_path / "cache")
    assert caught.value.may_pass
    assert fetch_for(f"hf:{REPO}", tmp_path, endpoint=url, cache=tmp_path / "cache").paths, "it is in the cache"


async def test_a_hub_that_says_nothing_is_not_waited_for_without_end(hub: HubServer, tmp_path: Path) -> None:
    hub.make(REPO, private=False, files={"train.jsonl": lines({"instruction": "Why?", "output": "So."})})
    for path in ("/api/datasets/somebody/rows$", "/tree/"):
        hub.faults = [Fault(method="GET", path=path, hang=asyncio.Event(), times=99)]
        ask = partial(fetch_dataset, HubName.of(f"hf:{REPO}"), endpoint=hub.url, cache=tmp_path, answer_s=0.2)
        with anyio.fail_after(30), pytest.raises(HubError, match="cannot be reached"):
            await anyio.to_thread.run_sync(ask)


@pytest.mark.parametrize("takes", ["sample", "document"])
async def test_rows_say_which_dataset_and_commit_they_come_from(hub: HubServer, tmp_path: Path, takes: str) -> None:
    settings = {"recipe": "evol", "evol": {"writer": "coach"}}
    good: Mapping[str, str] = {"instruction": "Why?", "output": "So."}
    if takes == "document":
        settings = {"recipe": "agent_instruct", "agent_instruct": dict.fromkeys(("writer", "editor"), "coach")}
        good = {"text": "Water boils sooner on a mountain, since less air lies upon it. " * 20}
    config = check_config({"agents": {"coach": {"model": "offline/coach"}}, **settings}, environ={})
    repo = hub.make(REPO, private=False, files={"data/train.jsonl": lines(good, {**dict.fromkeys(good, 7)})})
    ask = partial(fetch_for, f"hf:{REPO}", None, endpoint=hub.url, cache=tmp_path)
    fetched = await anyio.to_thread.run_sync(ask)
    sources = SeedSources(paths=fetched.paths, name=fetched.name, called=fetched.called)
    file = load_seeds(sources, config, skip_bad=True, limit=None)
    called = f"{REPO}@{repo.branches['main'][:10]}/data/train.jsonl"
    assert {source_of({"source": seed.source}) for seed in file.seeds} == {called}
    assert [one.where for one in file.problems] == [f"{called}:2"]


class Proxy(HubServer):
    """Gives a page of its own in the place of a file, as a portal of a network does."""

    is_open = False

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        if self.is_open or request.method == "HEAD" or request.match_info["path"] == "README.md":
            return await super()._resolve(request)
        return web.Response(body=b"<html>Sign in first</html>" * 100)


async def test_a_file_of_another_size_than_the_hub_says_is_no_seed_file_and_comes_anew(
    hub: HubServer, tmp_path: Path
) -> None:
    async with Proxy() as proxy:
        proxy.make(REPO, private=False, files={"train.jsonl": lines({"instruction": "Why?", "output": "So."})})
        with pytest.raises(HubError, match=r"should be of size 41 but has size 2600 .* Call again"):
            await fetched(proxy, f"hf:{REPO}", tmp_path, tmp_path / "cache")
        assert not (tmp_path / PINS).exists()
        proxy.is_open = True
        found = await fetched(proxy, f"hf:{REPO}", tmp_path, tmp_path / "cache")
        assert len(read_seeds(*found.paths).seeds) == 1


def test_a_file_of_commits_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / PINS).write_text('{"hf:a/b": 3}')
    with pytest.raises(UsageError, match=f"{PINS} says which commits"):
        fetch_for("hf:a/b", tmp_path)


async def test_rounds_keep_the_commit_in_their_folder_too(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    repo = hub.make(REPO, private=False, files={"train.jsonl": lines({"instruction": "Why?", "output": "So."})})
    agents, out = tmp_path / "agents.yaml", tmp_path / "out"
    CliRunner().invoke(cli, ["init", "--recipe", "rounds", str(agents)])
    command = ["rounds", "-c", str(agents), "-s", f"hf:{REPO}", "-o", str(out)]
    ended = await anyio.to_thread.run_sync(lambda: CliRunner().invoke(cli, command))
    assert "take more seeds" in str(ended.exception)
    assert (tmp_path / "cache").exists()
    assert pins_of(out)[f"hf:{REPO}"].commit == repo.branches["main"]
    with pytest.raises(StarAgentsError):
        await anyio.to_thread.run_sync(lambda: sa.rounds(agents, f"hf:{REPO}", out=tmp_path / "other"))
    assert pins_of(tmp_path / "other").keys() == {f"hf:{REPO}"}
