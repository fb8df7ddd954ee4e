"""The taxonomy grows: types that an agent proposes from what the target lost are drawn, marked, and given up again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from daemons import star_agents
from instruct_model import Asked, InstructModel, proposal
from lines import results, run
from openai_server import OpenAIServer
from test_agent_instruct import document, mine, written

from star_agents.bench.steps import draw_step
from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError
from star_agents.observe.status import Arm
from star_agents.recipes.parts.growth import LIKE_ONE, TAKEN
from star_agents.records import GrownArm, Seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.recipe_facts import pool_facts
from star_agents.storage.recipe_tallies import probabilities_in_force
from star_agents.storage.results import Result
from star_agents.storage.store import Store

POOL = "agent_instruct.types"
GROW = "grow: 2, grow_after: 1, grow_tries: 2, types_per_document: 2, instructions_per_document: 2, refine: {rounds: 0}"
LAST = """
from dataclasses import replace
from star_agents.recipes.protocol import done, recipe, sft

@recipe(takes="instruction")
async def last(seed, bench, settings):
    is_new = seed.labels.get("agent_instruct:type_source") == "grown"
    return done(seed, rows=[sft(replace(seed.sample, response="So."))], worth=WORTH)
"""


def documents(first: int, count: int) -> list[Seed]:
    return [document(f"The river Tal rises at Holm {number}.") for number in range(first, first + count)]


async def worked(
    folder: Path,
    model: InstructModel,
    count: int = 12,
    *,
    first: int = 0,
    settings: str = GROW,
    worth: str = "1.0 if is_new else 0.5",
    more: str = "",
) -> list[Result]:
    (folder / "last.py").write_text(LAST.replace("WORTH", worth))
    async with OpenAIServer(model) as server:
        path = written(
            folder, server.url, f"{mine(folder)}, {settings}", recipe="[agent_instruct, ./last.py:last]", more=more
        )
        await run(read_config(path), documents(first, count), folder / "out")
    return results(folder / "out")


def added(folder: Path) -> Mapping[str, GrownArm]:
    with StoreReader(folder / "out") as reader:
        return reader.tallies().grown.get(POOL, {})


def arms(folder: Path) -> Mapping[str, Arm]:
    with StoreReader(folder / "out") as reader:
        tallies = reader.tallies()
        shares = probabilities_in_force(reader.pools(), tallies.recipes)
        return pool_facts(shares, tallies.pools, tallies.arm_notes, tallies.grown)[POOL].arms


def told(folder: Path) -> dict[str, int]:
    """What was tolerated, by reason."""
    with StoreReader(folder / "out") as reader:
        return {one.reason: one.failures for one in reader.tallies().failures}


async def test_types_that_are_proposed_from_what_was_lost_are_drawn_earn_and_are_marked_in_lineage(
    tmp_path: Path,
) -> None:
    model = InstructModel()
    found = await worked(tmp_path, model)
    there = added(tmp_path)
    assert list(there) == ["mine/new1_1", "mine/new1_2"]
    lineages = [dict(one.seed.labels) for one in found if one.outcome.recipe == "last"]
    sources = Counter((one["agent_instruct:type"], one.get("agent_instruct:type_source", "")) for one in lineages)
    assert {kind for kind, source in sources if source == "grown"} == {"new1_1", "new1_2"}
    assert {kind for kind, source in sources if source == ""} == {"one", "other"}
    for name, arm in arms(tmp_path).items():
        assert (arm.grown is not None) == (name in there)
    assert all(arm.draws >= 2 and arm.mean_reward == 1.0 for name, arm in arms(tmp_path).items() if name in there)
    asked = next(one for one in model.asked if one.part == "grow")
    lost = asked.frame("lost")
    assert 0 < len(lost) <= 8
    texts = {one.seed.id: one.seed.sample.question for one in found if one.outcome.recipe == "last"}
    assert [texts[seed_id] for seed_id in there["mine/new1_1"].evidence] == lost
    assert "one: One thing." in asked.system
    written_by = [one.system for one in model.asked if one.part == "write" and "Puzzles of new1_1" in one.system]
    assert written_by, "the writer is told what the type asks for"


async def test_a_new_type_starts_at_the_floor_and_every_other_type_keeps_its_own(tmp_path: Path) -> None:
    await worked(tmp_path, InstructModel(), worth="0.5 if is_new else 1.0")
    with StoreReader(tmp_path / "out") as reader:
        points = [one.probabilities for one in reader.curve(POOL)]
    first = next(one for one in points if len(one) == 4)
    assert first["mine/new1_1"] == first["mine/new1_2"] == pytest.approx(0.15 / 4)
    assert all(min(one.values()) >= 0.15 / 4 - 1e-9 for one in points)
    assert len(points[0]) == 2


async def test_a_type_that_earns_nothing_is_retired_never_drawn_again_and_leaves_its_place_to_another(
    tmp_path: Path,
) -> None:
    found = await worked(tmp_path, InstructModel(), 14, worth="0.0 if is_new else 1.0")
    there, now = added(tmp_path), arms(tmp_path)
    gone = {name: one for name, one in there.items() if one.is_retired}
    assert {"mine/new1_1", "mine/new1_2"} <= gone.keys()
    assert len(there) - len(gone) <= 2, "no more than grow at once"
    assert len(there) > 2, "others came in their place"
    for name, one in gone.items():
        assert one.retired.startswith("it earned nothing in ")
        assert now[name].probability is None
        drawn = [
            result.outcome.seed_id
            for result in found
            if result.outcome.recipe == "agent_instruct" and (POOL, name) in result.outcome.drawn
        ]
        order = [result.outcome.seed_id for result in found if result.outcome.recipe == "agent_instruct"]
        retired_at = next(
            order.index(result.outcome.seed_id)
            for result in found
            if name in [arm.arm for arm in result.outcome.retired]
        )
        assert max(map(order.index, drawn)) <= retired_at
    assert all(now[name].probability for name in ("mine/one", "mine/other"))


async def test_a_type_that_is_retired_between_its_draw_and_that_of_its_level_costs_no_document(tmp_path: Path) -> None:
    settings = GROW.replace("refine: {rounds: 0}", "refine: {rounds: auto, most_rounds: 1}")
    model, worth = InstructModel(), "0.0 if is_new else 1.0"
    await worked(tmp_path, model, 14, settings=settings, worth=worth)
    gone = next(name for name, one in added(tmp_path).items() if one.is_retired)
    (late,) = documents(100, 1)
    async with await Store.open(tmp_path / "out") as store:
        await store.add_seeds([late])
        await store.record_step(late.id, draw_step("types", 0), {"value": [gone]})
    found = await worked(tmp_path, model, 1, first=100, settings=settings, worth=worth)
    (outcome,) = [one.outcome for one in found if one.seed.id == late.id]
    assert outcome.kind == "kept", outcome.reason
    assert (POOL, gone) in outcome.drawn
    levels = [arm for pool, arm in outcome.drawn if pool == "agent_instruct.levels"]
    assert not [arm for arm in levels if arm.startswith(gone)], "its levels went with it"


async def test_without_grow_nothing_differs_and_nothing_is_recorded_for_it(tmp_path: Path) -> None:
    plain = GROW.replace("grow: 2, grow_after: 1, grow_tries: 2, ", "")
    seen: list[list[Any]] = []
    for name, settings in (("left_out", plain), ("zero", f"grow: 0, {plain}")):
        (tmp_path / name).mkdir()
        found = await worked(tmp_path / name, InstructModel(), 4, settings=settings)
        seen.append([[dict(one.seed.labels), one.outcome.to_dict()] for one in found])
        with StoreReader(tmp_path / name / "out") as reader:
            pools = {pool: row.state for pool, row in reader.pools().items()}
        seen[-1].append(pools)
        assert "agent_instruct.grower" not in pools
        assert added(tmp_path / name) == {}
    assert seen[0] == seen[1]


async def test_what_is_no_new_type_is_refused_and_counted_by_why_and_the_rest_is_taken(tmp_path: Path) -> None:
    def grow(_: Asked) -> dict[str, Any]:
        proposals = [
            proposal("One"),
            proposal("Other thing", "Ask another  thing."),
            proposal("new_one", "Puzzles\nof two steps."),
        ]
        return {"types": proposals}

    await worked(tmp_path, InstructModel(grow=grow), 3, settings=GROW.replace("grow: 2", "grow: 5"))
    there = added(tmp_path)
    assert list(there) == ["mine/new_one"]
    assert there["mine/new_one"].what == "Puzzles of two steps."
    refused = {name: count for name, count in told(tmp_path).items() if name in (TAKEN, LIKE_ONE)}
    assert refused.keys() == {TAKEN, LIKE_ONE}
    with StoreReader(tmp_path / "out") as reader:
        sentences = [one.sentence for one in reader.tallies().failures if one.part == "pool"]
    assert any(sentence.startswith(f"pool {POOL} refused ") and TAKEN in sentence for sentence in sentences)


async def test_a_grower_who_cannot_be_read_costs_no_document_and_is_asked_again_later(tmp_path: Path) -> None:
    replies = iter(["no JSON", "no JSON either"])
    model = InstructModel(grow=lambda _: next(replies, None))
    found = await worked(tmp_path, model, 8)
    assert {one.outcome.kind for one in found} == {"kept"}
    assert list(added(tmp_path)) == ["mine/new3_1", "mine/new3_2"], "the third call of the grower"
    assert told(tmp_path) == {"the reply was no usable text, or did not end well": 2}, "and asked once more to mend it"


async def test_another_run_on_the_folder_knows_what_was_added_and_goes_on_by_it(tmp_path: Path) -> None:
    await worked(tmp_path, InstructModel(), 8)
    before = added(tmp_path)
    model = InstructModel()
    found = await worked(tmp_path, model, 4, first=100)
    assert added(tmp_path) == before
    assert model.calls["grow"] == 0, "as many as may be there are there"
    new = [one for one in found if one.outcome.recipe == "last" and "new1_1" in one.seed.labels[POOL]]
    assert new


async def test_with_grow_taken_out_again_added_types_are_drawn_no_more_and_come_back_with_it(tmp_path: Path) -> None:
    await worked(tmp_path, InstructModel(), 8)
    await worked(tmp_path, InstructModel(), 2, first=100, settings=GROW.replace("grow: 2", "grow: 0"))
    assert {name for name, arm in arms(tmp_path).items() if arm.probability is not None} == {"mine/one", "mine/other"}
    assert not any(one.is_retired for one in added(tmp_path).values())
    await worked(tmp_path, InstructModel(), 2, first=200)
    assert all(arm.probability is not None for arm in arms(tmp_path).values())


async def test_growers_are_a_pool_that_learns_by_how_many_of_their_types_are_new(tmp_path: Path) -> None:
    def grow(asked: Asked) -> dict[str, Any] | None:
        return {"types": [proposal("one"), proposal("other")]} if asked.model == "w" else None

    settings = GROW.replace("grow: 2", "grow: 40, grower: [w, x]")
    await worked(tmp_path, InstructModel(grow=grow), 24, settings=settings)
    with StoreReader(tmp_path / "out") as reader:
        tally = reader.tallies().pools["agent_instruct.grower"]
    assert tally["w"].mean_reward == 0
    assert tally["x"].mean_reward == 1


@pytest.mark.parametrize(
    ("recipe", "more", "says"),
    [
        ("[agent_instruct, ./last.py:last]", "feedback: off", "needs feedback"),
        ("agent_instruct", "", "needs a recipe that takes the instructions"),
    ],
)
def test_where_nothing_can_be_learned_from_what_was_lost_grow_is_refused_with_line_and_field(
    recipe: str, more: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "last.py").write_text(LAST.replace("WORTH", "1.0 if is_new else 0.5"))
    with pytest.raises(ConfigError) as refused:
        read_config(written(tmp_path, "http://127.0.0.1:9/v1", "grow: 2", recipe=recipe, more=more))
    assert "agents.yaml:4: agent_instruct.grow" in str(refused.value)
    assert says in str(refused.value)


@pytest.mark.parametrize("given", ["grow: -1", "grow: 101", "grow_after: 0", "grow_tries: 0", "grown_skills: []"])
def test_bounds_of_growth_are_held_where_they_are_written(given: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=given.partition(":")[0]):
        read_config(written(tmp_path, "http://127.0.0.1:9/v1", given))


async def test_what_a_run_added_is_kept_as_a_file_of_a_skill_that_another_run_takes(tmp_path: Path) -> None:
    await worked(tmp_path, InstructModel(), 8)
    listed = star_agents("skills", "--grown-in", tmp_path / "out")
    assert listed.returncode == 0
    assert "mine/new1_1" in listed.stdout
    assert "Puzzles of new1_1 in new1_1ish ways." in listed.stdout
    kept = tmp_path / "kept.yaml"
    assert star_agents("skills", "--grown-in", tmp_path / "out", "-o", kept).returncode == 0
    shown = json.loads(star_agents("skills", kept, "--json").stdout)
    sources = {one["name"]: one["source"] for one in shown["types"]}
    assert sources == {"one": "own", "other": "own", "new1_1": "grown", "new1_2": "grown"}
    text = (tmp_path / "agents.yaml").read_text().replace("./mine.yaml", "./kept.yaml")
    (tmp_path / "agents.yaml").write_text(text)
    settings = read_config(tmp_path / "agents.yaml").agent_instruct  # type: ignore[attr-defined]
    assert [one.name for one in settings.skill_set[0].types] == list(sources)
    refused = star_agents("skills", "other_skill", "--grown-in", tmp_path / "out", "-o", kept)
    assert refused.returncode == 2
    assert "no type that is drawn was added to other_skill" in refused.stderr


async def test_a_skill_that_took_over_what_was_added_leaves_room_for_more(tmp_path: Path) -> None:
    model = InstructModel()
    await worked(tmp_path, model, 8)
    kept = tmp_path / "kept.yaml"
    assert star_agents("skills", "--grown-in", tmp_path / "out", "-o", kept).returncode == 0
    model.parts["grow"] = lambda _: {"types": [proposal("later", "Sums.")]}
    (tmp_path / "last.py").write_text(LAST.replace("WORTH", "1.0 if is_new else 0.5"))
    async with OpenAIServer(model) as server:
        path = written(
            tmp_path, server.url, f"skills: [./kept.yaml], {GROW}", recipe="[agent_instruct, ./last.py:last]"
        )
        await run(read_config(path), documents(100, 6), tmp_path / "out")
    assert added(tmp_path)["mine/new1_1"].retired == "its skill came to have it as a type of its own"
    adopted = arms(tmp_path)["mine/new1_1"]
    assert (adopted.probability is not None, adopted.mark) == (True, ""), "it is drawn as any other"
    assert not added(tmp_path)["mine/later"].is_retired
