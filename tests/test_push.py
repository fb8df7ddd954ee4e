"""`push` to a hub on loopback: what goes out, what keeps it in, and what becomes of faults on the way."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from anyio.to_thread import run_sync
from daemons import PATIENCE_S
from hub_server import USER, Fault, HubServer

import star_agents as sa
from star_agents.engine.publishing.pushing import Pushed, PushRequest, push
from star_agents.engine.publishing.secrets_found import looks_like_a_key
from star_agents.errors import HubError, StoreLocked, UsageError
from star_agents.export.hub import Hub, Target, Upload
from star_agents.export.licences import Licence
from star_agents.records.findings import Finding, Objection
from star_agents.storage.lock import FolderLock
from star_agents.storage.outgoing.shards import CONFIGS, SCHEMAS, Shards

REPO = f"{USER}/mine"
CC_BY = Licence("cc-by-4.0")
OURS = [f"{config}/train-00000.parquet" for config in CONFIGS]


@pytest_asyncio.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HubServer]:
    """One that this process may reach: the library reads these variables when it is imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    async with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


async def pushed(hub: HubServer, folder: Path, **more: Any) -> Pushed:
    target = more.pop("target", Target(REPO))
    request = PushRequest(folder=folder, target=target, **{"licence": CC_BY, **more})
    return await run_sync(lambda: push(request, hub.environ()))


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "star_agents", "push", *map(str, arguments)]


# What goes out.


async def test_a_new_repository_is_private_and_holds_every_config_with_a_card(
    hub: HubServer, arena_folder: Path
) -> None:
    done = await pushed(hub, arena_folder)
    assert done.sent is not None
    assert (done.sent.is_new, done.sent.is_changed, done.sent.remarks) == (True, True, [])
    assert hub.repos[REPO].private
    files = hub.files(REPO)
    assert set(OURS) | {"README.md"} <= set(files)
    assert {name: len(files[name]) for name in done.files} == done.files
    assert b'load_dataset("somebody/mine", "sft", split="train")' in files["README.md"]
    assert not (arena_folder / ".push").exists()
    assert all(hub.token.encode() not in content for content in files.values())


async def test_what_is_there_already_is_not_sent_again_and_makes_no_commit(hub: HubServer, arena_folder: Path) -> None:
    first = await pushed(hub, arena_folder)
    again = await pushed(hub, arena_folder)
    assert again.sent is not None
    assert first.sent is not None
    assert (again.sent.is_changed, again.sent.commit) == (False, first.sent.commit)
    assert set(hub.sent.values()) == {1}
    assert len(hub.repos[REPO].messages) == 2


async def test_shards_of_earlier_pushes_go_and_files_of_others_stay(hub: HubServer, arena_folder: Path) -> None:
    hub.make(REPO, files={"sft/train-00007.parquet": b"old", "plots/old.svg": b"<svg/>", "notes/mine.md": b"mine"})
    done = await pushed(hub, arena_folder)
    assert done.sent is not None
    assert done.sent.removed == ["plots/old.svg", "sft/train-00007.parquet"]
    assert "notes/mine.md" in hub.files(REPO)


@pytest.mark.parametrize(
    ("there", "is_told"), [(b"# Words of my own\n", True), (b"---\ntags:\n- star_agents\n---\n", False)]
)
async def test_a_card_that_no_push_wrote_is_not_replaced_in_silence(
    hub: HubServer, arena_folder: Path, there: bytes, is_told: bool
) -> None:
    hub.make(REPO, files={"README.md": there})
    done = await pushed(hub, arena_folder)
    assert done.sent is not None
    assert any("was not written by a push" in one for one in done.sent.remarks) is is_told


async def test_a_pull_request_leaves_the_main_branch_as_it_is(hub: HubServer, arena_folder: Path) -> None:
    hub.make(REPO)
    done = await pushed(hub, arena_folder, target=Target(REPO, as_pr=True))
    assert done.sent is not None
    assert done.sent.url.endswith("/discussions/1")
    assert set(hub.files(REPO)) == {".gitattributes"}
    assert set(OURS) < set(hub.files(REPO, "refs/pr/1"))


