"""Input of every kind that a person or program can hand in, malformed by construction, and how it is received.

Command lines run in this process. A case is received well when it ends with a code that is not 0 and lines on standard
error that name the place, raises nothing, and leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import signal
import threading
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from star_agents.cli.main import main
from star_agents.config import models, sections, star

GOOD_CONFIG = """\
agents:
  tutor: {model: offline/tutor}
  referee: {model: offline/referee, roles: []}
star:
  referee: {agents: [referee]}
  selection: referee
  candidates: 1
"""
GOOD_ROW = '{"instruction": "Count to three.", "output": "One, two, three."}'
_LINES_AT_MOST = 22
"""Twenty problems, how many more there are, and what was done about them."""


_PATIENCE_S = 60.0
"""After which a command is interrupted: it took what it should have refused, and serves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One malformed input."""

    kind: str
    name: str
    place: str
    """Pattern that the message has to match: where the fault is."""
    arguments: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    may_leave: frozenset[str] = frozenset()
    """What is found wrong only once the store is open: an empty one may be left."""


@dataclass(slots=True)
class InputReport:
    """How a number of cases were received."""

    cases: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """One for each thing a case was not received well by."""


def cases(count: int, random_seed: int) -> list[Case]:
    """That many cases, every kind by turns, each kind's own in random order and over again with other details."""
    draw = random.Random(random_seed)
    kinds = [_endless(make, draw) for make in (_yaml_cases, _row_cases, _file_cases, _name_cases, _environment_cases)]
    weights = [50, 25, 10, 10, 5]
    return [next(draw.choices(kinds, weights)[0]) for _ in range(count)]


def receive(some: Sequence[Case], folder: Path) -> InputReport:
    """Play the cases, each in a folder of its own that holds a good config and good seeds."""
    report = InputReport()
    for number, case in enumerate(some):
        ground = folder / str(number)
        ground.mkdir()
        for name, content in {
            "agents.yaml": GOOD_CONFIG.encode(),
            "seeds.jsonl": GOOD_ROW.encode(),
            **case.files,
        }.items():
            (ground / name).write_bytes(content)
        report.cases += 1
        report.kinds[case.kind] = report.kinds.get(case.kind, 0) + 1
        report.faults += [f"{case.kind}: {case.name}: {fault}" for fault in _play(case, ground)]
    return report


def _play(case: Case, ground: Path) -> Iterator[str]:
    before = {path.name for path in ground.iterdir()}
    code, said, raised = call(case.arguments, ground, case.environment)
    if raised is not None:
        yield f"raised {raised!r}"
    elif code == 0:
        yield f"was taken: {said}"
    elif not re.search(case.place, said):
        yield f"does not say {case.place!r}: {said}"
    if "Traceback" in said or said.count("\n") > _LINES_AT_MOST:
        yield f"is more than lines for people: {said}"
    if left := {path.name for path in ground.iterdir()} - before - case.may_leave:
        yield f"left {left} behind"


