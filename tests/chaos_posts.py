"""Long and hostile POSTs to a real daemon, among honest ones: it goes on answering, and takes what it should, once.

``/livez`` is asked for all the time. The daemon is paused, so that what is in its store at the end is what it took.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from daemons import Running, post, start
from hostile_bodies import HOSTILE, JSON, LINES, Body

from star_agents.storage.store import STORE_FILE

LONGEST = 15 << 20
"""Bytes of a body."""
SHORTEST = 1 << 10
DEADLINE_S = 5.0
"""For an answer of /livez; the machine may be busy."""
MEMORY_MIB = 512.0
"""That the daemon may hold at its height beyond what it held when it was ready."""
EVERY_S = 0.05
CONFIG = "agents: {tutor: {model: offline/tutor}}\nselection: base\nmemory: off\n"
_WORDS = "Tell it in plain words, please. "


@dataclass(slots=True)
class PostsReport:
    """What became of a number of POSTs."""

    kinds: Counter[str] = field(default_factory=Counter)
    megabytes: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    """0: hung up on while it was still sending."""
    taken: int = 0
    """Seeds that were acknowledged as new."""
    slowest_s: float = 0.0
    """Of /livez."""
    memory_mib: float = 0.0
    """Beyond what the daemon held when it was ready."""
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sent:
    kind: str
    body: Body
    seeds: frozenset[str] = frozenset()
    """Instructions that have to be in the store afterwards; none: it has to be refused."""
    key: str = ""


def post_hostile(folder: Path, *, rounds: int, seed: int) -> PostsReport:
    """Send that many bodies of random kind and size."""
    report, draw = PostsReport(), random.Random(seed)
    daemon, url = start(folder, CONFIG)
    with daemon:
        post(url, {}, "/v1/pause")
        before = _memory_mib(daemon, "VmRSS")
        acknowledged: set[str] = set()
        with _Asking(url, report):
            again: _Sent | None = None
            for number in range(rounds):
                sent = again if again and draw.random() < 0.1 else _drawn(draw, number)
                _send(url, sent, report, acknowledged)
                again = sent if sent.seeds else again
        report.memory_mib = _memory_mib(daemon, "VmHWM") - before
        if daemon.end() != 0:
            report.violations.append("the daemon did not end well")
        report.violations += [f"the daemon said: {line}" for line in daemon.other[:3]]
    if report.memory_mib > MEMORY_MIB:
        report.violations.append(f"the daemon held {report.memory_mib:.0f} MiB more than when it was ready")
    _compare(folder / "data" / STORE_FILE, acknowledged, report)
    return report


def _drawn(draw: random.Random, number: int) -> _Sent:
    size = int(SHORTEST * (LONGEST / SHORTEST) ** draw.random())
    if draw.random() < 0.3:
        return _honest(draw, number, size)
    kind = draw.choice(sorted(HOSTILE))
    return _Sent(kind, HOSTILE[kind](size))


def _honest(draw: random.Random, number: int, size: int) -> _Sent:
    """Seeds that nobody sent before; in one body of four, behind them, a row that spoils all of them."""
    words = draw.choice((4, 40, 4000))
    count = max(1, size // (len(_WORDS) * words + 40))
    texts = [f"{number}-{n}: {_WORDS * words}" for n in range(min(count, 20_000))]
    rows: list[object] = [{"instruction": text, "output": "Yes."} for text in texts]
    key = f"key-{number}" if draw.random() < 0.5 else ""
    if is_spoilt := draw.random() < 0.25:
        rows.append(draw.choice([{"instruction": ""}, {"instruction": "a", "output": 7}, 7, {}, "\ud800"]))
    if draw.random() < 0.5:
        body = LINES, "\n".join(map(json.dumps, rows)).encode()
    else:
        body = JSON, json.dumps(rows if draw.random() < 0.5 else {"seeds": rows}).encode()
    return _Sent("spoilt" if is_spoilt else "honest", body, frozenset(() if is_spoilt else texts), key)


def _send(url: str, sent: _Sent, report: PostsReport, acknowledged: set[str]) -> None:
    status, answer = _post(url, sent)
    report.kinds[sent.kind] += 1
    report.megabytes += len(sent.body[1]) / 1e6
    report.statuses[status] += 1
    what = f"{sent.kind}, {len(sent.body[1]):,} bytes"
    if status >= 500:
        report.violations.append(f"{what}: {status} {answer[:200]!r}")
    if sent.seeds and status != 202:
        report.violations.append(f"{what}: honest seeds were not taken: {status} {answer[:200]!r}")
    if not sent.seeds and status == 202:
        report.violations.append(f"{what}: it was taken")
    if status == 202:
        told, is_first = json.loads(answer), not sent.seeds <= acknowledged
        # A request that comes again under its key gets the answer of the first one.
        new = len(sent.seeds) if is_first or sent.key else 0
        if told["new"] != new:
            report.violations.append(f"{what}: {told['new']} seeds are said to be new, {new} are")
        report.taken += len(sent.seeds) if is_first else 0
        acknowledged |= sent.seeds


def _post(url: str, sent: _Sent) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    headers = {"Content-Type": sent.body[0], **({"Idempotency-Key": sent.key} if sent.key else {})}
    try:
        # Who refuses early hangs up; what was answered can be read all the same, or is lost with the connection.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", "/v1/seeds", sent.body[1], headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (ConnectionResetError, http.client.RemoteDisconnected):
        return 0, b""
    finally:
        connection.close()


class _Asking:
    """Asks for /livez all the time while the context is open."""

    def __init__(self, url: str, report: PostsReport) -> None:
        self._netloc, self._report = urlsplit(url).netloc, report
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._over.wait(EVERY_S):
            began = time.monotonic()
            connection = http.client.HTTPConnection(self._netloc, timeout=60)
            try:
                connection.request("GET", "/livez")
                status = connection.getresponse().status
            except OSError as error:
                self._report.violations.append(f"/livez was not answered: {error!r}")
                return
            finally:
                connection.close()
            took = time.monotonic() - began
            self._report.slowest_s = max(self._report.slowest_s, took)
            if status != 200 or took > DEADLINE_S:
                self._report.violations.append(f"/livez answered {status} after {took:.1f} s")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _memory_mib(daemon: Running, which: str) -> float:
    found = re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{daemon.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def _compare(store: Path, acknowledged: set[str], report: PostsReport) -> None:
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT json_extract(content, '$.instruction') FROM seeds").fetchall()
    held = Counter(text for (text,) in rows)
    lost, beyond = acknowledged - held.keys(), held.keys() - acknowledged
    report.violations += [f"lost although it was acknowledged: {one[:60]}" for one in sorted(lost)[:3]]
    report.violations += [f"held although it was refused: {one[:60]}" for one in sorted(beyond)[:3]]
    report.violations += [f"taken {count} times: {one[:60]}" for one, count in held.items() if count > 1][:3]
