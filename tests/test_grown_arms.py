"""Arms that a recipe adds to its pools while a line runs: at the floor, in the outcome's transaction, kept for good."""

from __future__ import annotations

from pathlib import Path

import pytest
from lines import results, run
from openai_server import OpenAIServer
from test_own_recipe import respond

from star_agents.config.sections import EvolutionConfig
from star_agents.engine.configuration import read_config
from star_agents.records import Document, GrownArm, NewArm, Outcome, RetiredArm, Reward, Sample, Seed
from star_agents.scheduling.grown import HAS_NAME, IS_FULL, Changes, Grown
from star_agents.scheduling.pools import Pools
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

POOL = "study.style"
STUDY = """
from star_agents.recipes.protocol import Settings, done, dropped, recipe, sft
from star_agents.records import NewArm, RetiredArm, Reward, Sample


class StudySettings(Settings):
    styles: tuple[str, ...] = ("plain", "formal")


def with_added(settings, grown):
    added = [one.arm for one in grown if not one.is_retired]
    BREAKS
    return settings.model_copy(update={"styles": (*settings.styles, *added)})


@recipe(
    takes="document",
    settings=StudySettings,
    pools={"style": lambda settings, agents: settings.styles},
    bench="star_agents.bench.growing:GrowingBench",
    DECLARED
)
async def study(seed, bench, settings):
    (style,) = await bench.draw("style")
    told = seed.document.text
    reply = await bench.ask("a", told, step="ask")
    added = [NewArm(pool="style", arm=told.split()[1], what="as told", at_most=2)] if told.startswith("add ") else []
    gone = [RetiredArm(pool="style", arm=told.split()[1], reason="told so")] if told.startswith("retire ") else []
    rows = [sft(Sample(instruction=f"{told} {one}", response="yes")) for one in settings.styles]
    earned = [Reward(pool="style", arm=style, value=0.5)]
    return done(seed, rows=rows, earned=earned, added=added, retired=gone)
"""


def written(folder: Path, url: str, *, declared: str = "with_grown=with_added,", breaks: str = "") -> Path:
    agent = f'{{model: openai/a, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}'
    (folder / "study.py").write_text(STUDY.replace("DECLARED", declared).replace("BREAKS", breaks))
    path = folder / "agents.yaml"
    path.write_text(f"agents: {{a: {agent}}}\nrecipe: ./study.py:study\nconcurrency: 1\n")
    return path


async def worked(folder: Path, *texts: str, **how: str) -> None:
    async with OpenAIServer(respond) as server:
        config = read_config(written(folder, server.url, **how))
        await run(config, [Seed.of(Document(text=text)) for text in texts], folder / "out")


def weights(folder: Path) -> dict[str, float]:
    with StoreReader(folder / "out") as reader:
        return dict(reader.pools()[POOL].state["weights"])


def styles_by_document(folder: Path) -> list[list[str]]:
    outcomes = [one.outcome for one in results(folder / "out")]
    return [[row.data["sample"]["instruction"].split()[-1] for row in one.rows] for one in outcomes]


async def test_an_arm_that_an_outcome_adds_is_there_for_the_next_seed_at_the_floor_and_over_restarts(
    tmp_path: Path,
) -> None:
    await worked(tmp_path, "add curt")
    floor = 0.15 / 3
    assert weights(tmp_path)["curt"] == pytest.approx(floor)
    assert sum(weights(tmp_path).values()) == pytest.approx(1)
    await worked(tmp_path, "add curt", "one more", "retire curt", "at last")
    assert styles_by_document(tmp_path) == [
        ["plain", "formal"],
        ["plain", "formal", "curt"],
        ["plain", "formal", "curt"],
        ["plain", "formal"],
    ]
    with StoreReader(tmp_path / "out") as reader:
        (kept,) = reader.tallies().grown[POOL].values()
        points = [one.probabilities for one in reader.curve(POOL)]
    assert (kept.what, kept.seq, kept.retired, kept.retired_seq) == ("as told", 1, "told so", 3)
    assert weights(tmp_path).keys() == {"plain", "formal"}
    assert {"plain", "formal", "curt"} in [set(one) for one in points], "the curve shows when it came"