def call(
    arguments: Sequence[str], ground: Path, environment: Mapping[str, str]
) -> tuple[int, str, BaseException | None]:
    """Run a command line in a folder; its code, what it said on standard error, and what it should not have raised."""
    said, code, raised = io.StringIO(), 0, None
    old = dict(os.environ)
    os.environ.update(environment)
    interrupt = threading.Timer(_PATIENCE_S, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    try:
        with contextlib.chdir(ground), contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            main(list(arguments))
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException as error:
        raised = error
    finally:
        interrupt.cancel()
        os.environ.clear()
        os.environ.update(old)
    return code, said.getvalue(), raised


def _endless(make: Callable[[random.Random], list[Case]], draw: random.Random) -> Iterator[Case]:
    while True:
        some = make(draw)
        draw.shuffle(some)
        yield from some


_RUN = ("run", "-c", "agents.yaml", "-s", "seeds.jsonl", "-o", "out")

# agents.yaml


def _yaml_cases(draw: random.Random) -> list[Case]:
    texts = {**_broken_texts(draw), **_wrong_types(), **_unknown_keys(draw), **_wrong_values(draw)}
    return [
        Case(kind="yaml", name=name, place=r"agents\.yaml", arguments=_RUN, files={"agents.yaml": text})
        for name, text in texts.items()
    ]


def _broken_texts(draw: random.Random) -> dict[str, bytes]:
    good = GOOD_CONFIG.encode()
    at = draw.randrange(len(good))
    line = draw.choice(good.splitlines(keepends=True))
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
    )
    return {
        "nothing": b"",
        "blanks and a comment": b"  \n# nothing here\n\n",
        "a list": b"- agents\n- pairs\n",
        "a word": b"agents\n",
        "a number": b"7\n",
        f"NUL at {at}": good[:at] + b"\0" + good[at:],
        f"half a character at {at}": good[:at] + b"\xc3" + good[at:],
        "UTF-16": GOOD_CONFIG.encode("utf-16"),
        f"a line twice: {line!r}": good + (line if not line.startswith(b" ") else good.splitlines(True)[0] + line),
        "a bracket left open": good + b"pairs: [{instruction: keep\n",
        "a quote left open": good + b'recipe: "star\n',
        "a tab for indent": good + b"server:\n\tport: 1\n",
        "an alias of nothing": good + b"pairs: *nobody\n",
        "an alias of itself": good + b"pairs: &p [*p]\n",
        "an alias bomb": bomb.encode(),
        "two documents": good + b"---\n" + good,
        "a tag that runs code": good + b"recipe: !!python/object/apply:os.system [echo]\n",
        "a key that is a list": good + b"? [a, b]\n: 1\n",
        "nested without end": b"agents: " + b"[" * 5000,
        "nested without end, closed": b"agents: " + b"[" * 5000 + b"]" * 5000,
        "a mebibyte and more": good + b"# " + b"x" * (1 << 20),
        "a directive": b"%YAML 9.9\n---\n" + good,
        "JSON cut short": json.dumps(yaml.safe_load(good)).encode()[: -draw.randrange(1, 20)],
    }


_SECTIONS: dict[str, type[BaseModel]] = {
    "": models.Config,
    "agents.tutor": models.AgentConfig,
    "star": star.StarConfig,
    "star.pairs.0": star.PairConfig,
    "star.base_pairs.0": star.PairConfig,
    "star.referee": star.RefereeConfig,
    "scoring": sections.ScoringConfig,
    "memory": sections.MemoryConfig,
    "evolution": sections.EvolutionConfig,
    "server": sections.ServerConfig,
    "failure_limits": sections.FailureLimitsConfig,
}
_PAIR = {"instruction": "keep", "response": "tutor"}


def _with(path: str, value: object) -> bytes:
    """The good config with one value in it changed or added."""
    data: dict[str, Any] = yaml.safe_load(GOOD_CONFIG)
    node: Any = data
    *way, last = path.split(".")
    for step, following in zip(way, [*way[1:], last], strict=False):
        if isinstance(node, list):
            node = node[int(step)]
        else:
            node = node.setdefault(step, [dict(_PAIR)] if following.isdecimal() else {})
    node[last] = value
    return yaml.safe_dump(data, sort_keys=False).encode()


def _wrong_types() -> dict[str, bytes]:
    """A mapping in every place where a plain value belongs, and a plain value wherever a section does."""
    made = {}
    for section, model in _SECTIONS.items():
        for name, info in model.model_fields.items():
            takes_mapping = "Mapping" in str(info.annotation) or "dict" in str(info.annotation)
            is_section = any(
                isinstance(part, type) and issubclass(part, BaseModel)
                for part in (info.annotation, *typing.get_args(info.annotation))
            )
            path = f"{section}.{name}".lstrip(".")
            wrong: object = 3.5 if takes_mapping or is_section else {"a": {"b": 1}}
            made[f"{path}: {wrong}"] = _with(path, wrong)
    return made


