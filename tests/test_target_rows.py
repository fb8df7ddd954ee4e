"""`target_rows` and `quota`: exactly so many rows, the rest spare, and no more seeds than they need."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import fork_server
import pytest
import yaml
from click.testing import CliRunner
from daemons import PATIENCE_S, get, post, start
from daemons import rows as some_seeds
from lines import results

from star_agents.admission.filters import Applied
from star_agents.admission.length import Length
from star_agents.cli.main import cli
from star_agents.config.admission import DuplicatesConfig
from star_agents.config.target import QuotaConfig, TargetConfig
from star_agents.engine.admission import Admission
from star_agents.engine.configuration import check_config, read_config
from star_agents.engine.derived_config import with_recipe
from star_agents.engine.queue import SeedQueue
from star_agents.engine.row_checks import AdmissionRules, look_at
from star_agents.engine.stored_status import status_of_folder
from star_agents.engine.target_rows import Given, RowCounts, TargetRows
from star_agents.engine.target_watch import TargetWatch
from star_agents.engine.wiring import open_engine
from star_agents.errors import ConfigError
from star_agents.events import OutcomeCommitted
from star_agents.observe.bus import Bus
from star_agents.records import Outcome, Row, Sample, Seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

RECIPE = """
from star_agents.recipes.protocol import done, dropped, recipe
from star_agents.records import Row, Sample

@recipe(takes=("sample", "instruction"), gives="sample")
async def some(seed, bench, settings):
    number = int(seed.sample.instruction.split()[-1].rstrip("?"))
    await bench.once("step", lambda: number)
    count = (1, 2, 0)[number % 3]
    asked = [f"{seed.sample.instruction} part {at}" for at in range(count)]
    samples = [Sample(instruction=one, response=f"Yes {number}.") for one in asked]
    rows = [
        Row(shape="sft", data={"sample": one.to_dict()}, labels={"kind": "odd" if number % 2 else "even"})
        for one in samples
    ]
    return done(seed, rows=rows) if rows else dropped(seed, "it gives none")
"""


def folder(tmp_path: Path, seeds: int = 200, **more: Any) -> tuple[Path, Path]:
    """An agents.yaml and its seeds."""
    (tmp_path / "mine.py").write_text(RECIPE)
    rows = tmp_path / "seeds.jsonl"
    rows.write_text("".join(json.dumps({"instruction": f"Question {n}?"}) + "\n" for n in range(seeds)))
    config = {
        "agents": {"coach": {"model": "offline/coach"}},
        "recipe": "./mine.py:some",
        "concurrency": 8,
        "failure_limits": {"seeds": 1.0},
        **more,
    }
    path = tmp_path / "agents.yaml"
    path.write_text(yaml.safe_dump(config))
    return path, rows


def run(path: Path, seeds: Path, out: Path, *more: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["run", "-c", str(path), "-s", str(seeds), "-o", str(out), *more])
    return done.exit_code, done.output


def lines(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(out: Path) -> tuple[int, int]:
    """Rows and spare rows, as status tells them."""
    target = status_of_folder(out).target
    assert target is not None
    return target.rows, target.spare


def test_a_run_ends_at_exactly_so_many_rows_and_keeps_what_was_in_hand_as_spare(tmp_path: Path) -> None:
    path, seeds = folder(tmp_path, target_rows=50)
    code, said = run(path, seeds, tmp_path / "out")
    assert code == 0, said
    assert "target: 50 of 50 rows (sft)" in said
    assert len(lines(tmp_path / "out" / "dataset.jsonl")) == 50
    rows, spare = told(tmp_path / "out")
    target = json.loads((tmp_path / "out" / "summary.json").read_text())["target"]
    assert (target["wanted"], target["rows"], target["spare"]) == (50, rows, spare)
    page = tmp_path / "report.html"
    assert CliRunner().invoke(cli, ["report", str(tmp_path / "out"), "-o", str(page)]).exit_code == 0
    assert "Target: 50 of 50 rows (sft)" in page.read_text()
    assert rows == 50
    assert spare <= 2 * 8
    with StoreReader(tmp_path / "out") as reader:
        counts = reader.counts()
    assert counts.waiting > 0
    assert counts.done <= 50 + 8 + 4, "a seed gives one row, and 8 are in hand at once"


def test_a_larger_number_takes_spare_rows_first_and_a_number_that_is_there_costs_nothing(tmp_path: Path) -> None:
    path, seeds = folder(tmp_path, target_rows=3, concurrency=4)
    out = tmp_path / "out"
    assert run(path, seeds, out)[0] == 0
    with StoreReader(out) as reader:
        before = reader.counts().done
    _, spare = told(out)
    folder(tmp_path, target_rows=3 + max(1, spare), concurrency=4)
    assert run(path, seeds, out)[0] == 0
    assert told(out) == (3 + max(1, spare), 0) or not spare
    with StoreReader(out) as reader:
        assert reader.counts().done == before or not spare, "spare rows were enough"
    assert len(lines(out / "dataset.jsonl")) == 3 + max(1, spare)
    code, said = run(path, seeds, out)
    assert code == 0, said


def test_rows_that_were_spare_enter_once_no_number_is_wanted_any_more_or_one_of_another_shape(tmp_path: Path) -> None:
    for other in ({}, {"target_rows": {"rows": 5, "shape": "preference"}}):
        path, seeds = folder(tmp_path, seeds=20, target_rows=60, quota={"by": "kind", "at_most": 0.05})
        out = tmp_path / f"out{len(other)}"
        assert run(path, seeds, out)[0] == 4
        assert len(lines(out / "dataset.jsonl")) == 6
        folder(tmp_path, seeds=20, **other)
        run(path, seeds, out)
        assert len(lines(out / "dataset.jsonl")) == 21, "as many as without a target"


AGAIN = """
from dataclasses import replace
from star_agents.recipes.protocol import CatchUp, Settings, done, recipe
from star_agents.records import Row, Sample, Trial

