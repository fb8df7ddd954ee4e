"""Batches of providers beside what else may happen: a target of rows, a daemon that drains, what a provider forgets."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from batch_account import Account, Faults
from batch_provider import serving
from chaos_batches import BatchReport, lay_out, look, provider_in_a_process
from chaos_daemon import send
from chaos_daemon import serving as serving_daemon

from star_agents.agents.batching.protocol import BatchedCall
from star_agents.engine.batch import BatchResult, load_seeds, run_batch
from star_agents.engine.configuration import read_config
from star_agents.engine.queue import SeedQueue
from star_agents.engine.stored_status import status_of_folder
from star_agents.engine.wiring import open_engine
from star_agents.events import BatchTroubled, Event
from star_agents.observe.bus import Bus
from star_agents.records import Reply, Sample, Seed
from star_agents.storage.batch_rows import Gathering
from star_agents.storage.reader import StoreReader
from star_agents.storage.rows import Intent
from star_agents.storage.store import Store

KEY = {"LINE_TEST_KEY": "sk-line-test-0123456789"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEY.items():
        monkeypatch.setenv(name, value)


async def work(
    folder: Path, *, hear: Callable[[Event], None] = lambda event: None, now: Callable[[], float] = time.time
) -> BatchResult:
    """What `run` does with a folder that is laid out."""
    config = read_config(folder / "agents.yaml", KEY)
    seeds = load_seeds(folder / "seeds.jsonl", config, skip_bad=False, limit=None).seeds
    run = run_batch(config, seeds, "test", folder / "out", retry_dropped=False, console=None, hear=hear, now=now)
    with anyio.fail_after(60):
        return await run


async def park(folder: Path, seeds: int) -> None:
    """What a `run` does that is killed when so many seeds wait for a batch, which is never sent."""
    async with await Store.open(folder / "out") as store:
        config = read_config(folder / "agents.yaml", KEY)
        await store.add_seeds(load_seeds(folder / "seeds.jsonl", config, skip_bad=False, limit=None).seeds)
        opened = open_engine(config, store, bus=Bus(), seeds_expected=None, ends_when_empty=False)
        async with opened as line, anyio.create_task_group() as tasks:
            tasks.start_soon(line.work)
            while await store.batches.parked() < seeds:
                await anyio.lowlevel.checkpoint()
            for _ in range(50):  # Whoever takes one more than are needed does so at once.
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()


def wants(folder: Path, rows: int) -> None:
    """Say how many rows there are to be."""
    path = folder / "agents.yaml"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("target_rows")]
    path.write_text("\n".join([*kept, f"target_rows: {rows}"]) + "\n")


def rows_of(folder: Path) -> tuple[int, int]:
    """Lines of the dataset, and rows as status tells them."""
    target = status_of_folder(folder / "out").target
    assert target is not None
    return (folder / "out" / "dataset.jsonl").read_bytes().count(b"\n"), target.rows


# A target of rows: each seed gives two, of three calls


async def test_a_target_is_met_exactly_and_seeds_that_wait_for_a_batch_count_as_begun(tmp_path: Path) -> None:
    account = Account()
    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 40)
        wants(tmp_path, 11)
        result = await work(tmp_path)
    assert rows_of(tmp_path) == (11, 11)
    assert (result.stopped_by, result.failed_because) == ("", "")
    assert account.charged.total() <= 11 * 3, "one row of each seed is expected before the first has ended"
    assert set(account.charged.values()) == {1}


async def test_after_a_restart_seeds_that_were_parked_count_as_begun_still(tmp_path: Path) -> None:
    account = Account()
    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 40, wait_s=600)
        wants(tmp_path, 12)
        await park(tmp_path, 12)
        await work(tmp_path)
    assert rows_of(tmp_path) == (12, 12)
    assert account.charged.total() <= 12 * 3
    assert set(account.charged.values()) == {1}


async def test_where_the_rows_are_there_a_restart_neither_sends_what_is_parked_nor_waits_for_it(tmp_path: Path) -> None:
    account = Account()
    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 40, wait_s=600)
        wants(tmp_path, 4)
        await work(tmp_path)
        charged = account.charged.total()
        wants(tmp_path, 20)
        await park(tmp_path, 6)
        wants(tmp_path, 4)
        result = await work(tmp_path)
        assert rows_of(tmp_path) == (8, 8), "spare rows entered when more were wanted"
        assert (result.stopped_by, result.failed_because) == ("", "")
        assert result.parked >= 6
        assert account.charged.total() == charged
        wants(tmp_path, 24)
        result = await work(tmp_path)
    assert rows_of(tmp_path) == (24, 24)
    assert set(account.charged.values()) == {1}


class NoSeeds:
    """A store in which nothing waits."""

    holds_back = has_put_off = has_to_come = False

    async def call_back(self) -> None:
        """Nothing was put off."""


def queue_of_none() -> SeedQueue:
    async def none() -> list[Seed]:
        return []

    return SeedQueue(none, ends_when_empty=True, store=NoSeeds())


async def test_a_batch_whose_rows_are_there_ends_while_seeds_are_parked() -> None:
    queue, sent = queue_of_none(), list[bool]()
    queue.suffices = lambda in_hand: True
    queue.on_nothing_but_parked = lambda: sent.append(True)
    queue.seeds_parked(3)
    with anyio.fail_after(60):
        assert await queue.get() is None
    assert sent == [], "what is gathered would be paid for and is of no use"


async def test_a_seed_whose_answers_are_heard_of_before_its_parking_does_not_count_as_parked_for_ever() -> None:
    queue = queue_of_none()
    queue.unparked(1)
    queue.seeds_parked()
    assert queue.parked == 0


# A call that is answered while it is asked for


async def test_a_call_that_a_batch_has_answered_since_it_was_looked_for_is_not_gathered_again(tmp_path: Path) -> None:
    seed = Seed.of(Sample(instruction="Why?", response="So."))
    intent = Intent(
        key="k", seed_id=seed.id, step="s", agent="a", revision=1, parameters={}, reserved_usd=1.0, reserved_tokens=9
    )
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([seed])
        await store.lease(1)
        await store.intend([intent])
        await store.record_answers([("k", Reply(text="So.", finish_reason="stop", agent="a", model="m"))])
        request = BatchedCall(key="k", messages=[], shape={}).to_dict()
        assert await store.batches.gather([Gathering(intent, request, 1)]) == []
        assert await store.batches.open_calls() == []
        assert not await store.batches.park(seed.id), "it is taken again, and finds the answer"


# A daemon


async def test_what_a_batch_leaves_unanswered_goes_out_again_though_nobody_hurries(tmp_path: Path) -> None:
    account = Account(Faults(broken=1.0))
    async with serving(account) as (url, _), await Store.open(tmp_path / "out") as store:
        lay_out(tmp_path, url, 2, wait_s=0.1)
        config = read_config(tmp_path / "agents.yaml", KEY)
        await store.add_seeds(load_seeds(tmp_path / "seeds.jsonl", config, skip_bad=False, limit=None).seeds)
        bus, is_done = Bus(), anyio.Event()

        def hear(event: Event) -> None:
            if event.name == "batch_ended":
                account.faults = Faults()
            if event.name == "outcome_committed":
                is_done.set()

        bus.subscribe(hear)
        opened = open_engine(config, store, bus=bus, seeds_expected=None, ends_when_empty=False)
        async with opened as line, anyio.create_task_group() as tasks:
            tasks.start_soon(line.work)
            with anyio.fail_after(30):
                await is_done.wait()
            tasks.cancel_scope.cancel()


def test_a_daemon_that_drains_leaves_its_batches_and_the_next_one_pays_for_none_of_them_again(tmp_path: Path) -> None:
    config, data = tmp_path / "agents.yaml", tmp_path / "out"
    with provider_in_a_process(tmp_path, Faults(), 1) as url:
        lay_out(tmp_path, url, 0, wait_s=0.05)
        config.write_text(config.read_text().replace("poll_s: 0.02", "poll_s: 3600"))
        with serving_daemon(config, data) as (daemon, address):
            send(address, 0, 4)
            daemon.wait_for("batch_submitted")
            assert daemon.end(signal.SIGTERM) == 0
        with StoreReader(data) as reader:
            assert reader.counts().calls_answered == 0
            assert [one.state for one in reader.tallies().batches.at_work] == ["submitted"]
        config.write_text(config.read_text().replace("poll_s: 3600", "poll_s: 0.02"))
        with serving_daemon(config, data) as (daemon, _):
            daemon.wait_for("outcome_committed", lambda line: line["seq"] == 4)
            assert daemon.end(signal.SIGTERM) == 0
    report = BatchReport(seeds=4)
    look(tmp_path, report)
    assert report.violations == []
    assert report.charges == report.calls == 12


# What a provider forgets, refuses, or does not say


async def test_a_batch_that_its_provider_does_not_know_is_told_and_given_up_a_day_later(tmp_path: Path) -> None:
    account, troubles, later = Account(), list[str](), list[float]()

    def hear(event: Event) -> None:
        if event.name == "batch_submitted" and not troubles:
            account.batches.clear()
        if isinstance(event, BatchTroubled):
            troubles.append(event.message)
            later.append(27 * 3600)

    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 2)
        await work(tmp_path, hear=hear, now=lambda: time.time() + sum(later[:1]))
    assert "its provider knows no batch batch_" in troubles[0]
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().kept == 2
        assert reader.tallies().batches.at_work == []


async def test_a_batch_that_is_refused_leaves_no_file_at_the_provider(tmp_path: Path) -> None:
    account = Account(Faults(denied=1.0))
    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 2)
        await work(tmp_path)
    assert account.alone.total() == 6
    assert account.files == {}


async def test_it_is_said_that_a_batch_in_the_account_may_be_ours(tmp_path: Path) -> None:
    account, troubles = Account(Faults(lost_reply=1.0), looks=4), list[str]()

    def hear(event: Event) -> None:
        if isinstance(event, BatchTroubled):
            troubles.append(event.message)

    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 1, protocol="anthropic")
        await work(tmp_path, hear=hear)
    assert any("a batch of 1 calls in the account may be" in told for told in troubles), json.dumps(troubles)
    assert set(account.charged.values()) == {1}


async def test_batches_that_are_larger_than_the_providers_queue_get_smaller_until_they_fit(tmp_path: Path) -> None:
    account, troubles = Account(Faults(full_above=3)), list[str]()

    def hear(event: Event) -> None:
        if isinstance(event, BatchTroubled):
            troubles.append(event.message)

    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 8)
        await work(tmp_path, hear=hear)
    assert set(account.charged.values()) == {1}
    assert account.charged.total() == 24
    assert any("they go in batches of up to 4" in told for told in troubles), troubles


async def test_of_results_that_do_not_end_no_more_is_read_than_a_batch_can_have(tmp_path: Path) -> None:
    account = Account(Faults(flood=1.0))

    def hear(event: Event) -> None:
        if event.name == "batch_ended":
            account.faults = Faults()

    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 2)
        await work(tmp_path, hear=hear)
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().kept == 2
        assert reader.tallies().batches.agents["a"].unknown <= 1_000 + 10 * 2