def _unknown_keys(draw: random.Random) -> dict[str, bytes]:
    made = {}
    for section, model in _SECTIONS.items():
        known = draw.choice(list(model.model_fields))
        for word in (f"{known}s_", known.upper(), "".join(draw.sample("qwxyz", 5))):
            path = f"{section}.{word}".lstrip(".")
            made[path] = _with(path, 1)
    return made


def _wrong_values(draw: random.Random) -> dict[str, bytes]:
    wrong: list[tuple[str, object]] = [
        ("agents.keep", {"model": "offline/tutor"}),
        ("agents.a b", {"model": "offline/tutor"}),
        ("agents.tutor.model", ""),
        ("agents.tutor.roles", ["judge"]),
        ("agents.tutor.api_key", "sk-written-into-the-file"),
        ("agents.tutor.temperature", draw.choice([-1, 5.1, "hot", ".nan"])),
        ("agents.tutor.max_concurrency", draw.choice([0, -3, 1.5, 10**9])),
        ("agents.tutor.timeout_s", draw.choice([0, -1, "soon"])),
        ("agents.tutor.extra", {draw.choice(["n", "stream", "timeout", "num_retries"]): 2}),
        ("agents.tutor.deployments", [{"model": "offline/tutor"}]),
        ("agents.tutor.budget_usd", -0.01),
        ("star.pairs", []),
        ("star.pairs", [{"instruction": "keep", "response": "nobody"}]),
        ("star.pairs", [{"instruction": "tutor", "response": "seed"}]),
        ("star.pairs", [{"instruction": "keep"}]),
        ("star.base_pairs", []),
        ("star.base_pairs", [{"instruction": "nobody", "response": "tutor"}]),
        ("star.referee.agents", ["nobody"]),
        ("star.referee.agents", []),
        ("star.referee.agents", ["referee"] * 16),
        ("scoring.mode", "loss_ratio"),
        ("scoring.max_length", 7),
        ("memory.embedder", "agent:nobody"),
        ("memory.embedder", "bert"),
        ("memory.neighbours", 0),
        ("evolution.rate", draw.choice([0, -1, "fast"])),
        ("evolution.floor", draw.choice([1, 1.5, -0.1])),
        ("evolution.floor", 0.99),
        ("star.selection", draw.choice(["best", "DUAL", ""])),
        ("star.candidates", draw.choice([0, -1, 1.5, "2"])),
        ("concurrency", draw.choice([0, 10_001, True])),
        ("recipe", "moon"),
        ("server.port", draw.choice([-1, 65536, "http"])),
        ("server.token", "a-secret-in-the-file"),
        ("server.drain_s", -1),
        ("budget_usd", draw.choice([-1, "20 dollars"])),
    ]
    # With one pair in the pool any floor fits; two make 0.99 too much.
    two = [_PAIR, {"instruction": "tutor", "response": "tutor"}]
    made = {}
    for path, value in wrong:
        text = _with(path, value)
        if value == 0.99:
            data = yaml.safe_load(text)
            data["star"]["pairs"] = two
            text = yaml.safe_dump(data).encode()
        made[f"{path}: {value}"] = text
    return made


# Seed files

