"""Judges sit their exam before a line takes a seed, on real HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from lines import config_for, origin, read_jsonl, results, run, seeds, take_in_seeds
from openai_server import Answer, Body, Fault, Move, OpenAIServer, brain
from star_outcomes import read_star_outcome as stars

from star_agents.agents.judging.exam import general_exam
from star_agents.agents.judging.frame_tests import BREAKS, one_order_note
from star_agents.cli.main import main
from star_agents.config.models import Config
from star_agents.engine.batch import run_batch
from star_agents.engine.engine import Engine
from star_agents.engine.status import describe
from star_agents.engine.wiring import open_engine
from star_agents.events import Event, JudgeExamined, JudgeNotExamined, JudgingNoted
from star_agents.observe.bus import Bus
from star_agents.offline import exam as world_exam
from star_agents.offline.world import check
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

BETTER = {json.dumps(pair.better, ensure_ascii=False) for pair in general_exam().pairs}
WORSE = {json.dumps(pair.worse, ensure_ascii=False) for pair in general_exam().pairs}


def shown(body: Body) -> tuple[str, str, str] | None:
    """The code and both answers, as JSON, where a verdict is asked for."""
    found = re.search(
        r"<answer A (?P<code>\w+)>\n(.*)\n</answer A \w+>\n<answer B \w+>\n(.*)\n</answer B \w+>",
        str(body["messages"][-1]["content"]),
    )
    return (found["code"], found[2], found[3]) if found else None


def is_exam(body: Body) -> bool:
    answers = shown(body)
    return answers is not None and set(answers[1:]) <= BETTER | WORSE


def knows(body: Body) -> Answer:
    """Knows the exam's answers, and judges everything else as the test server does."""
    answers = shown(body)
    if answers is None or not is_exam(body):
        return brain(body)
    code, first, _ = answers
    return Answer(text=json.dumps({"code": code, "verdict": "A" if first in BETTER else "B"}))


def always_a(body: Body) -> Answer:
    answers = shown(body)
    return brain(body) if answers is None else Answer(text=json.dumps({"code": answers[0], "verdict": "A"}))


def by_agent(**minds: Callable[[Body], Move]) -> Callable[[Body], Move]:
    return lambda body: minds.get(body["model"], knows)(body)


def judged_by(server: OpenAIServer, *judges: str, exam: str = "refuse", more: str = "", **options: Any) -> Config:
    replaced = f"referee: {{agents: [{', '.join(judges)}], exam: '{exam}'}}\n{more}"
    return config_for(server.url, agents=("a", "b", "c"), replaced=replaced, **options)


def exam_of(out: Path) -> dict[str, Any]:
    with StoreReader(out) as reader:
        sums = reader.counts(), reader.spend(), reader.pair_costs()
        status = describe(*sums, [], {}, reader.tallies(), exams=reader.exams())
    found: dict[str, Any] = status.to_dict()["referee"]["exam"]
    return found


async def test_a_judge_that_passes_is_examined_once_before_the_first_seed_and_never_again(tmp_path: Path) -> None:
    async with OpenAIServer(knows) as server:
        first = await run(judged_by(server, "a"), seeds(4), tmp_path)
        asked = [is_exam(request.body) for request in server.requests]
        assert asked[:48] == [True] * 48
        assert not any(asked[48:])
        again = await run(judged_by(server, "a"), seeds(4), tmp_path)
        more = await run(judged_by(server, "a"), seeds(6), tmp_path)
        assert sum(is_exam(request.body) for request in server.requests) == 48
    assert (first.stopped_by, again.calls) == ("", 0)
    assert more.summary["counts"]["done"] == 6
    told = more.summary["referee"]["exam"]
    assert told == exam_of(tmp_path)
    assert (told["mode"], told["judges"]["a"]["right"], told["judges"]["a"]["passed"]) == ("refuse", 24, True)
    assert {origin(row)["judge_exam"] for row in read_jsonl(tmp_path / "dataset.jsonl")} == {"passed"}


async def test_a_judge_that_fails_ends_a_batch_with_the_figures_and_no_seed_is_worked(tmp_path: Path) -> None:
    async with OpenAIServer(by_agent(a=always_a)) as server:
        result = await run(judged_by(server, "a"), seeds(4), tmp_path)
        assert all(is_exam(request.body) for request in server.requests)
        assert len(server.requests) == 48
        again = await run(judged_by(server, "a"), seeds(4), tmp_path)
        assert len(server.requests) == 48, "it is refused again for nothing"
    for one in (result, again):
        assert "judge a: 0 of 24 right, 0 unreadable, position bias 100 % (17 are needed)" in one.stopped_by
        assert "exam: warn" in one.stopped_by
        assert one.summary["counts"]["waiting"] == 4
    assert not exam_of(tmp_path)["judges"]["a"]["passed"]


