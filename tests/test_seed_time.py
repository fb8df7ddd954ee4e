"""A recipe that awaits for ever loses its seed after a time of its own, which no call or waiting for agents uses."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import anyio
import pytest
from lines import read_jsonl, results, run
from openai_server import Answer, Body, OpenAIServer
from test_own_recipe_faults import FIRST_LINE, HEAD
from virtual_time import in_virtual_time, now

from star_agents.bench.seed_time import SeedTime
from star_agents.engine.configuration import read_config
from star_agents.engine.stored_status import status_of_folder
from star_agents.records import Document, Seed


@in_virtual_time
async def test_the_time_of_a_seed_is_over_once_it_took_so_long_of_its_own() -> None:
    time, scope, went_on = SeedTime(10.0), anyio.CancelScope(), 0.0
    with time.limits(scope):
        await anyio.sleep(9.0)
        with time.stands_still():
            await anyio.sleep(1000.0)
        await anyio.sleep(0.5)
        went_on = now()
        await anyio.sleep(1.0)
    assert (went_on, scope.cancelled_caught) == (1009.5, True)


@in_virtual_time
async def test_the_time_of_a_seed_stands_still_until_the_last_of_several_calls_has_ended() -> None:
    time, scope, went_on = SeedTime(10.0), anyio.CancelScope(), 0.0

    async def call(after_s: float, for_s: float) -> None:
        await anyio.sleep(after_s)
        with time.stands_still():
            await anyio.sleep(for_s)

    with time.limits(scope):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, 1.0, 50.0)
            tasks.start_soon(call, 40.0, 60.0)
        await anyio.sleep(8.0)
        went_on = now()
        await anyio.sleep(2.0)
    assert (went_on, scope.cancelled_caught) == (108.0, True)


async def reason_of(folder: Path, work: str, *, limit_s: float = 1.0, calls: int = 0, out: str = "out") -> str:
    def respond(body: Body) -> Answer:
        return Answer(text="Said")

    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(HEAD + indent(dedent(work).lstrip("\n"), "    "))
    async with OpenAIServer(respond) as server:
        agent = f'{{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        limits = f"failure_limits: {{seed_timeout_s: {limit_s}}}"
        (folder / "agents.yaml").write_text(
            f"agents: {{a: {agent}}}\nrecipe: ./mine.py:mine\n{limits}\nconcurrency: 1\n"
        )
        seeds = [Seed.of(Document(text="bad")), Seed.of(Document(text="good"))]
        with anyio.fail_after(60):
            result = await run(read_config(folder / "agents.yaml"), seeds, folder / out, retry_dropped=True)
    assert result.calls == calls
    assert result.summary["counts"] == {**result.summary["counts"], "kept": 1, "dropped": 1}
    (row,) = read_jsonl(folder / out / "rejected.jsonl")
    return str(row["reason"])


@pytest.mark.parametrize(
    ("work", "line"),
    [
        ("await asyncio.Event().wait()", 0),
        ("async def never(): await asyncio.Event().wait()\nawait bench.gather(never(), never())", 1),
        ("try: await asyncio.Event().wait()\nexcept BaseException: 1 / 0", 1),
        ("while True:\n    try: await asyncio.sleep(9)\n    except asyncio.CancelledError: raise ValueError('x')", 2),
        ("async with asyncio.TaskGroup() as tasks: tasks.create_task(asyncio.sleep(900))", 0),
        ("while True: await bench.once('again', lambda: 1)", 0),
    ],
)
async def test_a_recipe_that_awaits_for_ever_is_ended_with_its_line_and_the_next_seed_is_worked(
    tmp_path: Path, work: str, line: int
) -> None:
    reason = await reason_of(tmp_path, work)
    assert reason == (
        f"recipe mine failed: mine.py:{FIRST_LINE + line}: it took longer than 1 s of its own for this seed "
        "(failure_limits.seed_timeout_s) and was ended"
    )
    (told,) = status_of_folder(tmp_path / "out").failures
    assert (told.part, told.name, told.reason) == (
        "recipe",
        "mine",
        f"mine.py:{FIRST_LINE + line}: it took longer than failure_limits.seed_timeout_s",
    )
    assert [one.outcome.is_fault for one in results(tmp_path / "out")] == [True, False]


async def test_what_was_paid_for_before_a_recipe_was_ended_is_not_paid_for_again(tmp_path: Path) -> None:
    asking = 'await bench.ask("a", "hello", step="one")\n'
    told = await reason_of(tmp_path, asking + "await asyncio.Event().wait()", calls=1)
    assert "longer than 1 s of its own" in told
    again = asking + 'return dropped(seed, (await bench.ask("a", "hello", step="one")).text)'
    assert await reason_of(tmp_path / "mended", again, limit_s=60.0, out="../out") == "Said"
