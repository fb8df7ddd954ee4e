"""What is printed is text: nothing that a provider, a column or a key of agents.yaml brings steers a terminal."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.to_thread import run_sync
from daemons import star_agents
from openai_server import Answer, Body, Fault, Move, OpenAIServer
from rich.console import Console

from star_agents.cli.tables import calls_and_cost, print_json, print_table
from star_agents.text.consoles import say_on, say_table
from star_agents.text.printing import printable, say
from star_agents.text.redaction import keep_secret

PACKAGE = Path(__file__).resolve().parents[1] / "star_agents"
EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[1A\x9b31m\r\u202egpj\u200b\x7f\ud800"
STEERING = re.compile(r"[^\n\t\x20-\x7e\u00a1-\uffff]|[\u0080-\u009f\u200b-\u200f\u2028-\u202e\ud800-\udfff]")

# One function.

WAYS_OUT = {"echo", "secho", "confirm", "prompt", "echo_via_pager", "progressbar"}
ELSEWHERE = {
    ("text.printing", "echo"): "the one way",
    ("text.consoles", "print"): "the one way to rich",
    ("cli.main", "show"): "click's own errors, into a text that is said",
    ("observe.logs.table", "write"): "writes a document of this project, from this project's texts",
    ("observe.logs.log", "write"): "into observe.logs.stream",
    ("observe.logs.stream", "write"): "the log: JSON, or for people with each value cleaned",
    ("scoring.worker", "write"): "frames for the parent process",
    ("storage.outgoing.export_child", "write"): "its answer, for the parent process",
    ("tools.sandbox_child", "write"): "what a model's code did, into the pipes of the parent process",
    ("tools.sandbox_child", "print"): "the value of its last expression, into the same",
    ("text.streams", "write"): "passes on what text.consoles and observe.logs.stream have made",
}


def ways_out() -> Iterator[tuple[str, str, int]]:
    """Every call in the package that prints: module, function, line."""
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call | ast.Attribute):
                continue
            called = node.func if isinstance(node, ast.Call) else node
            owner = ast.unparse(called.value) if isinstance(called, ast.Attribute) else ""
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            to_a_stream = name in ("write", "writelines") and re.search(r"std(out|err)|_stream$|_bytes$", owner)
            is_click = owner == "click" and name in WAYS_OUT
            of_rich = name in ("print", "log") and re.search("console|rich", owner.lower())
            is_plain = isinstance(node, ast.Call) and not owner and name in ("print", "echo", "secho", "pprint")
            of_an_error = name == "show" and owner == "error"
            if to_a_stream or is_click or of_rich or is_plain or of_an_error:
                yield module, name, node.lineno


def test_nothing_prints_but_by_the_one_way() -> None:
    found = [f"{module}.py:{line} calls {name}" for module, name, line in ways_out() if (module, name) not in ELSEWHERE]
    assert found == []


def test_the_search_finds_the_ways_out_that_there_are() -> None:
    found = {(module, name) for module, name, _ in ways_out()}
    assert {
        ("text.printing", "echo"),
        ("text.consoles", "print"),
        ("observe.logs.table", "write"),
        ("cli.main", "show"),
    } <= found


# What it does.


def test_a_text_without_steering_characters_is_printed_as_it_is() -> None:
    text = "größe  →\t✓ 猫 🙂 [bold]no markup[/] :smile: C:\\x1b\n"
    assert printable(text) == text


def test_every_other_character_is_shown_and_not_sent() -> None:
    shown = printable(EVIL)
    assert shown.startswith("\\u001b]0;owned\\u0007\\u001b[2J")
    assert not STEERING.search(shown)
    assert json.loads(f'"{shown}"') == EVIL, "it can be told what stood there"


def test_a_known_secret_is_not_printed() -> None:
    keep_secret("printing-canary-8812")
    assert printable("it said printing-canary-8812") == "it said ***"


def test_json_is_json_still_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"said": EVIL, EVIL: ["\x85", "\U000e0041"]})
    out = capsys.readouterr().out
    assert not STEERING.search(out)
    assert json.loads(out) == {"said": EVIL, EVIL: ["\x85", "\U000e0041"]}


def test_a_table_reads_no_markup_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(f"t {EVIL}", ["name [x]", f"n{EVIL}"], [["[/] [bold]a[/bold]", EVIL]])
    out = capsys.readouterr().out
    assert "name [x]" in out
    assert "[/] [bold]a[/bold]" in out
    assert not STEERING.search(out)


def test_a_console_with_a_bar_is_steered_by_nothing_but_itself() -> None:
    stream = io.StringIO()
    say_on(Console(file=stream, width=200), f"[/red] :smile: {EVIL}")
    assert stream.getvalue().startswith("[/red] :smile: \\u001b")
    assert not STEERING.search(stream.getvalue())


def test_an_error_that_is_no_text_is_said_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    say(ValueError(EVIL), err=True, nl=False)
    assert not STEERING.search(capsys.readouterr().err)


# As a user meets it.


def hostile(body: Body) -> Move:
    return Fault(status=400, message=EVIL[:-1]) if body["model"] == "bad" else Answer(text=f"Four. {EVIL[:-1]}")


CONFIG = """
agents:
  bad: {{model: openai/bad, api_base: '{url}', api_key: os.environ/LINE_TEST_KEY, retries: 0}}
  good: {{model: openai/good, api_base: '{url}', api_key: os.environ/LINE_TEST_KEY, retries: 0}}