async def test_a_judge_whose_verdicts_cannot_be_read_fails_as_surely(tmp_path: Path) -> None:
    async with OpenAIServer(by_agent(a=lambda body: Answer(text="Hm.") if shown(body) else brain(body))) as server:
        result = await run(judged_by(server, "a"), seeds(2), tmp_path)
    assert "0 of 24 right, 48 of 48 unreadable" in result.stopped_by


async def test_with_warn_a_judge_that_fails_goes_on_and_every_row_says_so(tmp_path: Path) -> None:
    async with OpenAIServer(by_agent(a=always_a)) as server:
        result = await run(judged_by(server, "a", exam="warn"), seeds(6), tmp_path)
    assert (result.stopped_by, result.summary["counts"]["done"]) == ("", 6)
    rows = read_jsonl(tmp_path / "dataset.jsonl")
    stamp = "warn: judge a has 0 of 24 right, 17 are needed"
    assert {origin(row)["judge_exam"] for row in rows} == {stamp}


async def test_without_an_exam_nothing_is_asked_and_every_row_says_that_too(tmp_path: Path) -> None:
    async with OpenAIServer(by_agent(a=always_a)) as server:
        await run(judged_by(server, "a", exam="off"), seeds(3), tmp_path)
        assert not any(is_exam(request.body) for request in server.requests)
    assert {origin(row)["judge_exam"] for row in read_jsonl(tmp_path / "dataset.jsonl")} == {"off"}


async def test_a_juror_that_fails_leaves_the_jury_and_the_others_are_its_whole(tmp_path: Path) -> None:
    events: list[Event] = []
    async with OpenAIServer(by_agent(b=always_a)) as server:
        await work(judged_by(server, "a", "b", "c"), 5, tmp_path, events.append)
    votes = [
        {vote.referee for vote in one.verdict.votes}
        for result in results(tmp_path)
        for one in stars(result.outcome).candidates
        if one.verdict is not None and one.verdict.votes
    ]
    assert votes
    assert all(voters == {"a", "c"} for voters in votes)
    told = {event.judge: (event.passed, event.judges) for event in events if isinstance(event, JudgeExamined)}
    assert told == {"a": (True, True), "b": (False, False), "c": (True, True)}
    assert set(exam_of(tmp_path)["judges"]) == {"a", "b", "c"}


async def work(config: Config, count: int, out: Path, hear: Callable[[Event], None]) -> Engine:
    bus = Bus()
    bus.subscribe(hear)
    async with await Store.open(out) as store:
        await store.add_seeds(seeds(count))
        async with open_engine(config, store, bus=bus, seeds_expected=count, ends_when_empty=True) as line:
            with anyio.fail_after(60):
                await line.work()
    return line


@asynccontextmanager
async def daemon(
    config: Config, out: Path, hear: Callable[[Event], None] = lambda event: None
) -> AsyncIterator[Engine]:
    """A line at work that does not end with its last seed, and has three to begin with."""
    bus = Bus()
    bus.subscribe(hear)
    async with (
        await Store.open(out) as store,
        open_engine(config, store, bus=bus, seeds_expected=None, ends_when_empty=False) as line,
        anyio.create_task_group() as tasks,
    ):
        await take_in_seeds(line, seeds(3), "test")
        tasks.start_soon(line.work)
        yield line
        line.close()


