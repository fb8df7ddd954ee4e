"""Scorer models on the nodes of a cluster: the same scores, whatever is lost on the way."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from counting_scorer import CountingScorer
from in_this_process import InThisProcess
from ray_cluster import LocalCluster
from scoring_mortal_worker import count
from tiny_models import CHAT_TEMPLATE, save_model, train_tokenizer
from tiny_rewards import CHAT, save

from star_agents import offline
from star_agents.cli.status import scorer_away
from star_agents.cluster import Connection, Node
from star_agents.config.cluster import ClusterConfig
from star_agents.config.sections import ScoringConfig
from star_agents.engine.hosted_scorer import HostedScorer
from star_agents.engine.scorer_places import ClusterPlaces, slots_of
from star_agents.errors import ScorerError
from star_agents.observe.status import ScorerPlace
from star_agents.records import Sample, Score
from star_agents.scoring import Scorer
from star_agents.scoring.backlog import CPU, Backlog, Call
from star_agents.scoring.facts import ModelFacts, ScorerFacts
from star_agents.scoring.places import Place, Running

SAMPLES = [Sample(instruction=f"Name {i} colours.", response="red green blue " * (1 + i % 7)) for i in range(40)]
OTHER_CHAT = train_tokenizer(chat_template=CHAT_TEMPLATE.replace("<|", "["))
TEXTS = [sample.instruction for sample in SAMPLES[:5]]


def node(**has: float) -> Node:
    return Node(id="a" * 16, address="10.0.0.1", port=1, host="n", cpus=has.get("cpus", 8), gpus=has.get("gpus", 0))


@pytest.mark.parametrize(
    ("has", "settings", "on_gpu", "copies"),
    [
        ({"gpus": 4}, {}, True, 4),
        ({"gpus": 4}, {"gpus_per_scorer": 0.5}, True, 8),
        ({"gpus": 4}, {"gpus_per_scorer": 0.5, "scorers_per_node": 3}, True, 3),
        ({"gpus": 4, "cpus": 2}, {}, True, 2),
        ({}, {}, True, 0),
        ({"gpus": 4}, {}, False, 1),
        ({}, {"scorers_per_node": 3}, False, 3),
        ({"cpus": 0}, {}, False, 0),
    ],
)
def test_a_node_takes_a_copy_for_each_share_of_a_gpu_or_one(
    has: dict[str, float], settings: dict[str, float], on_gpu: bool, copies: int
) -> None:
    assert slots_of(node(**has), ClusterConfig(**settings), on_gpu=on_gpu) == copies  # type: ignore[arg-type]


def test_a_request_that_comes_back_is_the_next_one_as_it_was() -> None:
    backlog = Backlog()
    gone, kept = Call("score", [sample.to_dict() for sample in SAMPLES], since=1.0), Call("embed", TEXTS, since=2.0)
    backlog.add(gone)
    first = backlog.take(CPU)
    backlog.add(kept)
    backlog.give_back(first)
    assert (bool(backlog), backlog.items, backlog.oldest, backlog.is_full(CPU)) == (True, 45, 1.0, True)
    assert backlog.take(CPU) == first
    backlog.give_back(first)
    backlog.drop(gone)
    assert [run.call for run in backlog.take(CPU)] == [kept]


def test_processes_whose_scores_do_not_mix_are_told_apart() -> None:
    def facts(device: str = "cpu", dtype: str = "float32", tokens: str = "ab") -> ScorerFacts:
        model = ModelFacts(
            model="m", device=device, dtype=dtype, parameters=7, max_length=64, forward="packed", tokens=tokens
        )
        return ScorerFacts(mode="score_eos", small=model)

    assert facts("cuda:0").differences(facts("cuda:1")) == []
    assert facts().differences(facts("cuda:0", "bfloat16")) == [
        "dtype of the small model is bfloat16 and not float32",
        "kind of device of the small model is cuda and not cpu",
    ]
    assert facts().differences(facts(tokens="cd")) == ["tokens of the small model is cd and not ab"]


class OneAfterAnother:
    """Places of nodes that join when they are let."""

    def __init__(self) -> None:
        self.joins = anyio.Event()

    async def first(self) -> Sequence[Place]:
        return [self._place("a")]

    def others(self, devices: int) -> Sequence[Place]:
        return []

    async def more(self) -> Sequence[Place]:
        await self.joins.wait()
        self.joins = anyio.Event()
        return [self._place("b")]

    def _place(self, name: str) -> Place:
        async def start(tasks: TaskGroup, what: str, /) -> Running:
            return InThisProcess(HostedScorer(os.environ.get("OMP_NUM_THREADS")))

        return Place(start, name=name)


async def test_a_node_whose_weights_differ_under_one_name_is_refused_and_told(tmp_path: Path) -> None:
    model, other = tmp_path / "model", Path(save_model(tmp_path / "other", CHAT, seed=2))
    save_model(model, CHAT, seed=1)
    places, told = OneAfterAnother(), list[str]()
    config = ScoringConfig(small=str(model), device="cpu")
    async with Scorer(config, large=False, places=places, tell=told.append) as scorer:
        before = await scorer.score(SAMPLES[:3])
        model.rename(tmp_path / "before")
        other.rename(model)
        places.joins.set()
        with anyio.fail_after(60):
            while not scorer.stats().troubles:  # noqa: ASYNC110  several turns of the event loop away
                await anyio.sleep(0.01)
        assert await scorer.score(SAMPLES[:3]) == before
        assert [place.name for place in scorer.stats().places] == ["a"]
        (trouble,) = scorer.stats().troubles
    assert "has other models than the first one: weights of the small model is" in trouble


@pytest.mark.parametrize(
    ("other", "differs"),
    [({"seed": 4}, "weights of scorer reward is"), ({"tokenizer": OTHER_CHAT}, "tokens of scorer reward is")],
)
async def test_a_node_whose_reward_model_has_other_weights_or_another_chat_template_is_refused_and_told(
    tmp_path: Path, other: dict[str, Any], differs: str
) -> None:
    model = Path(save(tmp_path / "model"))
    places, told = OneAfterAnother(), list[str]()
    config = ScoringConfig(device="cpu", scorers={"reward": str(model)})
    async with Scorer(config, small=False, large=False, scorers=["reward"], places=places, tell=told.append) as scorer:
        before = await scorer.measure("reward", SAMPLES[:3])
        model.rename(tmp_path / "before")
        save(model, **other)
        places.joins.set()
        with anyio.fail_after(60):
            while not scorer.stats().troubles:  # noqa: ASYNC110  several turns of the event loop away
                await anyio.sleep(0.01)
        assert await scorer.measure("reward", SAMPLES[:3]) == before
        assert [place.name for place in scorer.stats().places] == ["a"]
        (trouble,) = scorer.stats().troubles
    assert f"has other models than the first one: {differs}" in trouble


def test_status_says_where_copies_are_and_what_was_asked_again() -> None:
    places = [ScorerPlace(name=f"gpu{number % 9}", works=number > 0, tokens=0) for number in range(10)]
    state = replace(Scorer(ScoringConfig()).stats(), places=places, moved=1_200, troubles=["node x lacks a model"])
    assert list(scorer_away(state)) == [
        "scorer: 9 of 10 copies at work, on gpu0, gpu1, gpu2, gpu3, gpu4, gpu5, gpu6, gpu7 and 1 more; "
        "1,200 items were asked again after their node was lost",
        "scorer: node x lacks a model",
    ]
    assert list(scorer_away(Scorer(ScoringConfig()).stats())) == []


@pytest.mark.ray
async def test_on_a_cluster_every_measure_is_that_of_this_machine_bit_for_bit(
    ray_cluster: LocalCluster, tmp_path: Path
) -> None:
    config = ScoringConfig(scorers={"reward": save(tmp_path / "reward")})

    async def measured(scorer: Scorer) -> list[object]:
        vectors = (await scorer.embed(TEXTS)).tobytes()
        return [await scorer.score(SAMPLES), vectors, await scorer.measure("reward", SAMPLES[:9])]

    def scorer_at(places: ClusterPlaces | None, told: list[str]) -> Scorer:
        return Scorer(
            config,
            embedder="small",
            scorers=["reward"],
            resolve=offline.resolve_model,
            places=places,
            tell=told.append,
        )

    async with scorer_at(None, []) as here:
        expected = await measured(here)
    ray_cluster.nodes(1)
    told: list[str] = []
    async with (
        Connection(ClusterConfig(ray=ray_cluster.address), tell=told.append) as connection,
        scorer_at(ClusterPlaces(connection), told) as scorer,
    ):
        assert await measured(scorer) == expected


@pytest.mark.ray
async def test_what_a_lost_node_was_asked_is_asked_again_where_one_joins_and_a_dead_process_is_replaced(
    ray_cluster: LocalCluster, tmp_path: Path
) -> None:
    gate, told = tmp_path / "gate", list[str]()
    os.mkfifo(gate)
    os.mkfifo(tmp_path / "let_go")
    (lost,) = ray_cluster.nodes(1)
    waits = Sample(instruction="GATE", response="at the gate")
    async with Connection(ClusterConfig(ray=ray_cluster.address), tell=told.append, look_s=0.1) as connection:
        places = ClusterPlaces(connection, actor=CountingScorer)
        async with Scorer(ScoringConfig(small=str(gate)), places=places, tell=told.append) as scorer:
            found: list[list[Score]] = []

            async def ask() -> None:
                found.append(await scorer.score([waits]))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                assert await anyio.to_thread.run_sync(gate.read_bytes) == b"here"
                ray_cluster.kill(lost)
                while scorer.stats().places:
                    await connection.look()
                assert (scorer.stats().waiting, scorer.stats().moved) == (1, 1)
                ray_cluster.add()
                assert await anyio.to_thread.run_sync(gate.read_bytes) == b"here"
                await anyio.to_thread.run_sync((tmp_path / "let_go").write_bytes, b"go")
            assert found == [[count(waits)]]
            assert (scorer.stats().moved, scorer.stats().deaths, len(scorer.stats().places)) == (1, 0, 1)
            os.kill(scorer.pids[0], signal.SIGKILL)
            assert await scorer.score(SAMPLES) == [count(sample) for sample in SAMPLES]
            assert (scorer.stats().moved, scorer.stats().deaths, len(scorer.stats().places)) == (1, 1, 1)
    assert any("is lost at work" in line for line in told)
    assert any("no place is left for the scorer: 1 items wait" in line for line in told)


@pytest.mark.slow
@pytest.mark.ray
async def test_a_model_that_a_node_lacks_is_told_with_node_and_path(ray_cluster: LocalCluster) -> None:
    (id,) = ray_cluster.nodes(1)
    config = ScoringConfig(small="./no_model", large="./no_model")
    async with Connection(ClusterConfig(ray=ray_cluster.address), tell=print) as connection:
        name = connection.nodes[id].host
        with pytest.raises(ScorerError, match=rf"node {name} .*{Path('no_model').absolute()}"):
            async with Scorer(config, places=ClusterPlaces(connection)):
                pass