async def test_no_more_are_added_than_may_be_and_what_is_refused_is_counted_by_why(tmp_path: Path) -> None:
    await worked(tmp_path, "add curt", "add terse", "add plain", "add blunt", "retire curt", "add blunt now")
    assert list(weights(tmp_path)) == ["plain", "formal", "terse", "blunt"]
    with StoreReader(tmp_path / "out") as reader:
        told = {one.reason: (one.failures, one.sentence) for one in reader.tallies().failures}
    assert told[HAS_NAME] == (1, f"pool {POOL} refused 1 of 5 new arms: {HAS_NAME}")
    assert told[IS_FULL][0] == 1


@pytest.mark.parametrize(
    ("declared", "breaks", "told"),
    [
        ("", "", "declare `with_grown`"),
        ("with_grown=with_added,", "1 / 0", ""),
    ],
)
async def test_a_recipe_that_cannot_have_arms_added_loses_no_seed_for_it_and_is_told(
    tmp_path: Path, declared: str, breaks: str, told: str
) -> None:
    await worked(tmp_path, "one", "add curt", "two", declared=declared, breaks=breaks)
    assert list(weights(tmp_path)) == ["plain", "formal"]
    with StoreReader(tmp_path / "out") as reader:
        counts, sentences = reader.counts(), [one.sentence for one in reader.tallies().failures]
    assert counts.done == 3
    if told:
        assert counts.dropped == 1
        assert told in sentences[0]
    else:
        assert counts.kept == 3
        assert "refused 1 of 1 new arms" in sentences[0]
        assert "ZeroDivisionError" in sentences[0]


ARMS = ("a", "b", "c")


@pytest.mark.parametrize("policy", ["paper", "uniform", "thompson"])
def test_pools_that_take_over_other_arms_are_those_that_a_restart_makes(policy: str) -> None:
    config = EvolutionConfig.model_validate({"policy": policy})
    pools = Pools(config, {"p": ARMS, "q": ARMS}, draws_expected=100)
    pools.learn(pools.foresee([Reward(pool="p", arm="a", value=1.0)]))
    for arms in ({"p": (*ARMS, "d"), "q": ARMS}, {"p": ("a", "b", "d"), "q": ARMS}):
        rewards = [Reward(pool="p", arm="b", value=0.5), Reward(pool="p", arm="c", value=0.5)]
        states = pools.foresee(rewards, arms)
        pools.learn(states, arms)
        fresh = Pools(config, arms, draws_expected=100)
        fresh.restore(pools.states())
        assert fresh.states() == pools.states()
        assert pools.arms["p"] == arms["p"]
        again = [one.foresee([Reward(pool="p", arm="d", value=1.0)]) for one in (pools, fresh)]
        assert again[0] == again[1]
        assert pools.probabilities()["q"] == dict.fromkeys(ARMS, pytest.approx(1 / 3))


@pytest.mark.parametrize("policy", ["paper", "uniform", "thompson"])
def test_a_pool_without_arms_gains_its_first_one_and_loses_its_last_as_after_a_restart(policy: str) -> None:
    config = EvolutionConfig.model_validate({"policy": policy})
    pools = Pools(config, {"p": (), "q": ARMS})
    for arms in ({"p": ("a",), "q": ARMS}, {"p": (), "q": ARMS}, {"p": ("b", "c"), "q": ARMS}):
        states = pools.foresee([Reward(pool="p", arm="a", value=1.0)], arms)
        assert states.keys() == {"p"}
        pools.learn(states, arms)
        fresh = Pools(config, arms)
        fresh.restore({**states, **pools.states()})
        assert (fresh.states(), fresh.arms) == (pools.states(), pools.arms)
        if arms["p"]:
            assert set(pools.draw("p", 2, key="k").arms) == {*arms["p"]}