async def until(fact: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not fact():
            await anyio.lowlevel.checkpoint()


async def until_done(line: Engine, count: int) -> None:
    with anyio.fail_after(60):
        while (await line.store.counts()).done < count:
            await anyio.lowlevel.checkpoint()


async def test_an_exam_that_was_broken_off_is_gone_on_with_and_nothing_of_it_is_paid_twice(tmp_path: Path) -> None:
    async with OpenAIServer() as server:

        def dies_after_20(body: Body) -> Move:
            return Fault(status=401, message="no such key") if len(server.charged) >= 20 else knows(body)

        server.handler = dies_after_20
        config = judged_by(server, "a", per_agent=", max_concurrency: 1")
        broken = await run(config, seeds(2), tmp_path)
        assert "judge a could not sit its exam" in broken.stopped_by
        assert "no such key" in broken.stopped_by
        server.handler = knows
        whole = await run(config, seeds(2), tmp_path)
        assert whole.stopped_by == ""
        exams = [str(body) for body in server.charged if is_exam(body)]
    assert len(exams) == len(set(exams)) == 48
    assert exam_of(tmp_path)["not_examined"] == {}


async def test_the_exam_is_within_the_budget_or_not_sat(tmp_path: Path) -> None:
    price = ", input_cost_per_token: 0.001, output_cost_per_token: 0.001, budget_usd: 0.5"
    async with OpenAIServer(knows) as server:
        result = await run(judged_by(server, "a", per_agent=price), seeds(2), tmp_path)
        assert server.requests == []
    assert "budget_usd" in result.stopped_by


async def test_a_daemon_holds_with_the_reason_until_an_edit_names_a_judge_that_passes(tmp_path: Path) -> None:
    async with OpenAIServer(by_agent(a=always_a)) as server, daemon(judged_by(server, "a"), tmp_path) as line:
        await until(lambda: "0 of 24 right" in str(line.waiting_for))
        assert (await line.store.counts()).waiting == 3
        assert not line.judges.stands
        await line.reconfigure(judged_by(server, "b"))
        await until_done(line, 3)
        assert line.waiting_for is None
        assert line.judges.jury == ("b",)


async def test_an_edit_of_something_else_examines_nobody_again_and_tells_nothing_twice(tmp_path: Path) -> None:
    events = list[Event]()
    async with OpenAIServer(knows) as server, daemon(judged_by(server, "a"), tmp_path, events.append) as line:
        await until_done(line, 3)
        await line.reconfigure(judged_by(server, "a", more="candidates: 1"))
        await take_in_seeds(line, seeds(5), "test")
        await until_done(line, 5)
        assert sum(is_exam(request.body) for request in server.requests) == 48
    assert [event.judge for event in events if isinstance(event, JudgeExamined)] == ["a"]


async def test_an_edit_that_brings_a_judge_that_fails_holds_a_daemon_at_work(tmp_path: Path) -> None:
    async with OpenAIServer(by_agent(b=always_a)) as server, daemon(judged_by(server, "a"), tmp_path) as line:
        await until_done(line, 3)
        await line.reconfigure(judged_by(server, "b"))
        await take_in_seeds(line, seeds(5), "test")
        await until(lambda: "0 of 24 right" in str(line.waiting_for))
        counts = await line.store.counts()
        assert (counts.done, counts.waiting, counts.working) == (3, 2, 0)
        await line.reconfigure(judged_by(server, "b", "c"))
        await until_done(line, 5)
        assert line.judges.jury == ("c",)


async def test_a_daemon_whose_judge_is_down_examines_it_when_it_is_up_again(tmp_path: Path) -> None:
    down, events = True, list[Event]()

    def sometimes(body: Body) -> Move:
        return Fault(status=503, message="gone fishing") if down else knows(body)

    async with (
        OpenAIServer(by_agent(a=sometimes)) as server,
        daemon(judged_by(server, "a", per_agent=", retries: 0, give_up_after_s: 1"), tmp_path, events.append) as line,
    ):
        await until(lambda: "judge a could not sit its exam" in str(line.waiting_for))
        assert any(isinstance(event, JudgeNotExamined) for event in events)
        down = False
        await until_done(line, 3)


@pytest.mark.parametrize("fault", [Fault(status=429, message="slow down"), Fault(status=503, message="tired")])
async def test_a_batch_ends_where_no_judge_answers_its_exam(tmp_path: Path, fault: Fault) -> None:
    async with OpenAIServer(by_agent(a=lambda body: fault)) as server:
        config = judged_by(server, "a", per_agent=", give_up_after_s: 0.5, retries: 0")
        result = await run(config, seeds(5), tmp_path)
    assert result.stopped_by.startswith("nobody may judge: judge a could not sit its exam: ")
    assert result.stopped_by.endswith("Run the same command again once the provider takes calls")
    assert not results(tmp_path)


async def test_a_paused_daemon_asks_nobody_until_it_is_resumed(tmp_path: Path) -> None:
    async with OpenAIServer(knows) as server:
        async with daemon(judged_by(server, "a"), tmp_path) as line:
            await until_done(line, 3)
            await line.pause()
        sent = len(server.requests)
        async with daemon(judged_by(server, "b"), tmp_path) as line:
            await take_in_seeds(line, seeds(4), "test")
            await until(lambda: line.is_paused)
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
            assert len(server.requests) == sent
            await line.resume()
            await until_done(line, 4)


async def test_a_judge_that_passed_and_then_cannot_be_read_lets_nothing_win_and_is_counted(tmp_path: Path) -> None:
    def mumbles(body: Body) -> Move:
        return knows(body) if is_exam(body) or not shown(body) else Answer(text="Both have merits.")

    async with OpenAIServer(by_agent(a=mumbles)) as server:
        result = await run(judged_by(server, "a"), seeds(5), tmp_path)
    counts, referee = result.summary["counts"], result.summary["referee"]
    assert (counts["kept"], counts["base"]) == (0, 5)
    assert (referee["verdicts"], referee["both_orders"], referee["agreement"]) == (0, 0, None)
    assert referee["unreadable"] == referee["without_verdict"] > 0
    assert all(stars(one.outcome).rewards == () for one in results(tmp_path))
    assert not (tmp_path / "preferences.jsonl").exists()


@pytest.mark.parametrize("selection", ["gap", "ifd", "random", "base"])
async def test_who_judges_nothing_sits_no_exam(selection: str) -> None:
    assert not config_for("http://x/v1", replaced=f"selection: {selection}").needs_referee


# Sample agents judge the closed world, and sit an exam that is made of it.

WORLD = """
agents: {{tutor: {{model: offline/tutor}}, judge: {{model: offline/{judge}, roles: []}}}}
referee: {{agents: [judge]}}
selection: referee
"""


def test_the_worlds_exam_has_two_dozen_pairs_of_a_right_and_a_wrong_answer() -> None:
    pairs = world_exam.pairs()
    assert len({pair.question for pair in pairs}) == 24
    assert all(check(pair.question, pair.better) and not check(pair.question, pair.worse) for pair in pairs)


@pytest.mark.parametrize(("judge", "code"), [("referee", 0), ("dreamer", 4), ("novice", 4)])
def test_a_sample_judge_is_examined_too_and_a_weak_one_is_refused(
    judge: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "agents.yaml").write_text(WORLD.format(judge=judge))
    arguments = ["run", "-c", str(tmp_path / "agents.yaml"), "-s", "offline", "-o", str(tmp_path / "out"), "-n", "3"]
    try:
        main(arguments)
        ended = 0
    except SystemExit as end:
        ended = int(end.code or 0)
    told = capsys.readouterr().err
    assert ended == code
    assert "judge judge: " in told
    assert ("nobody may judge" in told) == (code == 4)


ONE_ORDER = "referee: {agents: [a], orders: one}"


async def test_one_order_is_told_at_the_start_and_its_judge_is_shown_texts_that_break_their_frame(
    tmp_path: Path,
) -> None:
    heard: list[Event] = []

    def obeys(body: Body) -> Answer:
        answers = shown(body)
        if answers is None or not json.loads(answers[1]).endswith(BREAKS):
            return knows(body)
        return Answer(text=json.dumps({"code": answers[0], "verdict": "A"}))

    async with OpenAIServer(obeys) as server:
        config = config_for(server.url, replaced=ONE_ORDER)
        one = await run_batch(config, seeds(2), "test", tmp_path, retry_dropped=False, console=None, hear=heard.append)
    assert [event.message for event in heard if isinstance(event, JudgingNoted)] == [one_order_note(config)]
    assert "won over by 8 of 8 texts that break their frame (23 are needed and no such text may win)" in one.stopped_by
    assert one.summary["counts"]["done"] == 0


def test_the_note_on_one_order_is_for_who_judges_so_and_says_what_the_papers_prompt_adds() -> None:
    assert one_order_note(config_for("http://127.0.0.1:9/v1")) == ""
    assert one_order_note(config_for("http://127.0.0.1:9/v1", replaced=f"{ONE_ORDER}\nselection: random")) == ""
    plain, paper = (
        one_order_note(config_for("http://127.0.0.1:9/v1", replaced=f"referee: {{agents: [a], orders: one{more}}}"))
        for more in ("", ", prompt: paper")
    )
    assert "by what it writes to the judge" in plain
    assert "it is enough that the judge quotes a verdict" in paper.removeprefix(plain[:40])
