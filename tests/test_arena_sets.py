"""Test sets: which instructions are chosen; and `arena-set`, which pays for no rating twice, and says what it did."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import anyio.to_thread
import numpy as np
import pytest
from chaos_nursery import Nursery
from daemons import star_agents
from hypothesis import given
from hypothesis import strategies as st
from lines import read_jsonl
from openai_server import Answer, Body, OpenAIServer

from star_agents.arena.k_means import Grouping
from star_agents.arena.test_sets import RATED_EACH, clusters_for, hardest, in_turns, to_rate, without_repeats
from star_agents.offline import world
from star_agents.offline.evolving import evolve
from star_agents.offline.rating import difficulty_of
from star_agents.process.crash_points import VARIABLE
from star_agents.storage.incoming.seed_files import read_seeds
from star_agents.storage.reader import StoreReader


def grouping(labels: list[int], seed: int = 0) -> Grouping:
    distances = np.random.default_rng(seed).random(len(labels)).astype(np.float32)
    groups = len(set(labels))
    return Grouping(labels=np.array(labels), distances=distances, centres=np.zeros((groups, 2), dtype=np.float32))


def test_500_clusters_give_two_diverse_ones_each_and_twenty_others_to_be_rated() -> None:
    found = grouping([cluster for cluster in range(500) for _ in range(30)])
    diverse = in_turns(found)[:1000]
    rated = to_rate(found, frozenset(diverse))
    assert Counter(found.labels[diverse].tolist()) == dict.fromkeys(range(500), 2)
    assert Counter(found.labels[rated].tolist()) == dict.fromkeys(range(500), 20)
    nearest = [np.flatnonzero(found.labels == 7)[rank] for rank in found.distances[found.labels == 7].argsort()]
    assert [place for place in diverse if found.labels[place] == 7] == nearest[:2]
    assert [place for place in rated if found.labels[place] == 7] == nearest[2:22]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.integers(0, 60))
def test_no_place_is_taken_twice_and_clusters_take_turns_until_they_are_empty(labels: list[int], count: int) -> None:
    found = grouping(labels)
    diverse = in_turns(found)[:count]
    rated = to_rate(found, frozenset(diverse))
    assert len({*diverse, *rated}) == len(diverse) + len(rated)
    sizes, taken = Counter(labels), Counter(labels[place] for place in diverse)
    most = max(taken.values(), default=0)
    assert all(taken[one] >= min(most - 1, size) for one, size in sizes.items())
    assert Counter(labels[place] for place in rated) == Counter(
        {one: left for one, size in sizes.items() if (left := min(size - taken[one], RATED_EACH))}
    )


def test_the_hardest_are_taken_and_equal_ones_in_the_order_of_their_turns() -> None:
    assert hardest([4, 9, 2, 7], {9: 5.0, 7: 8.0, 4: 5.0, 2: 5.0}, 3) == [7, 4, 9]
    assert hardest([4, 9, 2], {2: 1.0}, 3) == [2], "what has no rating is not chosen"


def test_there_are_at_most_500_clusters_and_never_so_many_that_the_mean_one_could_not_fill_its_places() -> None:
    assert [clusters_for(count) for count in (1, 43, 44, 300, 11_000, 276_000)] == [1, 1, 2, 13, 500, 500]
    assert clusters_for(11_000, 10) == 10


def test_texts_that_differ_in_case_blanks_and_form_alone_are_one() -> None:
    assert without_repeats(["Name it.", "name  it.\n", "ｎame it.", "Name it?"], str) == ["Name it.", "Name it?"]


# The command


def write_seeds(path: Path, count: int) -> None:
    """Tasks of the closed world, some made harder step by step; each with a column of somebody's."""
    rng, rows = Random(5), dict[str, dict[str, Any]]()
    while len(rows) < count:
        text = world.draw(rng).question
        for _ in range(rng.choice((0, 0, 0, 1, 2, 3))):
            text = evolve("constraints", text, 1.0, rng)
        rows[text] = {"instruction": text, "source": "somebody", "category": "world"}
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows.values()), encoding="utf-8")


def arena_set(folder: Path, *more: str, code: int = 0) -> str:
    files = (folder / "seeds.jsonl", "-o", folder / "set.jsonl", "-c", folder / "agents.yaml")
    ended = star_agents("arena-set", *files, "-q", *more)
    assert ended.returncode == code, ended.stderr
    return ended.stdout if code == 0 else ended.stderr


def offline(folder: Path) -> Path:
    agents = "{one: {model: offline/tutor}, other: {model: offline/novice}, judge: {model: offline/referee}}"
    arena = "{target: one, opponents: [other], judges: [judge]}"
    (folder / "agents.yaml").write_text(f"agents: {agents}\nrecipe: arena\narena: {arena}\n")
    return folder


def test_a_set_is_read_as_seeds_holds_no_text_twice_and_its_hard_part_is_hard(tmp_path: Path) -> None:
    write_seeds(offline(tmp_path) / "seeds.jsonl", 250)
    card = json.loads(arena_set(tmp_path, "--diverse", "30", "--hard", "20", "--json"))
    rows, read = read_jsonl(tmp_path / "set.jsonl"), read_seeds(tmp_path / "set.jsonl")
    assert [row["set"] for row in rows] == ["diverse"] * 30 + ["hard"] * 20
    assert len(read.seeds) == len({row["instruction"] for row in rows}) == 50
    assert not read.problems
    assert {(row["beside_source"], row["category"]) for row in rows} == {("somebody", "world")}
    assert all(re.fullmatch(r"seeds\.jsonl:\d+", row["source"]) for row in rows)
    hard = [row for row in rows if row["set"] == "hard"]
    true = [difficulty_of(row["instruction"]) for row in hard]
    everybody = [difficulty_of(seed.sample.question) for seed in read_seeds(tmp_path / "seeds.jsonl").seeds]
    assert sum(true) / len(true) > sum(everybody) / len(everybody) + 2
    assert [row["difficulty"] for row in hard] == sorted((row["difficulty"] for row in hard), reverse=True)
    assert (card["embedder"], card["clusters"], card["judge"]["agent"]) == ("hashing", 11, "judge")
    assert 100 < card["calls_sent"] == card["rated"] <= 11 * RATED_EACH
    assert json.loads((tmp_path / "set.card.json").read_text())["difficulty"] == card["difficulty"]


