"""Tools of agents: functions of the user's own, and the search of the documents at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError, ToolError
from star_agents.records import Document
from star_agents.tools.functions import function_tool, load_function
from star_agents.tools.running import RunnableTool, ToolFailed
from star_agents.tools.search import PASSAGE_CHARACTERS, Passages, passages_of, search_tool

MINE = '''
import os
import time
from typing import Literal

async def forecast(city: str, days: int = 1, unit: Literal["C", "F"] = "C", tags: list[str] | None = None) -> dict:
    """The forecast
    of a city.

    city: Where.
    days: How many, from today.
    """
    return {"city": city, "days": days, "unit": unit}

def hang(text: str) -> str:
    """Never ends."""
    time.sleep(3600)

def fail(text: str) -> str:
    """Raises."""
    print("to nobody")
    raise LookupError(f"nothing of {text}")

def end(text: str) -> str:
    """Ends its process."""
    os._exit(3)

def flood(text: str) -> str:
    """Too much."""
    return "x" * (2 << 20)

def bare(text):
    """No annotation."""

def mute(text: str) -> str:
    return text

def odd(text: set) -> str:
    """A set."""
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_the_schema_of_a_function_is_made_of_its_signature_and_docstring(mine: Path) -> None:
    tool, digest = load_function(f"{mine}:forecast")
    assert (tool.name, tool.description, len(digest)) == ("forecast", "The forecast of a city.", 64)
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where."},
            "days": {"type": "integer", "description": "How many, from today."},
            "unit": {"enum": ["C", "F"]},
            "tags": {"type": ["array", "null"], "items": {"type": "string"}},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


async def test_a_function_is_called_and_what_is_no_text_comes_as_json(mine: Path) -> None:
    said = await function_tool(f"{mine}:forecast").run({"city": "Zürich", "days": 2})
    assert said == '{"city": "Zürich", "days": 2, "unit": "C"}'


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fail", "LookupError: nothing of x"),
        ("hang", "took longer than 1.5 s"),
        ("end", "exit code 3"),
        ("flood", "more than 1,048,576 bytes"),
    ],
)
async def test_a_function_that_gives_nothing_is_an_error_that_the_model_is_told(
    name: str, why: str, mine: Path
) -> None:
    with pytest.raises(ToolFailed, match=why):
        await function_tool(f"{mine}:{name}", timeout_s=1.5 if name == "hang" else 60).run({"text": "x"})


async def test_a_file_that_was_edited_meanwhile_is_not_run(mine: Path) -> None:
    tool = function_tool(f"{mine}:fail")
    mine.write_text(MINE + "\n")
    with pytest.raises(ToolFailed, match="was edited since the start"):
        await tool.run({"text": "x"})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bare", "argument 'text' has no annotation"),
        ("mute", "has no docstring"),
        ("odd", "is annotated with"),
        ("gone", "holds no function 'gone'"),
    ],
)
def test_a_function_that_no_model_could_call_is_refused(name: str, why: str, mine: Path) -> None:
    with pytest.raises(ToolError, match=why):
        load_function(f"{mine}:{name}")


# agents.yaml


def config(folder: Path, tools: str) -> Path:
    path = folder / "agents.yaml"
    path.write_text(f"agents: {{a: {{model: offline/quick}}}}\nstar: {{selection: base}}\ntools: {tools}\n")
    return path


def test_tools_are_kept_with_the_digest_of_their_files(mine: Path, tmp_path: Path) -> None:
    read = read_config(config(tmp_path, "[search, ./mine.py:forecast]"))
    assert read.tools == ("search", f"{mine}:forecast")
    assert list(read.tool_files) == [f"{mine}:forecast"]


@pytest.mark.parametrize(
    ("tools", "why"),
    [
        ("[brush]", r"agents.yaml:3: tools.0: no tool is called 'brush'; there are search, python"),
        ("[search, search]", r"tools.1: two tools are called 'search'"),
        ("[./mine.py:mute]", r"tools.0: .*has no docstring"),
        ("[./gone.py:fn]", r"tools.0: .*gone.py: cannot be read: No such file"),
    ],
)
def test_a_tool_that_cannot_be_used_is_a_problem_of_its_line(tools: str, why: str, mine: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=why):
        read_config(config(tmp_path, tools))


# Search


def searching(*pages: list[Document]) -> RunnableTool:
    given = iter(pages)

    async def next_texts() -> list[Document]:
        return next(given, [])

    return search_tool(next_texts)


async def test_a_search_gives_the_passages_that_share_the_rarest_words_the_best_first() -> None:
    texts = [
        Document(title="Bees", text="Bees gather nectar.\n\nA hive holds a queen and many workers."),
        Document(title="Ants", text="Ants live in colonies with a queen."),
        Document(title="Stars", text="Stars fuse hydrogen."),
    ]
    tool = searching(texts[:2], texts[2:])
    said = await tool.run({"query": "the QUEEN of a hive"})
    assert said.startswith("[1] Bees\nBees gather nectar.")
    assert "[2] Ants" in said
    assert "Stars" not in said
    assert await tool.run({"query": "zebra"}) == "No passage holds any of these words."


async def test_a_search_where_there_are_no_documents_says_so() -> None:
    assert await searching().run({"query": "x"}) == "There are no documents to search."


def test_what_is_searched_is_bounded_and_passages_hold_every_word() -> None:
    long = " ".join(f"word{number}" for number in range(2_000))
    passages = list(passages_of(f"First.\n\n{long}\n\nLast."))
    assert max(map(len, passages)) <= PASSAGE_CHARACTERS
    assert " ".join(passages).split() == ["First.", *long.split(), "Last."]
    index = Passages(most_characters=100)
    index.add([Document(text="a " * 40), Document(text="b " * 40), Document(text="c")])
    assert index.is_full
    assert (bool(index.best("b")), bool(index.best("c"))) == (True, False)
