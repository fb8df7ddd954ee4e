"""The scorer and its process: callers that share a batch, deaths, poison, cancellation, and an orderly end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from chaos_scorer import Looks, hurt_scorers, stop
from scoring_mortal_worker import count
from tiny_models import save_model, train_tokenizer

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError
from star_agents.records import Sample, Score
from star_agents.scoring import Scorer
from star_agents.scoring.dual_model import DualModel
from star_agents.scoring.hangs import Limits
from star_agents.scoring.process import WORKER, environment

MORTAL = str(Path(__file__).with_name("scoring_mortal_worker.py"))
DIED = Score(reason="scorer process died on this sample", formula="score_eos")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A named pipe: reading it waits for the process that writes to it. ``let_go`` beside it is read by the process."""
    for name in ("gate", "let_go"):
        os.mkfifo(tmp_path / name)
    return tmp_path / "gate"


def light(gate: Path, *, small: str = "letters", **more: Any) -> Scorer:
    command = (sys.executable, MORTAL, "light", str(gate))
    return Scorer(ScoringConfig(small=small), command=command, resolve=lambda name: f"models/{name}", **more)


def samples(number: int, *, start: int = 0) -> list[Sample]:
    return [Sample(instruction="i" * index, response="r" * index) for index in range(start, start + number)]


def test_closing_stdin_ends_the_process() -> None:
    process = subprocess.Popen(WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"")


def test_closing_stdin_ends_a_process_that_is_at_work(gate: Path) -> None:
    process = subprocess.Popen((sys.executable, MORTAL, "light", str(gate)), stdin=subprocess.PIPE)
    assert process.stdin is not None
    config = ScoringConfig(small="letters").model_dump_json()
    load = {"id": 1, "do": "load", "config": config, "paths": {"letters": "x"}, "embedder": None}
    work = {"id": 2, "do": "score", "samples": [Sample(instruction="GATE").to_dict()]}
    for request in (load, work):
        process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.close()
    assert process.wait(timeout=60) == 0


async def test_scores_arrive_exact_and_in_order_whatever_a_library_prints(gate: Path) -> None:
    asked = samples(600)
    async with light(gate) as scorer:
        assert await scorer.score(asked) == [count(sample) for sample in asked]
        assert await scorer.score([]) == []


async def test_callers_that_come_at_once_get_their_own_scores(gate: Path) -> None:
    found: dict[int, list[Score]] = {}

    async def call(number: int) -> None:
        found[number] = await scorer.score(samples(3, start=number))

    async with light(gate) as scorer, anyio.create_task_group() as callers:
        for number in range(400):
            callers.start_soon(call, number)
    assert found == {number: [count(sample) for sample in samples(3, start=number)] for number in range(400)}


async def test_several_processes_share_the_calls(gate: Path) -> None:
    async with light(gate, workers=2) as scorer, anyio.create_task_group() as callers:
        # One process stops at the gate; the other one answers everybody else.
        callers.start_soon(scorer.score, [Sample(instruction="GATE")])
        await anyio.to_thread.run_sync(gate.read_bytes)
        assert await scorer.score(samples(600)) == [count(sample) for sample in samples(600)]
        assert len(scorer.pids) == 2
        await anyio.to_thread.run_sync(gate.with_name("let_go").write_bytes, b"")


async def test_a_further_process_that_cannot_load_is_a_trouble_and_stops_nobody(gate: Path) -> None:
    async with light(gate, small="single", workers=2) as scorer:
        while not scorer.stats().troubles:
            assert await scorer.score(samples(3)) == [count(sample) for sample in samples(3)]
        assert scorer.stats().troubles == ("scorer model single does not fit into memory",)
        assert scorer.stats().workers == 1


async def test_a_small_call_is_answered_before_a_large_one_that_came_first(gate: Path) -> None:
    done: list[int] = []

    async def call(number: int) -> None:
        await scorer.score(samples(number))
        done.append(number)

    async with light(gate) as scorer, anyio.create_task_group() as callers:
        callers.start_soon(call, 2000)
        callers.start_soon(call, 3)
    assert done == [3, 2000]


async def test_stats_say_what_was_done(gate: Path) -> None:
    async with light(gate) as scorer:
        assert (scorer.stats().answered, scorer.stats().answered_per_second) == (0, 0.0)
        await scorer.score(samples(5))
        stats = scorer.stats()
    assert (stats.workers, stats.waiting, stats.oldest_seconds, stats.answered) == (1, 0, 0.0, 5)
    assert (stats.tokens, stats.pack_fill) == (10, 0.5)
    assert stats.memory > 1_000_000
    assert stats.answered_per_second > 0