selection: random
memory: off
"""


async def test_neither_check_nor_run_lets_a_provider_or_a_column_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINE_TEST_KEY", "sk-line-test")
    path, seeds = tmp_path / "agents.yaml", tmp_path / "seeds.jsonl"
    rows = [{"instruction": "Why?", "output": "So."}, {EVIL[:-1]: "no instruction"}, {"instruction": EVIL[:-1]}]
    seeds.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    async with OpenAIServer(hostile) as server:
        path.write_text(CONFIG.format(url=server.url))
        said = await run_sync(_said_by, ("check", "-c", path))
        said += await run_sync(_said_by, ("check", "-c", path, "--json"))
        said += await run_sync(_said_by, ("run", seeds, "-c", path, "-o", tmp_path / "out", "--skip-bad"))
    assert "u001b]0;owned" in said, "it was said, in letters"
    assert STEERING.findall(said) == []


@pytest.mark.parametrize(
    "text",
    [
        'agents:\n  "\\e[2Jx": {model: openai/m}\n',
        '"\\e]0;owned\\a": 1\n',
        'agents: {a: {model: openai/m, "\\x9b31m": 1}}\n',
        'agents: {a: {model: "\\e[2J", retries: "\\e[1A"}}\n',
        "agents: {a: {model: x}}\n\x1b[2J: 1\n",
    ],
)
def test_no_key_or_value_of_agents_yaml_steers_the_terminal(text: str, tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(text)
    said = _said_by(("check", "-c", path))
    assert said.startswith("error: ")
    assert STEERING.findall(said) == []


def test_an_argument_of_the_command_line_steers_nothing() -> None:
    assert STEERING.findall(_said_by(("run", "--\x1b[2J"))) == []
    assert STEERING.findall(_said_by(("score", "\x1b[2J.jsonl", "--small", "a", "--large", "b", "-o", "c.csv"))) == []


def _said_by(verb: tuple[str | Path, ...]) -> str:
    done = star_agents(*verb)
    assert "Traceback" not in done.stderr
    return done.stderr + done.stdout


def test_short_names_at_the_beginning_of_a_table_stay_whole_where_it_is_too_wide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    columns = [("category", False), *((f"player {number}", False) for number in range(6))]
    say_table("shares", columns, [["counterfactual", *["54 % of 28"] * 6], ["knowledge", *["7 % of 9"] * 6]])
    said = capsys.readouterr().out
    assert all(name in said for name in ("category", "counterfactual", "knowledge"))
    assert max(map(len, said.splitlines())) == 60


def test_the_end_of_a_command_that_pays_says_which_calls_may_have_been_paid_twice() -> None:
    cost = {"known_usd": 1.5, "calls_of_unknown_price": 0}
    summaries = [{"cost": cost, "counts": {"calls_maybe_paid": twice}} for twice in (0, 1234)]
    assert [calls_and_cost(7000, summary) for summary in summaries] == [
        "7,000 calls sent, $1.5000 in all in this folder",
        "7,000 calls sent, $1.5000 in all in this folder (1,234 of its calls may have been paid twice)",
    ]
