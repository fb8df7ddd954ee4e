"""Dialogues in which tools are called: kept as such from seed to export, and text for whoever knows no tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lines import read_jsonl
from storage_samples import fill_store, make_seed
from tiny_models import train_tokenizer

from star_agents.bench.stage import Stage
from star_agents.engine.outcome_rules import check_outcome
from star_agents.errors import RecipeError
from star_agents.recipes.protocol import Settings, Workbench, done, recipe, sft
from star_agents.records import Message, Outcome, Sample, Seed, Tool, ToolCall
from star_agents.records.samples import plain_messages
from star_agents.storage.incoming.seed_files import read_seeds
from star_agents.storage.incoming.seed_rows import read_row, row_of_seed, seed_from_row
from star_agents.storage.outgoing.export import dataset_rows, write_export, write_run_folder
from star_agents.storage.reader import StoreReader

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool.of("weather", "The weather of a city.", SCHEMA)
TIME = Tool(name="time")


def call(id: str, name: str, **arguments: Any) -> ToolCall:
    return ToolCall.of(id, name, arguments)


def calling(*calls: ToolCall, content: str = "") -> Message:
    return Message(role="assistant", content=content, tool_calls=calls)


def gave(id: str, content: str) -> Message:
    return Message(role="tool", content=content, tool_call_id=id)


DIALOGUE = Sample(
    instruction="And in Rome?",
    response="It is 20 degrees in Rome.",
    history=(
        Message(role="system", content="Be brief."),
        Message(role="user", content="How warm is it in Oslo, and how late?"),
        calling(call("a", "weather", city="Oslo"), call("b", "time"), content="One moment."),
        gave("a", "5"),
        gave("b", "noon"),
        Message(role="assistant", content="5 degrees, at noon."),
    ),
    tool_turns=(calling(call("c", "weather", city="Rome")), gave("c", "20")),
    tools=(WEATHER, TIME),
)
ENDS_WITH_A_CALL = Sample(
    instruction="How warm is it in Rome?", tool_turns=(calling(call("1", "weather", city="Rome")),), tools=(WEATHER,)
)
CALLS_NOTHING = Sample(instruction="Say hello.", response="Hello.", tools=(WEATHER,))
SAMPLES = [DIALOGUE, ENDS_WITH_A_CALL, CALLS_NOTHING]
PLAIN = Sample(instruction="Add 1 and 1.", response="2")


def outcome_of(seed: Seed, *samples: Sample) -> Outcome:
    return replace(done(seed, rows=[sft(sample) for sample in samples]), recipe="mine")


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    """A run whose rows are one of text, and three with tools."""
    seeds = [make_seed(number) for number in range(4)]
    pairs = zip(seeds, [PLAIN, *SAMPLES], strict=True)
    await fill_store(tmp_path / "store", *((seed, outcome_of(seed, sample)) for seed, sample in pairs))
    return tmp_path / "store"


async def test_rows_with_tools_go_through_store_and_export_and_are_read_as_the_same_samples(
    store: Path, tmp_path: Path
) -> None:
    with StoreReader(store) as reader:
        assert write_export(dataset_rows(reader, "tools"), tmp_path / "rows.jsonl") == 3
    file = read_seeds(tmp_path / "rows.jsonl")
    assert file.problems == ()
    assert [seed.sample for seed in file.seeds] == SAMPLES
    assert [seed_from_row(row_of_seed(seed), "here").id for seed in file.seeds] == [seed.id for seed in file.seeds]


async def test_a_run_folder_has_them_as_text_among_the_others_and_as_calls_in_a_file_of_their_own(
    store: Path, tmp_path: Path
) -> None:
    with StoreReader(store) as reader:
        write_run_folder(reader, tmp_path / "out")
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 4
    (dialogue, *_) = rows = read_jsonl(tmp_path / "out" / "tools.jsonl")
    assert len(rows) == 3
    assert [turn["role"] for turn in dialogue["messages"]] == [turn.role for turn in DIALOGUE.turns]
    assert dialogue["messages"][2]["tool_calls"][0] == {
        "id": "a",
        "type": "function",
        "function": {"name": "weather", "arguments": {"city": "Oslo"}},
    }
    assert dialogue["messages"][3] == {"role": "tool", "content": "5", "tool_call_id": "a"}
    assert json.loads(dialogue["tools"])[0]["function"]["parameters"] == SCHEMA


async def test_every_format_of_text_tells_tools_calls_and_results_in_three_roles(store: Path) -> None:
    with StoreReader(store) as reader:
        _, dialogue, ends, _ = dataset_rows(reader, "messages")
        completions = [row["completion"][0]["content"] for row in dataset_rows(reader, "prompt-completion")]
    roles = [turn["role"] for turn in dialogue["messages"]]
    assert roles == ["system", *["user", "assistant"] * 4]
    assert dialogue["messages"][0]["content"].startswith("Be brief.\n\nYou may call")
    assert '"name": "weather"' in dialogue["messages"][0]["content"]
    asked = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
    assert dialogue["messages"][2]["content"].startswith(f"One moment.\n{asked}\n<tool_call>")
    assert dialogue["messages"][3]["content"] == (
        "<tool_response>\n5\n</tool_response>\n<tool_response>\nnoon\n</tool_response>"
    )
    assert completions[2] == ends["messages"][-1]["content"] == asked.replace("Oslo", "Rome")


async def test_datasets_loads_rows_with_tools_whichever_comes_first(store: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the test extra is not installed whole")
    datasets.disable_progress_bars()
    with StoreReader(store) as reader:
        rows = list(dataset_rows(reader, "tools"))[:2]
    for number, ordered in enumerate((rows, rows[::-1])):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in ordered))
        loaded = datasets.Dataset.from_json(str(path), cache_dir=str(tmp_path / "cache"), chunksize=64)
        assert [dict(row) for row in loaded] == ordered


@pytest.mark.parametrize("model", ["qwen2_5", "llama3_1"])
async def test_chat_templates_of_models_that_call_tools_write_them(model: str, store: Path) -> None:
    """By the templates that TRL ships. Llama's takes one call in a turn, so the first question is left out."""
    trl = find_spec("trl")
    if trl is None or trl.origin is None:
        pytest.skip("the test extra is not installed whole")
    template = Path(trl.origin).parent / "chat_templates" / f"{model}.jinja"
    tokenizer = train_tokenizer(chat_template=template.read_text())
    with StoreReader(store) as reader:
        (row, *_) = dataset_rows(reader, "tools")
    messages = row["messages"] if model == "qwen2_5" else row["messages"][6:]
    told = str(tokenizer.apply_chat_template(messages, tools=json.loads(row["tools"]), tokenize=False))
    named = "parameters" if model == "llama3_1" else "arguments"
    assert f'{{"name": "weather", "{named}": {{"city": "Rome"}}}}' in told
    assert '"required"' in told
    assert told.index("20") < told.index("It is 20 degrees")