async def test_a_process_that_was_killed_is_started_again(gate: Path) -> None:
    async with light(gate) as scorer:
        first = scorer.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert await scorer.score(samples(5)) == [count(sample) for sample in samples(5)]
        assert scorer.pid not in (None, first)


async def test_a_sample_that_kills_the_process_gets_a_reason_and_the_others_their_scores(gate: Path) -> None:
    first, last = samples(2)
    async with light(gate) as scorer:
        found = await scorer.score([first, Sample(instruction="POISON"), last])
    assert found == [count(first), DIED, count(last)]


async def test_a_caller_that_is_cancelled_leaves_the_answers_of_others_alone(gate: Path) -> None:
    async with light(gate) as scorer:
        async with anyio.create_task_group() as caller:
            caller.start_soon(scorer.score, [Sample(instruction="GATE"), *samples(9)])
            await anyio.to_thread.run_sync(gate.read_bytes)
            caller.cancel_scope.cancel()
        await anyio.to_thread.run_sync(gate.with_name("let_go").write_bytes, b"")
        assert await scorer.score(samples(3)) == [count(sample) for sample in samples(3)]


async def test_a_talkative_process_is_not_stopped_by_a_full_pipe(gate: Path) -> None:
    async with light(gate) as scorer:
        sample = Sample(instruction="CHATTER")
        assert await scorer.score([sample]) == [count(sample)]


async def test_embeddings_arrive_as_the_float32_numbers_that_they_are(gate: Path) -> None:
    async with light(gate, embedder="small") as scorer:
        found = await scorer.embed(["one", "three"])
        none = await scorer.embed([])
    assert found.dtype == np.float32
    assert np.array_equal(found, np.array([[1, -1e-30], [5 / 3, -1e-30]], dtype=np.float32))
    assert none.shape[0] == 0


async def test_a_text_that_kills_the_process_is_embedded_as_zero_and_harms_no_other(gate: Path) -> None:
    async with light(gate, embedder="small") as scorer:
        found = await scorer.embed(["fine", "POISON"])
    assert found.shape == (2, 2)
    assert found[0].any()
    assert not found[1].any()


async def test_describe_names_what_is_loaded(gate: Path) -> None:
    scorer = light(gate)
    with pytest.raises(ScorerError, match="not running"):
        scorer.describe()
    async with scorer:
        facts = scorer.describe()
    assert facts.small is not None
    assert (facts.small.model, facts.small.parameters, facts.large) == ("models/letters", 26, None)


async def test_a_model_that_cannot_be_loaded_is_an_error_on_entering(gate: Path) -> None:
    with pytest.raises(ScorerError, match="scorer model missing cannot be loaded"):
        async with light(gate, small="missing"):
            pass


async def test_a_process_that_dies_while_loading_leaves_its_last_words(gate: Path) -> None:
    with pytest.raises(ScorerError, match=r"exit code 1\n(.|\n)*the dynamic library is broken"):
        async with light(gate, small="deadly"):
            pass


async def test_a_process_that_was_stopped_is_told_replaced_and_its_request_answered(gate: Path) -> None:
    looks, told = Looks(), list[str]()
    limits = Limits(look_s=5, stopped_s=60)
    async with light(gate, limits=limits, tell=told.append, sleep=looks.sleep) as scorer:
        first = scorer.pid or 0
        stop(first)
        looks.pass_by(12)
        assert await scorer.score(samples(5)) == [count(sample) for sample in samples(5)]
        assert scorer.pid not in (None, first)
        assert scorer.stats().deaths == 1
    assert [line.partition(":")[0] for line in told] == [
        f"scorer process {first} is stopped (state T, as by SIGSTOP)",
        f"scorer process {first} is lost at work",
    ]
    assert "it was stopped (state T, as by SIGSTOP) for 60 s" in told[1]


async def test_a_process_that_hangs_is_replaced_after_its_deadline_and_its_request_answered(gate: Path) -> None:
    looks, told = Looks(), list[str]()
    asked = [Sample(instruction="GATE")]
    found: list[Score] = []

    async def call() -> None:
        found.extend(await scorer.score(asked))

    limits = Limits(look_s=5, request_s=299, first_rate_cpu=1e9)
    async with light(gate, limits=limits, tell=told.append, sleep=looks.sleep) as scorer:
        async with anyio.create_task_group() as caller:
            first = scorer.pid
            caller.start_soon(call)
            await anyio.to_thread.run_sync(gate.read_bytes)
            looks.pass_by(59)
            await anyio.wait_all_tasks_blocked()
            assert scorer.pid == first
            looks.pass_by(1)
            await anyio.to_thread.run_sync(gate.read_bytes)
            await anyio.to_thread.run_sync(gate.with_name("let_go").write_bytes, b"")
        assert scorer.pid != first
    assert found == [count(sample) for sample in asked]
    assert len(told) == 1
    assert "it did not answer within 299 s" in told[0]


