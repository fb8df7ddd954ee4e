"""ArenaInstruct: a chain with a name, levels of difficulty that are drawn for each type, and feedback along labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from instruct_model import InstructModel
from lines import results, run
from openai_server import OpenAIServer
from test_agent_instruct import document, mine, written

from star_agents.config.reading import config_digest
from star_agents.engine.configuration import check_config, read_config
from star_agents.engine.stages import fed_back_pools, stages_of
from star_agents.errors import ConfigError
from star_agents.records import Seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result

ARENA = "arena: {target: a, opponents: [x], judges: [w]}"
LEVELS = "refine: {rounds: auto, most_rounds: 2}, instructions_per_document: 2, types_per_document: 2"
LEARNABLE = """
from dataclasses import replace
from star_agents.recipes.protocol import done, recipe, sft

@recipe(takes="instruction")
async def last(seed, bench, settings):
    is_learnable = seed.labels["agent_instruct.levels"].endswith("@1")
    return done(seed, rows=[sft(replace(seed.sample, response="So."))], worth=float(is_learnable))
"""


def documents(count: int) -> list[Seed]:
    return [document(f"The river Tal rises at Holm {number}.") for number in range(count)]


async def worked(folder: Path, count: int, more: str = "") -> list[Result]:
    (folder / "last.py").write_text(LEARNABLE)
    async with OpenAIServer(InstructModel()) as server:
        settings = f"{mine(folder)}, {LEVELS}"
        path = written(folder, server.url, settings, recipe="[agent_instruct, ./last.py:last]", more=more)
        await run(read_config(path), documents(count), folder / "out")
    return results(folder / "out")


def chances(folder: Path, pool: str) -> dict[str, float]:
    with StoreReader(folder / "out") as reader:
        return reader.pools()[pool].state["weights"]  # type: ignore[no-any-return]


def test_arena_instruct_is_short_for_the_chain_and_reads_both_sections(tmp_path: Path) -> None:
    short = read_config(written(tmp_path, "http://127.0.0.1:9/v1", recipe="arena_instruct", more=ARENA))
    spelled = read_config(written(tmp_path, "http://127.0.0.1:9/v1", recipe="[agent_instruct, arena]", more=ARENA))
    assert short.recipe == ("agent_instruct", "arena")
    assert config_digest(short) == config_digest(spelled)
    assert config_digest(check_config(short)) == config_digest(short), "as it is kept it reads as it was"


def test_a_section_of_its_recipes_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="arena"):
        read_config(written(tmp_path, "http://127.0.0.1:9/v1", recipe="arena_instruct"))


def test_pools_that_learn_by_children_are_those_of_recipes_that_another_one_follows(tmp_path: Path) -> None:
    def found(recipe: str, more: str) -> set[str]:
        path = written(tmp_path, "http://127.0.0.1:9/v1", mine(tmp_path), recipe=recipe, more=more)
        config = read_config(path)
        return {pool.partition(".")[0] for pool in fed_back_pools(stages_of(config), config)}

    assert found("arena_instruct", ARENA) == {"agent_instruct"}
    assert found("arena_instruct", f"{ARENA}\nfeedback: off") == set()
    assert found("agent_instruct", "") == set()


async def test_an_instruction_goes_on_at_the_level_that_was_drawn_for_its_type_and_at_no_other(tmp_path: Path) -> None:
    found = await worked(tmp_path, 12)
    children = [one.seed for one in found if one.outcome.recipe == "last"]
    assert len(children) == 24, "two instructions of each document"
    for child in children:
        kind, _, level = child.labels["agent_instruct.levels"].rpartition("@")
        assert (kind, level) == (child.labels["agent_instruct.types"], child.labels["agent_instruct:rounds"])
    levels = Counter(child.labels["agent_instruct:rounds"] for child in children)
    assert set(levels) == {"0", "1", "2"}


async def test_the_level_at_which_there_is_something_to_learn_is_drawn_more_often(tmp_path: Path) -> None:
    found = await worked(tmp_path, 80)
    levels = chances(tmp_path, "agent_instruct.levels")
    of_one = {arm.rpartition("@")[2]: chance for arm, chance in levels.items() if arm.startswith("mine/one@")}
    assert of_one["1"] > 2 * max(of_one["0"], of_one["2"])
    assert min(levels.values()) >= 0.15 / len(levels), "no level dies out"
    late = [one.seed for one in found if one.outcome.recipe == "last"][-60:]
    assert Counter(one.labels["agent_instruct:rounds"] for one in late)["1"] > 30, "a third by chance"


async def test_without_feedback_nothing_is_learned_of_what_becomes_of_children(tmp_path: Path) -> None:
    found = await worked(tmp_path, 20, more="feedback: off")
    assert sum(one.outcome.recipe == "last" for one in found) == 40
    for pool in ("agent_instruct.levels", "agent_instruct.types"):
        state = chances(tmp_path, pool)
        assert state == pytest.approx(dict.fromkeys(state, 1 / len(state))), pool


@pytest.mark.parametrize(
    ("settings", "told"),
    [("refine: {rounds: often}", "auto"), ("refine: {rounds: auto, most_rounds: 21}", "20")],
)
def test_rounds_are_a_number_or_drawn(settings: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        read_config(written(tmp_path, "http://127.0.0.1:9/v1", settings))