async def test_a_branch_is_made_where_it_is_missing(hub: HubServer, arena_folder: Path) -> None:
    hub.make(REPO)
    await pushed(hub, arena_folder, target=Target(REPO, branch="next"))
    assert set(hub.files(REPO)) == {".gitattributes"}
    assert set(OURS) < set(hub.files(REPO, "next"))


LOADED = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
names = get_dataset_config_names(sys.argv[1])
rows = {name: load_dataset(sys.argv[1], name, split="train") for name in names}
print(json.dumps({name: [len(one), one.column_names, one[0]] for name, one in rows.items()}))
"""


@pytest.mark.skipif(find_spec("datasets") is None, reason="datasets, of the extra `train`, is not installed")
async def test_datasets_loads_every_config_back_from_the_hub(
    hub: HubServer, arena_folder: Path, tmp_path: Path
) -> None:
    done = await pushed(hub, arena_folder)
    environ = {**os.environ, **hub.environ(HF_HOME=str(tmp_path))}
    ask = [sys.executable, "-c", LOADED, REPO]
    loaded = await run_sync(lambda: subprocess.run(ask, env=environ, capture_output=True, text=True, check=False))
    assert loaded.returncode == 0, loaded.stderr
    found = json.loads(loaded.stdout)
    assert {name: count for name, (count, *_) in found.items()} == dict(done.rows)
    assert {name: columns for name, (_, columns, _) in found.items()} == {name: SCHEMAS[name].names for name in CONFIGS}
    assert [turn["role"] for turn in found["sft"][2]["messages"]] == ["user", "assistant"]
    assert json.loads(found["reward"][2]["provenance"])["recipe"] == "arena"


def game(number: int) -> dict[str, Any]:
    known = {} if number < 2_000 else {"first_score": 7, "gap": 1, "category": "math", "first_chars": 12}
    return {"prompt": f"p{number}", "judge": "j", "first": "a", "second": "b", "answers_are_equal": False, **known}


async def test_no_judge_quotes_to_the_world_what_admission_struck_out(
    hub: HubServer, arena_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(arena_folder, tmp_path / "out")
    told = Objection(filter="personal_data", reason="it holds: an address")
    finding = json.dumps(Finding(objection=told, action="redacted", kind="row").to_dict())
    change(
        folder,
        "UPDATE judgements SET payload = json_set(payload, '$.reason', 'He lives in Hidden Lane 7')",
        "INSERT INTO findings (seq, ord, filter, action, kind, payload) "
        f"SELECT min(seq), 99, 'personal_data', 'redacted', 'row', '{finding}' FROM judgements",
    )
    await pushed(hub, folder)
    files = hub.files(REPO)
    games = pq.read_table(io.BytesIO(files["battles/train-00000.parquet"])).to_pylist()
    of_it = {one["prompt"] for one in games if not one["reason"] and not one["answers_are_equal"]}
    assert len(of_it) == 1
    assert any("Hidden Lane" in one["reason"] for one in games), "of others they go out"
    assert not any("Hidden Lane" in one["reason"] for one in games if one["prompt"] in of_it)
    assert b"may quote what admission refused or struck out" in files["README.md"]


def test_types_are_the_same_whatever_the_rows_of_a_shard_hold(tmp_path: Path) -> None:
    with Shards(tmp_path, "battles", most_bytes=1) as shards:
        for number in range(3_000):
            shards.add(game(number))
    assert shards.names == [f"battles/train-0000{n}.parquet" for n in range(3)]
    schemas = {pq.read_schema(tmp_path / name) for name in shards.names}
    assert schemas == {SCHEMAS["battles"]}
    assert sum(pq.read_metadata(tmp_path / name).num_rows for name in shards.names) == shards.rows == 3_000


def test_the_same_rows_give_the_same_bytes_and_a_column_that_is_none_is_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        with Shards(tmp_path / folder, "battles") as shards:
            for number in range(10):
                shards.add(game(number))
    one, two = ((tmp_path / folder / shards.names[0]).read_bytes() for folder in ("one", "two"))
    assert one == two
    with Shards(tmp_path / "none", "sft") as none, pytest.raises(ValueError, match="has no column mood"):
        none.add({"messages": [], "provenance": "{}", "mood": "good"})
    assert none.names == []


async def test_a_growing_folder_sends_only_what_is_new(hub: HubServer, tmp_path: Path) -> None:
    files: list[Upload] = []
    for number in range(3):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(b"PAR1" + bytes([number]) * 1_000)
        files.append(Upload(f"sft/train-0000{number}.parquet", path))
        card = tmp_path / "README.md"
        card.write_text(f"---\nlicense: mit\n---\n{number}\n")
        whole = [*files, Upload("README.md", card)]
        sender = Hub(Target(REPO), hub.token)
        await run_sync(lambda all=whole, by=sender: by.push(all, message="rows", is_ours=lambda name: True))  # type: ignore[misc]
    assert sorted(hub.sent.values()) == [1, 1, 1]


# What keeps it in.


async def test_a_dry_run_asks_the_hub_for_nothing(hub: HubServer, arena_folder: Path) -> None:
    done = await pushed(hub, arena_folder, dry_run=True)
    assert done.sent is None
    assert set(OURS) < set(done.files)
    assert hub.requests == []


async def test_nothing_goes_out_without_a_licence_a_token_or_rows(
    hub: HubServer, arena_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="needs --license ID"):
        await pushed(hub, arena_folder, licence=None)
    request = PushRequest(folder=arena_folder, target=Target(REPO), licence=CC_BY)
    with pytest.raises(UsageError, match="in the variable HF_TOKEN"):
        await run_sync(lambda: push(request, {"HF_TOKEN": " "}))
    folder = shutil.copytree(arena_folder, tmp_path / "out")
    change(folder, "DELETE FROM rows", "DELETE FROM judgements")
    with pytest.raises(UsageError, match="holds no rows"):
        await pushed(hub, folder)
    assert hub.requests == []


@pytest.mark.parametrize("repo", ["mine", "a/b/c", "some body/mine", "somebody/mi..ne", ""])
async def test_a_name_that_is_none_is_refused(hub: HubServer, arena_folder: Path, repo: str) -> None:
    with pytest.raises(UsageError, match="write user/name"):
        await pushed(hub, arena_folder, target=Target(repo))


async def test_a_repository_that_everybody_reads_wants_a_word(hub: HubServer, arena_folder: Path) -> None:
    hub.make(REPO, private=False)
    with pytest.raises(UsageError, match="everybody can read this repository; --public"):
        await pushed(hub, arena_folder)
    assert (await pushed(hub, arena_folder, target=Target(REPO, public=True))).sent is not None
    assert not hub.repos[REPO].private
    with pytest.raises(UsageError, match="without --branch"):
        await pushed(hub, arena_folder, target=Target(REPO, branch="next", as_pr=True))


def change(folder: Path, *statements: str) -> None:
    store = sqlite3.connect(folder / "store.sqlite3")
    with store:
        for statement in statements:
            store.execute(statement)
    store.close()


KNOWN, SHAPED = "correct-horse-battery", "sk-proj-4Fj29dkLwq83Zx02"


async def test_a_secret_in_the_message_keeps_everything_in(hub: HubServer, arena_folder: Path) -> None:
    with pytest.raises(UsageError, match=r"the message of the commit: shaped like a key"):
        await pushed(hub, arena_folder, message=f"with {SHAPED}")


@pytest.mark.parametrize(
    ("secret", "told"), [(KNOWN, "a known secret"), (SHAPED, "shaped like a key, sk-p… (24 characters)")]
)
async def test_a_secret_in_a_row_keeps_everything_in(
    hub: HubServer, arena_folder: Path, tmp_path: Path, secret: str, told: str
) -> None:
    folder = shutil.copytree(arena_folder, tmp_path / "out")
    change(folder, f"UPDATE rows SET payload = replace(payload, 'the answer is', 'use {secret} :')")
    request = PushRequest(folder=folder, target=Target(REPO), licence=CC_BY)
    environ = hub.environ(SOME_PASSWORD=KNOWN)
    with pytest.raises(UsageError, match=re.escape(told)) as refused:
        await run_sync(lambda: push(request, environ))
    assert secret not in str(refused.value)
    assert re.search(r"\w+, row \d+ \(seed [0-9a-f]+\)", str(refused.value))
    assert hub.requests == []
    allowed = replace(request, allow_key_shapes=True)
    if secret == KNOWN:
        with pytest.raises(UsageError, match="doctor --repair"):
            await run_sync(lambda: push(allowed, environ))
    else:
        assert (await run_sync(lambda: push(allowed, environ))).sent is not None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("export OPENAI_API_KEY=sk-proj-4Fj29dkLwq83Zx02", True),
        ("Authorization: Bearer 9f8e7d6c5b4a39281706", True),
        ("postgres://me:hunter2hunter2hunter2@db/x", True),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAx0a1b2c3d4e5f6g7h8i9j0kk\n", True),
        ("api_key: 'YOUR_API_KEY_HERE_1234'", False),
        ("sk-xxxxxxxxxxxxxxxxxxxx1", False),
        ("the ring-bearer responsibilities of basic characteristics", False),
        ("write to user:password@host", False),
        ("sk-learn pipelines, sk-image filters", False),
    ],
)
def test_what_looks_like_a_key_is_told_from_what_does_not(text: str, is_one: bool) -> None:
    assert looks_like_a_key(text) is is_one


async def test_a_file_that_the_repository_ignores_is_missed(hub: HubServer, arena_folder: Path) -> None:
    hub.make(REPO, files={".gitignore": b"*.parquet\n"})
    with pytest.raises(HubError, match=r"lacks battles/train-00000.parquet.*\.gitignore"):
        await pushed(hub, arena_folder)


async def test_a_card_of_ones_own_goes_out_as_it_is(hub: HubServer, arena_folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.md"
    made = (await pushed(hub, arena_folder, dry_run=True)).rows
    configs = "".join(f"- {{config_name: {one}, data_files: '{one}/*.parquet'}}\n" for one in made)
    mine.write_text(f"---\nlicense: mit\nconfigs:\n{configs}---\n# In my own words\n")
    done = await pushed(hub, arena_folder, card=mine, licence=None)
    assert done.licence.id == "mit"
    assert hub.files(REPO)["README.md"] == mine.read_bytes()
    with pytest.raises(UsageError, match="says license: mit, and --license says"):
        await pushed(hub, arena_folder, card=mine)
    mine.write_text("---\nlicense: mit\nconfigs: []\n---\n# Mine\n")
    with pytest.raises(UsageError, match="names the configs none, and sft, preferences, reward, battles go out"):
        await pushed(hub, arena_folder, card=mine, licence=None)
    mine.write_text("# Mine\n")
    with pytest.raises(UsageError, match="has no head"):
        await pushed(hub, arena_folder, card=mine, licence=None)


# Faults on the way.

REFUSALS: dict[str, tuple[Fault, str]] = {
    "401": (
        Fault(method="GET", path="/api/datasets", status=401, said="Invalid credentials in Authorization header"),
        "does not know the token",
    ),
    "403": (
        Fault(method="POST", path="/create", status=403, said="no rights"),
        "does not let the owner of HF_TOKEN write",
    ),
    "404": (Fault(method="POST", path="/commit/", status=404, said="Not found"), "has no such repository or branch"),
    "413": (Fault(method="PUT", path="/lfs/", status=413, said="too large"), "smaller --shard-mb"),
    "quota": (
        Fault(method="PUT", path="/lfs/", status=403, said="You have exceeded your storage limit"),
        "has no room left for you",
    ),
    "422": (Fault(method="POST", path="/commit/", status=422, said="odd"), "refuses; it says: odd"),
    "429": (Fault(method="POST", path="/create", status=429, said="slow down"), "takes no more requests for now"),
    "500": (Fault(method="POST", path="/create", status=500, said=""), "fails at its end"),
    "cut": (Fault(method="POST", path="/create"), "cannot be reached"),
}


def sender(hub: HubServer, tmp_path: Path, target: Target, waits: list[float]) -> Callable[[], Any]:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1" * 100)
    by = Hub(target, hub.token, pause=waits.append)
    return lambda: by.push([Upload(OURS[0], path)], message="rows", is_ours=lambda name: name in OURS)


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_is_told_in_words_and_commits_nothing(hub: HubServer, tmp_path: Path, case: str) -> None:
    fault, told = REFUSALS[case]
    hub.faults = [replace(fault, times=99)]
    with pytest.raises(HubError, match=told) as refused:
        await run_sync(sender(hub, tmp_path, Target(REPO), []))
    assert refused.value.exit_code == 7
    assert hub.token not in str(refused.value)
    assert all(len(repo.messages) == 1 for repo in hub.repos.values())


async def test_a_hub_that_is_not_there_or_may_not_be_asked_is_told_in_words(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.__aexit__()
    with pytest.raises(HubError, match=r"cannot be reached.*HF_ENDPOINT and proxies"):
        await run_sync(sender(hub, tmp_path, Target(REPO), []))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set, so nothing is sent"):
        await run_sync(sender(hub, tmp_path, Target(REPO), []))


async def test_a_hub_that_says_nothing_is_not_waited_for_without_end(hub: HubServer, tmp_path: Path) -> None:
    hub.faults = [Fault(method="GET", path=f"/api/datasets/{REPO}$", hang=asyncio.Event(), times=99)]
    sender = Hub(Target(REPO), hub.token, answer_s=0.2)
    with pytest.raises(HubError, match="cannot be reached"):
        await run_sync(lambda: sender.push([], message="rows", is_ours=lambda name: True))


async def test_a_cut_connection_and_a_failing_server_in_mid_upload_are_gone_through(
    hub: HubServer, arena_folder: Path
) -> None:
    hub.faults = [Fault(method="PUT", path="/lfs/", after_bytes=100), Fault(method="POST", path="/batch", status=503)]
    done = await pushed(hub, arena_folder)
    assert done.sent is not None
    assert any("503" in remark for remark in done.sent.remarks), "what was tried again is told"
    assert set(hub.sent.values()) == {1}
    assert set(OURS) < set(hub.files(REPO))


@pytest.mark.parametrize("status", [409, 412])
async def test_a_commit_that_anothers_came_before_is_made_on_top_of_it(
    hub: HubServer, tmp_path: Path, status: int
) -> None:
    waits: list[float] = []
    hub.faults = [Fault(method="POST", path="/commit/", status=status, said="A commit has happened since")]
    done = await run_sync(sender(hub, tmp_path, Target(REPO), waits))
    assert waits == [1.0]
    assert "committed again" in done.remarks[0]
    assert len(hub.repos[REPO].messages) == 2
    hub.faults = [Fault(method="POST", path="/commit/", status=status, times=9)]
    with pytest.raises(HubError, match="changed by somebody else"):
        (tmp_path / "other").mkdir()
        await run_sync(sender(hub, tmp_path / "other", Target(f"{USER}/other"), waits))
    assert waits[1:] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("as_pr", [False, True])
async def test_a_commit_whose_answer_is_lost_is_made_once(hub: HubServer, tmp_path: Path, as_pr: bool) -> None:
    waits: list[float] = []
    hub.faults = [Fault(method="POST", path="/commit/", is_made_first=True)]
    push_once = sender(hub, tmp_path, Target(REPO, as_pr=as_pr), waits)
    if as_pr:
        with pytest.raises(HubError, match="cannot be reached"):
            await run_sync(push_once)
    else:
        assert not (await run_sync(push_once)).is_changed, "the second try finds it there"
    assert len(hub.repos[REPO].messages) == 2


async def killed_and_again(hub: HubServer, folder: Path, fault: Fault) -> subprocess.CompletedProcess[str]:
    """A push that is killed as soon as it meets the fault, and then the same command again."""
    hub.faults, said = [fault], asyncio.Event()
    fault.hang = said
    environ, call = {**os.environ, **hub.environ()}, command(folder, REPO, "--license", "cc-by-4.0")
    killed = await asyncio.create_subprocess_exec(*call, env=environ, stdout=subprocess.DEVNULL)
    await asyncio.wait_for(fault.met.wait(), PATIENCE_S)
    killed.send_signal(signal.SIGKILL)
    await killed.wait()
    said.set()
    return await run_sync(lambda: subprocess.run(call, env=environ, capture_output=True, text=True, check=False))


async def test_killed_in_mid_upload_the_same_command_sends_only_the_rest(
    hub: HubServer, arena_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(arena_folder, tmp_path / "out")
    done = await killed_and_again(hub, folder, Fault(method="PUT", path="/lfs/", skip=1, after_bytes=100))
    assert done.returncode == 0, done.stderr
    assert f"made {REPO}" not in done.stdout
    assert "pushed " in done.stdout
    assert set(hub.sent.values()) == {1}
    assert len(hub.sent) == 4
    assert hub.repos[REPO].messages[0] == "initial commit"
    assert len(hub.repos[REPO].messages) == 2, "nothing of a push is seen before its commit"
    assert not (folder / ".push").exists()


KILLS = {
    "before the repository": Fault(method="POST", path="/create"),
    "repository made": Fault(method="POST", path="/create", is_made_first=True),
    "first file asked for": Fault(method="POST", path="/preupload/"),
    "first file": Fault(method="PUT", path="/lfs/", after_bytes=10),
    "last file": Fault(method="PUT", path="/lfs/", skip=3, after_bytes=10),
    "last file made": Fault(method="PUT", path="/lfs/", skip=3, is_made_first=True),
    "before the commit": Fault(method="POST", path="/commit/"),
    "commit made": Fault(method="POST", path="/commit/", is_made_first=True),
    "while it looks": Fault(method="GET", path="/tree/", skip=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("where", KILLS)
async def test_killed_anywhere_the_same_command_ends_the_same(
    hub: HubServer, arena_folder: Path, tmp_path: Path, where: str
) -> None:
    folder = shutil.copytree(arena_folder, tmp_path / "out")
    done = await killed_and_again(hub, folder, replace(KILLS[where], met=asyncio.Event()))
    assert done.returncode == 0, done.stderr
    assert set(hub.sent.values()) == {1}
    assert len(hub.repos[REPO].messages) == 2
    assert set(OURS) | {"README.md"} < set(hub.files(REPO))


async def test_two_pushes_of_one_folder_do_not_meet(hub: HubServer, arena_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(arena_folder, tmp_path / "out")
    (folder / ".push").mkdir()
    lock = FolderLock.acquire(folder / ".push")
    try:
        with pytest.raises(StoreLocked, match="another push of this folder is at work"):
            await pushed(hub, folder)
    finally:
        lock.release()


async def test_from_python_it_is_the_same(
    hub: HubServer, arena_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert sa.card(arena_folder, out=tmp_path / "card.md") == (tmp_path / "card.md").read_text()
    with pytest.raises(sa.UsageError, match="needs --license"):
        sa.push(arena_folder, REPO)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    done = await run_sync(lambda: sa.push(arena_folder, REPO, license="mit", message="first rows"))
    assert done.sent is not None
    assert done.sent.is_new
    assert hub.repos[REPO].messages[-1] == "first rows"
    hub.token = "another"
    with pytest.raises(sa.HubError, match="does not know the token"):
        await run_sync(lambda: sa.push(arena_folder, REPO, license="mit"))
