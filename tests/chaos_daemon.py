"""Loops that trouble a real daemon over a provider that outlives it and keeps a book of what it charged.

Each takes ``rounds`` and ``random_seed`` and returns what it counted; nothing is asserted but that a round could be
played. The daemon is a process of its own every time.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import signal
import sqlite3
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from daemons import Running, charges, provider
from lines import agents_yaml, results

from star_agents.cli.main import main
from star_agents.config.reading import parse_config
from star_agents.errors import ConfigError
from star_agents.storage.reader import StoreReader

DRAIN_S = 20.0
IN_FLIGHT = 8
_SEEDS_PER_ROUND = 40
_SEEDS_PER_EDIT = 6
_BAD = 1_000_000
"""A bad edit carries a `random_seed` above this, so that it could be told among the revisions in force."""


@dataclass(slots=True)
class Books:
    """The provider's book joined with the store."""

    charged: int
    repaid: int
    """Charges beyond the first for the same request."""
    answered: int
    pending: int
    seeds: int
    """Seeds with an outcome."""
    outcomes: int
    dropped: int


@dataclass(slots=True)
class DrainReport:
    """What came of a number of SIGTERMs."""

    rounds: int = 0
    sent: int = 0
    """Seeds that the daemon acknowledged."""
    exits: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    in_the_middle: int = 0
    """Rounds that ended with seeds still waiting."""
    noise: list[str] = field(default_factory=list)
    """Whatever a daemon said that is no log line."""
    books: Books | None = None


@dataclass(slots=True)
class EditReport:
    """What came of a number of edits under load."""

    edits: int = 0
    good: int = 0
    bad: int = 0
    torn: int = 0
    """Good ones that were seen half-written first."""
    applied: int = 0
    rejected: int = 0
    bad_in_force: list[int] = field(default_factory=list)
    """Revisions that no good edit made."""
    failures: list[str] = field(default_factory=list)
    """Calls that failed for another reason than that their agent was removed."""
    noise: list[str] = field(default_factory=list)
    sent: int = 0
    books: Books | None = None


def join_books(book: Path, data: Path) -> Books:
    """Read both sides after the daemon has ended."""
    charged = charges(book)
    with contextlib.closing(sqlite3.connect(f"file:{data / 'store.sqlite3'}?mode=ro", uri=True)) as connection:
        states = dict(connection.execute("SELECT state, count(*) FROM calls GROUP BY state"))
    found = results(data)
    return Books(
        charged=sum(charged.values()),
        repaid=sum(count - 1 for count in charged.values()),
        answered=states.get("answered", 0),
        pending=sum(count for state, count in states.items() if state == "pending"),
        seeds=len({result.seed.id for result in found}),
        outcomes=len(found),
        dropped=sum(result.outcome.kind == "dropped" for result in found),
    )


@contextmanager
def serving(config: Path, data: Path) -> Iterator[tuple[Running, str]]:
    """A daemon that is ready, and its address; whoever uses it ends it."""
    with Running("serve", "-c", config, "--data-dir", data, "--port", "0") as daemon:
        ready = daemon.wait_for("state_changed", lambda line: line["state"] == "ready")
        yield daemon, ready["detail"].split()[0]


