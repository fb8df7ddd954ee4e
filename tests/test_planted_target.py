"""The planted target of `tools/bench/arena_instruct`: what is true of it, and that pools turn to its weakness."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"
sys.path[:0] = [str(TOOLS), str(TOOLS / "bench")]

from arena_instruct_bench import growing, line  # noqa: E402
from arena_instruct_bench.measuring import steered  # noqa: E402
from arena_instruct_bench.planted import planted  # noqa: E402
from arena_instruct_bench.steering import Plan  # noqa: E402

from star_agents.engine.stored_status import status_of_folder  # noqa: E402

WORLD = planted(3)
PLAYS = 400


def worth(kind: str, level: int, improved: frozenset[str] = frozenset()) -> float:
    rng = Random(f"{kind} {level}")
    return fmean(WORLD.play(kind, level, rng, improved).worth for _ in range(PLAYS))


def useful(kind: str, level: int) -> float:
    rng = Random(f"{kind} {level}")
    return fmean(WORLD.play(kind, level, rng).is_useful for _ in range(PLAYS))


def test_there_is_much_to_learn_where_the_target_is_weak_and_little_anywhere_else() -> None:
    assert len(WORLD.weak) == 5
    for kind, level in WORLD.weak.items():
        assert worth(kind, level) > 0.6
        assert worth(kind, level, frozenset({kind})) < 0.35, "once it has improved"
        assert useful(kind, level) > 0.6
        for above in range(level + 1, WORLD.levels):
            assert useful(kind, above) < 0.2
    strong = next(kind for kind in WORLD.types if kind not in WORLD.weak)
    assert all(worth(strong, level) < 0.35 and useful(strong, level) < 0.2 for level in range(WORLD.levels))


def test_pools_turn_to_what_the_target_loses_and_without_feedback_to_nothing() -> None:
    plan = Plan(seed=1, expected=125)
    on, off = steered(plan, 1000), steered(replace(plan, feedback=False), 1000)
    assert on.seen.weak > 0.45 > off.seen.weak
    assert on.seen.learnable > 0.6 > off.seen.learnable
    assert on.seen.useful_per_call > 1.3 * off.seen.useful_per_call
    assert on.floor == pytest.approx(1.0), "none below it, and some at it"
    assert off.floor > 6, "an even share all the while"


async def test_a_run_says_in_words_that_it_turned_to_the_planted_weakness_because_the_target_lost_there(
    tmp_path: Path,
) -> None:
    await line.run(tmp_path, line.Setting(concurrency=1), world=3, documents=80)
    told = status_of_folder(tmp_path / "out").turns
    turned = {arm: said for what, arm, said in map(parted, told["ask.types"].sentences[:-1]) if what == "Turned to"}
    types = {arm: said for arm, said in turned.items() if "no difference can be told yet" not in said}
    assert len(turned) == 3
    assert len(types) >= 2, "80 documents are few: of one that it turned to by chance it says that nothing can be told"
    assert types.keys() <= WORLD.weak.keys()
    arms = {f"{kind}@{level}" for kind, level in WORLD.weak.items()}
    levels = [(arm, said) for what, arm, said in map(parted, told["ask.levels"].sentences) if what == "Turned to"]
    assert {arm for arm, said in levels if "@" in arm and "no difference" not in said} <= arms
    lost, low, of_all = map(int, re.findall(r"lost (\d+) % \[(\d+), .* (\d+) % of all$", next(iter(types.values())))[0])
    assert lost > low > of_all, "told apart, and so without a doubt"
    away = {arm for what, arm, _ in map(parted, told["ask.types"].sentences[:-1]) if what == "Turned away from"}
    assert len(away) == 3
    assert away.isdisjoint(WORLD.weak)


def parted(sentence: str) -> tuple[str, str, str]:
    """What a sentence says, of which arm, and the rest."""
    what, arm, said = re.findall(r"^(Turned to|Turned away from|Besides,) ([^:]*):?(.*)\.$", sentence)[0]
    return what, arm, said


def test_a_type_that_is_added_finds_a_weak_spot_that_no_given_type_is_for() -> None:
    plan = growing.Plan(seed=2, expected=125)
    on, off = growing.run(plan), growing.run(replace(plan, grow=0))
    assert on.came_after is not None
    assert on.weak > 0.1 > 0.05 > off.weak
    assert on.useful_per_call > off.useful_per_call
    assert on.floor == pytest.approx(1.0)
    assert (off.added, off.came_after) == (0, None)
    assert on.added - on.retired <= plan.grow
