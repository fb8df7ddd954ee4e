"""Full disks, read-only disks, network folders, kills at named points: a clear refusal, and nothing lost."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from storage_commands import star
from storage_samples import commit, intent, make_memory, make_outcome, make_reply, make_seed

from star_agents.errors import StoreError, StoreLocked
from star_agents.process.crash_points import VARIABLE
from star_agents.scheduling.memory import KeptRows, MemoryBank, Remembered, as_vector
from star_agents.storage.backup import back_up
from star_agents.storage.file_systems import mount_of, refuse_network_folder
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE, Store

ROOT = Path(__file__).resolve().parents[1]
LONG = "words " * 2000


def child(script: str, *arguments: str | Path, crash_at: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script that knows the package and these tests."""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", VARIABLE: crash_at},
        check=False,
    )


# Full disks


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own; skips where nobody may mount one."""
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


async def fill_up(store: Store, start: int = 0) -> list[str]:
    """Take in seeds, one call each, until the disk is full; the ids of those that were acknowledged whole."""
    told: list[str] = []
    with pytest.raises(StoreError, match=r"(full|disk I/O error).*nothing that was acknowledged is lost"):
        for number in range(start, start + 10_000):
            seed = make_seed(number, input=LONG)
            await store.add_seeds([seed])
            await store.intend([intent(seed.id)])
            await store.record_answers([(seed.id, make_reply(LONG))])
            told.append(seed.id)
    return told


async def test_a_full_disk_refuses_and_loses_nothing_and_work_goes_on_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        async with await Store.open(disk / "store") as store:
            told = await fill_up(store)
            told += await fill_up(store, 20_000)  # A store that was refused once is refused again, and stays whole.
            assert len(told) > 20
            remount(disk, "size=12m")
            answers = await store.find_answers(told)
            assert answers == {key: make_reply(LONG) for key in told}
            for seed in await store.lease(5):
                await commit(store, make_outcome(seed), make_memory(1.0))
        remount(disk, "size=12m")
        async with await Store.open(disk / "store") as store:
            assert len(await store.find_answers(told)) == len(told)
            assert (await store.counts()).kept == 5
        assert back_up(disk / "store", tmp_path / "bak").outcomes == 5


async def test_a_disk_too_full_to_start_is_a_refusal_and_the_lock_is_free_afterwards(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        for _ in range(2):
            with pytest.raises(StoreError, match=r"full|disk I/O error") as caught:
                await Store.open(disk)
            assert not isinstance(caught.value, StoreLocked)
        remount(disk, "size=4m")
        async with await Store.open(disk) as store:
            assert await store.add_seeds([make_seed(1)]) == (1, 0)


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from storage_samples import make_seed
from star_agents.errors import StoreError
from star_agents.storage.store import Store

async def main():
    async with await Store.open(Path(sys.argv[1])) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
        for number in range(10_000):
            try:
                await store.add_seeds([make_seed(number, input="words " * 2000)])
            except StoreError as error:
                print("refused", error, flush=True)
                break
            print("seed", number, flush=True)

asyncio.run(main())
"""


async def test_a_file_that_may_not_grow_refuses_and_loses_nothing(tmp_path: Path) -> None:
    done = child(LIMITED, tmp_path)
    told = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("seed")]
    assert done.stdout.splitlines()[-1].startswith("refused"), done.stderr
    assert len(told) > 10
    async with await Store.open(tmp_path) as store:
        seeds = [make_seed(int(number), input=LONG) for number in told]
        assert await store.add_seeds(seeds) == (0, len(told))
        assert (await store.counts()).seeds == len(told)


# Read-only disks


