"""The log: what a line holds and what it never holds, where lines go, and how they are read."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import re
import subprocess
import sys
import threading
import urllib.parse
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync
from hypothesis import given
from hypothesis import strategies as st
from lines import config_for, seeds
from openai_server import Body, Fault, Move, OpenAIServer, brain

from star_agents.engine.batch import run_batch
from star_agents.errors import Problem, UsageError
from star_agents.events import (
    CallFailed,
    ConfigRejected,
    DeploymentChanged,
    Event,
    OutcomeCommitted,
    SeedsRejected,
    StateChanged,
)
from star_agents.observe.logs import set_up_logging
from star_agents.observe.logs.feed import LogFeed
from star_agents.observe.logs.lines import LibraryLine
from star_agents.observe.logs.log import Log
from star_agents.observe.logs.repeats import Repeats
from star_agents.observe.logs.table import MEANINGS, line_kinds, table
from star_agents.recipes.star_records import Assessed, Candidate, star_outcome
from star_agents.records import AgentPair, Sample
from star_agents.text.redaction import Redactor, keep_secret, keep_secrets_of

REPOSITORY = Path(__file__).resolve().parents[1]
HEAD = {"timestamp", "level", "event"}
SECRET = 'pa"ss\\wörd/7'
keep_secret(SECRET)


class Pipe(io.StringIO):
    """A stream without bytes, that is or is no terminal."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def log_of(level: int = logging.DEBUG, folder: Path | None = None, **options: Any) -> tuple[Log, Pipe]:
    stream = Pipe()
    return Log(stream, level, folder, **options), stream


def lines_of(stream: Pipe) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def failure(number: int = 0, *, agent: str = "gpt", error: str = "time-out") -> CallFailed:
    return CallFailed(
        seed_id=f"{number:032x}", step="write", agent=agent, seconds=1.0, outcome="unavailable", error=error
    )


def committed(text: str = "What?") -> OutcomeCommitted:
    pair = AgentPair(instruction="keep", response="gpt")
    one = Assessed(candidate=Candidate(pair=pair, is_base=False, sample=Sample(instruction=text, response="So.")), pi=1)
    outcome = star_outcome("5eed", "kept", (one,), chosen=0)
    return OutcomeCommitted(seq=1, outcome=outcome, probabilities={}, seconds=0.5)


# What a line holds


def test_the_table_is_the_one_that_the_source_makes() -> None:
    kept = (REPOSITORY / "star_agents" / "observe" / "logs" / "events.md").read_text(encoding="utf-8")
    assert kept == table(), "run: python -m star_agents.observe.logs.table > star_agents/observe/logs/events.md"


def test_a_field_has_one_type_in_every_line() -> None:
    types = defaultdict(set)
    for kind in line_kinds():
        for one in kind.fields:
            types[one.name].add(one.type)
    assert {name: found for name, found in types.items() if len(found) > 1} == {}


def sometimes(body: Body) -> Move:
    return Fault(status=500, message="broken") if body["model"] == "c" else brain(body)


async def test_every_line_of_a_real_run_has_exactly_the_fields_of_the_table(tmp_path: Path) -> None:
    stream = Pipe()
    feed = set_up_logging(level="debug", folder=tmp_path, stream=stream)
    async with OpenAIServer(sometimes) as server:
        config = config_for(server.url, per_agent=", retries: 0")
        await run_batch(config, seeds(8), "test", tmp_path, retry_dropped=False, console=None)
    fields = {kind.name: {one.name for one in kind.fields} for kind in line_kinds()}
    lines = lines_of(stream)
    for line in lines:
        assert line.keys() - HEAD == fields[line["event"]] - {"content"}, line["event"]
    assert {"seeds_added", "pairs_drawn", "call_answered", "call_failed", "call_ended", "outcome_committed"} <= {
        line["event"] for line in lines
    }
    assert [{"n": n, **line} for n, line in enumerate(lines, start=1)] == feed.recent(limit=10_000)
    assert [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()] == lines
    assert_outcomes_tell_of_their_calls(lines)
    named = re.findall(r"`([^`]+)`", MEANINGS["step"])
    assert named
    assert set(named) <= {line["step"] for line in lines if "step" in line}, "a step that is documented is one"


def assert_outcomes_tell_of_their_calls(lines: list[dict[str, Any]]) -> None:
    outcomes = [line for line in lines if line["event"] == "outcome_committed"]
    assert len(outcomes) == 8
    for outcome in outcomes:
        calls = [one for one in lines if one["event"] == "call_answered" and one["seed_id"] == outcome["seed_id"]]
        failed = [one for one in lines if one["event"] == "call_failed" and one["seed_id"] == outcome["seed_id"]]
        assert outcome["calls"] == len(calls) > 0
        assert outcome["calls_failed"] >= len(failed)  # equal ones beyond five a minute are not logged
        assert outcome["completion_tokens"] == sum(one["completion_tokens"] for one in calls)
        assert outcome["seconds"] > 0
        assert (outcome["recipe"], outcome["rows"], outcome["children"]) == ("star", outcome["kind"] != "dropped", 0)


