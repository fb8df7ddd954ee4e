"""Sample agents propose types from what the target lost, by the prompt alone: no key, no download."""

from __future__ import annotations

from pathlib import Path

from daemons import star_agents

from star_agents.offline.instructing_growing import NAMES
from star_agents.storage.reader import StoreReader

GROW = "  grow: 3\n  grow_after: 1\n  grow_tries: 1\n"


def test_the_file_that_ships_grows_on_sample_agents(tmp_path: Path) -> None:
    config, out = tmp_path / "agents.yaml", tmp_path / "out"
    assert star_agents("init", "--recipe", "arena_instruct", config).returncode == 0
    text = config.read_text()
    assert "  # grow: 6 " in text
    text = text.replace("  # grow: 6 ", f"{GROW}  # grow: 6 ").replace("concurrency: 8 ", "concurrency: 1 ")
    config.write_text(text)
    ended = star_agents("run", "-c", config, "-s", "offline", "-n", "6", "-o", out, "-q")
    assert ended.returncode == 0, ended.stderr
    with StoreReader(out) as reader:
        added = reader.tallies().grown["agent_instruct.types"]
        drawn = reader.tallies().pools["agent_instruct.types"]
    assert {name.rpartition("/")[2] for name in added} <= set(NAMES.values())
    assert any(drawn[name].draws for name in added if name in drawn), "they are drawn"