async def test_a_sample_that_hangs_the_process_each_time_gets_a_reason_and_the_others_their_scores(gate: Path) -> None:
    first, last = samples(2)
    hanging = Sample(instruction="HANG")

    here = os.open(gate, os.O_RDWR | os.O_NONBLOCK)

    async def until_it_hangs(seconds: float) -> None:
        await anyio.wait_readable(here)
        os.read(here, len(b"here"))

    async with light(
        gate, limits=Limits(look_s=5, request_s=4, first_rate_cpu=1e9, slack=0), sleep=until_it_hangs
    ) as scorer:
        found = await scorer.score([first, hanging, last])
        deaths = scorer.stats().deaths
    os.close(here)
    assert found == [count(first), DIED, count(last)]
    assert deaths == 3 + 1 + 2  # on all three, on the half that holds it, on it alone


async def test_a_process_that_is_killed_while_loading_is_given_a_second_try(gate: Path) -> None:
    told: list[str] = []
    async with light(gate, small="once", tell=told.append) as scorer:
        assert await scorer.score(samples(5)) == [count(sample) for sample in samples(5)]
        assert scorer.stats().deaths == 1
    assert len(told) == 1
    assert "is lost while it loaded its models: it was ended by SIGKILL" in told[0]


async def test_a_process_that_hangs_while_loading_is_given_a_second_try_and_then_it_is_an_error(gate: Path) -> None:
    looks, told = Looks(), list[str]()
    looks.pass_by(4)
    limits = Limits(look_s=5, loading_s=10)
    with pytest.raises(ScorerError, match="died 2 times while loading its models: it did not answer within 10 s"):
        async with light(gate, small="stuck", limits=limits, tell=told.append, sleep=looks.sleep):
            pass
    assert len(told) == 2


def test_whatever_is_done_to_a_scorer_process_every_call_is_answered(tmp_path: Path) -> None:
    report = hurt_scorers(tmp_path, rounds=4, seed=2)
    assert (report.violations, report.deaths) == ([], 4)


async def test_a_command_that_does_not_exist_is_named() -> None:
    with pytest.raises(ScorerError, match="no-such-python"):
        async with Scorer(ScoringConfig(), command=("no-such-python",)):
            pass


async def test_what_goes_wrong_inside_passes_by_unwrapped(gate: Path) -> None:
    with pytest.raises(ValueError, match="of the caller"):
        async with light(gate):
            raise ValueError("of the caller")


async def test_closing_ends_the_process_and_tells_those_who_wait(gate: Path) -> None:
    errors: list[str] = []

    async def wait(scorer: Scorer) -> None:
        try:
            await scorer.score([Sample(instruction="GATE")])
        except ScorerError as error:
            errors.append(str(error))

    async with anyio.create_task_group() as callers, light(gate) as scorer:
        pid = scorer.pid or 0
        assert pid > 0
        callers.start_soon(wait, scorer)
        await anyio.to_thread.run_sync(gate.read_bytes)
    assert errors == ["the scorer was closed before it answered"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ScorerError, match="closed"):
        await scorer.score(samples(1))


async def test_kill_9_in_the_middle_of_a_batch_changes_no_score(tmp_path: Path, gate: Path) -> None:
    tokenizer = train_tokenizer()
    config = ScoringConfig(
        small=save_model(tmp_path / "small", tokenizer, "gpt_neox", seed=1),
        large=save_model(tmp_path / "large", tokenizer, "gpt_neox", seed=2),
        threads=1,
    )
    asked = [Sample(instruction=f"Name {number} colours.", response="Red and " * number) for number in range(20)]
    expected = DualModel.load(config).score(asked)
    found: list[Score] = []

    async def call() -> None:
        found.extend(await scorer.score(asked))

    command = (sys.executable, MORTAL, "real", str(gate))
    async with Scorer(config, command=command) as scorer, anyio.create_task_group() as caller:
        caller.start_soon(call)
        await anyio.to_thread.run_sync(gate.read_bytes)
        gate.unlink()
        assert scorer.pid is not None
        os.kill(scorer.pid, signal.SIGKILL)
    assert found == expected
    assert sum(score.gap is not None for score in found) == 19


def test_threads_of_a_scorer_wait_without_turning_unless_somebody_wants_them_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert environment()["OMP_WAIT_POLICY"] == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert environment()["OMP_WAIT_POLICY"] == "active"