class Asked(Settings):
    arms: tuple[str, ...] = ("a",)

def number_of(sample):
    return int(sample.instruction.split()[-1].rstrip("?"))

def row_of(sample):
    return Row(shape="sft", data={"sample": replace(sample, response="Yes.").to_dict()}, labels={"kind": "odd"})

def lacks(outcome, settings):
    return number_of(outcome.trials[0].sample) in (0, 1, 4)

async def again(seed, bench, settings, so_far):
    trials = (*so_far.trials, replace(so_far.trials[0], arm="b"))
    return replace(so_far, trials=trials, rows=(row_of(seed.sample),) if number_of(seed.sample) == 4 else ())

@recipe(settings=Asked, catch_up=CatchUp(arms=lambda settings: settings.arms, lacks=lacks, work=again))
async def some(seed, bench, settings):
    return done(seed, rows=[row_of(seed.sample)], trials=[Trial(arm="a", sample=seed.sample)])
"""


def test_where_a_seed_worked_again_gives_less_a_spare_row_enters_and_none_is_there_twice(
    tmp_path: Path,
) -> None:
    wanted = {"target_rows": 100, "quota": {"by": "kind", "at_most": 0.02}, "concurrency": 1}
    path, seeds = folder(tmp_path, seeds=5, **wanted)
    (tmp_path / "mine.py").write_text(AGAIN)
    assert run(path, seeds, tmp_path / "out")[0] == 4
    assert told(tmp_path / "out") == (2, 3)
    folder(tmp_path, seeds=5, some={"arms": ["a", "b"]}, **wanted)
    (tmp_path / "mine.py").write_text(AGAIN)
    code, said = run(path, seeds, tmp_path / "out")
    assert "3 finished seeds catch up" in said
    assert told(tmp_path / "out") == (2, 1), said
    rows = [row["messages"][0]["content"] for row in lines(tmp_path / "out" / "dataset.jsonl")]
    assert (code, rows) == (4, ["Question 2?", "Question 3?"])


def test_a_smaller_number_leaves_what_is_there_and_says_so(tmp_path: Path) -> None:
    path, seeds = folder(tmp_path, target_rows=20)
    out = tmp_path / "out"
    assert run(path, seeds, out)[0] == 0
    code, said = run(path, seeds, out, "--rows", "10")
    assert code == 0
    assert "target: 20 of 10 rows (sft), " in said
    assert "10 above it were there before and stay" in said
    assert len(lines(out / "dataset.jsonl")) == 20


def test_more_rows_than_can_be_counted_are_refused_in_words(tmp_path: Path) -> None:
    path, seeds = folder(tmp_path)
    code, said = run(path, seeds, tmp_path / "out", "--rows", "99999999999")
    assert code == 2
    assert "Invalid value for '--rows'" in said


def test_a_command_with_a_recipe_of_its_own_wants_no_number_of_rows(tmp_path: Path) -> None:
    agents = {"a": {"model": "offline/coach"}, "b": {"model": "offline/coach"}}
    given = {"agents": agents, "recipe": "evol", "evol": {"writer": "a"}, "target_rows": 3}
    config = check_config({**given, "quota": {"by": "kind", "at_most": 0.5}}, environ={})
    arena = {"target": "a", "opponents": ["b"], "judges": ["b"]}
    made = with_recipe(config, "arena", arena, where="agents.yaml")
    assert (made.target_rows, made.quota) == (None, ())


def test_an_estimate_is_of_the_seeds_that_the_rows_need(tmp_path: Path) -> None:
    path, seeds = folder(tmp_path, target_rows=30)
    code, said = run(path, seeds, tmp_path / "out", "--estimate")
    assert code == 0
    _, spare = told(tmp_path / "out")
    assert spare == 0
    needed = re.search(r"30 rows are expected of (\d+) of the 200 seeds", said)
    assert needed is not None
    assert 20 < int(needed[1]) < 45, said
    assert f"{needed[1]} seeds, estimated from 20" in said


def test_seeds_that_cannot_give_so_many_are_told_early_and_end_with_an_error(tmp_path: Path) -> None:
    path, seeds = folder(tmp_path, target_rows=1_000)
    code, said = run(path, seeds, tmp_path / "out")
    assert code == 4
    assert "target_rows will not be reached: " in said
    assert "the seeds gave 201 of the 1,000 rows that target_rows asks for: give more seeds" in said
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().waiting == 0


def test_a_quota_bounds_each_value_and_what_is_above_it_is_spare(tmp_path: Path) -> None:
    path, seeds = folder(tmp_path, target_rows=60, quota={"by": "kind", "at_most": 0.5})
    code, said = run(path, seeds, tmp_path / "out")
    assert code == 0, said
    rows = lines(tmp_path / "out" / "dataset.jsonl")
    kinds = Counter(json.loads(row["provenance"])["labels"]["kind"] for row in rows)
    assert kinds == {"odd": 30, "even": 30}
    assert "of one kind at most 30" in said
    alone, _ = folder(tmp_path, target_rows=60, quota=[{"by": "kind", "at_most": 0.2}])
    code, said = run(alone, seeds, tmp_path / "other")
    assert code == 4
    assert "the seeds gave 24 of the 60 rows that target_rows asks for; a quota keeps 177 more back" in said


def test_a_quota_of_a_label_that_no_row_has_ends_the_run_before_all_is_paid_in_vain(tmp_path: Path) -> None:
    path, seeds = folder(tmp_path, target_rows=60, quota={"by": "knid", "at_most": 0.2})
    code, said = run(path, seeds, tmp_path / "out")
    assert code == 4
    assert "quota: no row has a label knid, so all count as alike and " in said
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().waiting > 100
    folder(tmp_path, target_rows=60, quota={"by": "kind", "at_most": 0.5})
    code, said = run(path, seeds, tmp_path / "out")
    assert code == 0, said
    assert len(lines(tmp_path / "out" / "dataset.jsonl")) == 60


def test_a_part_of_the_seeds_need_not_reach_it(tmp_path: Path) -> None:
    path, seeds = folder(tmp_path, target_rows=50)
    code, said = run(path, seeds, tmp_path / "out", "-n", "6")
    assert code == 0
    assert "target: 6 of 50 rows (sft)" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"quota": {"by": "kind", "at_most": 0.5}}, "say how many rows there are to be"),
        ({"target_rows": 0}, "target_rows.rows"),
        ({"target_rows": {"rows": 5, "shape": "pairs"}}, "target_rows.shape"),
        ({"target_rows": 5, "quota": [{"by": "a", "at_most": 0.5}] * 2}, "names a label twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(more: Mapping[str, Any], said: str) -> None:
    config = {"agents": {"a": {"model": "offline/coach"}}, "recipe": "evol", "evol": {"writer": "a"}, **more}
    with pytest.raises(ConfigError, match=said):
        check_config(config, environ={})


def test_a_daemon_that_has_its_rows_rests_and_says_so_until_the_number_is_raised_or_taken_out(tmp_path: Path) -> None:
    path, _ = folder(tmp_path, target_rows=5, concurrency=2)
    daemon, base = start(tmp_path, path.read_text())
    with daemon:
        post(base, some_seeds(0, 30))
        told_of = daemon.wait_for("target_reached")["message"]
        assert told_of.startswith("the 5 rows of `target_rows` are there; raise it")
        status = get(base, "/v1/status")
        assert (status["state"], status["waiting_for"]["reason"], status["target"]["rows"]) == ("ready", told_of, 5)
        assert status["seeds"]["waiting"] > 15
        assert set(get(base, "/readyz").values()) == {True}
        folder(tmp_path, target_rows=12, concurrency=2)
        daemon.wait_for("target_reached", lambda line: "the 12 rows" in line["message"])
        assert get(base, "/v1/status")["target"]["rows"] == 12
        folder(tmp_path, concurrency=2)
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 30)
        assert get(base, "/v1/status")["waiting_for"] is None
        assert daemon.end() == 0
    assert sum(line["event"] == "target_reached" for line in daemon.lines) == 2
    assert len(results(tmp_path / "data")) == 30
    with StoreReader(tmp_path / "data") as reader:
        assert sum(len(one.outcome.rows) for one in reader.results()) == 30


def test_rows_of_a_shape_that_the_recipe_never_gives_are_refused_before_anything_is_paid_for() -> None:
    star = {"base_pairs": [{"instruction": "keep", "response": "a"}], "selection": "gap"}
    config = {"agents": {"a": {"model": "offline/coach"}}, "star": star}
    check_config({**config, "target_rows": 5}, environ={})
    with pytest.raises(ConfigError, match=r"target_rows\.shape: star gives no row of shape preference"):
        check_config({**config, "target_rows": {"rows": 5, "shape": "preference"}}, environ={})


async def test_an_edit_that_wants_fewer_rows_than_wait_for_their_commit_gets_exactly_so_many(tmp_path: Path) -> None:
    path, _ = folder(tmp_path, concurrency=16)
    config = read_config(path)
    async with (
        await Store.open(tmp_path / "out") as store,
        open_engine(config, store, bus=Bus(), seeds_expected=16, ends_when_empty=True) as line,
        anyio.create_task_group() as tasks,
    ):
        samples = [Sample(instruction=f"Question {number}?", response="Yes.") for number in range(16)]
        await store.add_seeds([Seed.of(one, source="test") for one in samples])
        turn = line.settling.turn
        with anyio.fail_after(30):
            async with turn:
                tasks.start_soon(line.work)
                while len(line.settling._groups._waiting) < 15:  # The first one has its own commit under way.
                    await anyio.lowlevel.checkpoint()
                edited = config.model_copy(update={"target_rows": TargetConfig(rows=3)})
                tasks.start_soon(line.reconfigure, edited)
                while turn.statistics().tasks_waiting < 2:
                    await anyio.lowlevel.checkpoint()
    assert told(tmp_path / "out") == (3, 13)


def target(rows: int, there: int = 0, *quotas: QuotaConfig) -> TargetRows:
    return TargetRows(TargetConfig(rows=rows), quotas, RowCounts(rows=there), Given())


def outcome(count: int) -> tuple[Outcome, Seed]:
    seed = Seed.of(Sample(instruction="Why?"))
    row = Row(shape="sft", data={"sample": Sample(instruction="Why?", response="So.").to_dict()})
    other = Row(shape="preference", data={})
    return Outcome(seed_id=seed.id, kind="kept", rows=(*[row] * count, other)), seed


def test_rows_of_other_shapes_are_never_spare() -> None:
    given, seed = outcome(3)
    kept, added = target(10, 8).divided(given, seed)
    assert (kept.shapes, added.rows, added.spare) == (("sft", "sft", "preference"), 2, 1)


def test_an_outcome_in_the_place_of_another_counts_what_it_adds_alone() -> None:
    given, seed = outcome(3)
    wanted = target(10, 10)
    before, _ = outcome(2)
    kept, added = wanted.divided(given, seed, before)
    assert (len(kept.rows), added.rows, added.spare) == (3, 0, 1)


def test_a_share_is_meant_as_it_is_written() -> None:
    for at_most, rows, most in ((0.29, 100, 29), (0.57, 100, 57), (0.1, 3, 1), (0.333, 9, 2), (1.0, 7, 7)):
        assert target(rows).most_of(QuotaConfig(by="kind", at_most=at_most)) == most


async def test_an_outcome_worked_again_of_which_nothing_is_admitted_counts_the_rows_that_stay(tmp_path: Path) -> None:
    given, seed = outcome(1)
    wanted = target(5)
    rules = AdmissionRules(DuplicatesConfig(), (Applied(Length(None, (1, 1)), "refuse"),), target=wanted)
    async with await Store.open(tmp_path) as store:
        await store.add_seeds([seed])
        await store.add_revision("d", "{}")
        for answer in ("So.", "Much too long."):
            await store.lease(1)
            sample = Sample(instruction="Why?", response=answer)
            made = replace(given, rows=(Row(shape="sft", data={"sample": sample.to_dict()}),))
            admission = Admission(made, look_at(made, seed, rules), rules, "", seed)
            await store.commit_outcome(made, foresee=lambda _: {}, memory=None, revision=1, admit=admission)
            wanted.take(admission.added)
            assert (wanted.counts.rows, (await store.spare_rows.told("sft")).rows) == (1, 1), answer
            await store.reopen([row.seq for row in await store.outcomes(limit=5)])


def test_seeds_in_hand_are_enough_by_what_seeds_gave_so_far() -> None:
    wanted = target(10)
    assert not wanted.suffices(9)
    assert wanted.suffices(10)
    for _ in range(10):
        wanted.given.add(4)
    assert wanted.suffices(3)
    assert not wanted.suffices(2)
    assert not target(1).suffices(0)
    assert target(1, 1).suffices(0)


class AllWaiting:
    """A store in which seeds wait without end."""

    holds_back = has_put_off = has_to_come = False

    async def call_back(self) -> None:
        """Nothing was put off."""


async def test_workers_that_were_held_go_on_once_what_is_in_hand_is_expected_to_give_less() -> None:
    seed = Seed.of(Sample(instruction="Why?"))

    async def lease() -> list[Seed]:
        return [seed]

    queue, taken = SeedQueue(lease, ends_when_empty=False, store=AllWaiting()), list[Seed | None]()
    queue.suffices = lambda in_hand: in_hand >= 1
    await queue.get()

    async def take() -> None:
        taken.append(await queue.get())

    with anyio.fail_after(60):
        async with anyio.create_task_group() as workers:
            for _ in range(2):
                workers.start_soon(take)
            await anyio.lowlevel.checkpoint()
            queue.suffices = lambda in_hand: in_hand >= 2  # It gave nothing, so that one is not enough.
            queue.seed_ended()
    assert taken == [seed, seed]


def test_nothing_is_said_of_a_chain_while_seeds_are_to_come_that_others_are_made_of() -> None:
    wanted, said = target(1_000), list[str]()
    watch = TargetWatch(wanted, "arena", to_come=60, to_open=2, say=said.append)
    seed = Seed.of(Sample(instruction="Why?"))

    def end(recipe: str, children: int = 0) -> None:
        made = tuple(replace(Seed.of(Sample(instruction=f"{n}?")), recipe="arena") for n in range(children))
        given = Outcome(seed_id=seed.id, kind="kept", recipe=recipe, children=made)
        if not children:
            wanted.given.add(1)
        watch.hear(OutcomeCommitted(seq=1, outcome=given, probabilities={}, new_children=children, seconds=0.0))

    for _ in range(60):
        end("arena")
    end("agent_instruct", 40)
    assert said == []
    end("agent_instruct", 40)
    assert "80 seeds are to come, and a seed gives 1.00 rows" in said[0]
    end("arena")
    assert len(said) == 1


def test_nothing_is_said_of_what_seeds_give_before_fifty_of_them() -> None:
    wanted = target(1_000)
    for _ in range(49):
        wanted.given.add(0)
    assert wanted.shortfall(10) == ""
    wanted.given.add(0)
    assert "0.06 at the most" in wanted.shortfall(10)
    assert wanted.shortfall(100_000) == ""


def killed_until_it_ends(path: Path, seeds: Path, out: Path, chance: random.Random) -> int:
    """Run it again and again, and kill it after so many outcomes; how often."""
    kills = 0
    while True:
        committed, last = 0, chance.randrange(100)
        with fork_server.start(("run", "-v", "-c", path, "-s", seeds, "-o", out)) as process:
            for line in process.stderr:
                committed += "outcome_committed" in line
                if committed >= last and kills < 8:
                    break
            else:
                assert process.wait(PATIENCE_S) == 0
                return kills
            process.kill()
            kills += 1


@pytest.mark.parametrize("run_number", [pytest.param(n, marks=[pytest.mark.slow] * (n > 0)) for n in range(25)])
def test_killed_at_random_it_ends_with_exactly_so_many_rows(tmp_path: Path, run_number: int) -> None:
    path, seeds = folder(tmp_path, seeds=600, target_rows=300)
    assert killed_until_it_ends(path, seeds, tmp_path / "out", random.Random(run_number)) > 1
    rows = lines(tmp_path / "out" / "dataset.jsonl")
    assert len(rows) == len({row["messages"][0]["content"] for row in rows}) == 300
    assert told(tmp_path / "out")[0] == 300
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().done <= 300 + 8 + 4
