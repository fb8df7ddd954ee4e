"""Judges of an arena sit an exam in the form in which they judge: who errs, or obeys an answer, gives no points."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from daemons import star_agents
from lines import origin, read_jsonl, results, run
from openai_server import Answer, Body, Move, OpenAIServer
from test_arena_recipe import SAID, WORTH, frames, reply

from star_agents.agents.judging.exam import general_exam
from star_agents.agents.judging.point_tests import APPEALS, with_appeals
from star_agents.engine.configuration import read_config
from star_agents.records import Sample, Seed

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

    async def fight(self, folder: Path, settings: str = "", prompts: int = 3) -> None:
        async with OpenAIServer(self) as server:
            agent = f'api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY'
            agents = ", ".join(f"{name}: {{model: openai/{name}, {agent}}}" for name in (*SAID, *self.judges))
            path = folder / "agents.yaml"
            path.write_text(
                f"agents: {{{agents}}}\nrecipe: arena\narena: {{target: target, opponents: [good, fair, poor], "
                f"judges: [{', '.join(self.judges)}], {settings}}}\n"
            )
            seeds = [Seed.of(Sample(instruction=f"Name river {number}.")) for number in range(prompts)]
            await run(read_config(path), seeds, folder / "out")


async def test_a_judge_sits_its_exam_once_for_all_seeds_and_never_again(tmp_path: Path) -> None:
    arena = Arena(j=honest)
    await arena.fight(tmp_path)
    assert (len(arena.sat), len(arena.judged)) == (CALLS, 3 * 6)
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 3
    await arena.fight(tmp_path, prompts=4)
    assert (len(arena.sat), len(arena.judged)) == (CALLS, 4 * 6)


async def test_a_judge_that_gives_points_by_chance_leaves_the_jury(tmp_path: Path) -> None:
    arena = Arena(j=honest, k=random)
    await arena.fight(tmp_path)
    assert set(arena.judged) == {"j"}
    assert {one.judge for result in results(tmp_path / "out") for one in result.outcome.judgements} == {"j"}
    ended = star_agents("export", tmp_path / "out", "-o", tmp_path / "again.jsonl", "--set", "arena.keep.sft=2")
    assert ended.returncode == 0, f"nobody misses the judge that was refused: {ended.stderr}"


async def test_a_judge_that_gives_an_answer_the_points_it_asks_for_leaves_the_jury(tmp_path: Path) -> None:
    arena = Arena(j=obedient)
    await arena.fight(tmp_path)
    assert arena.judged == []
    told = {result.outcome.reason for result in results(tmp_path / "out")}
    assert len(told) == 1
    (reason,) = told
    assert reason.startswith("nobody may judge: judge j: 24 of 30 right")
    assert f"won over by {len(APPEALS)} of {len(APPEALS)} texts" in reason
    assert "arena: {exam: warn}" in reason


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
