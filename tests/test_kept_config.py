from __future__ import annotations

import json

import pytest

from star_agents.config.kept import kept_config
from star_agents.config.reading import parse_config
from star_agents.errors import StoreError

CONFIG = parse_config(
    "agents:\n  a: {model: openai/m, api_base: 'http://h/v1'}\n  b: {model: offline/tutor}\nselection: random\n"
)


def test_a_revision_reads_as_it_was_written() -> None:
    assert kept_config(CONFIG.model_dump_json()) == CONFIG


def test_what_an_older_version_took_is_left_out_and_all_else_is_read() -> None:
    kept = json.loads(CONFIG.model_dump_json())
    kept["agents"]["a"] |= {"api_base": "os.environ/ADDRESS_KEY", "timeout_s": 1e12, "gone": 1}
    kept["evolution"]["rate"] = 1e9
    kept["server"]["allowed_hosts"] = ["good", 7]
    read = kept_config(json.dumps(kept))
    assert (read.agents["a"].api_base, read.agents["a"].timeout_s, read.evolution.rate) == (None, 120.0, "auto")
    assert read.server.allowed_hosts == ("good",)
    assert read.agents["b"] == CONFIG.agents["b"]


def test_what_is_no_config_at_all_is_an_error_of_the_store() -> None:
    with pytest.raises(StoreError, match="cannot be read by this version"):
        kept_config("{}")
