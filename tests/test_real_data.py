"""Real seeds from the shared folder go through `run` unharmed, on the offline agents and through real HTTP."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from lines import config_for, origin, read_jsonl, run
from openai_server import OpenAIServer

from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.records import Seed
from star_agents.storage.incoming.seed_files import read_seeds

FILES = {
    "self_instruct": ("self_instruct/seed_tasks.jsonl", 175),
    "gpteacher": ("gpteacher/roleplay-simple-deduped-roleplay-instruct.json", 1923),
}
PART = 60
"""Of each file, through HTTP; the sample scorers know few words, so real text is very many tokens to them."""
SCORED = 20
"""Of each file, on the shipped configuration."""


def shipped_config() -> Config:
    return parse_config(resources.files("star_agents").joinpath("agents.template.yaml").read_text(encoding="utf-8"))


def load(shared_data: Path, name: str) -> list[Seed]:
    path, count = FILES[name]
    file = read_seeds(shared_data / path)
    assert (len(file.seeds), file.problems) == (count, ())
    return list(file.seeds)


def assert_unharmed(seeds: list[Seed], out: Path) -> None:
    rows = {origin(row)["seed_id"]: row for row in read_jsonl(out / "dataset.jsonl")}
    assert rows.keys() == {seed.id for seed in seeds}
    assert all(row["messages"][-1]["role"] == "assistant" and row["messages"][-1]["content"] for row in rows.values())
    for seed in seeds:
        row = rows[seed.id]
        if origin(row)["pair"] == "keep/seed":
            assert row["messages"] == [message.to_dict() for message in seed.sample.messages]
        else:
            assert row["messages"][:-1] == [message.to_dict() for message in seed.sample.prompt]


@pytest.mark.parametrize("name", FILES)
async def test_a_part_of_the_real_seeds_passes_on_the_shipped_configuration(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    seeds = load(shared_data, name)[:SCORED]
    result = await run(shipped_config(), seeds, tmp_path)
    assert result.summary["counts"]["dropped"] == 0
    assert_unharmed(seeds, tmp_path)


@pytest.mark.parametrize("name", FILES)
async def test_a_part_of_the_real_seeds_passes_through_http(shared_data: Path, tmp_path: Path, name: str) -> None:
    seeds = load(shared_data, name)[:PART]
    async with OpenAIServer() as server:
        result = await run(config_for(server.url), seeds, tmp_path)
    assert result.summary["counts"]["dropped"] == 0
    assert_unharmed(seeds, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FILES)
async def test_all_real_seeds_pass_on_the_shipped_configuration(shared_data: Path, tmp_path: Path, name: str) -> None:
    seeds = load(shared_data, name)
    # Of the very many tokens 512 are enough here.
    config = shipped_config()
    shorter = config.scoring.model_copy(update={"max_length": 512})
    two = config.star.model_copy(update={"candidates": 2})
    await run(config.model_copy(update={"scoring": shorter, "star": two}), seeds, tmp_path)
    assert_unharmed(seeds, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FILES)
async def test_all_real_seeds_pass_through_http(shared_data: Path, tmp_path: Path, name: str) -> None:
    seeds = load(shared_data, name)
    async with OpenAIServer() as server:
        await run(config_for(server.url), seeds, tmp_path)
    assert_unharmed(seeds, tmp_path)
