"""What recipes did, in sums: the same as a recount, kept with the declaration, and told by every status alike."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import run
from older_release import DOWN_TO_11
from openai_server import OpenAIServer
from storage_samples import make_seed
from test_own_recipe import STUDY, documents, respond, written

from star_agents.cli.status import command as status_command
from star_agents.engine.configuration import read_config
from star_agents.engine.run_facts import read_facts
from star_agents.engine.stored_status import status_of_folder
from star_agents.records import Declaration, Failure, Measure, Outcome, Reward, Row, Sample, Trial
from star_agents.report.run_page import run_page
from star_agents.storage import ledger, recipe_tallies, tallies
from star_agents.storage.migrations import migrate, scripts
from star_agents.storage.reader import StoreReader
from star_agents.storage.recipe_facts import ends_in_words
from star_agents.storage.recipe_tallies import BINS, MICRO, ArmTally, MeasureTally, RecipeTally

WORDS = Measure("words", low=0.0, high=100.0)
SCORE = Measure("score", low=-1.0, high=2.0, better="low", what="how far off")
SAMPLE = Sample(instruction="Why?", response="So.")
ARMS = st.tuples(st.sampled_from(["one.style", "one.level"]), st.sampled_from(["plain", "hard", "ünïcode \ud800"]))
REWARDS = st.builds(lambda at, value: Reward(pool=at[0], arm=at[1], value=value), ARMS, st.floats(0, 1))
VALUES = st.none() | st.floats(-50, 150, allow_nan=False) | st.sampled_from([0.0, 2.5, 97.5, 100.0])
TRIALS = st.builds(
    lambda failure, measures: Trial(arm="plain", sample=SAMPLE, failure=failure, measures=measures),
    st.none() | st.builds(Failure, kind=st.sampled_from(["call", "format"]), detail=st.just("no")),
    st.dictionaries(st.sampled_from(["words", "score"]), VALUES),
)
ROWS = st.builds(lambda shape: Row(shape=shape, data={"sample": SAMPLE.to_dict()}), st.sampled_from(["sft", "reward"]))


@contextmanager
def open_database() -> Iterator[sqlite3.Connection]:
    """A store without a thread or a disk."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, Path("memory"), scripts())
        yield connection


@st.composite
def outcomes(draw: st.DrawFn, number: int) -> Outcome:
    """An outcome of one of two recipes."""
    children = draw(st.lists(st.integers(100, 104), max_size=2, unique=True))
    return Outcome(
        seed_id=make_seed(number).id,
        kind=draw(st.sampled_from(["kept", "dropped"])),
        recipe=draw(st.sampled_from(["one", "two"])),
        rows=tuple(draw(st.lists(ROWS, max_size=3))),
        children=tuple(make_seed(number).child(make_seed(n).sample, recipe="two", kind="sample") for n in children),
        trials=tuple(draw(st.lists(TRIALS, max_size=3))),
        earned=tuple(draw(st.lists(REWARDS, max_size=3))),
        drawn=tuple(draw(st.lists(ARMS, max_size=3))),
    )


def commit(connection: sqlite3.Connection, number: int, outcome: Outcome) -> int:
    """Commit an outcome; how many of its children were queued."""
    ledger.add_seeds(connection, [make_seed(number)], 0.0)
    committed = ledger.commit_outcome(
        connection, outcome, foresee=lambda _: {}, memory=None, revision=1, at=float(number)
    )
    return committed.new_children