def test_problems_are_sentences_and_no_more_than_twenty() -> None:
    log, stream = log_of()
    problems = tuple(Problem(where=f"s.jsonl:{n}", field="", message="is empty") for n in range(30))
    log.hear(SeedsRejected(source="s.jsonl", problems=problems))
    log.hear(ConfigRejected(problems=problems[:1]))
    rejected, config = lines_of(stream)
    assert (len(rejected["problems"]), rejected["problem_count"]) == (20, 30)
    assert config["problems"] == ["s.jsonl:0: is empty"]


def test_a_deployment_that_opens_is_a_warning_and_one_that_closes_is_not() -> None:
    log, stream = log_of()
    for what in ("opened", "closed"):
        log.hear(DeploymentChanged(agent="a", deployment="a/0", what=what))
    assert [line["level"] for line in lines_of(stream)] == ["warning", "info"]


def test_an_event_of_somebody_else_is_logged_as_it_is() -> None:
    class Rested(Event):
        name = "rested"

    log, stream = log_of()
    log.hear(Rested())
    assert [line["event"] for line in lines_of(stream)] == ["rested"]


def test_texts_are_logged_only_by_flag() -> None:
    quiet, talking = log_of(), log_of(content=True)
    for log, _ in (quiet, talking):
        log.hear(committed("The text of a prompt"))
    assert "The text of a prompt" not in quiet[1].getvalue()
    (line,) = lines_of(talking[1])
    assert line["content"][0]["messages"][0] == {"role": "user", "content": "The text of a prompt"}


def test_a_line_says_when_in_utc_and_begins_with_what_it_is() -> None:
    log, stream = log_of()
    log.hear(StateChanged(state="ready"))
    (line,) = lines_of(stream)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["timestamp"].endswith("Z")
    assert len(line["timestamp"]) == len("2026-11-21T07:00:00.000000Z")


@pytest.mark.parametrize("value", [float("nan"), 2**70, "\ud800", {1: "x"}, {"a"}, object(), b"\xff"])
def test_a_line_is_written_whatever_it_holds(value: object) -> None:
    log, stream = log_of()
    log.write(logging.INFO, "odd", {"value": value})
    assert lines_of(stream)[0]["event"] == "odd"


def test_a_huge_text_is_cut() -> None:
    log, stream = log_of()
    log.hear(StateChanged(state="ready", detail="x" * 10**6))
    assert len(stream.getvalue()) < 10_000
    assert "992,000 characters more" in stream.getvalue()


# What a line never holds


@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_secret_is_struck_out_of_any_text(before: str, after: str) -> None:
    log, stream = log_of()
    log.hear(failure(error=f"{before}{SECRET}{after}"))
    log.hear_library(logging.ERROR, LibraryLine(logger=SECRET, message="m", exception=f"Traceback\n{before}{SECRET}"))
    said = " ".join(str(value) for line in lines_of(stream) for value in line.values())
    assert SECRET not in said
    assert SECRET not in str(log.feed.recent())


@pytest.mark.parametrize("form", [urllib.parse.quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()])
def test_a_secret_is_struck_out_in_the_form_that_a_url_or_a_header_gives_it(form: str) -> None:
    log, stream = log_of()
    log.hear(StateChanged(state="ready", detail=f"at http://x/?k={form}"))
    assert form.rstrip("=") not in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "key sk-proj-Abc_123456789 refused",
        "Authorization: Bearer eyJhbGciOi.J9abcdefgh",
        "BEARER abcdefghij, Basic dXNlcjpodW50ZXIyMg==",
        "{'api-key': 'abcdefghij'}",
        '{"x-api-key": "abcdefghij"}',
        "https://user:hunter22@host/v1",
        "AIzaSyA1234567890 and gsk_abcdefgh12 and hf_abcdefgh12",
    ],
)
def test_whatever_is_shaped_like_a_key_is_struck_out(text: str) -> None:
    log, stream = log_of()
    log.hear(StateChanged(state="ready", detail=text))
    shown = lines_of(stream)[0]["detail"]
    assert "***" in shown
    for part in (
        "Abc_123456789",
        "J9abcdefgh",
        "abcdefghij",
        "dXNlcjpodW50ZXIyMg",
        "hunter22",
        "SyA1234567890",
        "abcdefgh12",
    ):
        assert part not in shown