def test_a_set_that_is_there_is_kept_and_made_again_it_asks_nobody(tmp_path: Path) -> None:
    write_seeds(offline(tmp_path) / "seeds.jsonl", 60)
    arena_set(tmp_path, "--diverse", "5", "--hard", "5")
    made = (tmp_path / "set.jsonl").read_bytes()
    assert "is there already; --force replaces it" in arena_set(tmp_path, code=2)
    again = json.loads(arena_set(tmp_path, "--diverse", "5", "--hard", "5", "--force", "--json"))
    assert (again["calls_sent"], (tmp_path / "set.jsonl").read_bytes()) == (0, made)
    told = arena_set(tmp_path, "--diverse", "5", "--hard", "5", "--force", "--judge", "one", code=2)
    assert "holds ratings by judge, not by one" in told


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--diverse", "70"), "60 instructions are too few for 70 diverse and 1,000 hard ones; ask for fewer, such as"),
        (("--judge", "judgee"), "names an agent 'judgee' that is not in `agents` (did you mean `judge`?)"),
        (("--embedder", "hash"), "memory.embedder"),
    ],
)
def test_what_cannot_be_made_is_told_before_anybody_is_asked(tmp_path: Path, more: tuple[str, ...], what: str) -> None:
    write_seeds(offline(tmp_path) / "seeds.jsonl", 60)
    assert what in arena_set(tmp_path, *more, code=2)
    assert not (tmp_path / "set.work").exists()


# With a judge and an embedder behind a server


def rate(body: Body) -> Answer:
    return Answer(text=f"[[{len(str(body['messages'][-1]['content'])) % 11}]] because.")


def served(folder: Path, url: str, more: str = "") -> None:
    agent = f'{{model: openai/NAME, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY, retries: 0}}'
    agents = ", ".join(f"{name}: {agent.replace('NAME', name)}" for name in ("judge", "vectors"))
    (folder / "agents.yaml").write_text(
        f"agents: {{{agents}}}\nrecipe: difficulty\ndifficulty: {{judge: judge}}\nconcurrency: 2\n"
        f"memory: {{embedder: 'agent:vectors'}}\n{more}"
    )


def made(nursery: Nursery, folder: Path, **environ: str) -> int:
    files = (folder / "seeds.jsonl", "-o", folder / "set.jsonl", "-c", folder / "agents.yaml")
    nursery.start("arena-set", *files, "-q", "--judge", "judge", "--diverse", "4", "--hard", "6", **environ)
    return nursery.ended()


@pytest.mark.slow
async def test_killed_among_vectors_or_ratings_it_goes_on_and_pays_for_nothing_again(tmp_path: Path) -> None:
    async with OpenAIServer(rate) as server:
        with Nursery() as nursery:
            await anyio.to_thread.run_sync(check_kills, nursery, server, tmp_path)


def check_kills(nursery: Nursery, server: OpenAIServer, folder: Path) -> None:
    served(folder, server.url)
    write_seeds(folder / "seeds.jsonl", 30)
    for point in ("answer_recorded:10", "answer_recorded:30"):  # of 30 vectors; of those left, and then of 20 ratings
        assert made(nursery, folder, **{VARIABLE: point}) == -signal.SIGKILL
        assert not (folder / "set.jsonl").exists()
    assert made(nursery, folder) == 0
    sent = [(request.path, json.dumps(request.body)) for request in server.requests]
    rated = sum("/chat/" in path for path, _ in set(sent))
    assert (len(set(sent)) - rated, rated) == (30, 20), "a vector of each, a rating of each candidate"
    with StoreReader(folder / "set.work") as reader:
        assert len(sent) - len(set(sent)) <= reader.counts().calls_maybe_paid, "those in flight when it died"
    assert len(read_jsonl(folder / "set.jsonl")) == 10


async def test_ratings_that_cannot_be_read_are_counted_and_beyond_the_limit_no_set_is_made(tmp_path: Path) -> None:
    def mumble(body: Body) -> Answer:
        text = str(body["messages"][1]["content"])
        return Answer(text="Hard to say." if len(text) % 3 < share else "[[4]] as it is.")

    async with OpenAIServer(mumble) as server:
        served(tmp_path, server.url, "failure_limits: {after: 5}\n")
        write_seeds(tmp_path / "seeds.jsonl", 60)
        wanted = ("--judge", "judge", "--diverse", "4", "--hard", "6", "--embedder", "hashing", "--json")
        share = 1
        card = json.loads(await anyio.to_thread.run_sync(arena_set, tmp_path, *wanted))
        assert card["not_rated"] > 0
        assert card["rated"] + card["not_rated"] == 40
        share = 3
        (tmp_path / "set.work" / "store.sqlite3").unlink()
        (tmp_path / "set.jsonl").unlink()
        told = await anyio.to_thread.run_sync(lambda: arena_set(tmp_path, *wanted, code=4))
        assert "stopped early:" in told
        assert "does not say one number" in told
        assert not (tmp_path / "set.jsonl").exists()
