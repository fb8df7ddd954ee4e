"""kill -9 of a whole daemon: at random moments, and at every place that has a name (``process.crash_points``).

The provider outlives the kills and keeps a book; after each of them folder and book are looked at (``chaos_audit``).
The functions take ``rounds`` and ``seed`` and return a report; the suite runs them small, tools/chaos at full size.
"""

from __future__ import annotations

import http.client
import json
import random
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos_audit import Audit, Facts
from chaos_methods import STAR, Method
from chaos_nursery import PATIENCE_S, Nursery
from chaos_provider import provider, settle

from star_agents.storage.connection import connect_reading
from star_agents.storage.incoming.seed_files import seed_from_row
from star_agents.storage.store import STORE_FILE

SEEDS_PER_LIFE = 20
KILLS_PER_FOLDER = 25
"""Kills of one folder before its seeds are finished and the next is begun: a look reads all of it."""
KILLED = -signal.SIGKILL


@dataclass
class KillReport:
    """What the kills did. ``violations`` holds a sentence for each promise that was broken, and is empty."""

    rounds: int
    seed: int
    seeds: int = 0
    outcomes: int = 0
    charges: int = 0
    repaid_in_flight: int = 0
    """Calls that were charged again because a kill fell between sending and recording."""
    worst_in_flight: int = 0
    """Most answers that one kill took with it."""
    replays: int = 0
    """Times that probabilities and memory bank were compared with a replay of the outcomes."""
    edits: int = 0
    """Edits of agents.yaml that were in force."""
    quarantined: int = 0
    """Seeds that the kills brought into quarantine; released at the end, and finished."""
    violations: list[str] = field(default_factory=list)

    def add(self, audit: Audit, facts: Facts) -> None:
        """What came of one folder."""
        self.seeds += facts.seeds
        self.outcomes += facts.outcomes
        self.charges += facts.charges
        self.repaid_in_flight += audit.repaid
        self.worst_in_flight = max(self.worst_in_flight, audit.worst)
        self.replays += audit.looks
        self.violations += audit.violations


def kill_daemon(
    folder: Path, *, rounds: int, seed: int, edited: bool = False, cold: bool = False, method: Method = STAR
) -> KillReport:
    """Let a daemon work, kill it at a random moment, look at what is left; again and again.

    Args:
        folder: Empty, for the daemons' folders.
        rounds: Kills.
        seed: Of the random moments.
        edited: Also edit agents.yaml meanwhile, so that pairs come and go.
        cold: Start every daemon as a fresh interpreter.
        method: What it works.
    """
    report, chance = KillReport(rounds=rounds, seed=seed), random.Random(seed)
    for begun in range(0, rounds, KILLS_PER_FOLDER):
        with story(folder / str(begun), chance, cold=cold, method=method) as told:
            for _ in range(min(KILLS_PER_FOLDER, rounds - begun)):
                told.live_and_be_killed(edited=edited)
            report.quarantined += told.finish()
            report.edits += told.edits
            report.add(told.audit, told.facts)
    return report


@contextmanager
def story(folder: Path, chance: random.Random, *, cold: bool, method: Method = STAR) -> Iterator[Story]:
    """A folder, a provider and the nursery of the daemons that will work there."""
    folder.mkdir(parents=True)
    book = folder / "book.jsonl"
    with provider(book) as url, Nursery(cold=cold) as nursery:
        audit = method.audit(folder / "data", book, method.at_once)
        yield Story(folder, url, nursery, audit, chance, method)


