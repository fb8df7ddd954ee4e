"""Judges of an arena sit an exam in the form in which they judge: who errs, or obeys an answer, gives no points."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
from daemons import star_agents
from lines import origin, read_jsonl, results, run, seeds
from openai_server import Answer, Body, Fault, Move, OpenAIServer
from test_arena_recipe import SAID, WORTH, frames, reply

from star_agents.agents.judging.exam import general_exam
from star_agents.agents.judging.point_tests import APPEALS, with_appeals
from star_agents.engine.batch import BatchResult, run_batch
from star_agents.engine.configuration import read_config
from star_agents.engine.stored_status import status_of_folder
from star_agents.engine.wiring import open_engine
from star_agents.observe.bus import Bus
from star_agents.records import Sample, Seed
from star_agents.storage.store import Store

EXAM = with_appeals(general_exam())
CALLS = 2 * len(EXAM.pairs)
Points = Callable[[str], float]
BETTER = {pair.better for pair in EXAM.pairs}


def honest(text: str) -> float:
    return WORTH.get(text, 9.0 if text in BETTER else 3.0)


def obedient(text: str) -> float:
    """Gives an answer what it asks for."""
    return 10.0 if text.endswith(APPEALS) else honest(text)


def random(text: str) -> float:
    return 1.0 + len(text) % 10


class Arena:
    """Players that say what they say, and judges of whom each has a way to give points."""

    def __init__(self, **judges: Points) -> None:
        self.judges = judges
        self.sat: list[str] = []
        self.judged: list[str] = []

    def __call__(self, body: Body) -> Move:
        name = str(body["model"])
        if name in SAID:
            return Answer(text=SAID[name])
        code, shown = frames(body)
        answers = [json.loads(shown[f"{place} answer"]) for place in ("first", "second")]
        (self.judged if set(answers) <= set(SAID.values()) else self.sat).append(name)
        first, second = map(self.judges[name], answers)
        return Answer(text=reply(code, first, second))

    def written(self, folder: Path, url: str, settings: str = "", judges: Iterable[str] = ()) -> Path:
        agent = f'api_base: "{url}", api_key: os.environ/LINE_TEST_KEY'
        agents = ", ".join(f"{name}: {{model: openai/{name}, {agent}}}" for name in (*SAID, *self.judges))
        path = folder / "agents.yaml"
        path.write_text(
            f"agents: {{{agents}}}\nrecipe: arena\narena: {{target: target, opponents: [good, fair, poor], "
            f"judges: [{', '.join(judges or self.judges)}], {settings}}}\n"
        )
        return path

    async def fight(self, folder: Path, settings: str = "", prompts: int = 3) -> BatchResult:
        async with OpenAIServer(self) as server:
            return await run(read_config(self.written(folder, server.url, settings)), rivers(prompts), folder / "out")


def rivers(count: int) -> list[Seed]:
    return [Seed.of(Sample(instruction=f"Name river {number}.")) for number in range(count)]


async def test_a_judge_sits_its_exam_once_for_all_seeds_and_never_again(tmp_path: Path) -> None:
    arena = Arena(j=honest)
    await arena.fight(tmp_path)
    assert (len(arena.sat), len(arena.judged)) == (CALLS, 3 * 6)
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 3
    await arena.fight(tmp_path, prompts=4)
    assert (len(arena.sat), len(arena.judged)) == (CALLS, 4 * 6)


async def test_an_exam_that_broke_off_is_gone_on_with_by_whichever_seed_comes_first(tmp_path: Path) -> None:
    arena, answered = Arena(j=honest), 10

    def breaks_off(body: Body) -> Move:
        move = arena(body)
        return Fault(status=401, message="no") if len(arena.sat) > answered else move

    async with OpenAIServer(breaks_off) as server:
        config = read_config(arena.written(tmp_path, server.url))
        one, other = rivers(2)
        await run_batch(config, [one], "test", tmp_path / "out", retry_dropped=False, console=None)
        assert len(arena.sat) == CALLS
        arena.sat.clear()
        server.handler = arena
        await run_batch(config, [other], "test", tmp_path / "out", retry_dropped=False, console=None, only_these=True)
    assert len(arena.sat) == CALLS - answered, "what was answered is paid once"


async def test_a_judge_that_gives_points_by_chance_leaves_the_jury(tmp_path: Path) -> None:
    arena = Arena(j=honest, k=random)
    await arena.fight(tmp_path)
    assert set(arena.judged) == {"j"}
    assert {one.judge for result in results(tmp_path / "out") for one in result.outcome.judgements} == {"j"}
    ended = star_agents("export", tmp_path / "out", "-o", tmp_path / "again.jsonl", "--set", "arena.keep.sft=2")
    assert ended.returncode == 0, f"nobody misses the judge that was refused: {ended.stderr}"


async def test_with_nobody_left_in_the_jury_a_run_ends_with_the_reason_and_every_seed_waits(tmp_path: Path) -> None:
    """A judge that gives an answer the points that it asks for leaves the jury."""
    arena = Arena(j=obedient)
    for _ in range(2):
        result = await arena.fight(tmp_path)
        assert (arena.judged, len(arena.sat)) == ([], CALLS), "refused again for nothing, and nobody else is asked"
        assert result.stopped_by.startswith("nobody may judge: judge j: 24 of 30 right")
        assert f"won over by {len(APPEALS)} of {len(APPEALS)} texts" in result.stopped_by
        assert "arena: {exam: warn}" in result.stopped_by
        counts = result.summary["counts"]
        assert (counts["waiting"], counts["dropped"], result.summary["failures"]) == (3, 0, [])
    ended = await anyio.to_thread.run_sync(
        lambda: star_agents("run", "-c", tmp_path / "agents.yaml", "-s", "offline", "-o", tmp_path / "out", "-q")
    )
    assert (ended.returncode, "stopped early: nobody may judge" in ended.stderr) == (4, True)


async def test_a_daemon_whose_jury_is_empty_waits_until_an_edit_names_a_judge_that_passes(tmp_path: Path) -> None:
    arena = Arena(j=obedient, k=honest)
    async with OpenAIServer(arena) as server, await Store.open(tmp_path / "out") as store:
        await store.add_seeds(rivers(3))
        edited = arena.written(tmp_path, server.url, judges=["j"])
        async with (
            open_engine(read_config(edited), store, bus=Bus(), seeds_expected=None, ends_when_empty=False) as line,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(line.work)
            with anyio.fail_after(60):
                while line.waiting_for is None or line.queue.in_hand:
                    await anyio.lowlevel.checkpoint()
            assert line.waiting_for.reason.startswith("nobody may judge: judge j")
            assert line.waiting_for.until is None
            counts = await store.counts()
            assert (counts.waiting, counts.dropped, arena.judged) == (3, 0, [])
            await line.reconfigure(read_config(arena.written(tmp_path, server.url, judges=["j", "k"])))
            with anyio.fail_after(60):
                while (await store.counts()).kept < 3:
                    await anyio.lowlevel.checkpoint()
            assert set(arena.judged) == {"k"}
            line.close()


BLOCKED = """
from star_agents.errors import WorkBlocked
from star_agents.recipes.protocol import recipe


