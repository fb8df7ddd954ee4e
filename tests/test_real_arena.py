"""An arena on a real small LLM behind a real server: `.venv/bin/pytest -m slow tests/test_real_arena.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lines import results, run
from real_llm import RealLlm, real_llm, real_rows

from star_agents.arena.games import battles_of
from star_agents.engine.configuration import read_config
from star_agents.records import Sample, Seed
from star_agents.storage.outgoing.game_files import read_games

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
PROMPTS = 4


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLlm]:
    with real_llm(tmp_path_factory.mktemp("real_arena")) as served:
        yield served


async def test_a_real_model_plays_against_itself_and_gives_points_that_can_be_read(
    llm: RealLlm, tmp_path: Path
) -> None:
    """Two players of one model, a cold and a warm one, and itself as the judge, without an exam: it would fail it."""
    (told,) = [part for part in re.split(r"^(?=\w)", llm.agents_yaml, flags=re.MULTILINE) if part.startswith("agents:")]
    players = "".join(
        f'  {name}: {{model: hosted_vllm/smollm2, api_base: "{llm.url}", max_tokens: 96, '
        f"allow_cut: true, temperature: {temperature}}}\n"
        for name, temperature in (("cold", 0.0), ("warm", 1.2))
    )
    (tmp_path / "agents.yaml").write_text(
        f"{told}{players}\nrecipe: arena\nconcurrency: 2\n"
        "arena: {target: cold, opponents: [warm], judges: [judge], exam: 'off', judge_max_tokens: 300}\n"
    )
    config = read_config(tmp_path / "agents.yaml")
    seeds = [Seed.of(Sample(instruction=row["instruction"])) for row in real_rows(PROMPTS)]
    first = await run(config, seeds, tmp_path / "out")
    assert first.calls >= 2 * PROMPTS
    again = await run(config, seeds, tmp_path / "out")
    assert again.calls == 0
    done = [one.outcome for one in results(tmp_path / "out")]
    for outcome in done:
        for one in outcome.judgements:
            print(f"{outcome.trials[one.left].arm}, {outcome.trials[one.right].arm}: {one.scores} {one.reason!r}")
    games = read_games(tmp_path / "out").games
    assert len(games) == sum(len(one.judgements) for one in done)
    readable = [game for game in games if game.is_readable]
    assert len(readable) > len(games) / 2, "replies are bound to the form, and a small model keeps to it then"
    assert len(battles_of(games).battles) + sum(one.kind == "dropped" for one in done) == PROMPTS