def send(base: str, first: int, count: int) -> int:
    """POST that many seeds; returns how many were acknowledged as new."""
    rows = [{"instruction": f"What follows {n}?", "output": f"It is {n + 1}."} for n in range(first, first + count)]
    request = urllib.request.Request(f"{base}/v1/seeds", json.dumps(rows).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        return int(json.load(response)["new"])


# SIGTERM at random moments


def sigterm_rounds(folder: Path, *, rounds: int, random_seed: int) -> DrainReport:
    """Start, load, SIGTERM after a random number of outcomes, again; the last start finishes what is left."""
    draw = random.Random(random_seed)
    report = DrainReport()
    config, data, book = folder / "agents.yaml", folder / "data", folder / "book.jsonl"
    with provider(book) as url:
        config.write_text(agents_yaml(url, replaced=f"concurrency: {IN_FLIGHT}\nserver: {{drain_s: {DRAIN_S}}}"))
        for number in range(rounds):
            _drain_once(config, data, report, number, draw)
        with serving(config, data) as (daemon, _):
            daemon.wait_for("outcome_committed", lambda line: line["seq"] == report.sent)
            report.exits[daemon.end()] += 1
    report.books = join_books(book, data)
    return report


def _drain_once(config: Path, data: Path, report: DrainReport, number: int, draw: random.Random) -> None:
    with serving(config, data) as (daemon, base):
        report.sent += send(base, number * _SEEDS_PER_ROUND, _SEEDS_PER_ROUND)
        if outcomes := draw.randrange(_SEEDS_PER_ROUND):
            before = _finished(data)
            daemon.wait_for("outcome_committed", lambda line: line["seq"] >= min(before + outcomes, report.sent))
        told = time.monotonic()
        report.exits[daemon.end(draw.choice([signal.SIGTERM, signal.SIGINT]))] += 1
        report.slowest_s = max(report.slowest_s, time.monotonic() - told)
    report.rounds += 1
    report.noise += daemon.other
    report.in_the_middle += _finished(data) < report.sent


def _finished(data: Path) -> int:
    with StoreReader(data) as reader:
        return reader.counts().done


# A second daemon on the same folder


@dataclass(slots=True)
class Refusal:
    """How a second `serve` on a folder ended."""

    code: int
    seconds: float
    said: str


def second_daemons(config: Path, data: Path, *, rounds: int) -> list[Refusal]:
    """Call `serve` in this process on a folder that another one works on."""
    refusals = []
    for _ in range(rounds):
        said, code, began = io.StringIO(), 0, time.monotonic()
        with contextlib.redirect_stderr(said):
            try:
                main(["serve", "-c", str(config), "--data-dir", str(data), "--port", "0"])
            except SystemExit as stop:
                code = int(stop.code or 0)
        refusals.append(Refusal(code=code, seconds=time.monotonic() - began, said=said.getvalue()))
    return refusals


# Edits of agents.yaml under load


def edit_rounds(folder: Path, *, rounds: int, random_seed: int) -> EditReport:
    """Edit agents.yaml while seeds are worked, three in ten invalid or half-written."""
    report = EditReport()
    config, data, book = folder / "agents.yaml", folder / "data", folder / "book.jsonl"
    with provider(book) as url:
        editor = _Editor(config, url, random.Random(random_seed), report)
        with serving(config, data) as (daemon, base):
            for number in range(1, rounds + 1):
                report.sent += send(base, number * _SEEDS_PER_EDIT, _SEEDS_PER_EDIT)
                editor.edit(daemon, number)
            daemon.wait_for("outcome_committed", lambda line: line["seq"] == report.sent)
            daemon.end()
    report.applied, report.rejected = daemon.count("config_applied"), daemon.count("config_rejected")
    report.noise += daemon.other
    report.failures = [
        line["error"]
        for line in daemon.lines
        if line.get("event") == "call_failed" and "is not in agents.yaml" not in line["error"]
    ]
    with StoreReader(data) as reader:
        in_force = [(row.id, json.loads(row.config)["random_seed"]) for row in reader.revisions()]
    report.bad_in_force = [revision for revision, mark in in_force if mark >= _BAD or mark not in editor.good]
    report.books = join_books(book, data)
    return report


class _Editor:
    """Writes agents.yaml as people and tools do: whole, wrong, in place, or a part first."""

    def __init__(self, path: Path, url: str, draw: random.Random, report: EditReport) -> None:
        self.good = {0}
        """Marks of the good edits."""
        self._path = path
        self._url = url
        self._draw = draw
        self._report = report
        path.write_text(self._good_text(0))

    def edit(self, daemon: Running, number: int) -> None:
        """One edit, and the daemon's word on it."""
        self._report.edits += 1
        kind = self._draw.choices(["good", "bad", "torn"], weights=[70, 20, 10])[0]
        # Mostly SIGHUP, which is read at once; every tenth edit is left for the daemon to notice.
        hang_up = number % 10 != 0
        if kind == "bad":
            self._report.bad += 1
            self._write(daemon, self._bad_text(number), hang_up, "config_rejected")
            return
        text = self._good_text(number)
        if kind == "torn":
            self._report.torn += 1
            self._write(daemon, self._part_of(text), hang_up, "config_rejected")
        self._report.good += 1
        self.good.add(number)
        self._write(daemon, text, hang_up, "config_applied")

    def _write(self, daemon: Running, text: str, hang_up: bool, then: str) -> None:
        heard = daemon.count(then)
        if self._draw.random() < 0.5:
            self._path.write_text(text)
        else:
            draft = self._path.with_suffix(".draft")
            draft.write_text(text)
            draft.rename(self._path)
        if hang_up:
            daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for(then, lambda _: daemon.count(then) > heard)

    def _good_text(self, number: int) -> str:
        names = ["a", *self._draw.sample(["b", "c", "d", "e"], self._draw.randint(1, 4))]
        text = agents_yaml(self._url, agents=names, per_agent=f", temperature: {self._draw.randint(0, 20) / 10}")
        good = yaml.safe_load(text)
        good["star"]["candidates"] = self._draw.randint(1, 3)
        return yaml.safe_dump({**good, "random_seed": number, "concurrency": IN_FLIGHT}, sort_keys=False)

    def _bad_text(self, number: int) -> str:
        good: dict[str, Any] = yaml.safe_load(self._good_text(_BAD + number))
        star = good["star"]

        def with_star(**keys: object) -> str:
            return yaml.safe_dump({**good, "star": {**star, **keys}})

        damages: list[Callable[[], str]] = [
            lambda: yaml.safe_dump({**good, "candidats": 2}),
            lambda: with_star(candidates=0),
            lambda: with_star(candidates="many"),
            lambda: yaml.safe_dump({**good, "agents": {}}),
            lambda: with_star(pairs=[{"instruction": "keep", "response": "nobody"}]),
            lambda: with_star(referee={"agents": ["nobody"]}),
            lambda: yaml.safe_dump(good).replace("LINE_TEST_KEY", "NOT_SET_ANYWHERE"),
            lambda: yaml.safe_dump(good) + "concurrency: 2\n",
            lambda: yaml.safe_dump(good) + "candidates: 2\n",
            lambda: yaml.safe_dump(good) + "\t- [\n",
            lambda: "",
        ]
        return self._draw.choice(damages)()

    def _part_of(self, text: str) -> str:
        """A beginning that is no config by itself; one that is cannot be told from a whole file, by anybody."""
        while True:
            part = text[: self._draw.randrange(1, len(text))]
            try:
                parse_config(part)
            except ConfigError:
                return part