@pytest.mark.parametrize(("floor", "least"), [("auto", 0.15 / 4), (0.02, 0.02), (0.0, 0.15 / 4)])
def test_a_new_arm_starts_at_the_floor_and_no_other_falls_below_it(floor: str | float, least: float) -> None:
    pools = Pools(EvolutionConfig.model_validate({"rate": 0.5, "floor": floor}), {"p": ARMS})
    for _ in range(20):
        pools.learn(pools.foresee([Reward(pool="p", arm="a", value=1.0)]))
    before = pools.probabilities()["p"]
    arms = {"p": (*ARMS, "new")}
    pools.learn(pools.foresee([], arms), arms)
    now = pools.probabilities()["p"]
    assert now["new"] == pytest.approx(least)
    assert sum(now.values()) == pytest.approx(1)
    if floor != 0.0:
        assert min(now.values()) >= least - 1e-12
    assert now["a"] / now["b"] == pytest.approx(before["a"] / before["b"], rel=0.5), "the others share what is left"


def grown(name: str, number: int, retired: str = "") -> GrownArm:
    return GrownArm(pool="r.p", arm=name, number=number, what="", data={}, evidence=(), seed_id="s", retired=retired)


def outcome(*added: NewArm, retired: tuple[str, ...] = ()) -> Outcome:
    gone = tuple(RetiredArm(pool="r.p", arm=arm, reason="so") for arm in retired)
    return Outcome(seed_id="s", kind="kept", added=added, retired=gone)


def new(name: str, at_most: int | None = None) -> NewArm:
    return NewArm(pool="r.p", arm=name, at_most=at_most)


def told(changes: Changes) -> tuple[list[tuple[str, bool]], list[tuple[str, str]]]:
    changed = [(one.arm, one.is_retired) for one in changes.changed]
    return changed, [(one.arm, why) for one, why in changes.refused]


def test_an_outcome_that_retires_one_has_room_for_another_and_a_name_is_given_once() -> None:
    there, pools = Grown([grown("x", 0), grown("y", 1)]), {"r.p": ("a", "x", "y")}
    assert told(there.changes(outcome(new("z", 2)), pools)) == ([], [("z", IS_FULL)])
    assert told(there.changes(outcome(new("z", 2), retired=("x",)), pools)) == ([("x", True), ("z", False)], [])
    several = there.changes(outcome(new("z"), new("z"), new("a"), new("x")), pools)
    assert several.added == (new("z"),), "once, and not refused for its own sake"
    assert told(several) == (
        [("z", False)],
        [("z", HAS_NAME), ("a", HAS_NAME), ("x", HAS_NAME)],
    )
    gone = Grown([grown("x", 0, "so")])
    assert told(gone.changes(outcome(new("x"), retired=("x", "never there")), {})) == ([], [("x", HAS_NAME)])


def test_one_that_is_not_drawn_under_these_settings_takes_no_room() -> None:
    there = Grown([grown("x", 0), grown("y", 1)])
    assert told(there.changes(outcome(new("z", 2)), {"r.p": ("a", "x")})) == ([("z", False)], [])


async def test_of_what_is_due_one_seed_at_a_time_has_the_turn_and_finds_it_again(tmp_path: Path) -> None:
    one, other = (Seed.of(Sample(instruction=text)) for text in ("one", "other"))
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([one, other])
        assert await store.take_turn(one.id, {"a": 1}) == "a"
        assert await store.take_turn(one.id, {"b": 1, "a": 1}) == "a", "its own comes first"
        assert await store.take_turn(other.id, {"a": 1}) == "", "it was done for that time"
        assert await store.take_turn(other.id, {"a": 2}) == "", "the other one is still at it"
        assert await store.take_turn(other.id, {"a": 2, "b": 1}) == "b"
        await store.lease(1)
        ended = Outcome(seed_id=one.id, kind="dropped", reason="so")
        revision = await store.add_revision("d", "{}")
        await store.commit_outcome(ended, foresee=lambda _: {}, memory=None, revision=revision)
        assert await store.take_turn(other.id, {"a": 1}) == ""
        assert await store.take_turn(other.id, {"a": 2}) == "a"
    async with await Store.open(tmp_path) as store:
        assert await store.take_turn(other.id, {"a": 2}) == "a", "after a restart, too"
        assert await store.take_turn(one.id, {"a": 3}) == ""
