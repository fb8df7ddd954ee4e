"""Jobs that are nearly nothing but the line: seeds without a call, seeds that draw and learn, and seeds of five calls.

``none``: Star keeps each seed's own response, so that a seed is one trial, one row and no call. ``draws``: a recipe of
two lines draws one of four arms and rewards it. ``five``: Star with the agents that the package holds, in the process:
a base, three of a pool of four, and a referee in one order, through journal, gate and budgets as all others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from calls_bench.seeds import seed_rows

SHAPES = ("none", "draws", "five")
CALLS = {"none": 0, "draws": 0, "five": 5}
CONCURRENCY = 64
RECIPE = '''
from star_agents.recipes.protocol import done, recipe, sft
from star_agents.records import Reward, Trial


@recipe(takes="instruction", pools={"style": ["a", "b", "c", "d"]})
async def drawn(seed, bench, settings):
    """The seed as it is, for an arm that is drawn."""
    (style,) = await bench.draw("style")
    trial = Trial(arm=style, sample=seed.sample)
    return done(seed, rows=[sft(seed.sample)], trials=[trial], earned=[Reward(pool="style", arm=style, value=0.5)])
'''


def config_of(shape: str) -> dict[str, Any]:
    """agents.yaml of a job."""
    common: dict[str, Any] = {"concurrency": CONCURRENCY}
    if shape == "draws":
        return {**common, "agents": {"tutor": {"model": "offline/tutor"}}, "recipe": "./drawn.py:drawn"}
    if shape == "none":
        star: dict[str, Any] = {"base_pairs": [{"instruction": "keep", "response": "seed"}], "selection": "base"}
        return {**common, "agents": {"tutor": {"model": "offline/tutor"}}, "star": star}
    names = ("tutor", "scholar", "clerk", "analyst", "terse")
    agents: dict[str, Any] = {name: {"model": f"offline/{name}"} for name in names}
    agents["referee"] = {"model": "offline/referee", "roles": []}
    star = {
        "base_pairs": [{"instruction": "keep", "response": names[0]}],
        "pairs": [{"instruction": "keep", "response": name} for name in names[1:]],
        "candidates": 3,
        "selection": "referee",
        "referee": {"agents": ["referee"], "orders": "one", "exam": "off"},
    }
    return {**common, "agents": agents, "star": star}


def write_job(folder: Path, shape: str, seeds: int) -> tuple[Path, Path]:
    """Write agents.yaml and the seed file of a job; return both."""
    folder.mkdir(parents=True, exist_ok=True)
    config, rows = folder / "agents.yaml", folder / "seeds.jsonl"
    config.write_text(yaml.safe_dump(config_of(shape)), "utf-8")
    (folder / "drawn.py").write_text(RECIPE, "utf-8")
    told = ({**row, "response": "He sells before the market opens."} for row in seed_rows(seeds))
    rows.write_text("".join(json.dumps(row) + "\n" for row in told), "utf-8")
    return config, rows
