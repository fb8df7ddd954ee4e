"""The same experiment through the product's own line: its queue, its store, its rewards by way of children."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from arena_instruct_bench import recipes
from arena_instruct_bench.measuring import Seen, seen_in
from arena_instruct_bench.planted import planted
from arena_instruct_bench.steering import Draw
from star_agents.engine.batch import run_batch
from star_agents.engine.configuration import read_config
from star_agents.records import Document, Seed
from star_agents.storage.reader import StoreReader


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How the line is set."""

    feedback: bool = True
    children_first: float = 1.0
    concurrency: int = 8


async def run(folder: Path, setting: Setting, *, world: int, documents: int) -> Seen:
    """Work documents in an empty folder."""
    file, path = recipes.__file__, folder / "agents.yaml"
    config = {
        "agents": {"nobody": {"model": "offline/tutor"}},
        "recipe": [f"{file}:ask", f"{file}:fight"],
        "ask": {"world": world},
        "fight": {"world": world},
        "feedback": setting.feedback,
        "children_first": setting.children_first,
        "concurrency": setting.concurrency,
        "random_seed": world,
    }
    path.write_text(yaml.safe_dump(config), "utf-8")
    seeds = [Seed.of(Document(text=f"World {world}, document {number}.")) for number in range(documents)]
    await run_batch(read_config(path), seeds, "planted", folder / "out", retry_dropped=False, console=None)
    return seen_in(_instructions(folder / "out", world), planted(world))


def _instructions(out: Path, number: int) -> list[Draw]:
    """Each instruction as a draw of its own, in the order in which they ended."""
    world, each = planted(number), recipes.WorldSettings().each
    found = []
    with StoreReader(out) as reader:
        for one in reader.results():
            if one.outcome.recipe == "fight":
                kind, _, arm = one.seed.labels["ask.levels"].rpartition("@")
                level, useful = int(arm), len(one.outcome.rows)
                found.append(Draw(kind, level, 1, useful, world.calls(level) + 1 / each))
    return found