_BAD_ROWS = (
    '{"instruction": "a", "output": ',
    "[1, 2]",
    "null",
    '"text"',
    "7",
    "{}",
    '{"instruction": null}',
    '{"instruction": ""}',
    '{"instruction": "  "}',
    '{"instruction": 3, "output": "x"}',
    '{"instruction": ["a"], "output": "x"}',
    '{"instruction": "a", "output": {"b": 1}}',
    '{"instruction": "a", "input": true, "output": "x"}',
    '{"instruction": "a\\u0000b", "output": "x"}',
    '{"instruction": "a\\ud800", "output": "x"}',
    '{"instruction": "a", "output": "x", "response": "y"}',
    '{"instruction": "a"}',
    '{"text": "a"}',
    '{"\\ud800": "a"}',
    '{"messages": []}',
    '{"messages": "hello"}',
    '{"messages": [7]}',
    '{"messages": [{"role": "judge", "content": "a"}]}',
    '{"messages": [{"role": "\\ud800", "content": "a"}]}',
    '{"messages": [{"role": "assistant", "content": "a"}]}',
    '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}',
    '{"messages": [{"role": "user", "content": ["a"]}]}',
    '{"conversations": [{"from": "human"}]}',
    '{"conversations": {"from": "human", "value": "a"}}',
    '{"instruction": "a", "instances": [1]}',
    '{"instruction": "a", "instances": "b"}',
    '{"instruction": "a", "history": [["b"]], "output": "x"}',
    '{"instruction": "a", "history": "b", "output": "x"}',
    '{"instruction": "a", "output": "x", "n": ' + "9" * 5000 + "}",
    '{"instruction": "a", "output": "x", "n": ' + "[" * 5000 + "]" * 5000 + "}",
    '{"instruction": "a", "output": "x", "n": ' + '{"m": ' * 900 + "1" + "}" * 901,
    "{'instruction': 'a'}",
    "instruction,output",
)


def _row_cases(draw: random.Random) -> list[Case]:
    """A bad row among good ones."""
    made = []
    for row in _BAD_ROWS:
        before, after = draw.randrange(4), draw.randrange(3)
        text = "\n".join([*[GOOD_ROW] * before, row, *[GOOD_ROW] * after])
        made.append(
            Case(
                kind="row",
                name=f"{row[:60]} after {before}",
                place=rf"seeds\.jsonl:{before + 1}\b",
                arguments=_RUN,
                files={"seeds.jsonl": text.encode()},
            )
        )
    return made


def _file_cases(draw: random.Random) -> list[Case]:
    """A seed file that is wrong as a whole, or a table."""
    noise = draw.randbytes(200)
    contents = {
        "empty.jsonl": b"",
        "blank.jsonl": b"\n \n",
        "half.jsonl": GOOD_ROW.encode()[:-1] + b"\xc3\x28\n",
        "wide.jsonl": GOOD_ROW.encode("utf-16"),
        "nothing.json": b"",
        "number.json": b"7",
        "cut.json": f"[{GOOD_ROW}, {GOOD_ROW}"[: -draw.randrange(1, 20)].encode(),
        "two.json": f"[{GOOD_ROW}] [{GOOD_ROW}]".encode(),
        "deep.json": b"[" * 100_000,
        "empty.csv": b"",
        "header.csv": b"instruction,output\n",
        "other.csv": b"headline,author\na,b\n",
        "ragged.csv": b"instruction,output\na,b,c\n",
        "blank.csv": b"instruction,output\n,b\n",
        "twice.csv": b"instruction,instruction\na,b\n",
        "open.csv": b'instruction,output\n"a,b\nc,d\n',
        "nul.csv": b"instruction,output\na\0,b\n",
        "latin.csv": "instruction,output\ncafé,b\n".encode("latin-1"),
        "noise.csv": noise,
        "noise.parquet": noise,
        "short.parquet": b"PAR1PAR1",
        "empty.parquet": b"",
        "seeds.txt": GOOD_ROW.encode(),
        "seeds": GOOD_ROW.encode(),
        "seeds.jsonl.gz": noise,
    }
    return [
        Case(
            kind="file",
            name=name,
            place=re.escape(name),
            arguments=("run", "-c", "agents.yaml", "-s", name, "-o", "out"),
            files={name: content},
        )
        for name, content in contents.items()
    ]


# File names, options and environment


