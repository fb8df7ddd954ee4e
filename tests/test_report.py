"""The report of a run: what it counts, what it draws, that it stands alone, and that no text in it is ever markup."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from lines import config_for, seeds
from openai_server import OpenAIServer
from star_outcomes import read_star_outcome as stars
from storage_samples import altered, commit, make_dropped, make_outcome, make_seed
from test_score_report import TAGS, Page

import star_agents.web
from star_agents.cli.report import command
from star_agents.config.reading import parse_config
from star_agents.engine.batch import run_batch
from star_agents.engine.run_facts import OTHER_REASONS, REASONS, TO_READ, Reservoir, read_facts
from star_agents.errors import StoreError
from star_agents.recipes.star_records import MEASURES
from star_agents.records import Declaration, Outcome, Sample, Score
from star_agents.report.curves import COLOURED, HEIGHT, LEFT, RIGHT, WIDTH, Edit, Moment, curves, rank, thin
from star_agents.report.facts import RunFacts
from star_agents.report.rendering import render
from star_agents.report.run_page import run_page
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

CONFIG = """
agents:
  a: {model: openai/a, api_key: os.environ/LINE_TEST_KEY}
  b: {model: openai/b, api_key: os.environ/LINE_TEST_KEY}
pairs: [{instruction: keep, response: a}, {instruction: keep, response: b}]
base_pairs: [{instruction: keep, response: seed}]
referee: {agents: [a], exam: "off"}
"""
REPORT_TAGS = TAGS | {"th", "thead", "tbody", "title", "ul", "li"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(tmp_path) as store:
        await store.add_revision("digest", parse_config(CONFIG).model_dump_json())
        await store.declare_recipes([Declaration(recipe="star", measures=MEASURES)])
        yield store


def facts_of(folder: Path) -> RunFacts:
    with StoreReader(folder) as reader:
        return read_facts(reader, "run")


def with_gap(outcome: Outcome, gap: float, pi: float = 1.0) -> Outcome:
    """The same with this gap and π of the chosen one."""
    chosen = stars(outcome).chosen or 0
    score = Score(ifd_small=0.5 + gap, ifd_large=0.5, response_tokens=3)
    candidates = [
        replace(one, score=score, pi=pi) if n == chosen else one for n, one in enumerate(stars(outcome).candidates)
    ]
    return altered(outcome, *candidates)


async def end_seeds(store: Store, *outcomes: Outcome) -> None:
    for outcome in outcomes:
        await commit(store, outcome)


async def some_seeds(store: Store, count: int, **fields: Any) -> list[Any]:
    found = [make_seed(number, **fields) for number in range(count)]
    await store.add_seeds(found)
    return found


async def test_a_real_run_is_told_with_its_own_numbers(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = config_for(server.url, per_agent=", input_cost_per_token: 1.0e-5, output_cost_per_token: 2.0e-5")
        batch = await run_batch(config, seeds(12), "test", tmp_path, retry_dropped=False, console=None)
    facts = facts_of(tmp_path)
    page = Page(run_page(facts))
    assert {key: facts.summary[key] for key in ("counts", "pairs", "cost")} == {
        key: batch.summary[key] for key in ("counts", "pairs", "cost")
    }
    assert facts.summary["curve"][-1]["seq"] == 12
    assert facts.summary["curve"][-1]["probabilities"] == {
        name: one["probability_now"] for name, one in facts.summary["pairs"].items() if one["probability_now"]
    }
    assert "12 seeds done" in page.text
    assert "cost per kept sample" in page.text
    assert all(name in page.text for name in ("keep/a", "keep/b", "keep/c", "Which pairs are trusted", "The referee"))


async def test_the_page_stands_alone_and_runs_nothing(store: Store, tmp_path: Path) -> None:
    some = await some_seeds(store, 30)
    outcomes = [with_gap(make_outcome(seed), number / 50) for number, seed in enumerate(some[:25])]
    await end_seeds(store, *outcomes, *(make_dropped(seed) for seed in some[25:]))
    text = run_page(facts_of(tmp_path))
    page = Page(text)
    assert set(page.tags) <= REPORT_TAGS
    assert not {"src", "href", "style", "onload", "onclick"} & page.attributes
    assert not re.search(r"https?:|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "@media print" in text
    assert [ElementTree.fromstring(svg).tag for svg in page.svgs] == ["svg"] * 2


async def test_what_models_and_people_wrote_is_text_and_never_markup(store: Store, tmp_path: Path) -> None:
    nasty = '</style></div><script>alert("1")</script>&amp;<img src=x onerror=alert(2)>'
    (one, two) = await some_seeds(store, 2, input=nasty)
    outcome = make_outcome(one)
    evil = replace(stars(outcome).candidates[1].candidate, sample=Sample(instruction=nasty, response=nasty))
    candidates = (
        stars(outcome).candidates[0],
        replace(stars(outcome).candidates[1], candidate=evil),
        stars(outcome).candidates[2],
    )
    await end_seeds(store, altered(outcome, *candidates), make_dropped(two, reason=nasty))
    facts = facts_of(tmp_path)
    page = Page(run_page(replace(facts, name=nasty)))
    assert set(page.tags) <= REPORT_TAGS
    assert page.text.count(nasty) >= 6


async def test_names_of_pairs_agents_and_settings_are_text_and_never_markup(store: Store, tmp_path: Path) -> None:
    nasty = '"></svg></title><script>alert("1")</script>'
    await end_seeds(store, *(make_outcome(seed) for seed in await some_seeds(store, 2)))
    facts = facts_of(tmp_path)
    pair, agent = next(iter(facts.summary["pairs"].values())), next(iter(facts.summary["agents"].values()))
    evil = {
        "pairs": {nasty: pair},
        "agents": {nasty: agent},
        "curve": [{"seq": seq, "probabilities": {nasty: 1.0}} for seq in range(3)],
        "edits": [{"seq": 1, "changes": [nasty]}],
        "failures": [{"sentence": nasty}],
        "config": {**facts.summary["config"], "agents": [nasty], "base_pairs": [nasty], "selection": nasty},
    }
    text = run_page(replace(facts, summary={**facts.summary, **evil}))
    page = Page(text)
    assert set(page.tags) <= REPORT_TAGS
    assert [ElementTree.fromstring(svg).tag for svg in page.svgs] == ["svg"] * 2
    assert page.text.count(nasty) >= 7


def test_what_a_template_is_given_is_escaped_wherever_it_puts_it(tmp_path: Path) -> None:
    (tmp_path / "loud.html.jinja").write_text('<p title="{{ said }}">{{ said }}{{ [said]|join }}</p>', encoding="utf-8")
    page = Page(render("loud.html.jinja", beside=tmp_path, said='"><script>\ud800&amp;'))
    assert page.tags == ["p"]
    assert page.attributes == {"title"}
    assert page.text.startswith('"><script>\ufffd&amp;')


def test_a_name_that_a_template_misspells_is_an_error_and_no_empty_place(tmp_path: Path) -> None:
    (tmp_path / "wrong.html.jinja").write_text("<p>{{ summary.countz }}</p>", encoding="utf-8")
    with pytest.raises(UndefinedError, match="countz"):
        render("wrong.html.jinja", beside=tmp_path, summary={"counts": 1})


async def test_the_samples_to_read_are_of_every_sort_and_in_none_twice(store: Store, tmp_path: Path) -> None:
    some = await some_seeds(store, 60)
    kept = [with_gap(make_outcome(seed), number / 100) for number, seed in enumerate(some[:40])]
    based = [make_outcome(seed, kind="base", chosen=0) for seed in some[40:50]]
    await end_seeds(store, *kept, *based, *(make_dropped(seed) for seed in some[50:]))
    stories = facts_of(tmp_path).stories
    ids = {sort: [story["seed"]["id"] for story in found] for sort, found in stories.items()}
    assert ids["best"] == [seed.id for seed in reversed(some[35:40])]
    assert set(ids["typical"]) == {seed.id for seed in some[15:20]}, "about the median of the rest"
    assert set(ids["base"]) < {seed.id for seed in some[40:50]}
    assert set(ids["dropped"]) < {seed.id for seed in some[50:]}
    assert [len(found) for found in ids.values()] == [TO_READ] * 4
    page = Page(run_page(facts_of(tmp_path)))
    assert "won with π" in page.text
    assert "Question 39?" in page.text


async def test_texts_that_are_not_kept_any_more_are_said_to_be_gone(store: Store, tmp_path: Path) -> None:
    (seed,) = await some_seeds(store, 1)
    await end_seeds(store, make_outcome(seed))
    await store.clear_texts(before=2e10)
    assert "not kept any more (retention_days)" in Page(run_page(facts_of(tmp_path))).text


async def test_a_store_that_was_only_opened_says_so_and_one_without_outcomes_has_a_page(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        with pytest.raises(StoreError, match="nothing was worked on here yet"):
            facts_of(tmp_path)
        await store.add_revision("digest", parse_config(CONFIG).model_dump_json())
        page = Page(run_page(facts_of(tmp_path)))
    assert "0 seeds done" in page.text
    assert "no history yet" in page.text


async def test_the_verb_writes_page_and_numbers_while_a_daemon_works_there(store: Store, tmp_path: Path) -> None:
    some = await some_seeds(store, 3)
    await end_seeds(store, *(make_outcome(seed) for seed in some))
    out = tmp_path / "pages" / "report.html"
    out.parent.mkdir()
    done = CliRunner().invoke(command, [str(tmp_path), "-o", str(out), "--json"], catch_exceptions=False)
    assert json.loads(done.stdout) == {
        "report": str(out),
        "summary": str(out.with_name("report.summary.json")),
        "seeds": 3,
    }
    numbers = json.loads(out.with_name("report.summary.json").read_text(encoding="utf-8"))
    assert numbers["counts"]["kept"] == 3
    assert sum(numbers["gaps"]["chosen"]) == 3
    elsewhere = tmp_path / "numbers.json"
    CliRunner().invoke(command, [str(tmp_path), "-o", str(out), "--summary", str(elsewhere)], catch_exceptions=False)
    assert json.loads(elsewhere.read_text(encoding="utf-8")) == numbers


async def test_reasons_for_drops_are_counted_and_there_are_never_too_many(store: Store, tmp_path: Path) -> None:
    some = await some_seeds(store, REASONS + 5)
    await end_seeds(store, *(make_dropped(seed, reason=f"because {n}") for n, seed in enumerate(some)))
    reasons = facts_of(tmp_path).summary["dropped_because"]
    assert len(reasons) == REASONS + 1
    assert reasons[OTHER_REASONS] == 5


# The curve


def moments_of(values: list[list[float]]) -> list[Moment]:
    return [Moment(seq, {f"keep/{n}": value for n, value in enumerate(row)}) for seq, row in enumerate(values)]


PROBABILITY = st.floats(0, 1)


@settings(deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.lists(st.lists(PROBABILITY, min_size=n, max_size=n), min_size=2, max_size=9)
    )
)
def test_every_curve_and_name_lies_inside_the_picture(values: list[list[float]]) -> None:
    drawn = curves(moments_of(values)).shapes
    paths = [shape.at["d"] for shape in drawn if "curve" in shape.css]
    assert len(paths) == len(values[0])
    places = [tuple(map(float, point.split())) for path in paths for point in re.findall(r"[ML]([\d. -]+)", path)]
    assert all(0 <= x <= 880 and 0 <= y <= HEIGHT for x, y in places)
    names = [float(shape.at["y"]) for shape in drawn if shape.tag == "text" and shape.css.startswith("c")]
    assert len(names) == min(len(values[0]), COLOURED)
    assert all(after - before >= 13.8 for before, after in pairwise(names)), "none over another"
    assert all(0 <= y <= HEIGHT for y in names)


def test_a_pair_that_came_later_begins_there_and_one_that_went_ends() -> None:
    moments = [Moment(0, {"keep/a": 1.0}), Moment(1, {"keep/a": 0.5, "keep/b": 0.5}), Moment(2, {"keep/b": 1.0})]
    assert rank(moments) == ["keep/b", "keep/a"]
    said = [shape.says for shape in curves(moments).shapes if "curve" in shape.css]
    assert said == ["keep/a: not in use any more", "keep/b: 100.0%"]


@settings(deadline=None)
@given(st.integers(2, 1000), st.integers(2, 300))
def test_a_thinned_curve_keeps_both_ends_and_its_order(count: int, most: int) -> None:
    moments = [Moment(seq, {}) for seq in range(count)]
    kept = [one.seq for one in thin(moments, most)]
    assert (kept[0], kept[-1]) == (0, count - 1)
    assert kept == sorted(set(kept))
    assert len(kept) == min(count, most)


def test_a_reservoir_gives_every_item_the_same_chance() -> None:
    drawn = [0] * 20
    for run in range(400):
        some = Reservoir[int](5)
        for item in range(20):
            some.add((item + run) % 20)
        for item in some.items:
            drawn[item] += 1
    assert sum(drawn) == 2000
    assert all(60 <= count <= 140 for count in drawn)


def test_a_pair_looks_the_same_in_every_report_and_on_the_page() -> None:
    def looks(moments: list[Moment]) -> dict[str, str]:
        lines = [shape for shape in curves(moments).shapes if "curve" in shape.css]
        return {line.says.partition(":")[0]: line.css for line in lines}

    even = [f"keep/{number:02}" for number in range(12)]
    start = Moment(0, dict.fromkeys(even, 1 / 12))
    first = looks([start, Moment(1, dict(zip(even, range(12), strict=True)))])
    later = looks([start, Moment(1, {**dict(zip(even[::-1], range(12), strict=True)), "a/joined": 50.0})])
    assert len(set(first.values())) == 12
    assert {pair: later[pair] for pair in even} == first

    page = (Path(star_agents.web.__file__).parent / "page" / "base.css").read_text(encoding="utf-8")
    on_the_page = re.findall(r"--series-\d+: light-dark\((#\w+), (#\w+)\);", page)
    style = render("run.css.jinja", coloured=COLOURED)
    for number, (light, dark) in enumerate(on_the_page):
        assert style.index(f"--c{number}:{light};") < style.index(f"--c{number}:{dark};")
    assert len(on_the_page) == COLOURED


def test_edits_of_agents_yaml_are_marks_on_the_curve_with_what_they_changed() -> None:
    moments = moments_of([[0.5, 0.5]] * 11)
    drawn = curves(moments, [Edit(5, "agents.yaml after 5: + agent <b>")])
    (mark,) = (shape for shape in drawn.shapes if shape.css == "edit")
    assert mark.says == "agents.yaml after 5: + agent <b>"
    left, right = float(LEFT), float(WIDTH - RIGHT)
    x = float(re.findall(r"M([\d.]+) ", mark.at["d"])[0])
    assert x == pytest.approx((left + right) / 2, abs=0.1)
