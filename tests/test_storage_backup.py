"""A backup is one moment of the store, checked, whole or not there, whatever the daemon does meanwhile."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from storage_commands import star
from storage_samples import commit, intent, make_memory, make_outcome, make_reply, make_seed

from star_agents.errors import StoreError
from star_agents.storage.backup import back_up
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE, Store

LONG = "words " * 1000


async def fill(store: Store, count: int) -> None:
    """Seeds with long texts, an outcome for every second one, and one in hand."""
    await store.add_seeds([make_seed(number, input=LONG) for number in range(count)])
    for seed in await store.lease(count // 2):
        await store.intend([intent(seed.id)])
        await store.record_answers([(seed.id, make_reply(LONG))])
        await commit(store, make_outcome(seed), make_memory(1.0))
    await store.lease(1)


def restore(backup: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / STORE_FILE).write_bytes(backup.read_bytes())
    return folder


async def test_a_restored_backup_is_the_store_with_what_was_in_hand_waiting(tmp_path: Path) -> None:
    target = tmp_path / "kept" / "store.bak"
    target.parent.mkdir()
    async with await Store.open(tmp_path / "store") as store:
        await fill(store, 20)
        backup = back_up(tmp_path / "store", target)
        assert (backup.seeds, backup.outcomes, backup.bytes) == (20, 10, target.stat().st_size)
        counts, rows, memory = await store.counts(), await store.outcomes(), await store.memory_rows()
    assert [path.name for path in target.parent.iterdir()] == ["store.bak"], "no log and no draft beside it"
    async with await Store.open(restore(target, tmp_path / "restored")) as store:
        assert (await store.outcomes(), await store.memory_rows()) == (rows, memory)
        again = await store.counts()
        assert (again.waiting, again.working, counts.working) == (counts.waiting + 1, 0, 1)
        assert len(await store.lease(20)) == 10, "nobody died, so nobody is held back"


async def test_a_backup_is_of_one_moment_although_commits_fall_between_its_steps(tmp_path: Path) -> None:
    loop, extra = asyncio.get_running_loop(), iter(range(10_000, 20_000))
    async with await Store.open(tmp_path) as store:
        await fill(store, 1500)
        (before,) = [await store.counts()]

        def commit_meanwhile(_share: float) -> None:
            asyncio.run_coroutine_threadsafe(store.add_seeds([make_seed(next(extra))]), loop).result()

        backup = await asyncio.to_thread(back_up, tmp_path, tmp_path / "bak", progress=commit_meanwhile)
        steps = (await store.counts()).seeds - before.seeds
        assert steps > 2
        assert backup.seeds == before.seeds, "what was committed after the first step is not in it"


async def test_a_backup_may_have_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    target = tmp_path / "kept" / ("b" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    target.parent.mkdir()
    async with await Store.open(tmp_path / "store") as store:
        await fill(store, 4)
        back_up(tmp_path / "store", target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    with StoreReader(restore(target, tmp_path / "restored")) as reader:
        assert reader.counts().seeds == 4


async def test_what_a_killed_backup_left_is_gone_after_the_next(tmp_path: Path) -> None:
    target = tmp_path / "kept" / "store.bak"
    target.parent.mkdir()
    async with await Store.open(tmp_path / "store") as store:
        await fill(store, 4)

        def kill(_share: float) -> None:
            (left,) = target.parent.glob(".*.part")
            shutil.copy(left, tmp_path / left.name)

        back_up(tmp_path / "store", target, progress=kill)
        (left,) = tmp_path.glob(".*.part")
        left.rename(target.parent / left.name)
        back_up(tmp_path / "store", target)
    assert [path.name for path in target.parent.iterdir()] == ["store.bak"]


async def test_a_damaged_store_never_replaces_a_good_backup(tmp_path: Path) -> None:
    target = tmp_path / "bak"
    async with await Store.open(tmp_path) as store:
        await fill(store, 200)
    back_up(tmp_path, target)
    good = target.read_bytes()
    data = bytearray((tmp_path / STORE_FILE).read_bytes())
    for page in range(5, len(data) // 4096, 3):
        data[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    (tmp_path / STORE_FILE).write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        back_up(tmp_path, target)
    assert target.read_bytes() == good
    assert sorted(path.name for path in tmp_path.iterdir() if "part" in path.name) == []


async def test_a_row_that_refers_to_nothing_is_damage_too(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await fill(store, 4)
    connection = sqlite3.connect(tmp_path / STORE_FILE)
    connection.execute("DELETE FROM seeds WHERE state = 'done'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"a row of .* refers to none of seeds"):
        back_up(tmp_path, tmp_path / "bak")


def test_what_cannot_be_backed_up_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store here"):
        back_up(tmp_path, tmp_path / "bak")
    sqlite3.connect(tmp_path / STORE_FILE).close()
    with pytest.raises(StoreError, match="no store of star_agents"):
        back_up(tmp_path, tmp_path / "bak")
    with pytest.raises(StoreError, match="not the store itself"):
        back_up(tmp_path, tmp_path / STORE_FILE)
    with pytest.raises(StoreError, match="not the store itself"):
        back_up(tmp_path, tmp_path)
    with pytest.raises(StoreError, match=r"cannot be written|unable to open"):
        back_up(tmp_path, tmp_path / "nowhere" / "bak")
    assert not (tmp_path / "bak").exists()


def test_the_command_says_what_it_copied(tmp_path: Path) -> None:
    async def make() -> None:
        async with await Store.open(tmp_path) as store:
            await fill(store, 6)

    asyncio.run(make())
    shown = star("backup", tmp_path, "-o", tmp_path / "bak")
    assert (shown.code, "6 seeds, 3 outcomes" in shown.out) == (0, True)
    assert star("backup", tmp_path, "-o", tmp_path / "bak", "--json").data["outcomes"] == 3
    assert star("backup", tmp_path / "none", "-o", tmp_path / "bak").code == 3
    with StoreReader(restore(tmp_path / "bak", tmp_path / "restored")) as reader:
        assert reader.counts().kept == 3
