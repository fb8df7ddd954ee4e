"""kill -9 in the middle of work: nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from storage_samples import answer_to, intent, make_reply, make_seed

from star_agents.records import PAIRS
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

KILLS = 3
VERBS = ("seed", "answer", "outcome")
WORKER = """
import asyncio, sys
from pathlib import Path
from storage_samples import commit, intent, make_memory, make_outcome, make_reply, make_seed
from star_agents.storage.store import Store

async def work(store, number):
    seed = make_seed(number)
    await store.add_seeds([seed])
    print("seed", number, flush=True)
    await store.intend([intent(seed.id)])
    await store.record_answers([(seed.id, make_reply())])
    print("answer", number, flush=True)
    await store.lease(1)
    await commit(store, make_outcome(seed), make_memory(1.0, 2.0))
    print("outcome", number, flush=True)

async def main():
    start = int(sys.argv[2])
    async with await Store.open(Path(sys.argv[1])) as store:
        for number in range(start, start + 100_000, 8):
            await asyncio.gather(*(work(store, number + lane) for lane in range(8)))

asyncio.run(main())
"""


def run_until_killed(folder: Path, start: int, acknowledgements: int) -> list[tuple[str, int]]:
    """Let a process work, kill it after some acknowledgements, and return every one that it had made."""
    command = [sys.executable, "-c", WORKER, str(folder), str(start)]
    root = Path(__file__).resolve().parents[1]
    environment = {"PYTHONPATH": f"{root}:{root / 'tests'}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledgements)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    # The last line may be torn by the kill: then nobody was told.
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(verb, int(number)) for verb, number in whole]


async def test_nothing_acknowledged_is_lost_to_kill_9(tmp_path: Path) -> None:
    acknowledged: list[tuple[str, int]] = []
    for kill in range(KILLS):
        acknowledged += run_until_killed(tmp_path, 1_000_000 * kill, 150 + 101 * kill)
        with StoreReader(tmp_path) as reader:
            assert reader.counts().seeds > 0, "status works on what a kill left behind"
        async with await Store.open(tmp_path) as store:
            counts = await store.counts()
            assert counts.working == 0, "what was leased waits again"
            rows = await store.outcomes(limit=100_000)
            known = {row.outcome.seed_id for row in rows}
            told = {verb: [make_seed(number) for one, number in acknowledged if one == verb] for verb in VERBS}
            assert await store.add_seeds(told["seed"]) == (0, len(told["seed"]))
            answers = await asyncio.gather(*(answer_to(store, seed.id) for seed in told["answer"]))
            assert answers == [make_reply()] * len(answers)
            assert {seed.id for seed in told["outcome"]} <= known
            # Outcome, memory row, policy and seed state stand and fall together.
            assert [row.seq for row in await store.memory_rows()] == [row.seq for row in rows]
            policy = (await store.load_pools()).get(PAIRS)
            assert policy is not None
            assert policy.after_seq == rows[-1].seq
            assert counts.kept == len(rows) == len(known)
    with StoreReader(tmp_path) as reader:
        assert sum(1 for _ in reader.results()) == reader.counts().kept


async def test_a_call_in_flight_at_a_kill_is_seen_afterwards(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await store.intend([intent("in flight")])
    await store.aclose()
    async with await Store.open(tmp_path) as store:
        assert (await store.counts()).calls_pending == 1
        await store.intend([intent("in flight")])
        assert (await store.counts()).calls_maybe_paid == 1
