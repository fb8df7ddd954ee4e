"""Reward models that judge an arena, alone and beside agents: one measurement an answer, points by a frozen scale."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from daemons import star_agents
from lines import origin, read_jsonl, results, run
from openai_server import Answer, Body, OpenAIServer
from test_arena_recipe import exported, frames, reply
from tiny_rewards import save, save_fitted

from star_agents.agents.judging.exam import general_exam
from star_agents.agents.judging.point_tests import with_appeals
from star_agents.arena.games import Battle, battles_of, games_of
from star_agents.config.changes import until_restart
from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError
from star_agents.records import Judgement, Outcome, Sample, Seed
from star_agents.storage.outgoing.game_files import read_games

SEEDS = 8
LEAST = 10
"""Battles that a scale is made of here."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of reward models: `any` and `other` at random, `right` and `wrong` by what they say in the exam."""
    folder = tmp_path_factory.mktemp("models")
    save(folder / "any")
    pairs = [pair.samples() for pair in with_appeals(general_exam()).pairs]
    save_fitted(folder / "right", pairs)
    save_fitted(folder / "wrong", pairs, prefers=-1.0)
    return folder


def points(text: str) -> float:
    return 2.0 + len(text.split()) % 8


def play(body: Body) -> Answer:
    """Players answer in their own length; a judge gives points by the number of words."""
    asked, name = str(body["messages"][-1]["content"]), str(body["model"])
    if name != "j":
        number = int(asked.split()[-1].rstrip("."))
        return Answer(text=f"{name} says: {'so ' * ({'target': 3, 'good': 5}.get(name, 7) * (number + 2) % 11)}{asked}")
    code, shown = frames(body)
    return Answer(text=reply(code, *(points(json.loads(shown[f"{place} answer"])) for place in ("first", "second"))))


def written(folder: Path, url: str, judges: Sequence[str], settings: str = "exam: 'off'", more: str = "") -> Path:
    agent = f'{{model: openai/NAME, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}'
    agents = ", ".join(f"{name}: {agent.replace('NAME', name)}" for name in ("target", "good", "fair", "j"))
    path = folder / "agents.yaml"
    path.write_text(
        f"agents: {{{agents}}}\nrecipe: arena\nconcurrency: 1\nscoring: {{device: cpu{more}}}\n"
        f"arena: {{target: target, opponents: [good, fair], judges: {json.dumps(list(judges))}, {settings}}}\n"
    )
    return path


async def fight(
    folder: Path, judges: Sequence[str], settings: str = "exam: 'off'", count: int = SEEDS
) -> tuple[list[Outcome], dict[str, Any]]:
    """The outcomes, in order of their seeds, and the summary."""
    async with OpenAIServer(play) as server:
        path = written(folder, server.url, judges, settings)
        some = [Seed.of(Sample(instruction=f"Name river {number}.")) for number in range(count)]
        ended = await run(read_config(path), some, folder / "out")
    return [one.outcome for one in results(folder / "out")], dict(ended.summary)


def measured(outcomes: Sequence[Outcome]) -> Iterator[Judgement]:
    return (one for outcome in outcomes for one in outcome.judgements if one.judge.startswith("reward:"))


def battles(outcome: Outcome) -> Mapping[str, Battle]:
    """By opponent; the target's name comes last in the alphabet."""
    return {one.left: one for one in battles_of(games_of(outcome.trials, outcome.judgements)).battles}


