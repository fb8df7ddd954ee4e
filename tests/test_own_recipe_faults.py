"""A recipe of somebody's own that does wrong in every way: its seed is dropped and told, and nothing else is hurt."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest
from lines import read_jsonl, run
from openai_server import Answer, Body, OpenAIServer

from star_agents.engine.configuration import read_config
from star_agents.records import Document, Seed

HEAD = """\
import asyncio
import sys
from dataclasses import replace
from star_agents.recipes.protocol import Measure, done, dropped, preference, recipe, sft
from star_agents.recipes.reads import Json
from star_agents.records import Document, Failure, Judgement, Outcome, Reward, Row, Sample, Seed, Trial

GOOD = Sample(instruction="i", response="r")

@recipe(takes="document", pools={"style": ["plain", "formal"]}, measures=[Measure("words")])
async def mine(seed, bench, settings):
    if seed.document.text == "good":
        return done(seed, rows=[sft(GOOD)])
"""
FIRST_LINE = HEAD.count("\n") + 1


def echo(body: Body) -> Answer:
    return Answer(text=f"Said to {body['messages'][-1]['content']}")


async def reason_of(folder: Path, work: str, *, more: str = "", respond: object = echo) -> str:
    """Why the seed is dropped for which a recipe does ``work``, while the one beside it gives its row."""
    (folder / "mine.py").write_text(HEAD + indent(dedent(work), "    "))
    async with OpenAIServer(respond) as server:  # type: ignore[arg-type]
        agent = f'{{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        (folder / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: ./mine.py:mine\n{more}")
        seeds = [Seed.of(Document(text="bad")), Seed.of(Document(text="good"))]
        result = await run(read_config(folder / "agents.yaml"), seeds, folder / "out")
    assert result.summary["counts"] == {**result.summary["counts"], "kept": 1, "dropped": 1}
    assert len(read_jsonl(folder / "out" / "dataset.jsonl")) == 1
    (row,) = read_jsonl(folder / "out" / "rejected.jsonl")
    return str(row["reason"])


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("raise asyncio.CancelledError", "CancelledError"),
        ("asyncio.current_task().cancel()\nawait asyncio.sleep(0)", "CancelledError"),
        ("task = asyncio.create_task(asyncio.sleep(9)); task.cancel(); await task", "CancelledError"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def again(): again()\nagain()", "RecursionError: maximum recursion depth exceeded"),
        ("async with asyncio.timeout(0): await asyncio.sleep(9)", "TimeoutError"),
        ("raise BaseExceptionGroup('several', [ValueError('x'), SystemExit()])", "ValueError: x"),
    ],
)
async def test_whatever_a_recipe_raises_drops_its_seed_and_names_file_and_line(
    tmp_path: Path, work: str, told: str
) -> None:
    reason = await reason_of(tmp_path, work)
    last = FIRST_LINE + work.count("\n") if "again" not in work else FIRST_LINE
    assert reason == f"recipe mine failed: mine.py:{last}: {told}"


async def test_a_fault_in_one_job_waits_for_its_siblings_whose_answers_are_paid_for(tmp_path: Path) -> None:
    work = """
        async def bad(): raise SystemExit("no")
        await bench.gather(bad(), bench.ask("a", "hello", step="s"))
        """
    assert await reason_of(tmp_path, work) == f"recipe mine failed: mine.py:{FIRST_LINE + 1}: SystemExit: no"
    (tmp_path / "again").mkdir()
    fine = 'return dropped(seed, (await bench.ask("a", "hello", step="s")).text)'
    (tmp_path / "out").rename(tmp_path / "again" / "out")
    (tmp_path / "mine.py").rename(tmp_path / "again" / "first.py")
    (tmp_path / "again" / "mine.py").write_text(HEAD + "    " + fine)
    agents = (tmp_path / "agents.yaml").read_text()
    (tmp_path / "again" / "agents.yaml").write_text(agents)
    config = read_config(tmp_path / "again" / "agents.yaml")
    result = await run(config, [], tmp_path / "again" / "out", retry_dropped=True)  # The server is gone.
    (row,) = read_jsonl(tmp_path / "again" / "out" / "rejected.jsonl")
    assert (row["reason"], result.calls) == ("Said to hello", 0)


async def test_a_job_that_gives_nothing_keeps_its_place_among_the_results(tmp_path: Path) -> None:
    work = """
        async def nothing(): return None
        told = await bench.gather(nothing(), bench.ask("a", "hello", step="s"))
        return dropped(seed, f"{told.results[0]}, {told.results[1].text}")
        """
    assert await reason_of(tmp_path, work) == "None, Said to hello"


async def test_what_is_wrong_with_an_agent_goes_on_as_such_out_of_a_group_of_tasks(tmp_path: Path) -> None:
    work = """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.ask("nobody", "hello", step="s"))
        """
    told = await reason_of(tmp_path, work)
    assert told.startswith("recipe mine asks an agent 'nobody' that is not in agents.yaml (mine.py:")
