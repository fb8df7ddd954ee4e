"""A recipe of somebody's own that does wrong in every way: its seed is dropped and told, and nothing else is hurt."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from textwrap import dedent, indent

import anyio
import pytest
from canary import found_in, texts_of
from lines import read_jsonl, run
from openai_server import Answer, Body, OpenAIServer

from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError
from star_agents.records import Document, Seed

STARS_OWN = "star: {selection: random, base_pairs: [{instruction: keep, response: seed}]}\nmemory: 'off'\n"
HEAD = """\
import asyncio
import sys
from dataclasses import replace
from star_agents.recipes.protocol import Measure, done, dropped, preference, recipe, sft
from star_agents.recipes.reads import Json
from star_agents.records import Document, Failure, Judgement, Outcome, Reward, Row, Sample, Seed, Trial

GOOD = Sample(instruction="i", response="r")

@recipe(takes="document", pools={"style": ["plain", "formal"]}, measures=[Measure("words")])
async def mine(seed, bench, settings):
    if seed.document.text == "good":
        return done(seed, rows=[sft(GOOD)])
"""
FIRST_LINE = HEAD.count("\n") + 1


def echo(body: Body) -> Answer:
    return Answer(text=f"Said to {body['messages'][-1]['content']}")


async def reason_of(folder: Path, work: str, *, more: str = "", respond: object = echo) -> str:
    """Why the seed is dropped for which a recipe does ``work``, while the one beside it gives its row."""
    (folder / "mine.py").write_text(HEAD + indent(dedent(work), "    "))
    async with OpenAIServer(respond) as server:  # type: ignore[arg-type]
        agent = f'{{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        (folder / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: ./mine.py:mine\n{more}")
        seeds = [Seed.of(Document(text="bad")), Seed.of(Document(text="good"))]
        result = await run(read_config(folder / "agents.yaml"), seeds, folder / "out")
    assert result.summary["counts"] == {**result.summary["counts"], "kept": 1, "dropped": 1}
    assert len(read_jsonl(folder / "out" / "dataset.jsonl")) == 1
    (row,) = read_jsonl(folder / "out" / "rejected.jsonl")
    return str(row["reason"])


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("raise asyncio.CancelledError", "CancelledError"),
        ("asyncio.current_task().cancel()\nawait asyncio.sleep(0)", "CancelledError"),
        ("task = asyncio.create_task(asyncio.sleep(9)); task.cancel(); await task", "CancelledError"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def again(): again()\nagain()", "RecursionError: maximum recursion depth exceeded"),
        ("async with asyncio.timeout(0): await asyncio.sleep(9)", "TimeoutError"),
        ("raise BaseExceptionGroup('several', [ValueError('x'), SystemExit()])", "ValueError: x"),
    ],
)
async def test_whatever_a_recipe_raises_drops_its_seed_and_names_file_and_line(
    tmp_path: Path, work: str, told: str
) -> None:
    reason = await reason_of(tmp_path, work)
    last = FIRST_LINE + work.count("\n") if "again" not in work else FIRST_LINE
    assert reason == f"recipe mine failed: mine.py:{last}: {told}"


@pytest.mark.parametrize(
    "error",
    ["StoreError('lost')", "ScorerError('lost')", "ConfigError([])", "BudgetExhausted('spent')", "UsageError('odd')"],
)
async def test_an_error_of_ours_that_a_recipe_raises_itself_is_a_fault_of_its_code_and_ends_nothing(
    tmp_path: Path, error: str
) -> None:
    work = f"from star_agents import errors\nraise errors.{error}"
    name = error.partition("(")[0]
    assert (await reason_of(tmp_path, work)).startswith(f"recipe mine failed: mine.py:{FIRST_LINE + 1}: {name}")


async def test_a_fault_in_one_job_waits_for_its_siblings_whose_answers_are_paid_for(tmp_path: Path) -> None:
    work = """
        async def bad(): raise SystemExit("no")
        await bench.gather(bad(), bench.ask("a", "hello", step="s"))
        """
    assert await reason_of(tmp_path, work) == f"recipe mine failed: mine.py:{FIRST_LINE + 1}: SystemExit: no"
    (tmp_path / "again").mkdir()
    fine = 'return dropped(seed, (await bench.ask("a", "hello", step="s")).text)'
    (tmp_path / "out").rename(tmp_path / "again" / "out")
    (tmp_path / "mine.py").rename(tmp_path / "again" / "first.py")
    (tmp_path / "again" / "mine.py").write_text(HEAD + "    " + fine)
    agents = (tmp_path / "agents.yaml").read_text()
    (tmp_path / "again" / "agents.yaml").write_text(agents)
    config = read_config(tmp_path / "again" / "agents.yaml")
    result = await run(config, [], tmp_path / "again" / "out", retry_dropped=True)  # The server is gone.
    (row,) = read_jsonl(tmp_path / "again" / "out" / "rejected.jsonl")
    assert (row["reason"], result.calls) == ("Said to hello", 0)


async def test_a_job_that_gives_nothing_keeps_its_place_among_the_results(tmp_path: Path) -> None:
    work = """
        async def nothing(): return None
        told = await bench.gather(nothing(), bench.ask("a", "hello", step="s"))
        return dropped(seed, f"{told.results[0]}, {told.results[1].text}")
        """
    assert await reason_of(tmp_path, work) == "None, Said to hello"


async def test_what_is_wrong_with_an_agent_goes_on_as_such_out_of_a_group_of_tasks(tmp_path: Path) -> None:
    work = """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.ask("nobody", "hello", step="s"))
        """
    told = await reason_of(tmp_path, work)
    assert told.startswith("recipe mine asks an agent 'nobody' that is not in agents.yaml (mine.py:")


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("pass", "recipe mine gave None in place of an outcome; end with `return done(seed, ...)`"),
        ("return 'x'", "recipe mine gave str in place of an outcome"),
        ("return dropped(seed, None)", "the reason for which it drops the seed is None and has to be a text"),
        ("return Outcome(seed_id=seed.id, kind='good')", "the kind of its outcome is 'good'; there are: kept"),
        (
            "return done(seed, trials=[Trial(arm='plain', sample=GOOD, notes={'a': 1})])",
            "'a' in the notes of a trial is",
        ),
        ("return Outcome(seed_id=seed.id, kind='dropped', rows=(sft(GOOD),))", "its outcome drops the seed and has"),
        ("return done(seed, worth=float('nan'))", "what it says that the seed is worth is nan and has to be a number"),
        ("return done(seed, rows=[GOOD])", "rows holds Sample, and each has to be a Row"),
        ("return done(seed, rows=[Row(shape='odd', data={})])", "the shape of row 1 is 'odd'; there are: sft"),
        ("return done(seed, rows=[Row(shape='sft', data={'text': 'x'})])", "row 1 holds no sample as"),
        ("return done(seed, rows=[sft(GOOD), sft(Sample(instruction='i'))])", "row 2 is to fine-tune on and has no"),
        (
            "return done(seed, rows=[sft(replace(GOOD, instruction={'a': 1}))])",
            "the instruction of the sample of row 1 is dict and has to be a text",
        ),
        ("return done(seed, rows=[sft(GOOD, labels={'a': 3})])", "'a' in the labels of row 1 is int and has to be a"),
        ("return done(seed, rows=[sft(GOOD, from_trials=[0])])", "row 1 is from trial 0, and there are 0"),
        ("return done(seed, rows=[preference(GOOD, 'a', None)])", "`rejected` of row 1 is None and has to be a text"),
        (
            "return done(seed, rows=[preference(GOOD, 'a', 'b', margin=float('nan'))])",
            "`margin` of row 1 is nan and has to be a number",
        ),
        (
            "return done(seed, rows=[Row(shape='sft', data={**sft(GOOD).data, 'more': {1}})])",
            "its outcome holds what is no plain data and cannot be written: Object of type set",
        ),
        (
            "return done(seed, rows=[sft(replace(GOOD, response='x' * (1 << 26)))])",
            "characters, and 67,108,864 are possible",
        ),
        ("return done(seed, trials=[Trial(arm=None, sample=GOOD)])", "the arm of a trial is None and has to be a text"),
        (
            "return done(seed, trials=[Trial(arm='plain', sample=GOOD, measures={'words': 'x'})])",
            "measure 'words' of a trial is 'x' and has to be a number",
        ),
        ("return done(seed, judgements=[Judgement(judge=None, left=0, right=1)])", "the judge of a judgement is None"),
        ("return done(seed, earned=[Reward(pool='style', arm='odd', value=1)])", "which has no such arm"),
        ("return done(seed, earned=[Reward(pool='style', arm='plain', value='1')])", "the reward of 'plain' is '1'"),
        ("return done(seed, earned=[Reward(pool='style', arm='plain', value=float('nan'))])", "is nan and has to be"),
        (
            "return done(seed, rows=[preference(GOOD, 'same ', ' same')])",
            "`chosen` and `rejected` of row 1 are the same text, which teaches nothing; leave the row out",
        ),
        (
            "return done(seed, rows=[preference(GOOD, 'same', 'same', margin=1)])",
            "`chosen` and `rejected` of row 1 are the same text",
        ),
        ("return done(seed, rows=[preference(GOOD, ' ', 'b')])", "`chosen` of row 1 is empty"),
        ("return done(seed, rows=[preference(GOOD, 'a', '', margin=1)])", "`rejected` of row 1 is empty"),
        ("return done(seed, rows=[preference(GOOD, 'a', 'b', margin=-1)])", "`margin` of row 1 is below 0"),
        (
            "return done(seed, rows=[preference(replace(GOOD, instruction='\\n'), 'a', 'b')])",
            "the instruction of row 1 is empty",
        ),
        (
            "return done(seed, rows=[sft(replace(GOOD, instruction=''))])",
            "the instruction of row 1 is empty",
        ),
        ("return done(seed, rows=[sft(replace(GOOD, response=' '))])", "row 1 is to fine-tune on and has no response"),
        (
            "return done(seed, rows=[Row(shape='instruction', data=sft(replace(GOOD, instruction=' ')).data)])",
            "the instruction of row 1 is empty",
        ),
        (
            "return done(seed, rows=[Row(shape='sft', data={**sft(GOOD).data, 'score': float('nan')})])",
            "its outcome holds what is no plain data and cannot be written: Out of range float values",
        ),
        ("return done(seed, children=[bench.child(Sample(instruction=''))])", "the text of a child is empty"),
        (
            "return done(seed, earned=[Reward(pool='style', arm='plain', value=1)])",
            "rewards arm 'plain' of pool 'mine.style', which was not drawn for this seed; reward what was drawn",
        ),
        (
            "(arm,) = await bench.draw('style')\n"
            "return done(seed, earned=[Reward(pool='style', arm=arm, value=1)] * 2)",
            "of pool 'mine.style' 2 times, and it was drawn 1 time; give one reward for a draw",
        ),
        (
            "return done(seed, children=[bench.child(GOOD, labels={'style': 'plain'})])",
            "labels a child with arm 'plain' of pool 'mine.style', which was not drawn for this seed",
        ),
        (
            "(arm,) = await bench.draw('style')\n"
            "earned = [Reward(pool='style', arm=arm, value=1)]\n"
            "return done(seed, earned=earned, children=[bench.child(GOOD, labels={'style': arm})])",
            "1 times and by the children that it labels, and it was drawn 1 time; give one reward for a draw",
        ),
        ("return done(seed, children=[seed])", "a child is not made by `bench.child(...)`"),
        ("return done(seed, children=[Seed.of(Document(text='x'))])", "a child is not made by `bench.child(...)`"),
        (
            "return done(seed, children=[bench.child(Sample(instruction=None))])",
            "the instruction of the content of a child is None and has to be a text",
        ),
    ],
)
async def test_an_outcome_that_could_not_be_written_or_read_drops_its_seed_and_says_what_is_wrong_with_it(
    tmp_path: Path, work: str, told: str
) -> None:
    reason = await reason_of(tmp_path, work)
    assert reason.startswith("recipe mine")
    assert told in reason
    assert "(mine.py:" in reason


async def test_text_of_half_a_character_may_be_the_name_of_an_arm(tmp_path: Path) -> None:
    work = r"""
        if seed.document.text == "bad":
            return dropped(seed, "tried", trials=[Trial(arm="\ud800", role="\ud800", sample=GOOD)])
        """
    assert await reason_of(tmp_path, work) == "tried"


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("await bench.compare(GOOD, GOOD, judges=['nobody'], step='s')", "asks an agent 'nobody' that is not in"),
        ("await bench.measure([GOOD])", 'measures, and does not declare needs=["scorer"]'),
        ("await bench.measure([GOOD], by='reward')", "measures by 'reward'; there are: ifd; add it to scoring.scorers"),
        ("await bench.ask('a', 'x', step='s', reads=Json({'type': 'text'}))", "the schema has type 'text'; there are:"),
        ("await bench.ask('a', 'x', step='s', reads=Json({'type': 'object'}))", "holds no JSON object"),
    ],
)
async def test_what_a_bench_cannot_do_is_told_with_the_line_that_asks_for_it(
    tmp_path: Path, work: str, told: str
) -> None:
    def respond(body: Body) -> Answer:
        return Answer(text='{"n": NaN, "m": 1e999}')

    assert told in await reason_of(tmp_path, work, respond=respond)


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ('takes="documents"', "ValueError: takes 'documents'; there are: sample, instruction, document"),
        ('needs="scorers"', "ValueError: needs 'scorers'; there are: scorer, judges"),
        ('pools={"style": "plain"}', "ValueError: pool 'style' holds 'plain'; give it a list of texts"),
        ('pools={"level": [1, 2]}', r"ValueError: pool 'level' holds \[1, 2\]; give it a list of texts"),
        ("settings=dict", "ValueError: settings is <class 'dict'>; give it a class that is made of `Settings`"),
        ('name=sys.exit("enough")', "SystemExit: enough"),
    ],
)
def test_a_declaration_of_what_there_is_not_is_told_with_its_line(tmp_path: Path, declared: str, told: str) -> None:
    (tmp_path / "mine.py").write_text(
        f"import sys\nfrom star_agents.recipes.protocol import recipe\n\n@recipe({declared})\nasync def mine(*all): ..."
    )
    agent = '{model: openai/m, api_base: "http://127.0.0.1:1/v1", api_key: os.environ/LINE_TEST_KEY}'
    (tmp_path / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: ./mine.py:mine\n")
    with pytest.raises(ConfigError, match=rf"agents.yaml:2: recipe: .*mine.py:4: cannot be loaded: {told}"):
        read_config(tmp_path / "agents.yaml")


def test_arms_that_cannot_be_made_are_told_before_anything_is_worked(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HEAD.replace('["plain", "formal"]', "lambda settings, agents: settings.styles"))
    agent = '{model: openai/m, api_base: "http://127.0.0.1:1/v1", api_key: os.environ/LINE_TEST_KEY}'
    (tmp_path / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: ./mine.py:mine\n")
    told = r"agents.yaml:2: recipe: recipe mine: the arms of pool 'style' cannot be made: AttributeError"
    with pytest.raises(ConfigError, match=told):
        read_config(tmp_path / "agents.yaml")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('@recipe(takes="document", name="_mine")', "a recipe cannot be called '_mine'; its settings stand under"),
        ('@recipe(takes="document", name="model_dump")', "a recipe cannot be called 'model_dump'; its settings stand"),
        ('@recipe(takes="document", name="my.recipe")', "a recipe cannot be called 'my.recipe'; its settings stand"),
        (
            "class Never(Settings):\n    def __init__(self): raise ValueError('never')\n\n@recipe(settings=Never)",
            "its settings as they are when left out: cannot be loaded: ValueError: never",
        ),
    ],
)
def test_a_name_or_settings_for_which_agents_yaml_has_no_place_are_told(
    tmp_path: Path, written: str, told: str
) -> None:
    head = "from star_agents.recipes.protocol import Settings, recipe"
    (tmp_path / "mine.py").write_text(f"{head}\n\n{written}\nasync def mine(*all): ...")
    agent = '{model: openai/m, api_base: "http://127.0.0.1:1/v1", api_key: os.environ/LINE_TEST_KEY}'
    (tmp_path / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: ./mine.py:mine\n")
    with pytest.raises(ConfigError, match=rf"agents.yaml:2: recipe: .*mine.py:mine: {told}"):
        read_config(tmp_path / "agents.yaml")


async def test_a_reason_is_kept_without_keys_and_not_longer_than_a_page(tmp_path: Path) -> None:
    work = 'import os\nreturn dropped(seed, os.environ["LINE_TEST_KEY"] + " " + "x" * 5000)'
    reason = await reason_of(tmp_path, work)
    assert reason.startswith("*** xxx")
    assert len(reason) == 1001


async def test_keys_that_a_recipe_writes_anywhere_are_struck_before_anything_of_them_is_stored(tmp_path: Path) -> None:
    work = """
        import os
        key = os.environ["LINE_TEST_KEY"]
        assert await bench.once(key, lambda: {key: [key]}) == {"***": ["***"]}
        await bench.ask("a", "hello", step=key)
        with_key = Sample(instruction=f"use {key}", input=key, response=f"key: {key}")
        rows = [sft(with_key, labels={key: key}), preference(GOOD, key, "b"), preference(GOOD, key, "c", margin=1)]
        failure = Failure(kind="call", detail=key)
        trials = [Trial(arm=key, sample=with_key, role=key, failure=failure, models={key: key})]
        judgements = [Judgement(judge=key, left=0, right=0, reason=f"since {key}")]
        child = bench.child(with_key)
        child = replace(child, source=key, meta={key: [key]})
        if seed.document.text == "bad":
            return dropped(seed, key, trials=trials)
        return done(seed, rows=rows, trials=trials, judgements=judgements, children=[child])
        """
    good = HEAD.replace('    if seed.document.text == "good":\n        return done(seed, rows=[sft(GOOD)])\n', "")
    (tmp_path / "mine.py").write_text(good + indent(dedent(work), "    "))
    async with OpenAIServer(echo) as server:
        agent = f'{{model: openai/m, api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY}}'
        (tmp_path / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: [./mine.py:mine, star]\n{STARS_OWN}")
        seeds = [Seed.of(Document(text="bad")), Seed.of(Document(text="good"))]
        result = await run(read_config(tmp_path / "agents.yaml"), seeds, tmp_path / "out")
    assert result.summary["counts"]["dropped"] == 1
    row, *_ = read_jsonl(tmp_path / "out" / "dataset.jsonl")
    assert row["messages"][-1]["content"] == "key: ***"
    assert found_in(texts_of(tmp_path / "out"), {"key": os.environ["LINE_TEST_KEY"]}) == []


async def test_work_that_stops_for_faults_of_a_recipe_says_where_the_most_frequent_one_is(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HEAD + "    raise ValueError('odd')\n")
    agent = '{model: openai/m, api_base: "http://127.0.0.1:1/v1", api_key: os.environ/LINE_TEST_KEY}'
    (tmp_path / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: ./mine.py:mine\n")
    seeds = [Seed.of(Document(text=f"bad {number}")) for number in range(200)]
    result = await run(read_config(tmp_path / "agents.yaml"), seeds, tmp_path / "out")
    assert "allows 50%: recipe mine failed " in result.stopped_by
    assert f" seeds: mine.py:{FIRST_LINE}: ValueError (first: odd). Mend the recipe, " in result.stopped_by
    assert 0 < result.summary["counts"]["dropped"] < 200


async def test_a_fault_of_an_installed_recipe_is_its_own_too_and_no_fault_of_this_package(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(HEAD + "    sys.exit('theirs')\n")
    (tmp_path / "theirs-1.dist-info").mkdir()
    (tmp_path / "theirs-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    group = "[star_agents.recipes]\nour_recipe = theirs:mine\n"
    (tmp_path / "theirs-1.dist-info" / "entry_points.txt").write_text(group)
    agent = '{model: openai/m, api_base: "http://127.0.0.1:1/v1", api_key: os.environ/LINE_TEST_KEY}'
    (tmp_path / "agents.yaml").write_text(f"agents: {{a: {agent}}}\nrecipe: our_recipe\n")
    (tmp_path / "documents.jsonl").write_text('{"document": "good"}\n{"document": "bad"}\n')
    command = [sys.executable, "-m", "star_agents", "run", "-q", "-s", "documents.jsonl", "-o", "out"]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = await anyio.run_process(command, check=False, cwd=tmp_path, env=environ)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    (row,) = read_jsonl(tmp_path / "out" / "rejected.jsonl")
    assert row["reason"] == f"recipe our_recipe failed: theirs.py:{FIRST_LINE}: SystemExit: theirs"