@pytest.mark.parametrize(
    "text", ["task-1234567890", "disk-full-since-then", "the basic instruction", "api_key: is missing", "a@b"]
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize("secret", ["sk-abcdefgh", "bcdefghij", "efghijkl", "abcdefghijkl is"])
def test_of_a_key_that_holds_a_known_secret_nothing_is_left(secret: str) -> None:
    redactor = Redactor()
    redactor.keep([secret])
    assert redactor.text("the key sk-abcdefghijkl is wrong") in ("the key *** is wrong", "the key *** wrong")
    redactor.keep(["ghijklmnop"])
    assert redactor.text("Authorization: Bearer abcdefghijklmnopqr, no") == "Authorization: Bearer ***, no"


def test_of_known_secrets_that_overlap_nothing_is_left() -> None:
    redactor = Redactor()
    redactor.keep(["abcdefghij", "ghijklmn"])
    assert redactor.known("it is abcdefghijklmn, twice: ghijklmnabcdefghij") == "it is ***, twice: ******"


def test_a_short_value_is_a_placeholder_and_no_secret() -> None:
    redactor = Redactor()
    redactor.keep(["none", ""])
    assert redactor.text("none of these") == "none of these"


def test_secrets_of_the_environment_are_known_by_their_names() -> None:
    keep_secrets_of(
        {"SOME_API_KEY": "value-of-a-key", "HOME": "/home/somebody", "OTEL_EXPORTER_OTLP_HEADERS": "a=bcdefghij"}
    )
    log, stream = log_of()
    log.hear(StateChanged(state="ready", detail="value-of-a-key /home/somebody bcdefghij"))
    assert lines_of(stream)[0]["detail"] == "*** /home/somebody ***"


FAULT = """
import sys, threading, warnings
from pathlib import Path
from star_agents.observe.logs import keep_secret, set_up_logging
keep_secret("hunter2-hunter2")
set_up_logging(level="error", folder=Path(sys.argv[1]))
warnings.warn("look out for hunter2-hunter2")
raise RuntimeError("it was hunter2-hunter2")
"""


def test_a_fault_leaves_its_traceback_without_secrets_on_the_stream_and_in_the_file(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FAULT, tmp_path], capture_output=True, text=True, check=False)
    kept = (tmp_path / "log.jsonl").read_text()
    warned, fault = (json.loads(line) for line in kept.splitlines())
    assert done.returncode == 1
    assert "RuntimeError: it was ***" in done.stderr
    assert "RuntimeError: it was ***" in fault["exception"]
    assert (warned["event"], warned["logger"], fault["event"]) == ("library_message", "py.warnings", "fault")
    assert "hunter2" not in done.stderr + kept


# Repeats


def test_of_equal_complaints_five_a_minute_are_logged_and_the_rest_counted() -> None:
    log, stream = log_of()
    for number in range(12):
        log.hear(failure(number, error=f"time-out after {number} s"))
        log.hear(failure(number, agent=f"agent {'abcdefghijkl'[number]}"))
    log.close()
    lines = lines_of(stream)
    same = [line for line in lines if line["event"] == "call_failed" and line["agent"] == "gpt"]
    (held,) = [line for line in lines if line["event"] == "lines_held_back"]
    assert len(same) == 5
    assert (held["of"], held["count"]) == ("call_failed", 7)
    assert len(lines) == 5 + 12 + 1


def test_a_window_that_is_over_tells_its_count_once_and_begins_anew() -> None:
    repeats = Repeats(burst=2, window_s=60)
    assert [repeats.admit("e", "x", now) for now in (0, 1, 2, 3)] == [True, True, False, False]
    assert repeats.next_end == 60
    assert repeats.ended(59) == []
    assert repeats.ended(60) == [("e", "x", 2)]
    assert repeats.ended(200) == []
    assert repeats.admit("e", "x", 61)


# Where lines go


def test_the_stream_gets_its_level_and_the_feed_of_a_folder_info(tmp_path: Path) -> None:
    log, stream = log_of(logging.ERROR, tmp_path)
    log.hear(StateChanged(state="ready"))
    assert stream.getvalue() == ""
    assert [line["event"] for line in log.feed.recent()] == ["state_changed"]


def test_a_terminal_gets_words_and_no_empty_fields() -> None:
    stream = Pipe(is_terminal=True)
    Log(stream, logging.INFO, None).hear(committed())
    assert "outcome_committed" in stream.getvalue()
    assert "reason" not in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_what_a_provider_said_cannot_steer_a_terminal() -> None:
    stream = Pipe(is_terminal=True)
    Log(stream, logging.INFO, None).hear(failure(error="\x1b[2J\x9b31m gone"))
    assert "\x1b[2J" not in stream.getvalue()
    assert "�[2J�31m gone" in stream.getvalue()


