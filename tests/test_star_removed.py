"""Nothing but the recipe itself needs Star: a copy of the package without it imports, and every other recipe works.

What stays of Star's own is its section of agents.yaml (`config/star.py`), which also says how judges are asked, and the
words of its pairs, which older stores hold.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "star_agents"
STARS = (
    "bench/pairs.py",
    "recipes/choosing.py",
    "recipes/pair_workbench.py",
    "recipes/prompts/star",
    "recipes/scripted.py",
    "recipes/star.py",
    "recipes/star_records.py",
    "scheduling/draw.py",
    "scheduling/scheduler.py",
)
EVOL = """
agents:
  coach: {model: offline/coach}
  tutor: {model: offline/tutor}
  judge: {model: offline/referee}
recipe: evol
evol: {writer: coach, responder: tutor, judge: judge}
"""
MINE = '''
from star_agents.recipes.protocol import Measure, done, recipe, sft
from star_agents.records import Reward, Sample, Trial


@recipe(pools={"style": ["plain", "tricky"]}, measures=[Measure("words", high=100)])
async def mine(seed, bench, settings):
    """Answers of one agent."""
    (style,) = await bench.draw("style")
    read = await bench.ask("tutor", seed.sample.question, step="answer")
    sample = Sample(instruction=seed.sample.instruction, response=read.value)
    trial = Trial(arm=style, sample=sample, measures={"words": len(read.value.split())})
    earned = [Reward(pool="style", arm=style, value=1)]
    return done(seed, rows=[sft(sample, from_trials=[0])], trials=[trial], earned=earned)
'''
IMPORT_ALL = """
import importlib, pkgutil, star_agents
names = [one.name for one in pkgutil.walk_packages(star_agents.__path__, "star_agents.") if "__main__" not in one.name]
for name in names:
    importlib.import_module(name)
print(star_agents.__file__, len(names))
"""

RUN_ALL = """
import json, sys
from storage_commands import star
shown = [star(*words) for words in json.loads(sys.argv[1])]
print(json.dumps([[one.code, one.out, one.err] for one in shown]))
"""
"""Commands one after another: their imports are the most of what they cost."""


@pytest.fixture(scope="module")
def without_star(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a copy of the package without Star."""
    folder = tmp_path_factory.mktemp("without_star")
    shutil.copytree(PACKAGE, folder / "star_agents")  # What is compiled of it, too: without its source none is loaded.
    for part in STARS:
        path = folder / "star_agents" / part
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


def python(without_star: Path, *arguments: str | Path, at: Path | None = None) -> str:
    """What the interpreter prints that finds this copy first."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": f"{without_star}:{TESTS}", "HF_HUB_OFFLINE": "1"},
        cwd=at or without_star,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_every_module_that_is_left_imports(without_star: Path) -> None:
    place, count = python(without_star, "-c", IMPORT_ALL).split()
    assert Path(place).is_relative_to(without_star)
    assert int(count) > 300


def test_the_recipes_that_are_left_are_listed_and_star_is_none_of_them(without_star: Path) -> None:
    told = json.loads(python(without_star, "-m", "star_agents", "recipes", "--json"))
    names = [one["name"] for one in told["recipes"]]
    assert "evol" in names
    assert "star" not in names


@pytest.mark.parametrize(
    ("recipe", "config"), [("evol", EVOL), ("mine", EVOL.replace("recipe: evol", "recipe: ./mine.py:mine"))]
)
def test_another_recipe_works_from_seed_to_report(without_star: Path, tmp_path: Path, recipe: str, config: str) -> None:
    if recipe == "mine":
        config = config.partition("evol:")[0]
        (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "agents.yaml").write_text(config)
    out = tmp_path / "out"

    commands = (
        ("run", "-s", "offline", "-n", "6", "-o", out, "-q", "-y"),
        ("status", out, "--json"),
        ("export", out, "-f", "messages", "-o", tmp_path / "rows.jsonl"),
        ("report", out, "-o", tmp_path / "report.html"),
    )
    words = json.dumps([[str(one) for one in command] for command in commands])
    shown = json.loads(python(without_star, "-c", RUN_ALL, words, at=tmp_path))
    assert [code for code, _, _ in shown] == [0] * len(commands), shown
    told = json.loads(shown[1][1])["recipes"][recipe]
    assert sum(told["outcomes"].values()) == 6
    assert told["trials"] >= 6
    rows = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(rows) == told["rows"]["sft"] > 0
    assert (tmp_path / "report.html").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tests", ["test_own_recipe.py", "test_evol.py", "test_offline_evolving.py"])
def test_the_tests_of_other_recipes_pass_without_it(without_star: Path, tmp_path: Path, tests: str) -> None:
    options = ("-q", "-x", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'own'}")
    code = "import star_agents, pytest, sys; print(star_agents.__file__); sys.exit(pytest.main(sys.argv[1:]))"
    place, *_ = python(without_star, "-c", code, *options, TESTS / tests).split()
    assert Path(place).is_relative_to(without_star)
