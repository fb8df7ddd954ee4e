"""The store against a model of dicts and lists: Hypothesis looks for a sequence of verbs after which they differ.

``StoreMachine`` covers queue, suspects and quarantine, journal, outcomes, retention, orderly ends and kills. A kill is
made by copying what is on disk to another folder, and going on there.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from star_outcomes import read_star_outcome as stars
from storage_samples import (
    answer_to,
    commit,
    intent,
    make_dropped,
    make_memory,
    make_outcome,
    make_reply,
    make_seed,
    seen,
)

from star_agents.errors import AgentRefused, StoreError, UsageError
from star_agents.records import PAIRS, Seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.rows import Counts
from star_agents.storage.store import STORE_FILE, Store

T = TypeVar("T")
Rule = TypeVar("Rule", bound=Callable[..., None])
DAY = 86_400.0
NUMBERS = st.integers(0, 7)
ANY = st.integers(0, 1000)


@dataclass
class ModelReport:
    """How many sequences were tried; a difference raises, with the sequence that shows it."""

    rounds: int
    seed: int
    steps: int
    sqlite: str = sqlite3.sqlite_version


def check_against_model(*, rounds: int, seed: int, steps: int = 20, shrinks: bool = False) -> ModelReport:
    """Try ``rounds`` sequences of up to ``steps`` verbs.

    ``shrinks`` looks for the shortest sequence that shows a difference, which takes minutes.
    """
    machine = seeded(seed)(type("SeededStoreMachine", (StoreMachine,), {}))
    chosen = settings(
        max_examples=rounds,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)
    return ModelReport(rounds=rounds, seed=seed, steps=steps)


@dataclass
class ModelSeed:
    """What the model knows of a seed."""

    seed: Seed
    state: str = "waiting"
    deaths: int = 0
    outcomes: int = 0
    selected_at: float | None = None
    is_cleared: bool = False

    @property
    def has_texts(self) -> bool:
        """Whether retention may clear something."""
        return self.selected_at is not None and not self.is_cleared


@dataclass
class ModelCall:
    """What the model knows of a call."""

    seed_id: str
    state: str = "intent"
    sends: int = 1
    is_cleared: bool = False


@dataclass
class Model:
    """The store as a person would write it down."""

    seeds: dict[str, ModelSeed] = field(default_factory=dict)
    calls: dict[str, ModelCall] = field(default_factory=dict)
    requests: dict[str, tuple[str, float]] = field(default_factory=dict)

    def by_state(self, state: str) -> list[ModelSeed]:
        """Seeds in a state, oldest first."""
        return [one for one in self.seeds.values() if one.state == state]

    def lease(self, count: int) -> list[ModelSeed]:
        """Who may be worked: a seed with two deaths alone, one with one death beside no other suspect."""
        hand, waiting = self.by_state("working"), self.by_state("waiting")
        if any(one.deaths >= 2 for one in hand):
            return []
        last = [one for one in waiting if one.deaths >= 2]
        if last:
            chosen = [] if hand else last[:1]
        else:
            suspects = [one for one in waiting if one.deaths] if not any(one.deaths for one in hand) else []
            chosen = (suspects[:1] + [one for one in waiting if not one.deaths])[:count]
        for one in chosen:
            one.state = "working"
        return chosen

    def end(self, *, orderly: bool) -> None:
        """What was in hand waits again; after a death it has one more, and at three it is quarantined."""
        for one in self.by_state("working"):
            one.deaths += not orderly
            one.state = "quarantined" if one.deaths >= 3 else "waiting"


def has(*states: str) -> Callable[[Rule], Rule]:
    """The rule applies where some seed is in one of these states."""
    given: Callable[[Rule], Rule] = precondition(
        lambda self: any(one.state in states for one in self.model.seeds.values())
    )
    return given


class StoreMachine(RuleBasedStateMachine):
    """Verbs of the store in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.base = Path(tempfile.mkdtemp(prefix="store-model-"))
        self.places = 0
        self.now = 1000 * DAY
        self.model = Model()
        self.store = self.run(Store.open(self.base / "0", now=lambda: self.now))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one verb to its end."""
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        """Close everything."""
        self.run(self.store.aclose())
        self.loop.close()
        shutil.rmtree(self.base)

    @initialize(count=st.integers(0, 4))
    def begin(self, count: int) -> None:
        self.add(list(range(count)))

    # Queue

    @rule(numbers=st.lists(NUMBERS, max_size=3))
    def add(self, numbers: list[int]) -> None:
        seeds = [make_seed(number) for number in numbers]
        new = {seed.id for seed in seeds} - self.model.seeds.keys()
        assert self.run(self.store.add_seeds(seeds)) == (len(new), len(seeds) - len(new))
        for seed in seeds:
            self.model.seeds.setdefault(seed.id, ModelSeed(seed))

    @rule(numbers=st.lists(NUMBERS, max_size=2), key=st.sampled_from("ab"))
    def add_by_request(self, numbers: list[int], key: str) -> None:
        seeds = [make_seed(number) for number in numbers]
        told = self.run(self.store.recall_request(key))
        digest, at = self.model.requests.get(key, ("", 0.0))
        assert (told is not None) == (at >= self.now - 7 * DAY)
        if told is not None:
            assert told[0] == digest
            with pytest.raises(StoreError, match="UNIQUE"):
                self.run(self.store.add_seeds(seeds, request=(key, "other")))
            return
        self.run(self.store.add_seeds(seeds, request=(key, f"digest {numbers}")))
        self.model.requests[key] = (f"digest {numbers}", self.now)
        for seed in seeds:
            self.model.seeds.setdefault(seed.id, ModelSeed(seed))

    @rule(count=st.integers(1, 3))
    def lease(self, count: int) -> None:
        waiting = len(self.model.by_state("waiting"))
        expected = self.model.lease(count)
        assert self.run(self.store.lease(count)) == [one.seed for one in expected]
        assert self.store.holds_back == (len(expected) < min(count, waiting))

    @has("working")
    @rule(at=ANY)
    def release(self, at: int) -> None:
        one = self.pick("working", at)
        self.run(self.store.release(one.seed.id))
        one.state = "waiting"

    @rule()
    def requeue_dropped(self) -> None:
        dropped = [one for one in self.model.by_state("done") if one.selected_at is None]
        assert self.run(self.store.requeue_dropped()) == len(dropped)
        for one in dropped:
            one.state = "waiting"

    @has("quarantined")
    @rule(at=ANY, everyone=st.booleans())
    def release_quarantined(self, at: int, everyone: bool) -> None:
        chosen = self.model.by_state("quarantined") if everyone else [self.pick("quarantined", at)]
        ids = None if everyone else [one.seed.id for one in chosen]
        assert self.run(self.store.release_quarantined(ids)) == len(chosen)
        for one in chosen:
            one.state, one.deaths = "waiting", 0

    @has("waiting", "working", "done")
    @rule(at=ANY)
    def release_who_is_not_in_quarantine(self, at: int) -> None:
        free = [one for one in self.model.seeds.values() if one.state != "quarantined"]
        jailed = [one.seed.id for one in self.model.by_state("quarantined")]
        with pytest.raises(UsageError, match="not in quarantine"):
            self.run(self.store.release_quarantined([*jailed, free[at % len(free)].seed.id]))

    # Journal

    @has("working")
    @rule(at=ANY, step=st.sampled_from("xy"))
    def ask(self, at: int, step: str) -> None:
        seed_id = self.pick("working", at).seed.id
        key = f"{seed_id}:{step}"
        call = self.model.calls.get(key)
        answer = self.run(answer_to(self.store, key))
        if call is not None and call.state == "answered":
            assert answer == make_reply(key)
            with pytest.raises(StoreError, match="answered already"):
                self.run(self.store.intend([intent(key)]))
            return
        assert answer is None
        self.run(self.store.intend([intent(key, seed_id=seed_id)]))
        self.model.calls[key] = ModelCall(seed_id, sends=call.sends + 1 if call else 1)

    @precondition(lambda self: any(call.state == "intent" for call in self.model.calls.values()))
    @rule(at=ANY, is_paid=st.booleans())
    def hear(self, at: int, is_paid: bool) -> None:
        pending = [key for key, call in self.model.calls.items() if call.state == "intent"]
        key = pending[at % len(pending)]
        call = self.model.calls[key]
        if is_paid:
            self.run(self.store.record_answers([(key, make_reply(key))]))
            call.state = "answered"
        else:
            self.run(self.store.withdraw([key]))
            call.state, call.sends = "withdrawn", call.sends - 1
            if not call.sends:
                del self.model.calls[key]

    # Outcomes and retention

    @has("working")
    @rule(at=ANY, kind=st.sampled_from(["kept", "base", "dropped"]))
    def settle(self, at: int, kind: str) -> None:
        one = self.pick("working", at)
        chosen = {"kept": 1, "base": 0}
        outcome = make_outcome(one.seed, kind=kind, chosen=chosen[kind]) if kind in chosen else make_dropped(one.seed)
        self.run(commit(self.store, outcome, make_memory(1.0) if kind == "kept" else None))
        one.state, one.deaths, one.outcomes = "done", 0, one.outcomes + 1
        one.selected_at = None if kind == "dropped" else self.now

    @has("done")
    @rule(at=ANY)
    def settle_again(self, at: int) -> None:
        with pytest.raises(StoreError, match="has its outcome already"):
            self.run(commit(self.store, make_dropped(self.pick("done", at).seed)))

    @rule(passed=st.integers(1, 5), days=st.integers(0, 4), limit=st.integers(1, 3))
    def clear(self, passed: int, days: int, limit: int) -> None:
        self.now += passed * DAY
        before = self.now - days * DAY
        kept = sorted((one for one in self.model.seeds.values() if one.has_texts), key=lambda one: one.selected_at or 0)
        kept = [one for one in kept if (one.selected_at or 0) < before]
        cleared = self.run(self.store.clear_texts(before, limit))
        assert cleared == min(limit, len(kept))
        # Seeds of one moment go in any order: the store says which went.
        rows = {
            row.outcome.seed_id: row for row in self.run(self.store.outcomes(limit=1000)) if stars(row.outcome).winner
        }
        gone = [one for one in kept if not stars(rows[one.seed.id].outcome).candidates[2].candidate.sample.instruction]
        assert len(gone) == cleared
        assert [one.selected_at for one in gone] == [one.selected_at for one in kept[:cleared]]
        for one in gone:
            one.is_cleared = True
            for call in self.model.calls.values():
                call.is_cleared |= call.seed_id == one.seed.id and call.state == "answered"

    # Ends

    @rule()
    def end_in_good_order(self) -> None:
        folder = self.store.folder
        self.run(self.store.aclose())
        self.model.end(orderly=True)
        self.store = self.run(Store.open(folder, now=lambda: self.now))

    @rule()
    def be_killed(self) -> None:
        self.places += 1
        folder = self.base / str(self.places)
        folder.mkdir()
        for name in (STORE_FILE, STORE_FILE + "-wal"):
            shutil.copy(self.store.folder / name, folder / name)
        self.run(self.store.aclose())
        self.model.end(orderly=False)
        self.store = self.run(Store.open(folder, now=lambda: self.now))

    # What holds at all times

    def pick(self, state: str, at: int) -> ModelSeed:
        """One of the seeds in a state."""
        there = self.model.by_state(state)
        return there[at % len(there)]

    @invariant()
    def store_and_model_agree(self) -> None:
        self.run(self._compare())

    async def _compare(self) -> None:
        """Ask everything at once, so that it costs one turn of the writer thread."""
        store, calls = self.store, self.model.calls
        there = [key for key, call in calls.items() if not call.is_cleared]
        jailed = seen(store, StoreReader.quarantined)
        counts, answers, rows, memory, pools = await asyncio.gather(
            store.counts(),
            store.find_answers(there),
            store.outcomes(limit=1000),
            store.memory_rows(),
            store.load_pools(),
        )
        self._compare_counts(counts)
        assert [(one.id, one.deaths) for one in jailed] == [
            (one.seed.id, one.deaths) for one in self.model.by_state("quarantined")
        ]
        assert answers == {key: make_reply(key) for key in there if calls[key].state == "answered"}
        for key in calls.keys() - set(there):
            with pytest.raises(AgentRefused, match="not paid for again"):
                await answer_to(store, key)
        assert len(rows) == sum(one.outcomes for one in self.model.seeds.values())
        assert [row.seq for row in memory] == [row.seq for row in rows if row.outcome.kind == "kept"]
        assert (pools[PAIRS].after_seq if pools else 0) == max((row.seq for row in rows), default=0)

    def _compare_counts(self, counts: Counts) -> None:
        calls = self.model.calls.values()
        states = ("waiting", "working", "quarantined", "done")
        assert [getattr(counts, state) for state in states] == [len(self.model.by_state(state)) for state in states]
        answered = sum(call.state == "answered" for call in calls)
        assert (counts.calls_answered, counts.cost_usd) == (answered, 0.5 * answered), (
            "retention never touches the books"
        )
        assert counts.calls_pending == sum(call.state == "intent" for call in calls)
        assert counts.calls_maybe_paid == sum(call.sends - (call.state != "withdrawn") for call in calls)