class Story:
    """The lives of one daemon's folder, one after another."""

    def __init__(
        self, folder: Path, url: str, nursery: Nursery, audit: Audit, chance: random.Random, method: Method
    ) -> None:
        self.folder = folder
        self.data = audit.folder
        self.nursery = nursery
        self.audit = audit
        self.chance = chance
        self.facts = Facts()
        """As of the last look."""
        self.base = ""
        """Address of the daemon that is ready."""
        self.newest: set[str] = set()
        """Ids of the seeds that were brought last."""
        self.edits = 0
        self._method = method
        self._url = url
        self._asked = 0
        self._config = folder / "agents.yaml"
        self._write()

    def live_and_be_killed(self, *, edited: bool) -> None:
        """One life: seeds come, some end, perhaps agents.yaml is edited, and then it is over."""
        self.start()
        if self.chance.random() < 0.1:
            time.sleep(self.chance.uniform(0, 0.3))  # Killed on its way up, wherever that is.
        elif self.is_ready():
            self.post(SEEDS_PER_LIFE)
            if edited:
                self._finish_some()
                self.edit()
            self._finish_some()
            # A line is logged after a commit: without a random pause every kill would fall there.
            time.sleep(self.chance.uniform(0, 0.02))
        if (code := self.nursery.end()) != KILLED:
            self.audit.violations.append(f"the daemon ended by itself, with {code}")
        self.look(f"kill {self.audit.looks + 1} in {self.folder.name}")

    def start(self, **environment: str) -> None:
        """Start a daemon."""
        self.nursery.start("serve", "-c", self._config, "--data-dir", self.data, "--port", "0", **environment)

    def is_ready(self) -> bool:
        """Wait until it is; false where it ended before."""
        ready = self.nursery.wait_for("state_changed", lambda line: line["state"] == "ready")
        self.base = ready["detail"].split()[0] if ready else ""
        return ready is not None

    def post(self, count: int) -> bool:
        """Bring new seeds; false where the daemon died before it said yes."""
        numbers = range(self._asked, self._asked + count)
        self._asked += count
        rows = [self._method.row(number) for number in numbers]
        self.newest = {seed_from_row(row, source="").id for row in rows}
        if not self._send("/v1/seeds", rows):
            return False
        self.audit.told |= self.newest
        return True

    def wait_for_newest(self, *, until_kept: bool = False) -> None:
        """Wait until the seeds that came last have ended, or, if asked for, until a pair has won one."""

        def over() -> bool:
            ended = [line for line in self.nursery.lines if line["event"] == "outcome_committed"]
            if until_kept and any(line["kind"] == "kept" for line in ended):
                return True
            return self.newest <= {line["seed_id"] for line in ended}

        self.nursery.wait_until(over, "outcomes")

    def edit(self) -> None:
        """Put another agents.yaml in its place, in which agents and what is drawn come and go."""
        self.edits += 1
        self._write()
        self.nursery.send(signal.SIGHUP)

    def look(self, what: str) -> Facts:
        """Look at folder and book; nothing may be working on them."""
        settle(self._url)
        self.facts = self.audit.look(what)
        return self.facts

    def finish(self) -> int:
        """Let the seeds that are left end, and the daemon drain; returns how many had to be let out of quarantine."""
        self.start()
        if not self.is_ready():
            raise RuntimeError(f"the daemon does not start any more: {self.nursery.noise[-5:]}")
        with urllib.request.urlopen(f"{self.base}/v1/quarantine", timeout=PATIENCE_S) as response:
            quarantined = len(json.load(response)["seeds"])
        self._send("/v1/quarantine/release", {"all": True})
        self.nursery.wait_until(self._is_all_done, "outcomes")
        if (code := self.nursery.end(signal.SIGTERM)) != 0:
            self.audit.violations.append(f"the drain ended with {code}")
        facts = self.look("the end")
        if facts.outcomes != facts.seeds or facts.working:
            self.audit.violations.append(f"{facts.seeds} seeds have {facts.outcomes} outcomes at the end")
        if facts.pending and not self.edits:
            self.audit.violations.append(f"{facts.pending} calls are pending at the end")
        return quarantined

    def _is_all_done(self) -> bool:
        """Whether every seed has its outcome, those included that came of others meanwhile."""
        with closing(connect_reading(self.data / STORE_FILE)) as connection:
            sql = "SELECT (SELECT count(*) FROM seeds) = (SELECT count(*) FROM outcomes)"
            return bool(connection.execute(sql).fetchone()[0])

    def _finish_some(self) -> None:
        goal = self.nursery.count("outcome_committed") + self.chance.randrange(SEEDS_PER_LIFE // 2)
        self.nursery.wait_until(lambda: self.nursery.count("outcome_committed") >= goal, "outcomes")

    def _write(self) -> None:
        text = self._method.config(self.folder, self._url, self.chance if self.edits else None, self.edits)
        draft = self._config.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(self._config)

    def _send(self, path: str, body: object) -> bool:
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S):
                return True
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException):
            return False