# Seeds

ROW = row_of_seed(Seed.of(DIALOGUE))


def test_calls_without_ids_and_with_arguments_as_text_are_read_as_openai_and_templates_write_them() -> None:
    turns = json.loads(json.dumps(ROW["messages"]))
    for turn in turns:
        turn.pop("tool_call_id", None)
        for one in turn.get("tool_calls", ()):
            one["function"]["arguments"] = json.dumps(one["function"]["arguments"])
            del one["id"]
    sample = seed_from_row({"messages": turns, "tools": json.loads(ROW["tools"])}, "here").sample
    assert [one.id for turn in sample.turns for one in turn.tool_calls] == ["call_1", "call_2", "call_3"]
    assert [turn.tool_call_id for turn in sample.turns if turn.role == "tool"] == ["call_1", "call_2", "call_3"]
    assert sample.in_text == DIALOGUE.in_text


@pytest.mark.parametrize(
    "changed",
    [
        {"tools": None},
        {"tools": "[...]"},
        {"tools": json.dumps([TIME.to_dict()])},
        {"messages": [turn for turn in ROW["messages"] if turn.get("tool_call_id") != "b"]},
    ],
)
def test_a_row_whose_tools_and_calls_do_not_fit_each_other_is_read_as_text_and_loses_nothing(
    changed: Mapping[str, Any],
) -> None:
    reading = read_row({**ROW, **changed}, "here")
    (seed,) = reading.seeds
    assert not seed.sample.holds_tools
    assert seed.sample.answers_a_tool
    assert "<tool_call>" in seed.sample.history[2].content
    assert bool(seed.meta["tools"]) == bool({**ROW, **changed}["tools"])


# Recipes


async def echo(seed: Seed, bench: Workbench, settings: Settings) -> Outcome:
    """Give back what came in."""
    return done(seed, rows=[sft(seed.sample)])


def test_a_recipe_is_given_tools_as_text_unless_it_reads_them() -> None:
    seed = Seed.of(DIALOGUE)
    text = Stage(recipe=recipe()(echo), settings=Settings()).taken(seed)
    assert (text.id, text.sample) == (seed.id, DIALOGUE.in_text)
    assert text.sample.messages == DIALOGUE.messages
    assert (text.sample.response, text.sample.tool_turns) == (DIALOGUE.response, ())
    assert Stage(recipe=recipe(reads_tools=True)(echo), settings=Settings()).taken(seed) is seed
    plain = Seed.of(PLAIN)
    assert Stage(recipe=recipe()(echo), settings=Settings()).taken(plain) is plain


@pytest.mark.parametrize(
    ("sample", "what"),
    [
        (replace(DIALOGUE, tools=(TIME,)), "calls 'weather', which is none of its tools: time"),
        (replace(DIALOGUE, tool_turns=DIALOGUE.tool_turns[:1]), "where the result of call 'c' belongs"),
        (replace(DIALOGUE, tool_turns=(gave("c", "20"),)), "answers a call 'c' that the turn before it does not make"),
        (
            replace(ENDS_WITH_A_CALL, tool_turns=(calling(ToolCall(id="1", name="weather", arguments="Rome")),)),
            "the arguments of weather are no JSON object",
        ),
        (replace(DIALOGUE, tools=(WEATHER, WEATHER, TIME)), "two tools of one name"),
        (replace(ENDS_WITH_A_CALL, tool_turns=()), "has no response"),
    ],
)
def test_a_row_that_no_template_could_write_is_refused(sample: Sample, what: str) -> None:
    seed = make_seed(1)
    with pytest.raises(RecipeError, match=what):
        check_outcome(done(seed, rows=[sft(sample)]), "mine", seed, "")


def test_rows_with_tools_are_taken_as_they_are() -> None:
    seed = make_seed(1)
    outcome = check_outcome(outcome_of(seed, *SAMPLES), "mine", seed, "")
    assert [Sample.from_dict(row.data["sample"]) for row in outcome.rows] == SAMPLES


@pytest.mark.parametrize(
    "sample", [*SAMPLES, PLAIN, Sample(instruction="a", input="b"), Sample(instruction="a", response="")]
)
def test_messages_of_plain_data_are_those_of_the_record(sample: Sample) -> None:
    assert plain_messages(sample.to_dict()) == [turn.to_dict() for turn in sample.messages]