async def test_alone_it_decides_by_quantiles_of_its_margins_and_no_instruction_is_lost(
    tmp_path: Path, models: Path
) -> None:
    judge = f"reward:{models / 'any'}"
    outcomes, summary = await fight(tmp_path, [judge], f"exam: 'off', calibration: {LEAST}")
    said = list(measured(outcomes))
    assert [one.kind for one in outcomes] == ["kept"] * SEEDS, "those that the scale is made of as well"
    assert len(said) == 2 * SEEDS, "one measurement of both answers says all that there is of a battle"
    assert {(one.orders, one.scores, one.cost_usd) for one in said} == {(0, (), 0.0)}
    assert len({one.scale for one in said}) == 1
    by_size = sorted(said, key=lambda one: abs(one.rewards[0] - one.rewards[1]))
    gaps = [one.gap or 0.0 for one in by_size]
    assert [abs(gap) for gap in gaps] == sorted(abs(gap) for gap in gaps)
    assert all(gap * (one.rewards[0] - one.rewards[1]) > 0 for gap, one in zip(gaps, by_size, strict=True))
    first = [abs(one.gap or 0.0) for one in said[:LEAST]]
    assert sorted(first) == pytest.approx([9 * (place + 1) / LEAST for place in range(LEAST)]), "ranks of the first"
    for outcome in outcomes:
        ahead = {name: one.gap for name, one in battles(outcome).items()}
        best = max(ahead, key=lambda name: ahead[name])
        rows = [(one.labels["winner"], one.labels.get("score")) for one in outcome.rows if one.shape == "sft"]
        assert rows == ([(best, None)] if ahead[best] >= 3 else []), "nobody says how good a winner is"
        of_target = dict(outcome.trials[0].measures)
        assert of_target.pop("gap") == pytest.approx(ahead[best])
        assert of_target.pop("usefulness") == pytest.approx(min(max(ahead[best] / 3, 0), 1)), "by the distance alone"
        assert of_target.pop("lost") == sum(gap > 0 for gap in ahead.values()) / len(ahead)
        assert outcome.worth == outcome.trials[0].measures["usefulness"]
        assert set(of_target.values()) == {None}, "a margin is no level"
        assert [(one.part, one.tries) for one in outcome.tried if one.part == "scorer"] == [("scorer", 3)]
    (scale,) = summary["scales"]
    assert (scale["battles"], scale["seeds_waiting"]) == (LEAST, 0)
    assert f"have a scale, made of {LEAST} battles" in scale["sentence"]
    assert exported(tmp_path, "--set", "arena.keep.sft=3") == read_jsonl(tmp_path / "out" / "dataset.jsonl")
    assert len(exported(tmp_path, "--set", "arena.keep.sft=0")) > len(exported(tmp_path))
    games = read_games(tmp_path / "out" / "battles.jsonl").rows
    assert games == read_games(tmp_path / "out").rows
    assert [(one.judge, one.gap, one.first_score, one.is_measured) for one in games] == [
        (judge, one.gap, None, True) for one in said
    ]
    check_elo(tmp_path, judge)


def check_elo(folder: Path, judge: str) -> None:
    told = json.loads(star_agents("elo", folder / "out", "--json").stdout)
    assert told["battles"] == 2 * SEEDS
    (health,) = told["judges"]
    assert (health["judge"], health["games"], health["unreadable"]) == (judge, 2 * SEEDS, 0)
    assert (health["both_orders"], health["first_bonus"], health["one_order_only"]) == (0, None, 0)
    (folder / "file").mkdir()
    shutil.copy(folder / "out" / "battles.jsonl", folder / "file")
    assert json.loads(star_agents("elo", folder / "file", "--json").stdout)["players"] == told["players"]
    shown = star_agents("elo", folder / "out", "--target", "target").stdout
    assert "measures each answer by itself: of orders and places there is nothing to say" in " ".join(shown.split())