def _name_cases(draw: random.Random) -> list[Case]:
    long = draw.choice("abc") * draw.randrange(256, 5000)
    names = ["none.yaml", ".", "agents.yaml/x", long, "/dev/null", os.fsdecode(b"\xff.yaml"), "two\nlines.yaml"]
    places = {
        "-c": ("run", "-c", "{}", "-s", "seeds.jsonl", "-o", "out"),
        "-s": ("run", "-c", "agents.yaml", "-s", "{}", "-o", "out"),
        "check": ("check", "-c", "{}"),
        "serve": ("serve", "-c", "{}", "--port", "0"),
        "status": ("status", "{}"),
        "export": ("export", "{}", "-o", "rows.jsonl"),
        "release": ("release", "{}"),
        "add": ("add", "{}"),
        "score": ("score", "{}", "--small", "offline/small", "--large", "offline/large", "-o", "scored.jsonl"),
        "-o of run": ("run", "-c", "agents.yaml", "-s", "seeds.jsonl", "-o", "agents.yaml"),
        "-o below a file": ("run", "-c", "agents.yaml", "-s", "seeds.jsonl", "-o", "agents.yaml/out"),
        "-o too long": ("run", "-c", "agents.yaml", "-s", "seeds.jsonl", "-o", long),
        "--data-dir": ("serve", "-c", "agents.yaml", "--data-dir", "agents.yaml"),
        "init": ("init", "agents.yaml"),
        "init below nothing": ("init", "nowhere/agents.yaml"),
        "init too long": ("init", long),
        "a URL": ("add", "seeds.jsonl", "--url", draw.choice(["ftp://x", "localhost:8321", "http://", "http://[::1"])),
        "a URL, status": ("status", "--url", draw.choice(["file:///etc/passwd", "x", "http://127.0.0.1:9"])),
        "a number": ("run", *_RUN[1:], "-n", draw.choice(["0", "-1", "many"])),
        "a port": ("serve", "-c", "agents.yaml", "--port", draw.choice(["-1", "65536", "http"])),
    }
    return [
        Case(kind="name", name=f"{what}: {name[:40]!r}", place=r"\S", arguments=tuple(a.format(name) for a in shape))
        for what, shape in places.items()
        for name in (names if "{}" in shape else names[:1])
    ]


def _environment_cases(draw: random.Random) -> list[Case]:
    def keyed(value: Mapping[str, str], name: str) -> Case:
        text = GOOD_CONFIG.replace(
            "{model: offline/tutor}",
            "{model: openai/x, api_base: 'http://127.0.0.1:9/v1', api_key: os.environ/CHAOS_KEY}",
        )
        return Case(
            kind="environment",
            name=name,
            place="CHAOS_KEY",
            arguments=_RUN,
            files={"agents.yaml": text.encode()},
            environment=value,
            may_leave=frozenset({"out", "data"}),
        )

    def serving(server: str, value: Mapping[str, str], place: str) -> Case:
        return Case(
            kind="environment",
            name=f"{server} {value}",
            place=place,
            arguments=("serve", "-c", "agents.yaml", "--data-dir", "data", "--port", "0"),
            files={"agents.yaml": f"{GOOD_CONFIG}server: {server}\n".encode()},
            environment=value,
            may_leave=frozenset({"out", "data"}),
        )

    token = "{host: 0.0.0.0, token: os.environ/CHAOS_TOKEN}"
    return [
        keyed({}, "a key that is not set"),
        keyed({"CHAOS_KEY": ""}, "a key that is empty"),
        keyed({"CHAOS_KEY": "   "}, "a key that is blank"),
        keyed({"CHAOS_KEY": "schlüssel-ü"}, "a key that no header can hold"),
        serving(token, {}, "CHAOS_TOKEN"),
        serving(token, {"CHAOS_TOKEN": ""}, "CHAOS_TOKEN"),
        serving("{host: 192.0.2.1, token: os.environ/CHAOS_TOKEN}", {"CHAOS_TOKEN": "t"}, "cannot listen"),
        serving("{watch: agents.yaml}", {}, "agents.yaml"),
    ]
