"""Formats that the field's datasets come in: what is read of a row, what is told, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from lines import config_for, run
from openai_server import OpenAIServer
from rich.console import Console

from star_agents.agents.prompts import Prompts
from star_agents.engine.batch import load_seeds, run_batch
from star_agents.errors import SeedFileError
from star_agents.records import Message, Sample, Seed
from star_agents.storage.incoming.seed_files import read_seeds, row_of_seed, seed_from_row, write_rows
from star_agents.storage.incoming.seed_rows import read_row


def user(text: str) -> Message:
    return Message(role="user", content=text)


def assistant(text: str) -> Message:
    return Message(role="assistant", content=text)


SYSTEM = Message(role="system", content="Be brief.")
PLAIN = Sample(instruction="Add 1 and 1.", response="2")
GIVEN = Sample(instruction="Add.", input="1 + 1", response="2")
TOLD = Sample(instruction="Add 1 and 1.", response="2", history=(SYSTEM,))
SECOND = Sample(instruction="And 3?", response="6", history=(user("Twice 2?"), assistant("4")))
ASKED = [{"role": "user", "content": "Add 1 and 1."}]
FOUR = ["Twice 2?", "4", "And 3?", "6"]

DATASETS: list[tuple[str, dict[str, Any], Sample, set[str]]] = [
    ("dolly", {"instruction": "Add.", "context": "1 + 1", "response": "2", "category": "qa"}, GIVEN, {"category"}),
    ("dolly without context", {"instruction": "Add 1 and 1.", "context": "", "response": "2"}, PLAIN, set()),
    ("alpaca", {"instruction": "Add.", "input": "1 + 1", "output": "2", "text": "Below"}, GIVEN, {"text"}),
    ("openorca", {"id": "a", "system_prompt": "Be brief.", "question": "Add 1 and 1.", "response": "2"}, TOLD, {"id"}),
    ("metamath", {"query": "Add 1 and 1.", "response": "2", "type": "x"}, PLAIN, {"type"}),
    ("gsm8k", {"question": "Add 1 and 1.", "answer": "2"}, PLAIN, set()),
    ("numinamath", {"problem": "Add 1 and 1.", "solution": "2", "source": "x"}, PLAIN, {"source"}),
    ("answer beside response", {"question": "Add 1 and 1.", "response": "2", "answer": "two"}, PLAIN, {"answer"}),
    ("flan", {"inputs": "Add 1 and 1.", "targets": "2", "task": "t"}, PLAIN, {"task"}),
    ("input and output", {"input": "Add 1 and 1.", "output": "2"}, PLAIN, set()),
    ("prompt and completion", {"prompt": "Add 1 and 1.", "completion": "2"}, PLAIN, set()),
    (
        "trl",
        {"prompt": ASKED, "completion": [{"role": "assistant", "content": "2"}]},
        PLAIN,
        set(),
    ),
    ("trl with a text", {"prompt": ASKED, "response": "2"}, PLAIN, set()),
    ("llama-factory", {"instruction": "And 3?", "output": "6", "history": [["Twice 2?", "4"]]}, SECOND, set()),
    ("ultrachat", {"id": "0", "data": FOUR}, SECOND, {"id"}),
    ("lima", {"conversations": FOUR, "source": "x"}, SECOND, {"source"}),
    (
        "capybara",
        {"conversation": [{"input": "Twice 2?", "output": "4"}, {"input": "And 3?", "output": "6"}]},
        SECOND,
        set(),
    ),
    (
        "lmsys",
        {"conversation": [*ASKED, {"role": "assistant", "content": "2"}]},
        PLAIN,
        set(),
    ),
    (
        "sharegpt with a system column",
        {"system": "Be brief.", "conversations": [*ASKED, {"from": "gpt", "value": "2"}]},
        TOLD,
        set(),
    ),
    ("mt-bench", {"turns": ["Add 1 and 1."], "category": "math"}, Sample(instruction="Add 1 and 1."), {"category"}),
    ("arena-hard", {"turns": [{"content": "Add 1 and 1."}]}, Sample(instruction="Add 1 and 1."), set()),
    ("no list", {"instruction": "Add.", "data": "x", "output": "2", "input": "1 + 1"}, GIVEN, {"data"}),
]


@pytest.mark.parametrize(("name", "row", "sample", "beside"), DATASETS, ids=[case[0] for case in DATASETS])
def test_a_well_known_row_is_read_and_what_is_not_read_of_it_is_named(
    name: str, row: dict[str, Any], sample: Sample, beside: set[str]
) -> None:
    reading = read_row(row, name)
    assert (reading.problems, [seed.sample for seed in reading.seeds]) == ((), [sample])
    assert set(reading.beside) == beside
    assert set(reading.seeds[0].meta) >= beside


NASTY = {"context": "c", "answer": "a", "images_of": 1, "instruction": "other", "messages": "m", "history": "h"}


@pytest.mark.parametrize(("name", "row", "sample", "beside"), DATASETS, ids=[case[0] for case in DATASETS])
def test_a_seed_sent_on_as_a_row_is_read_as_the_same_seed(
    name: str, row: dict[str, Any], sample: Sample, beside: set[str]
) -> None:
    (seed,) = read_row(row, name).seeds
    seed = replace(seed, meta={**NASTY, **seed.meta})
    again = seed_from_row(row_of_seed(seed), "request")
    assert again.id == seed.id
    assert {key.removeprefix("beside_") for key in again.meta} >= {*NASTY, *beside}


def test_a_conversation_with_an_input_is_sent_on_as_the_same_seed() -> None:
    sample = Sample(instruction="Add.", input="1 + 1", history=(SYSTEM, *SECOND.history))
    assert seed_from_row(row_of_seed(Seed.of(sample)), "request").sample == sample


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("column", ["input", "context"])
@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_two_rows_that_differ_only_in_input_are_two_seeds(tmp_path: Path, column: str, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    write_rows(path, [{"instruction": "Sum up.", column: text, "response": "So."} for text in ("one", "two")])
    file = read_seeds(path)
    assert ([seed.sample.input for seed in file.seeds], file.repeated) == (["one", "two"], 0)


def test_columns_that_nobody_reads_are_told_once_with_how_many_rows_hold_them(tmp_path: Path) -> None:
    rows = [{"instruction": f"Say {n}.", "category": "qa", "note": "x" if n == 1 else None} for n in range(3)]
    file = read_seeds(lines(tmp_path / "rows.jsonl", *rows))
    assert file.not_read == ("these columns are kept, but no model sees them: category (3 rows), note (1 row)",)


def test_keys_of_turns_that_nobody_reads_are_told_to_be_lost(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi?", "name": "eve"}, {"role": "assistant", "content": "Hi.", "weight": 0}]
    file = read_seeds(lines(tmp_path / "rows.jsonl", {"messages": turns}))
    assert len(file.seeds) == 1
    (told,) = file.not_read
    assert "neither read nor kept" in told
    assert "messages[].name (1 row)" in told
    assert "messages[].weight (1 row)" in told


# Parts


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "Add 1 and 1."}],
        [{"type": "input_text", "text": "Add 1 and 1."}],
        [{"text": "Add 1 and 1.", "type": "text", "image": None}],
        ["Add 1 and 1."],
    ],
)
def test_content_as_a_list_of_text_parts_is_read(content: list[Any]) -> None:
    turns = [{"role": "user", "content": content}, {"role": "assistant", "content": [{"type": "text", "text": "2"}]}]
    assert seed_from_row({"messages": turns}, "here").sample == PLAIN


def test_thoughts_among_the_parts_of_an_answer_are_left_out_and_told() -> None:
    said = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "2"}]
    turns = [{"role": "user", "content": "Add 1 and 1."}, {"role": "assistant", "content": said}]
    reading = read_row({"messages": turns}, "here")
    assert [seed.sample for seed in reading.seeds] == [PLAIN]
    assert reading.left_out == ("messages[].content[].thinking",)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0]"),
        ({"instruction": "What is this?", "images": ["a.png"]}, "images"),
        ({"image": "a.png", "conversations": [{"from": "human", "value": "<image>\nWhat is this?"}]}, "image"),
    ],
)
def test_a_row_that_shows_what_is_no_text_is_refused_with_its_place(row: dict[str, Any], field: str) -> None:
    with pytest.raises(SeedFileError) as caught:
        seed_from_row(row, "here")
    assert [problem.field for problem in caught.value.problems] == [field]
    assert "leave the row out" in caught.value.problems[0].fix


@pytest.mark.parametrize("nothing", [None, [], "", {}])
def test_an_empty_column_for_images_shows_nothing(nothing: Any) -> None:
    assert seed_from_row({"instruction": "Add 1 and 1.", "output": "2", "images": nothing}, "here").sample == PLAIN


# Tools

CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
RESULT = "<tool_response>\n2\n</tool_response>"
BEFORE = (user("Add."), assistant(CALL), user(RESULT), assistant("2"))
WITH_TOOL = Sample(instruction="And?", response="2.", history=BEFORE)
ARGUMENTS = {"name": "add", "arguments": {"a": 1}}
SPELLINGS: list[list[dict[str, Any]]] = [
    [
        {"from": "human", "value": "Add."},
        {"from": "function_call", "value": json.dumps(ARGUMENTS)},
        {"from": "observation", "value": "2"},
        {"from": "gpt", "value": "2"},
        {"from": "human", "value": "And?"},
        {"from": "gpt", "value": "2."},
    ],
    [
        {"role": "user", "content": "Add."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "content": "2"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "2."},
    ],
    [
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": "", "function_call": ARGUMENTS},
        {"role": "function", "content": "2"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "2."},
    ],
]


@pytest.mark.parametrize("turns", SPELLINGS)
def test_what_tools_were_asked_and_gave_stays_in_the_history_in_roles_that_every_template_takes(
    turns: list[dict[str, Any]],
) -> None:
    column = "conversations" if "from" in turns[0] else "messages"
    reading = read_row({column: turns, "tools": "[...]"}, "here")
    assert [seed.sample for seed in reading.seeds] == [WITH_TOOL]
    assert reading.beside == ("tools",)


def test_several_calls_and_results_in_a_row_are_one_turn_each() -> None:
    turns = [
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": "One moment."},
        *({"from": "function_call", "value": "add"} for _ in range(2)),
        *({"role": "tool", "content": "2"} for _ in range(2)),
        {"role": "assistant", "content": "2"},
    ]
    sample = seed_from_row({"messages": turns}, "here").sample
    called = "<tool_call>\nadd\n</tool_call>"
    assert [turn.role for turn in sample.messages] == ["user", "assistant", "user", "assistant"]
    assert sample.messages[1].content == f"One moment.\n{called}\n{called}"
    assert sample.instruction == f"{RESULT}\n{RESULT}"


def test_a_conversation_that_ends_with_a_call_holds_no_answer_to_train_on() -> None:
    turns = [{"from": "human", "value": "Add."}, {"from": "function_call", "value": "add(1)"}]
    with pytest.raises(SeedFileError, match=r"conversations\[1\]: ends with a call of a tool"):
        seed_from_row({"conversations": turns}, "here")


def test_a_judge_sees_the_tools_results_as_part_of_the_conversation() -> None:
    asked = Prompts().respond(WITH_TOOL)
    assert [turn.role for turn in asked] == ["user", "assistant", "user", "assistant", "user"]
    assert RESULT in asked[2].content


async def test_what_a_tool_gave_is_not_rewritten(tmp_path: Path) -> None:
    seed = seed_from_row({"conversations": SPELLINGS[0][:4]}, "here")
    assert seed.sample.answers_a_tool
    async with OpenAIServer() as server:
        await run(config_for(server.url, replaced="pairs: [{instruction: b, response: c}]"), [seed], tmp_path)
        asked = {request.body["model"] for request in server.requests}
    assert "c" in asked
    assert "b" not in asked


# Where it is told


async def test_run_tells_what_the_rows_repeat_and_what_of_them_is_not_read(tmp_path: Path) -> None:
    rows = [{"instruction": "Add.", "output": "2", "category": "qa"}] * 3
    said = Console(file=StringIO(), width=200, record=True)
    async with OpenAIServer() as server:
        config = config_for(server.url)
        file = load_seeds(lines(tmp_path / "rows.jsonl", *rows), config, skip_bad=False, limit=None)
        await run_batch(
            config,
            file.seeds,
            "rows.jsonl",
            tmp_path,
            retry_dropped=False,
            console=said,
            repeated=file.repeated,
            not_read=file.not_read,
        )
    assert "rows.jsonl: 1 new seed, 0 known already, 2 repeated within it" in said.export_text()


# What cannot be read, and what to do


@pytest.mark.parametrize(
    ("row", "fix"),
    [
        ({"message_id": "1", "parent_id": None, "text": "Hi?", "role": "prompter"}, "OpenAssistant"),
        ({"text": "### Human: Hi?### Assistant: Hi."}, "split it into `instruction` and `output`"),
        ({"chosen": "Human: Hi?", "rejected": "Human: Hi?"}, "`prompt`"),
        ({"turns": ["Write.", "Now shorter."]}, "write them as messages"),
    ],
)
def test_a_known_form_that_cannot_be_read_is_refused_with_what_to_do(row: dict[str, Any], fix: str) -> None:
    with pytest.raises(SeedFileError) as caught:
        seed_from_row(row, "here")
    assert fix in caught.value.problems[0].fix


def test_an_input_and_a_context_that_differ_are_refused() -> None:
    with pytest.raises(SeedFileError, match="context: differs from `input`"):
        seed_from_row({"instruction": "Add.", "input": "1", "context": "2"}, "here")


@pytest.mark.parametrize(
    ("path", "seeds", "told"),
    [
        ("arena_hard/question.jsonl", 500, ("question_id (500 rows)", "cluster (500 rows)")),
        ("fastchat/vicuna_bench_question.jsonl", 80, ("category (80 rows)",)),
        ("pandalm/testset-v1.json", 998, ("cmp_key (998 rows)", "response1 (969 rows)", "response2 (973 rows)")),
        ("self_instruct/user_oriented_instructions.jsonl", 252, ("motivation_app (252 rows)",)),
    ],
)
def test_real_files_are_read_and_their_other_columns_told(
    shared_data: Path, path: str, seeds: int, told: tuple[str, ...]
) -> None:
    file = read_seeds(shared_data / path)
    empty = ["testset-v1.json:row 467"] if "pandalm" in path else []
    assert [problem.where for problem in file.problems if problem.message == "is empty"] == empty
    assert (len(file.problems), len(file.seeds) + file.repeated) == (len(empty), seeds)
    assert all(one in file.not_read[0] for one in told)


@pytest.mark.parametrize("nothing", ["\u200b", "\u200b \ufeff\u2060", "\u3164", "  \u00ad\n"])
def test_a_text_that_shows_nothing_is_no_text(nothing: str, tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    rows = [{"instruction": nothing, "output": "Paris."}, {"instruction": "Name a city.", "output": nothing}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read_seeds(path)
    assert [problem.where for problem in found.problems] == ["seeds.jsonl:1"]
    assert [seed.sample.response for seed in found.seeds] == [None]
