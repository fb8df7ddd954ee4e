"""Agents that call tools while they are asked: over real sockets, by either transport, killed at every point."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from lines import read_jsonl, results, run
from openai_server import Answer, Body, Fault, Move, OpenAIServer

from star_agents.engine.configuration import read_config
from star_agents.process.crash_points import VARIABLE
from star_agents.records import Document, Sample, Seed
from star_agents.storage.reader import StoreReader
from star_agents.tools.sandbox import why_no_sandbox

MINE = '''
from pathlib import Path

from star_agents.recipes.protocol import done, recipe, sft
from star_agents.recipes.reads import Text
from star_agents.records import Sample, Trial


@recipe(takes="document")
async def mine(seed, bench, settings):
    """A question that is answered with tools."""
    said = await bench.ask("a", f"Ask about: {seed.document.text}", step="ask", tools=bench.tools, tool_rounds=3)
    sample = Sample(instruction="How much?", response=said.text, tool_turns=said.tool_turns, tools=said.tools)
    trial = Trial(arm="a", sample=sample, notes={"trace": said.trace_text})
    return done(seed, rows=[sft(sample, from_trials=[0])], trials=[trial])


def double(number: int) -> str:
    """Twice a number."""
    with (Path(__file__).parent / "doubled").open("a") as book:
        book.write(f"{number}\\n")
    return str(2 * number)
'''
CALLS: list[tuple[str, dict[str, Any]]] = [("search", {"query": "honey"}), ("double", {"number": 21})]


def calling(*calls: tuple[str, Any], text: str | None = None, as_object: bool = False) -> Answer:
    """A reply that calls, in OpenAI's form or Ollama's."""
    sent = [
        {
            "id": f"call-{place}",
            "type": "function",
            "function": {"name": name, "arguments": arguments if as_object else json.dumps(arguments)},
        }
        for place, (name, arguments) in enumerate(calls)
    ]
    return Answer(text=text or "", finish_reason="tool_calls", extra={"content": text, "tool_calls": sent})


def results_in(body: Body) -> list[str]:
    """What tools gave so far, in either form."""
    return [
        str(turn["content"]).removeprefix("<tool_response>\n").removesuffix("\n</tool_response>")
        for turn in body["messages"]
        if turn["role"] == "tool" or str(turn["content"]).startswith("<tool_response>")
    ]


def scripted(body: Body) -> Move:
    """Search, double, answer."""
    gave = results_in(body)
    return calling(CALLS[len(gave)]) if len(gave) < len(CALLS) else Answer(text=f"It is {gave[-1]}.")


def written(folder: Path, url: str, *, model: str = "openai/m", more: str = "") -> Path:
    (folder / "mine.py").write_text(MINE)
    path = folder / "agents.yaml"
    path.write_text(
        f"agents: {{a: {{model: {model}, api_base: '{url}', api_key: os.environ/LINE_TEST_KEY{more}}}}}\n"
        "recipe: ./mine.py:mine\ntools: [search, ./mine.py:double]\n"
    )
    return path


DOCUMENTS = [Seed.of(Document(text="Bees make honey.", title="Bees")), Seed.of(Document(text="Ants do not."))]


async def run_with(handler: Callable[[Body], Move], folder: Path, **how: Any) -> tuple[OpenAIServer, Mapping[str, Any]]:
    async with OpenAIServer(handler) as server:
        url = server.root if how.get("model", "").startswith("ollama") else server.url
        result = await run(read_config(written(folder, url, **how)), DOCUMENTS[:1], folder / "out")
    return server, result.summary


@pytest.mark.parametrize("more", ["", ", transport: litellm"])
async def test_tools_are_offered_called_and_told_until_the_agent_answers(more: str, tmp_path: Path) -> None:
    server, summary = await run_with(scripted, tmp_path, more=more)
    first, second, third = (request.body for request in server.requests)
    assert [tool["function"]["name"] for tool in first["tools"]] == ["search", "double"]
    assert second["messages"][1]["tool_calls"][0]["function"] == {"name": "search", "arguments": '{"query": "honey"}'}
    assert second["messages"][2] == {"role": "tool", "content": "[1] Bees\nBees make honey.", "tool_call_id": "call-0"}
    assert results_in(third) == ["[1] Bees\nBees make honey.", "42"]
    (row,) = read_jsonl(tmp_path / "out" / "tools.jsonl")
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert row["messages"][-1]["content"] == "It is 42."
    (done,) = results(tmp_path / "out")
    assert done.outcome.trials[0].sample == Sample.from_dict(done.outcome.rows[0].data["sample"])
    assert summary["counts"]["kept"] == 1
    with StoreReader(tmp_path / "out") as reader:
        story = reader.seed_story(done.seed.id)
    assert story is not None
    (candidate,) = story.outcomes[0].candidates
    assert [turn.content for turn in candidate.messages if turn.role != "system"] == ["How much?", "It is 42."]
    assert candidate.trace.startswith('<tool_call>\n{"name": "search"')
    assert "Bees make honey." in candidate.trace


async def test_ollama_is_asked_in_its_own_form(tmp_path: Path) -> None:
    def ollama(body: Body) -> Move:
        gave = results_in(body)
        return calling(CALLS[len(gave)], as_object=True) if len(gave) < 2 else Answer(text="Done.")

    server, _ = await run_with(ollama, tmp_path, model="ollama_chat/m")
    assert {request.path for request in server.requests} == {"/api/chat"}
    assert server.requests[0].body["tools"][1]["function"]["name"] == "double"
    asked = server.requests[2].body["messages"][3]["tool_calls"]
    assert asked == [{"function": {"name": "double", "arguments": {"number": 21}}}]


async def test_a_server_without_tools_is_told_of_them_in_the_prompt_and_its_calls_are_read_from_the_text(
    tmp_path: Path,
) -> None:
    def without(body: Body) -> Move:
        if "tools" in body:
            return Fault(status=400, message="m does not support tools")
        gave = results_in(body)
        if len(gave) == len(CALLS):
            return Answer(text=f"It is {gave[-1]}.")
        name, arguments = CALLS[len(gave)]
        call = json.dumps({"name": name, "arguments": arguments})
        return Answer(text=f"Let me see.\n<tool_call>\n{call}\n</tool_call>")

    server, summary = await run_with(without, tmp_path)
    assert sum("tools" in request.body for request in server.requests) == 1, "it is asked natively once"
    system, *_ = server.requests[1].body["messages"]
    assert '"name": "double"' in system["content"]
    assert {turn["role"] for turn in server.requests[-1].body["messages"]} == {"system", "user", "assistant"}
    assert summary["counts"]["kept"] == 1
    (row,) = read_jsonl(tmp_path / "out" / "tools.jsonl")
    assert row["messages"][1]["content"] == "Let me see."
    assert row["messages"][3]["tool_calls"][0]["function"] == {"name": "double", "arguments": {"number": 21}}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("brush", {}), "Error: there is no tool 'brush'"),
        (("double", "21"), "Error: the arguments of double are no JSON object"),
        (("double", {}), "Error: the object of arguments has no 'number'"),
        (("double", {"number": "21"}), "Error: 'number' is no integer"),
    ],
)
async def test_a_call_that_cannot_be_run_is_answered_to_the_model_and_counted(
    call: tuple[str, Any], told: str, tmp_path: Path
) -> None:
    def wrong_first(body: Body) -> Move:
        gave = results_in(body)
        return Answer(text="I see.") if gave else calling(call)

    server, summary = await run_with(wrong_first, tmp_path)
    assert results_in(server.requests[1].body)[0].startswith(told)
    assert summary["counts"]["kept"] == 1
    (done,) = results(tmp_path / "out")
    assert told in done.outcome.trials[0].notes["trace"]
    assert done.outcome.trials[0].sample.tool_turns == (), "a row does not teach the mistake"
    (failure,) = summary["failures"]
    assert failure["part"] == "tool"
    assert "gave no result in 1 of 1 calls" in failure["sentence"]


async def test_an_agent_that_calls_without_end_fails_with_the_reason_and_what_it_cost(tmp_path: Path) -> None:
    server, summary = await run_with(lambda body: calling(("search", {"query": "x"})), tmp_path)
    assert len(server.requests) == 3 + 1
    (done,) = results(tmp_path / "out")
    assert done.outcome.kind == "dropped"
    assert "ask: a still calls search after 3 rounds of tools" in done.outcome.reason
    assert summary["counts"]["dropped"] == 1


async def test_of_many_calls_in_one_turn_only_some_are_run_and_a_long_result_loses_its_middle(tmp_path: Path) -> None:
    def many(body: Body) -> Move:
        if results_in(body):
            return Answer(text="Enough.")
        return calling(*[("double", {"number": number}) for number in range(10)])

    server, _ = await run_with(many, tmp_path)
    gave = results_in(server.requests[1].body)
    assert gave[:8] == [str(2 * number) for number in range(8)]
    assert all(text.startswith("Error: only 8 calls are run in one turn") for text in gave[8:])
    assert len((tmp_path / "doubled").read_text().split()) == 8


async def test_a_tool_that_agents_yaml_does_not_allow_is_a_fault_of_the_recipe_that_says_what_to_write(
    tmp_path: Path,
) -> None:
    async with OpenAIServer(scripted) as server:
        path = written(tmp_path, server.url)
        (tmp_path / "mine.py").write_text(MINE.replace("tools=bench.tools", 'tools=["python"]'))
        result = await run(read_config(path), DOCUMENTS[:1], tmp_path / "out")
    assert not server.requests
    (done,) = results(tmp_path / "out")
    assert "offers a tool 'python' that agents.yaml does not allow" in done.outcome.reason
    assert result.summary["counts"]["dropped"] == 1


@pytest.mark.skipif(bool(why_no_sandbox()), reason=why_no_sandbox() or "-")
async def test_python_is_run_where_it_is_asked_for(tmp_path: Path) -> None:
    def computing(body: Body) -> Move:
        gave = results_in(body)
        return Answer(text=gave[0]) if gave else calling(("python", {"code": "sum(range(10))"}))

    async with OpenAIServer(computing) as server:
        path = written(tmp_path, server.url)
        path.write_text(path.read_text().replace("[search,", "[python, search,"))
        await run(read_config(path), DOCUMENTS[:1], tmp_path / "out")
    (done,) = results(tmp_path / "out")
    assert done.outcome.trials[0].sample.response == "45"


POINTS = {"draw_recorded": 2, "intent_recorded": 3, "answer_received": 2, "answer_recorded": 2}
"""Each with the pass at which the process dies: in the midst of the rounds."""
POINTS_IN_SHORT = {point: POINTS[point] for point in ("draw_recorded", "answer_recorded")}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "points", [POINTS_IN_SHORT, pytest.param(POINTS, marks=pytest.mark.slow)], ids=["short", "every"]
)
async def test_killed_in_the_midst_of_its_rounds_a_seed_pays_for_no_turn_and_runs_no_tool_again(
    tmp_path: Path, points: Mapping[str, int]
) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(scripted) as server:
            for point, passes in points.items():
                (tmp_path / point).mkdir()
                await anyio.to_thread.run_sync(die_and_go_on, nursery, server, tmp_path / point, point, passes)


def die_and_go_on(nursery: Nursery, server: OpenAIServer, folder: Path, point: str, passes: int) -> None:
    path = written(folder, server.url)
    (folder / "documents.jsonl").write_text(json.dumps({"document": "Bees make honey.", "title": "Bees"}))
    files = ("run", "-q", "-c", path, "-s", folder / "documents.jsonl", "-o", folder / "out")
    server.charged.clear()
    nursery.start(*files, **{VARIABLE: f"{point}:{passes}"})
    assert nursery.ended() == -signal.SIGKILL, f"{point} was not reached"
    nursery.start(*files)
    assert nursery.ended() == 0
    with StoreReader(folder / "out") as reader:
        counts = reader.counts()
    again = len(server.charged) - len({json.dumps(body) for body in server.charged})
    assert again <= counts.calls_maybe_paid, point
    assert (folder / "doubled").read_text().split() == ["21"], point
    (row,) = read_jsonl(folder / "out" / "tools.jsonl")
    assert [turn["content"] for turn in row["messages"] if turn["role"] == "tool"][1] == "42", point