async def test_a_read_only_store_is_read_and_backed_up_and_never_opened_for_work(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        async with await Store.open(disk) as store:
            await store.add_seeds([make_seed(1), make_seed(2)])
        remount(disk, "ro")
        with pytest.raises(StoreError, match="Read-only file system"):
            await Store.open(disk)
        with StoreReader(disk) as reader:
            assert reader.counts().waiting == 2
        assert back_up(disk, tmp_path / "bak").seeds == 2
        remount(disk, "rw")
        async with await Store.open(disk) as store:
            assert len(await store.lease(5)) == 2


async def test_a_read_only_store_with_an_unread_log_is_never_read_without_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        async with await Store.open(tmp_path / "whole") as store:
            await store.add_seeds([make_seed(1)])
            for end in ("", "-wal"):
                shutil.copy(tmp_path / "whole" / (STORE_FILE + end), disk / (STORE_FILE + end))
        remount(disk, "ro")
        with pytest.raises(StoreError, match="unable to open"):
            StoreReader(disk)
        remount(disk, "rw")
        with StoreReader(disk) as reader:
            assert reader.counts().waiting == 1


# Network folders

TABLE = r"""
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/me/local xfs rw 0 0
//box/share /mnt/my\040share cifs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
tmpfs /mnt/ssh tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/star", "ext4"),
        ("/homework/star", "ext4"),
        ("/home/me/star", "nfs4"),
        ("/home/me/local/star", "xfs"),
        ("/mnt/my share/star", "cifs"),
        ("/mnt/ssh/star", "tmpfs"),
    ],
)
def test_a_folder_is_on_the_mount_that_lies_nearest_and_was_made_last(folder: str, kind: str) -> None:
    assert mount_of(Path(folder), TABLE).kind == kind


def test_a_network_folder_is_refused_by_name() -> None:
    with pytest.raises(StoreError, match=r"/home/me/star.*nfs4 at /home.*disk of this machine"):
        refuse_network_folder(Path("/home/me/star"), TABLE)
    refuse_network_folder(Path("/home/me/local/star"), TABLE)
    refuse_network_folder(Path("/anywhere"), "")


# The memory bank's index, which is a cache


def test_a_torn_index_never_changes_what_the_bank_answers(tmp_path: Path) -> None:
    chance = random.Random(1)
    rows = [
        Remembered(
            seq=number, pair=f"keep/{number % 7}", pi=0.5, embedding=as_vector([chance.gauss(0, 1) for _ in range(8)])
        )
        for number in range(1, 120)
    ]
    whole, path = MemoryBank("test"), tmp_path / "memory.hnsw"
    whole.load(KeptRows.of(rows[:100]))
    whole.save(path)
    whole.load(KeptRows.of(rows))
    expected = [whole.nearest_pairs(row.embedding, 3) for row in rows]
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for _ in range(60):
        name = chance.choice(sorted(files))
        data, at = files[name], chance.randrange(len(files[name]))
        torn = chance.choice([data[:at], data[:at] + chance.randbytes(3) + data[at + 3 :], b"", None])
        (tmp_path / name).unlink() if torn is None else (tmp_path / name).write_bytes(torn)
        bank = MemoryBank("test")
        bank.load(KeptRows.of(rows), path)
        assert [bank.nearest_pairs(row.embedding, 3) for row in rows] == expected
        for file, content in files.items():
            (tmp_path / file).write_bytes(content)


# Named crash points

OPENS = """
import asyncio, sys
from pathlib import Path
from storage_samples import make_seed
from star_agents.storage.store import Store

async def main():
    async with await Store.open(Path(sys.argv[1])) as store:
        await store.lease(1)

asyncio.run(main())
"""
CLEARS = """
import asyncio, sys
from pathlib import Path
from star_agents.storage.store import Store

async def main():
    async with await Store.open(Path(sys.argv[1])) as store:
        while await store.clear_texts(1e12, 1):
            pass

asyncio.run(main())
"""
BACKS_UP = """
import sys
from pathlib import Path
from star_agents.storage.backup import back_up
back_up(Path(sys.argv[1]), Path(sys.argv[1]) / "bak")
"""


async def three_finished(folder: Path) -> None:
    async with await Store.open(folder) as store:
        await store.add_seeds([make_seed(number) for number in range(4)])
        for seed in await store.lease(3):
            await store.intend([intent(seed.id, seed_id=seed.id)])
            await store.record_answers([(seed.id, make_reply())])
            await commit(store, make_outcome(seed))


async def test_a_kill_right_after_deaths_were_counted_counts_none_twice(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await store.add_seeds([make_seed(1)])
    await store.lease(1)
    await store.__aexit__(RuntimeError, RuntimeError(), None)
    for _ in range(3):
        assert child(OPENS, tmp_path, crash_at="deaths_counted").returncode == -signal.SIGKILL
    async with await Store.open(tmp_path) as store:
        assert await store.lease(1) == [make_seed(1)], "one death, however often the start was killed"


@pytest.mark.parametrize("batch", [1, 2, 3])
async def test_a_kill_between_batches_of_retention_leaves_the_rest_for_the_next_run(batch: int, tmp_path: Path) -> None:
    await three_finished(tmp_path)
    assert child(CLEARS, tmp_path, crash_at=f"texts_cleared:{batch}").returncode == -signal.SIGKILL
    async with await Store.open(tmp_path) as store:
        counts = await store.counts()
        assert (counts.kept, counts.calls_answered, counts.cost_usd) == (3, 3, 1.5)
        assert await store.clear_texts(1e12, 9) == 3 - batch


async def test_a_kill_before_a_backup_takes_its_name_leaves_the_old_one(tmp_path: Path) -> None:
    await three_finished(tmp_path)
    (tmp_path / "bak").write_bytes(b"the old one")
    for _ in range(3):
        assert child(BACKS_UP, tmp_path, crash_at="backup_before_rename").returncode == -signal.SIGKILL
        assert (tmp_path / "bak").read_bytes() == b"the old one"
    assert child(BACKS_UP, tmp_path).returncode == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
    with StoreReader(tmp_path) as reader:
        assert reader.counts().kept == 3


def test_a_read_only_folder_fails_the_doctor(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        asyncio.run(three_finished(disk))
        remount(disk, "ro")
        shown = star("doctor", disk, "--json")
        (folder,) = [one for one in shown.data if one["part"] == "folder"]
        assert (shown.code, folder["state"]) == (1, "FAILED")
        assert "Read-only" in folder["detail"]