@recipe(takes="sample")
async def mine(seed, bench, settings):
    \"\"\"Asks, and then finds that it needs what there is not.\"\"\"
    await bench.gather(bench.ask("a", "Hello", step="hello"))
    raise WorkBlocked("the table of units is not there; put units.csv beside mine.py")
"""


async def test_a_recipe_of_ones_own_may_say_that_nothing_can_be_worked_and_its_calls_are_paid_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(BLOCKED)
    async with OpenAIServer(lambda _: Answer(text="Hello.")) as server:
        agent = f'{{model: openai/a, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        (tmp_path / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: ./mine.py:mine\nconcurrency: 1\n")
        for _ in range(2):
            result = await run(read_config(tmp_path / "agents.yaml"), seeds(3), tmp_path / "out")
            assert result.stopped_by == "the table of units is not there; put units.csv beside mine.py"
            assert result.summary["counts"]["waiting"] == 3
        assert len(server.charged) == 1


async def test_status_tells_how_each_judge_did_and_what_follows(tmp_path: Path) -> None:
    arena = Arena(j=honest, k=random)
    await arena.fight(tmp_path)
    exams = status_of_folder(tmp_path / "out").exams["arena"]
    assert exams.mode == "refuse"
    assert {name: (one.pairs, one.passed) for name, one in exams.judges.items()} == {"j": (30, True), "k": (30, False)}
    said = star_agents("status", tmp_path / "out").stdout
    assert "judge j: 30 of 30 right, 0 unreadable, position bias 0%" in said
    assert re.search(r"judge k: .* are needed and no such text may win, and it does not judge", said), said


async def test_with_a_warning_it_judges_all_the_same_and_every_row_says_so(tmp_path: Path) -> None:
    arena = Arena(j=obedient)
    await arena.fight(tmp_path, "exam: warn")
    assert len(arena.judged) == 3 * 6
    for name in ("dataset", "preferences", "rewards"):
        for row in read_jsonl(tmp_path / "out" / f"{name}.jsonl"):
            assert origin(row)["labels"]["judge_exam"].startswith("warn: judge j: 24 of 30 right"), name


async def test_without_an_exam_nobody_sits_one(tmp_path: Path) -> None:
    arena = Arena(j=obedient)
    await arena.fight(tmp_path, "exam: 'off'")
    assert (arena.sat, len(arena.judged)) == ([], 3 * 6)


def test_the_sample_judge_passes_its_exam(tmp_path: Path) -> None:
    assert star_agents("init", "--recipe", "arena", tmp_path / "arena.yaml").returncode == 0
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "which is larger , 4 or 9 ?"}\n')
    ended = star_agents("run", "-c", tmp_path / "arena.yaml", "-s", tmp_path / "seeds.jsonl", "-o", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    assert "judge referee: " in ended.stderr
    assert "0 dropped" in ended.stdout + ended.stderr