async def test_beside_an_agent_it_is_mapped_to_its_gaps_once_both_scored_enough(tmp_path: Path, models: Path) -> None:
    both = [f"reward:{models / name}" for name in ("any", "right")]
    outcomes, summary = await fight(tmp_path, ["j", *both], f"exam: 'off', calibration: {LEAST}")
    first, later = outcomes[: LEAST // 2], outcomes[LEAST // 2 :]
    assert {(one.scores, one.scale) for one in measured(first)} == {((), "")}, "kept, and counted for nothing"
    assert {one.jurors for outcome in first for one in battles(outcome).values()} == {("j",)}
    assert {one.jurors for outcome in later for one in battles(outcome).values()} == {("j", *both)}
    most = max(abs(one.gap) for outcome in first for one in battles(outcome).values())
    for outcome in later:
        texts = [one.sample.response or "" for one in outcome.trials]
        for one in measured([outcome]):
            middle = (points(texts[one.left]) + points(texts[one.right])) / 2
            left, right = one.scores
            assert 1 <= min(left, right) <= max(left, right) <= 10
            assert (left - right) * (one.rewards[0] - one.rewards[1]) >= 0
            assert abs(left - right) <= most
            assert left + right == pytest.approx(2 * middle) or {left, right} & {1.0, 10.0}
    told = [(one["judge"], one["battles"], bool(one["scale"])) for one in summary["scales"]]
    assert sorted(told) == sorted((judge, LEAST, True) for judge in both)
    whole = read_jsonl(tmp_path / "out" / "dataset.jsonl")
    assert exported(tmp_path, "--set", "arena.keep.sft=3") == whole, "decided exactly as the run did"
    assert exported(tmp_path, "--set", 'arena.judges=["j"]', "--set", "arena.keep.sft=0")
    changed = json.dumps(both[:1])
    none = star_agents("export", tmp_path / "out", "-o", tmp_path / "x.jsonl", "--set", f"arena.judges={changed}")
    assert "that nobody made" in none.stderr, "its points are of another jury"
    games = read_games(tmp_path / "out").rows
    assert {one.judge for one in games if one.is_measured and one.first_score is not None} == set(both)
    assert sum(one.is_measured for one in games) == 2 * 2 * SEEDS


async def test_it_sits_the_exam_of_points_and_one_that_prefers_bad_answers_leaves_the_jury(
    tmp_path: Path, models: Path
) -> None:
    right, wrong = (f"reward:{models / name}" for name in ("right", "wrong"))
    outcomes, summary = await fight(tmp_path, [right, wrong], "exam: refuse", count=2)
    assert {one.judge for one in measured(outcomes)} == {right}
    assert {one.notes["refused_judges"] for outcome in outcomes for one in outcome.trials} == {wrong}
    (scale,) = summary["scales"]
    assert "made of 4 battles, fewer than the 100 of `calibration`" in scale["sentence"], "the run ended before"
    assert {one.scale for one in measured(outcomes)} == {scale["scale"]}
    assert len({origin(row)["labels"]["winner"] for row in read_jsonl(tmp_path / "out" / "preferences.jsonl")}) > 0


@pytest.mark.parametrize(
    ("judges", "settings", "told"),
    [
        (["jj"], "exam: 'off'", r"agents.yaml:5: arena.judges\[0\]: names an agent 'jj' that is not in `agents`"),
        (["reward:"], "exam: 'off'", r"agents.yaml:5: arena.judges\[0\]: names no reward model \(write `reward:NAME`"),
        (["reward:x", "reward:x"], "exam: 'off'", "judges name somebody twice"),
        (["reward:x"], "calibration: 5", "calibration: Input should be greater than or equal to 10"),
    ],
)
def test_judges_that_nobody_is_are_told_by_line(tmp_path: Path, judges: list[str], settings: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_config(written(tmp_path, "http://127.0.0.1:1/v1", judges, settings))


def test_a_reward_model_is_no_player(tmp_path: Path) -> None:
    path = written(tmp_path, "http://127.0.0.1:1/v1", ["reward:x"])
    path.write_text(path.read_text().replace("[good, fair]", "[good, 'reward:x']"))
    with pytest.raises(ConfigError, match=r"arena\.opponents\[1\]: names an agent 'reward:x' that is not in `agents`"):
        read_config(path)


def test_an_edit_that_needs_another_reward_model_waits_for_a_restart(tmp_path: Path) -> None:
    old, same, new = (
        read_config(written(tmp_path, "http://127.0.0.1:1/v1", judges, settings))
        for judges, settings in (
            (["reward:x"], "mode: target"),
            (["j", "reward:x"], "mode: target"),
            (["reward:y"], "mode: target"),
        )
    )
    assert until_restart(old, same) == (same, ())
    in_force, delayed = until_restart(old, new)
    assert (in_force, delayed) == (old, ("arena",))
    star = read_config_of_star(tmp_path)
    with pytest.raises(ConfigError, match=r"arena: names a reward model that is not loaded \(start anew"):
        until_restart(star, new)


def read_config_of_star(folder: Path) -> Any:
    path = folder / "star.yaml"
    path.write_text(
        "agents: {a: {model: offline/tutor}}\nstar: {selection: base, base_pairs: [{instruction: keep, response: a}]}\n"
    )
    return read_config(path)