def recount(
    committed: Sequence[Outcome], children: Mapping[str, int], measures: Sequence[Measure], *, in_chain: bool = True
) -> Any:
    """Recipes and pools from the outcomes themselves, where ``one`` declares these measures."""
    recipes = []
    for name in ("one", "two"):
        mine = [outcome for outcome in committed if outcome.recipe == name]
        trials = [trial for outcome in mine for trial in outcome.trials]
        if not mine and name == "two":
            continue
        recipes.append(
            RecipeTally(
                name=name,
                takes=("sample",) if name == "one" else (),
                in_chain=name == "one" and in_chain,
                outcomes=dict(Counter(outcome.kind for outcome in mine)),
                rows=dict(Counter(row.shape for outcome in mine for row in outcome.rows)),
                children=children.get(name, 0),
                trials=dict(Counter(trial.failure.kind if trial.failure else "" for trial in trials)),
                measures=tuple(measured(one, trials) for one in measures) if name == "one" else (),
            )
        )
    rewards = [reward for outcome in committed for reward in outcome.earned]
    drawn = Counter(at for outcome in committed for at in outcome.drawn)
    pools: dict[str, dict[str, ArmTally]] = {}
    for pool, arm in {*drawn, *((reward.pool, reward.arm) for reward in rewards)}:
        earned = [round(one.value * MICRO) for one in rewards if (one.pool, one.arm) == (pool, arm)]
        tried = sum(
            trial.arm == arm for outcome in committed if (pool, arm) in outcome.drawn for trial in outcome.trials
        )
        told = ArmTally(draws=drawn[pool, arm], rewards=len(earned), earned=sum(earned), tried=tried)
        pools.setdefault(pool, {})[arm] = told
    return tuple(recipes), pools


def measured(measure: Measure, trials: Sequence[Trial]) -> MeasureTally:
    values = [value for trial in trials if (value := trial.measures.get(measure.name)) is not None]
    ends = [measure.low + (measure.high - measure.low) * number / BINS for number in range(BINS + 1)]
    ends[0], ends[-1] = float("-inf"), float("inf")
    bins = tuple(sum(low <= value < high for value in values) for low, high in pairwise(ends))
    total = 0.0
    for value in values:
        total += value
    return MeasureTally(measure=measure, n=len(values), total=total, histogram=bins)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_recipes_did_is_what_a_recount_of_every_outcome_gives(data: st.DataObject) -> None:
    with open_database() as connection:
        recipe_tallies.declare(connection, [Declaration(recipe="one", takes=("sample",), measures=(WORDS, SCORE))])
        committed: list[Outcome] = []
        children: Counter[str] = Counter()
        for number in range(data.draw(st.integers(0, 6))):
            outcome = data.draw(outcomes(number))
            children[outcome.recipe] += commit(connection, number, outcome)
            committed.append(outcome)
        told = tallies.tallies(connection)
        assert (told.recipes, told.pools) == recount(committed, children, [WORDS, SCORE])
        wider = Measure("words", low=-10.0, high=200.0, what="of another range")
        recipe_tallies.declare(connection, [Declaration(recipe="one", takes=("sample",), measures=(SCORE, wider))])
        told = tallies.tallies(connection)
        assert (told.recipes, told.pools) == recount(committed, children, [SCORE, wider]), "counted again from trials"
        for in_chain, chain in ((True, [Declaration(recipe="one", takes=("sample",))]), (False, [])):
            recipe_tallies.declare(connection, chain)
            assert tallies.tallies(connection).recipes == recount(committed, children, [], in_chain=in_chain)[0]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_store_of_version_9_learns_what_recipes_did_from_what_it_kept(data: st.DataObject) -> None:
    with open_database() as connection:
        for number in range(data.draw(st.integers(0, 4))):
            commit(connection, number, data.draw(outcomes(number)))
        before = tallies.tallies(connection)
        connection.executescript(
            f"{DOWN_TO_11} DROP INDEX waiting_by_recipe; DROP TABLE recipes; DROP TABLE measures;"
            "DELETE FROM tallies WHERE name GLOB 'recipes.*' OR name GLOB 'pools.*';"
            "PRAGMA user_version = 9;"
        )
        migrate(connection, Path("memory"), scripts())
        assert tallies.tallies(connection).recipes == before.recipes


def test_recipes_stand_in_order_of_the_chain_and_those_that_left_it_come_last() -> None:
    with open_database() as connection:
        for chain in (["a", "b", "c"], ["c", "b"]):
            recipe_tallies.declare(connection, [Declaration(recipe=name) for name in chain])
            assert [one.name for one in tallies.tallies(connection).recipes][: len(chain)] == chain
        assert [one.name for one in tallies.tallies(connection).recipes] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"low": 1.0, "high": 1.0}, "give it low < high"),
        ({"high": float("inf")}, "give it low < high"),
        ({"high": 1e300}, "give it low < high"),
        ({"better": "higher"}, "there are: 'high', 'low', ''"),
    ],
)
def test_a_measure_without_a_range_is_refused_where_it_is_declared(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"measure 'm'.*{words}"):
        Measure("m", **fields)


