"""The inbox: whoever writes slowly loses no row, and nothing lies there in silence. Real files; time is handed in."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from lines import config_for

from star_agents.config.sections import ServerConfig
from star_agents.engine.engine import Engine
from star_agents.engine.inbox import OPEN_TIMES, WATCHED_S, Inbox, make_inbox
from star_agents.engine.wiring import open_engine
from star_agents.events import Event, IntakeWaits, SeedsAdded, SeedsRejected
from star_agents.observe.bus import Bus
from star_agents.storage.store import Store

SETTLE_S = 5.0
PATIENCE_S = SETTLE_S * OPEN_TIMES


class Ground:
    """A line that works nothing, its inbox, and a clock that only the test moves."""

    def __init__(self, line: Engine, folder: Path) -> None:
        self.line, self.folder = line, folder
        self.now = 0.0
        self.events: list[Event] = []
        self.hears: Callable[[Event], object] = lambda event: None
        line.bus.subscribe(self._hear)
        self.restart()

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self.hears(event)

    def restart(self) -> None:
        """Another process on the same folder and store."""
        make_inbox(self.folder)
        self._inbox = Inbox(self.line, self.folder, settle_s=SETTLE_S, clock=lambda: self.now)

    async def remember(self) -> None:
        await self._inbox.remember()

    async def passes(self, seconds: float) -> None:
        """Let time pass, with a look every second."""
        end = self.now + seconds
        await self._inbox.look()
        while self.now < end:
            self.now = min(end, self.now + 1.0)
            await self._inbox.look()

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def seeds(self) -> int:
        return (await self.line.store.counts()).seeds

    def files(self) -> set[str]:
        """What lies where, reports included."""
        found = (path for path in self.folder.rglob("*") if not path.is_dir() or path.is_symlink())
        return {str(path.relative_to(self.folder)) for path in found}


@asynccontextmanager
async def ground_in(folder: Path) -> AsyncIterator[Ground]:
    config = config_for("http://127.0.0.1:1/v1")
    async with (
        await Store.open(folder / "store") as store,
        open_engine(config, store, bus=Bus(), seeds_expected=None, ends_when_empty=False) as line,
    ):
        yield Ground(line, folder / "inbox")


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    """Opened and closed by one task, as an engine has to be: pytest sets up in one and takes down in another."""
    opened: asyncio.Future[Ground] = asyncio.get_running_loop().create_future()
    is_over = asyncio.Event()

    async def hold() -> None:
        async with ground_in(tmp_path) as made:
            opened.set_result(made)
            await is_over.wait()

    holder = asyncio.create_task(hold())
    either: list[asyncio.Future[Any]] = [opened, holder]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if holder.done():
        await holder  # Raises what kept it from opening.
    yield opened.result()
    is_over.set()
    await holder


def line_of(number: int) -> bytes:
    return json.dumps({"instruction": f"Say {number}.", "output": f"{number}, as asked."}).encode() + b"\n"


def lines_of(numbers: Sequence[int]) -> bytes:
    return b"".join(map(line_of, numbers))


# Slow writers


async def test_a_file_is_taken_whole_when_it_has_not_changed_for_the_time_that_is_set(ground: Ground) -> None:
    (ground.folder / "a.jsonl").write_bytes(lines_of(range(5)))
    await ground.passes(SETTLE_S - 1)
    assert await ground.seeds() == 0
    await ground.passes(2)
    assert await ground.seeds() == 5
    assert ground.files() == {"done/a.jsonl"}
    assert [(event.new, event.duplicates) for event in ground.told(SeedsAdded)] == [(5, 0)]


async def test_a_writer_who_pauses_less_than_that_is_read_once_at_the_end(ground: Ground) -> None:
    with (ground.folder / "a.jsonl").open("wb", buffering=0) as file:
        for first in range(0, 2559, 853):
            file.write(lines_of(range(first, first + 853)))
            await ground.passes(SETTLE_S - 1)
    await ground.passes(SETTLE_S)
    assert [event.new for event in ground.told(SeedsAdded)] == [2559]


async def test_a_writer_who_pauses_longer_between_lines_goes_on_in_the_moved_file_and_loses_nothing(
    ground: Ground,
) -> None:
    with (ground.folder / "a.jsonl").open("wb", buffering=0) as file:
        file.write(lines_of(range(854)))
        await ground.passes(20)
        assert await ground.seeds() == 854
        file.write(lines_of(range(854, 2000)))
        await ground.passes(20)
        file.write(lines_of(range(2000, 2559)))
    await ground.passes(20)
    assert await ground.seeds() == 2559
    assert [(event.new, event.duplicates) for event in ground.told(SeedsAdded)] == [(854, 0), (1146, 854), (559, 2000)]
    assert "after it had moved to done/" in ground.told(IntakeWaits)[0].reason
    assert ground.files() == {"done/a.jsonl"}
    assert (ground.folder / "done" / "a.jsonl").read_bytes() == lines_of(range(2559))


async def test_what_grows_between_reading_and_moving_is_taken_too(ground: Ground) -> None:
    file = (ground.folder / "a.jsonl").open("wb", buffering=0)
    file.write(lines_of(range(3)))

    def write_on(event: Event) -> None:
        if isinstance(event, SeedsAdded) and event.new == 3:
            file.write(lines_of(range(3, 7)))
            file.close()

    ground.hears = write_on
    await ground.passes(20)
    assert [event.new for event in ground.told(SeedsAdded)] == [3, 4]


def is_open(path: Path) -> bool:
    """Whether this process reads a file at the moment."""
    return any(os.path.realpath(one) == os.path.realpath(path) for one in Path("/proc/self/fd").iterdir())


async def test_what_grows_while_it_is_read_waits_and_is_read_whole_before_it_moves(ground: Ground) -> None:
    path = ground.folder / "a.jsonl"
    path.write_bytes(lines_of(range(20_000)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ground.passes, 20)
        with anyio.fail_after(60):
            while not is_open(path):
                await anyio.lowlevel.checkpoint()
        with path.open("ab") as file:
            file.write(lines_of(range(20_000, 20_003)))
    assert [event.reason for event in ground.told(IntakeWaits)] == ["it changed while it was read"]
    assert [(event.new, event.duplicates) for event in ground.told(SeedsAdded)] == [(20_003, 0)]


async def test_a_pause_inside_a_line_rejects_nothing(ground: Ground) -> None:
    with (ground.folder / "a.jsonl").open("wb", buffering=0) as file:
        file.write(lines_of(range(3)) + line_of(3)[:20])
        await ground.passes(PATIENCE_S - 1)
        assert (await ground.seeds(), ground.told(SeedsRejected)) == (0, [])
        assert ["its end seems to be missing" in event.reason for event in ground.told(IntakeWaits)] == [True]
        file.write(line_of(3)[20:])
    await ground.passes(SETTLE_S + 1)
    assert [event.new for event in ground.told(SeedsAdded)] == [4]
    assert ground.files() == {"done/a.jsonl"}


async def test_a_writer_who_pauses_longer_than_anybody_waits_inside_a_line_is_taken_from_rejected(
    ground: Ground,
) -> None:
    with (ground.folder / "a.jsonl").open("wb", buffering=0) as file:
        file.write(lines_of(range(3)) + line_of(3)[:20])
        await ground.passes(PATIENCE_S + 10)
        assert ground.files() == {"rejected/a.jsonl", "rejected/a.jsonl.problems.txt"}
        assert await ground.seeds() == 0
        file.write(line_of(3)[20:])
    await ground.passes(20)
    assert await ground.seeds() == 4
    assert ground.files() == {"done/a.jsonl"}


async def test_a_moved_file_that_goes_wrong_later_moves_to_rejected_and_says_why(ground: Ground) -> None:
    with (ground.folder / "a.jsonl").open("wb", buffering=0) as file:
        file.write(lines_of(range(3)))
        await ground.passes(20)
        file.write(b'{"instruction": ""}\n')
    await ground.passes(20)
    assert await ground.seeds() == 3
    assert ground.files() == {"rejected/a.jsonl", "rejected/a.jsonl.problems.txt"}
    assert "a.jsonl:4: instruction: is empty" in (ground.folder / "rejected" / "a.jsonl.problems.txt").read_text()


@pytest.mark.parametrize("seed", range(12))
async def test_no_writer_loses_a_row_whatever_its_pauses(ground: Ground, seed: int) -> None:
    draw = random.Random(seed)
    data, at = lines_of(range(60)), 0
    with (ground.folder / "a.jsonl").open("wb", buffering=0) as file:
        while at < len(data):
            size = draw.randrange(1, 900)
            file.write(data[at : at + size])
            at += size
            await ground.passes(draw.choice([0, 1, 4, 6, 30, PATIENCE_S + 3, 300]))
    await ground.passes(2 * PATIENCE_S)
    assert await ground.seeds() == 60
    assert ground.files() == {"done/a.jsonl"}


@pytest.mark.parametrize(
    ("name", "data", "cut"),
    [
        ("a.json", b"[" + b",".join(line_of(number) for number in range(4)) + b"]", -60),
        ("a.json", b"[" + b",".join(line_of(number) for number in range(4)) + b"]", -1),
        ("a.csv", b"instruction,output\n" + b"".join(b"Say %d.,and more\n" % number for number in range(4)), -7),
        ("a.jsonl.gz", gzip.compress(lines_of(range(4)), mtime=0), -9),
        ("a.jsonl", lines_of(range(4)), 0),
    ],
    ids=["array", "bracket", "cell", "gzip", "empty"],
)
async def test_half_a_file_of_any_kind_waits_for_its_other_half(
    ground: Ground, name: str, data: bytes, cut: int
) -> None:
    with (ground.folder / name).open("wb", buffering=0) as file:
        file.write(data[:cut])
        await ground.passes(PATIENCE_S - 1)
        assert (await ground.seeds(), ground.told(SeedsRejected)) == (0, [])
        file.write(data[cut:])
    await ground.passes(20)
    assert await ground.seeds() == 4
    assert ground.files() == {f"done/{name}"}


async def test_a_file_that_stays_cut_is_rejected_in_the_end_with_the_reason(ground: Ground) -> None:
    (ground.folder / "a.jsonl").write_bytes(line_of(1) + b'{"instr')
    await ground.passes(PATIENCE_S + 1)
    assert ground.files() == {"rejected/a.jsonl", "rejected/a.jsonl.problems.txt"}
    assert [event.source for event in ground.told(SeedsRejected)] == ["a.jsonl"]


async def test_a_csv_file_without_a_last_line_end_is_taken_after_the_longer_wait(ground: Ground) -> None:
    (ground.folder / "a.csv").write_text("instruction,output\nA,b")
    await ground.passes(PATIENCE_S + 1)
    assert await ground.seeds() == 1


async def test_a_file_that_grows_after_a_restart_is_still_looked_at(tmp_path: Path) -> None:
    async with ground_in(tmp_path) as before:
        file = (before.folder / "a.jsonl").open("wb", buffering=0)
        file.write(lines_of(range(3)))
        await before.passes(20)
        assert await before.seeds() == 3
    file.write(lines_of(range(3, 5)))
    file.close()
    async with ground_in(tmp_path) as after:
        await after.remember()
        await after.passes(20)
        assert await after.seeds() == 5


async def test_a_moved_file_is_let_go_after_its_time(ground: Ground) -> None:
    path = ground.folder / "a.jsonl"
    path.write_bytes(lines_of(range(3)))
    await ground.passes(20)
    ground.now += WATCHED_S + 1
    await ground.passes(10)
    with (ground.folder / "done" / "a.jsonl").open("ab") as file:
        file.write(line_of(3))
    await ground.passes(20)
    assert await ground.seeds() == 3


# Names


@pytest.mark.parametrize("name", [".a.jsonl", "a.jsonl.part", "a.jsonl.TMP", "a.jsonl~", "a.jsonl.filepart"])
async def test_a_file_under_a_name_for_unfinished_work_is_taken_once_it_is_renamed(ground: Ground, name: str) -> None:
    path = ground.folder / name
    path.write_bytes(lines_of(range(3)))
    await ground.passes(PATIENCE_S + 10)
    assert (await ground.seeds(), ground.events) == (0, [])
    path.rename(ground.folder / "a.jsonl")
    await ground.passes(SETTLE_S + 1)
    assert await ground.seeds() == 3


async def test_a_second_file_of_the_same_name_gets_a_number(ground: Ground) -> None:
    for first in (0, 3):
        (ground.folder / "a.jsonl").write_bytes(lines_of(range(first, first + 3)))
        await ground.passes(10)
    assert await ground.seeds() == 6
    assert ground.files() == {"done/a.jsonl", "done/a-2.jsonl"}


@pytest.mark.parametrize("exists", [True, False])
async def test_a_symbolic_link_is_refused_and_told_and_what_it_points_to_stays(
    ground: Ground, tmp_path: Path, exists: bool
) -> None:
    target = tmp_path / "elsewhere.jsonl"
    if exists:
        target.write_bytes(lines_of(range(3)))
    (ground.folder / "a.jsonl").symlink_to(target)
    await ground.passes(20)
    (told,) = ground.told(SeedsRejected)
    assert "symbolic link" in told.problems[0].message
    assert ground.files() == {"rejected/a.jsonl", "rejected/a.jsonl.problems.txt"}
    assert target.exists() is exists
    assert await ground.seeds() == 0


async def test_a_folder_and_a_pipe_are_told_once_and_left_alone(ground: Ground) -> None:
    (ground.folder / "data").mkdir()
    os.mkfifo(ground.folder / "pipe.jsonl")
    await ground.passes(20)
    found = sorted((event.source, event.problems[0].message) for event in ground.told(SeedsRejected))
    assert found == [("data", "is a folder, and is not read"), ("pipe.jsonl", "is no file, and is not read")]


async def test_a_file_that_cannot_be_moved_is_told_once_and_taken_in_once(ground: Ground) -> None:
    (ground.folder / "done").rmdir()
    (ground.folder / "done").symlink_to("nowhere")
    (ground.folder / "a.jsonl").write_bytes(lines_of(range(3)))
    await ground.passes(60)
    (told,) = ground.told(SeedsRejected)
    assert "cannot be moved" in told.problems[0].message
    assert len(ground.told(SeedsAdded)) == 1


async def test_a_folder_that_was_cleared_away_is_made_again(ground: Ground) -> None:
    (ground.folder / "done").rmdir()
    (ground.folder / "a.jsonl").write_bytes(lines_of(range(3)))
    await ground.passes(10)
    assert ground.files() == {"done/a.jsonl"}


async def test_repeats_and_unread_columns_of_a_file_are_told(ground: Ground) -> None:
    row = {"instruction": "A", "output": "b", "category": "qa"}
    (ground.folder / "a.jsonl").write_text(f"{json.dumps(row)}\n" * 3)
    await ground.passes(10)
    (told,) = ground.told(SeedsAdded)
    assert (told.new, told.duplicates, told.repeated) == (1, 0, 2)
    assert "category (3 rows)" in told.not_read[0]


def test_files_settle_for_several_seconds_unless_set_otherwise() -> None:
    assert ServerConfig().settle_s == SETTLE_S