def test_a_reader_that_is_gone_is_no_reason_to_fail() -> None:
    log, stream = log_of()
    stream.close()
    log.hear(StateChanged(state="ready"))
    assert log.feed.newest == 1


def test_libraries_speak_through_the_same_pipe_whatever_they_say(tmp_path: Path) -> None:
    stream = Pipe()
    set_up_logging(level="info", stream=stream)
    logging.getLogger("LiteLLM").warning("%d retries", "no number")
    logging.getLogger("aiohttp.access").info("GET /")
    thread = threading.Thread(target=logging.getLogger("foreign").error, args=("from a thread",))
    thread.start()
    thread.join()
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("asyncio").exception("a task failed")
    lines = lines_of(stream)
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("LiteLLM", "warning"),
        ("foreign", "error"),
        ("asyncio", "error"),
    ]
    assert "ValueError: ***" in lines[-1]["exception"]


# The feed


def feed_of(*events: Event) -> LogFeed:
    log, _ = log_of()
    for event in events:
        log.hear(event)
    return log.feed


def test_recent_filters_by_event_agent_seed_and_level_and_gives_the_newest() -> None:
    feed = feed_of(failure(1), failure(2, agent="phi"), StateChanged(state="ready"), committed())
    assert [line["n"] for line in feed.recent(event="call_failed")] == [1, 2]
    assert [line["n"] for line in feed.recent(event=["state_changed", "outcome_committed"])] == [3, 4]
    assert [line["n"] for line in feed.recent(agent="gpt")] == [1, 4], "its calls, and what its pairs won"
    assert [line["n"] for line in feed.recent(seed="5ee")] == [4]
    assert [line["n"] for line in feed.recent(level="warning")] == [1, 2]
    assert [line["n"] for line in feed.recent(limit=2)] == [3, 4]
    assert feed.recent(limit=0) == []
    with pytest.raises(UsageError, match="loud"):
        feed.recent(level="loud")


def test_the_ring_is_bounded_by_lines_and_by_bytes() -> None:
    feed = LogFeed(lines=3)
    for number in range(5):
        feed.append(logging.INFO, b'{"event":"%d"}' % number)
    assert [line["n"] for line in feed.recent()] == [3, 4, 5]
    wide = LogFeed()
    for _ in range(100):
        wide.append(logging.INFO, json.dumps({"event": "x" * 500_000}).encode())
    assert len(wide.recent()) == 16


async def test_a_reader_gets_lines_of_its_level_from_any_thread_and_ends_with_the_feed() -> None:
    feed = LogFeed()
    feed.append(logging.INFO, b'{"event":"before"}')
    async with feed.follow(level="warning") as reader:
        waiting = asyncio.create_task(anext(reader))
        await run_sync(feed.append, logging.INFO, b'{"event":"quiet"}')
        await run_sync(feed.append, logging.ERROR, b'{"event":"loud"}')
        assert await waiting == {"n": 3, "event": "loud"}
        feed.append(logging.ERROR, b'{"event":"last"}')
        feed.close()
        assert [line async for line in reader] == [{"n": 4, "event": "last"}]
        assert await reader.batch() == []


async def test_a_slow_reader_loses_the_oldest_lines_and_knows_how_many() -> None:
    feed = LogFeed(lines=50)
    async with feed.follow(maxlen=10) as reader:
        for number in range(1, 101):
            feed.append(logging.INFO, b'{"event":"%d"}' % number)
        assert [line.n for line in await reader.batch()] == list(range(91, 101))
        assert reader.dropped == 90


async def test_many_readers_and_threads_miss_nothing_and_see_one_order() -> None:
    feed, count, threads = LogFeed(), 200, 4

    async def read() -> list[int]:
        async with feed.follow(maxlen=2_000) as reader:
            return [line["n"] async for line in reader]

    readers = [asyncio.create_task(read()) for _ in range(5)]
    await asyncio.sleep(0)

    def write() -> None:
        for _ in range(count):
            feed.append(logging.INFO, b'{"event":"x"}')

    async with asyncio.TaskGroup() as writing:
        for _ in range(threads):
            writing.create_task(run_sync(write))
    feed.close()
    for reader in readers:
        assert await reader == list(range(1, count * threads + 1))


@pytest.fixture(autouse=True)
def the_process_as_it_was() -> Any:
    """What `set_up_logging` sets for the whole process."""
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = root.handlers, root.level
    yield
    set_up_logging(level="error", stream=Pipe())
    logging.captureWarnings(False)
    root.handlers, sys.excepthook = handlers, hook
    root.setLevel(level)