async def test_the_status_of_a_folder_tells_every_recipe_and_pool_in_order_of_the_stages(tmp_path: Path) -> None:
    async with OpenAIServer(respond) as server:
        config = read_config(written(tmp_path, server.url))
        await run(config, documents(3), tmp_path / "out")
    (tmp_path / "mine.py").unlink()  # What a recipe declares stands in the store.
    told = status_of_folder(tmp_path / "out").to_dict()
    assert list(told["recipes"]) == ["study", "answer"]
    study, answer = told["recipes"].values()
    assert study["takes"] == ["document"]
    assert study["outcomes"] == {"kept": 3, "base": 0, "dropped": 0}
    assert (study["rows"], study["children"], study["trials"]) == ({"sft": 15}, 6, 21)
    assert (answer["rows"], answer["children"], answer["measures"]) == ({"sft": 6}, 0, {})
    words = study["measures"]["words"]
    # "Question 0 about text 0?" has five words, and a bin is 2.5 wide.
    assert (words["values"], words["mean"], words["histogram"]) == (21, 5.0, [0, 0, 21, *[0] * 37])
    assert (words["low"], words["high"], words["better"]) == (0.0, 100.0, "high")
    assert list(told["pools"]) == ["study.style"]
    arms = told["pools"]["study.style"]["arms"]
    assert list(arms) == ["plain", "formal"]
    assert sum(arm["probability"] for arm in arms.values()) == pytest.approx(1)
    assert sum(arm["draws"] for arm in arms.values()) == sum(arm["rewards"] for arm in arms.values()) == 3
    assert {arm["mean_reward"] for arm in arms.values() if arm["rewards"]} == {0.75}


async def test_an_arm_that_a_pool_does_not_have_is_no_reward_and_no_label(tmp_path: Path) -> None:
    for number, (place, words) in enumerate(
        [
            ('labels={"style": "curly"}', "labels a child with 'curly' of pool 'study.style', which has no such arm"),
            ('labels={"colour": style}', "labels a child with a pool 'study.colour' that it does not declare"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with OpenAIServer(respond) as server:
            path = written(folder, server.url, study=STUDY.replace('labels={"style": style}', place))
            await run(read_config(path), documents(1), folder / "out")
        with StoreReader(folder / "out") as reader:
            (result,) = reader.results()
        assert words in result.outcome.reason


async def test_the_report_and_the_screen_tell_recipes_in_words_that_fit_and_no_name_is_markup(tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    study = STUDY.replace('"formal"]', f'"{hostile}"]').replace("high=100)", f'high=100, what="long {hostile}")')
    async with OpenAIServer(respond) as server:
        await run(read_config(written(tmp_path, server.url, study=study)), documents(3), tmp_path / "out")
    with StoreReader(tmp_path / "out") as reader:
        html = run_page(read_facts(reader, "run"))
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "9 seeds done: 9 kept, 0 dropped" in text
    assert "3 seeds worked, 0 dropped; rows: 15 sft; 6 seeds for the next recipe; 21 trials." in text
    assert "higher is better; mean 5.000 of 21 values" in text
    assert re.search(r"Pool style .* plain \d+\.\d ?%", text)
    assert "<svg" in html
    assert "<img" not in html
    for of_star in ("kept as their base", "improved", "memory bank", "Which pairs are trusted", "no history yet"):
        assert of_star not in text
    shown = CliRunner().invoke(status_command, [str(tmp_path / "out")], env={"COLUMNS": "200"}).output
    assert re.search(r"study\W+3\W+0\W+15\W+6\W+21\W+0", shown)
    assert re.search(r"words\W+5\W+21\W+0 to 100\W+high", shown)
    assert "pool study.style" in shown


def test_what_became_of_seeds_is_said_read_star_outcome_where_star_alone_is_at_work() -> None:
    counts = {"kept": 4, "base": 2, "dropped": 1}
    said = "4 seeds improved (1 so), 2 kept as their base, 1 dropped"
    assert ends_in_words(counts, ["star"], aside=" (1 so)") == said
    assert ends_in_words(counts, ["star", "mine"]) == "6 seeds kept, 1 dropped"
