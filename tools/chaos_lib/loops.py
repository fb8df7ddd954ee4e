"""Every loop with its full size: what it does stands in tests/chaos_*.py, here it is called and counted."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

STAR, CHAIN = "star", "chain"
"""What is worked: by Star, or by a chain of recipes of somebody's own."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a loop found."""

    counted: str
    """What happened, in numbers."""
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One row of the table."""

    what: str
    unit: str
    """What is counted by ``--rounds``."""
    full: int
    """Its number in the table."""
    module: str
    """Where it stands; imported when it is run, so that one loop does not wait for what another needs."""
    count: Callable[[Any, Path, int, int], Result]
    """Runs it: with the module, an empty folder, the rounds and the seed."""

    def run(self, folder: Path, rounds: int, seed: int) -> Result:
        """Run the loop in an empty folder."""
        return self.count(importlib.import_module(self.module), folder, rounds, seed)


def store(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """kill -9 of a store."""
    return _store(loops, folder, rounds, seed, STAR)


def chain_store(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """kill -9 of a store in which a chain of recipes of somebody's own is worked."""
    return _store(loops, folder, rounds, seed, CHAIN)


def _store(loops: Any, folder: Path, rounds: int, seed: int, what: str) -> Result:
    report = loops.kill_store(folder, rounds=rounds, seed=seed, what=what)
    return Result(
        counted=f"{report.seeds:,} seeds, {report.outcomes:,} outcomes, {report.charges:,} calls, "
        f"{report.repaid_in_flight} of them repaid in flight (at most {report.worst_in_flight} after one kill)",
        violations=report.violations,
    )


def daemon(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """kill -9 of a daemon."""
    return _daemon(loops, folder, rounds, seed, STAR, edited=False)


def replay(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """The same while agents.yaml is edited, so that a replay has to follow the edits."""
    return _daemon(loops, folder, rounds, seed, STAR, edited=True)


def chain_daemon(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """kill -9 of a daemon that works a chain of recipes of somebody's own."""
    return _daemon(loops, folder, rounds, seed, CHAIN, edited=False)


def chain_replay(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """The same while the arms of its pools come and go."""
    return _daemon(loops, folder, rounds, seed, CHAIN, edited=True)


def _daemon(loops: Any, folder: Path, rounds: int, seed: int, method: str, *, edited: bool) -> Result:
    report = loops.kill_daemon(folder, rounds=rounds, seed=seed, edited=edited, cold=True, method=_method(method))
    edits = f"{report.edits} edits, " if edited else ""
    return Result(counted=f"{edits}{_killed(report)}", violations=report.violations)


def points(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Death at every named point."""
    return _points(loops, folder, rounds, seed, STAR)


def chain_points(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Death at every named point that a chain of recipes of somebody's own passes."""
    return _points(loops, folder, rounds, seed, CHAIN)


def _method(name: str) -> Any:
    return importlib.import_module("chaos_methods").METHODS[name]


def _points(loops: Any, folder: Path, rounds: int, seed: int, method: str) -> Result:
    report = loops.kill_at_points(folder, rounds=rounds, seed=seed, cold=True, method=_method(method))
    counted = f"{len(report.reached)} points, {report.reached.total()} deaths, {_killed(report)}"
    return Result(counted=counted, violations=report.violations)


def _killed(report: Any) -> str:
    return (
        f"{report.seeds:,} seeds, {report.outcomes:,} outcomes, {report.charges:,} calls, {report.repaid_in_flight} of "
        f"them repaid in flight (at most {report.worst_in_flight} after one kill), {report.replays:,} replays alike, "
        f"{report.quarantined} seeds let out of quarantine"
    )


def wal(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Torn logs."""
    report = loops.tear_logs(folder, rounds=rounds, seed=seed)
    counted = f"{report.prefixes} different prefixes of {report.commits} commits, each exact"
    return Result(counted=counted, violations=report.violations)


def model(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """The store against a model of dicts."""
    try:
        report = loops.check_against_model(rounds=rounds, seed=seed)
    except (Exception, BaseExceptionGroup, pytest.fail.Exception) as difference:  # whatever the sequence raised
        return Result(counted="", violations=[f"the store differs from its model: {_told(difference)}"])
    return Result(counted=f"sequences of up to {report.steps} verbs")


def _told(error: BaseException) -> str:
    inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
    return (str(inner) or repr(inner)).strip().splitlines()[0]


def drain(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """SIGTERM at random moments."""
    report = loops.sigterm_rounds(folder, rounds=rounds, random_seed=seed)
    books = report.books
    assert books is not None
    wrong = [f"{count} daemons ended with {code}" for code, count in report.exits.items() if code != 0]
    wrong += [f"the slowest drain took {report.slowest_s:.1f} s"] if report.slowest_s >= loops.DRAIN_S else []
    wrong += [f"{books.repaid} calls were repaid"] if books.repaid else []
    wrong += [f"{books.outcomes} outcomes for {report.sent} seeds"] if books.outcomes != report.sent else []
    wrong += report.noise[:3]
    return Result(
        counted=f"{report.in_the_middle} of them with seeds waiting, slowest {report.slowest_s:.1f} s, "
        f"{report.sent:,} seeds, {books.charged:,} calls, {books.repaid} repaid",
        violations=wrong,
    )


def run_drain(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Signals to a batch over a provider that hangs and asks for long rests."""
    report = loops.drain_runs(folder, rounds=rounds, seed=seed)
    signals = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.signals.items()))
    return Result(
        counted=f"{signals}; {report.waiting} runs ended with seeds waiting, slowest {report.slowest_s:.1f} s, "
        f"{report.seeds:,} seeds, {report.outcomes:,} outcomes, {report.charges:,} calls, {report.repaid_in_flight} of "
        f"them repaid in flight (at most {report.worst_in_flight} after one signal)",
        violations=report.violations,
    )


def edits(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """agents.yaml edited under load."""
    report = loops.edit_rounds(folder, rounds=rounds, random_seed=seed)
    books = report.books
    assert books is not None
    wrong = [f"revision {one} came of no good edit" for one in report.bad_in_force]
    wrong += [f"{report.applied} edits were in force, {report.good} were good"] * (report.applied != report.good)
    wrong += [f"{books.charged} calls were charged, {books.answered} answered"] * (books.charged != books.answered)
    wrong += [f"{books.outcomes} outcomes for {report.sent} seeds"] * (books.outcomes != report.sent)
    wrong += [*report.failures[:3], *report.noise[:3]]
    return Result(
        counted=f"{report.good} good, {report.bad} bad, {report.torn} half-written first; {report.sent:,} seeds, "
        f"{books.charged:,} calls, {books.repaid} repaid",
        violations=wrong,
    )


def config(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """agents.yaml as nobody means it, read; and every twentieth as many put in force by a daemon."""
    report = loops.read_all(folder, rounds=rounds, random_seed=seed)
    loops.edit_all(folder, rounds=max(10, rounds // 20), random_seed=seed + 1, report=report)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.kinds.items()))
    return Result(
        counted=f"{kinds}; {report.taken:,} taken, slowest {report.slowest_s:.2f} s of CPU; {report.edits:,} edits of "
        f"a running daemon, {report.applied:,} in force",
        violations=report.faults,
    )


def input_(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Malformed input."""
    report = loops.receive(loops.cases(rounds, random_seed=seed), folder)
    counted = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.kinds.items()))
    return Result(counted=counted, violations=report.faults)


def batches(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Kills and drains of a run whose calls go by provider batches, in either protocol."""
    violations, told = list[str](), list[str]()
    for protocol, kills in (("openai", rounds - rounds // 3), ("anthropic", rounds // 3)):
        place = folder / protocol
        place.mkdir()
        report = loops.kill_batches(place, rounds=kills, seed=seed, cold=True, protocol=protocol)
        violations += [f"{protocol}: {one}" for one in report.violations]
        ends = ", ".join(f"{count} {how}" for how, count in sorted(report.kills.items()))
        told.append(
            f"{protocol}: {ends}; {report.seeds:,} seeds, {report.calls:,} calls in {report.batches:,} batches, "
            f"{report.charges:,} charged, {report.lost:,} of them garbled and {report.alone:,} sent alone; "
            f"{report.cost_usd / report.full_usd:.3f} of the full price; {report.quarantined} let out of quarantine"
        )
    return Result(counted=". ".join(told), violations=violations)


def verdicts(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Hostile candidates."""
    report = asyncio.run(loops.forge(rounds, random_seed=seed))
    counted = f"{report.comparisons:,} comparisons, {len(report.softened):,} verdicts softened to a tie"
    return Result(counted=counted, violations=[f"forged: {one}" for one in report.forged])


def usage(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Providers that count as none can."""
    report = asyncio.run(loops.claim(folder, rounds=rounds, seed=seed))
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.kinds.items()))
    return Result(counted=f"{report.doubted:,} doubted: {kinds}", violations=report.violations)


def canary(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Secrets given away."""
    report = loops.give_away(folder, rounds=rounds, seed=seed)
    places = ", ".join(f"{count:,} {place.replace('_', ' ')}" for place, count in sorted(report.places.items()))
    return Result(
        counted=f"{report.secrets:,} secrets in {len(report.forms)} forms: {places}; "
        f"{report.bytes / 2**20:,.1f} MiB of output searched",
        violations=report.violations,
    )


def soak(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Seed after seed."""
    report = loops.soak(folder, rounds=rounds)
    return Result(counted=str(report), violations=report.violations)


def sync(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """The order of syncing and saying so."""
    report = loops.check_sync_order(folder, rounds=rounds, seed=seed)
    return Result(counted=f"{report.synced_commits:,} syncs of the log", violations=report.violations)


def faults(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Texts on which a provider fails."""
    report = loops.poison(folder, rounds=rounds, seed=seed)
    poisoned = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.poisoned.items()))
    ended = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.ended.items()))
    return Result(counted=f"one candidate poisoned: {poisoned}; ended: {ended}", violations=report.violations)


def lock(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """A second daemon on the same folder."""
    report = loops.second_daemons(folder, rounds=rounds)
    return Result(counted=f"slowest refusal {report.slowest_s:.2f} s", violations=report.violations)


def gone(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """The store's files are removed or replaced."""
    report = loops.remove_stores(folder, rounds=rounds, seed=seed)
    counted = f"{len(report.ways)} ways, {report.refused:,} verbs refused"
    return Result(counted=counted, violations=report.violations)


def scorer(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Scorer processes that are killed, stopped and hung."""
    report = loops.hurt_scorers(folder, rounds=rounds, seed=seed)
    ways = ", ".join(f"{count:,} {way}" for way, count in sorted(report.ways.items()))
    return Result(counted=f"{ways}; {report.deaths:,} processes replaced", violations=report.violations)


def posts(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Long and hostile POSTs."""
    report = loops.post_hostile(folder, rounds=rounds, seed=seed)
    answers = ", ".join(f"{count:,} × {status or 'hung up on'}" for status, count in sorted(report.statuses.items()))
    return Result(
        counted=f"{report.megabytes:,.0f} MB of {len(report.kinds)} kinds: {answers}; {report.taken:,} seeds taken; "
        f"slowest /livez {report.slowest_s:.2f} s; at most {report.memory_mib:.0f} MiB more than at rest",
        violations=report.violations,
    )


def transports(loops: Any, folder: Path, rounds: int, seed: int) -> Result:
    """Servers that misbehave, on every way a prompt can go."""
    report = asyncio.run(loops.misbehave(rounds=rounds, seed=seed))
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(report.kinds.items()))
    counted = f"{kinds}; {report.answers:,} answers, at most {report.most_memory >> 20} MiB for one reply"
    return Result(counted=counted, violations=report.violations)


LOOPS: dict[str, Loop] = {
    name: Loop(what=what, unit=unit, full=full, module=f"chaos_{module}", count=count)
    for name, what, unit, full, module, count in (
        ("store", "kill -9 of the store under load", "kills", 10_000, "store", store),
        ("daemon", "kill -9 of the whole daemon", "kills", 1_000, "kills", daemon),
        ("points", "kill at every named crash point", "times each", 20, "points", points),
        ("replay", "kill -9 while pairs come and go", "kills", 1_000, "kills", replay),
        ("chain-store", "kill -9 of the store under a chain of own recipes", "kills", 1_000, "store", chain_store),
        ("chain-daemon", "kill -9 of a daemon with a chain of own recipes", "kills", 100, "kills", chain_daemon),
        ("chain-points", "the same at every named crash point", "times each", 2, "points", chain_points),
        ("chain-replay", "the same while arms come and go", "kills", 100, "kills", chain_replay),
        ("wal", "torn write-ahead log", "recoveries", 100_000, "wal", wal),
        ("model", "the store against a model", "sequences", 50_000, "store_model", model),
        ("drain", "SIGTERM at random moments", "signals", 500, "daemon", drain),
        ("run-drain", "signals to a run whose provider hangs or rests", "runs", 300, "run_drain", run_drain),
        ("edits", "agents.yaml edited under load", "edits", 1_000, "daemon", edits),
        ("config", "agents.yaml as nobody means it", "files", 10_000, "config", config),
        ("input", "malformed input", "cases", 2_000, "input", input_),
        ("verdicts", "hostile candidates", "candidates", 1_000, "hostile", verdicts),
        ("usage", "usage that cannot be so", "replies", 10_000, "usage", usage),
        ("canary", "secrets given away in any form", "times", 2_000, "canary", canary),
        ("transports", "servers that misbehave, on every way", "replies", 2_000, "transports", transports),
        ("soak", "soak, provider without latency", "seeds", 100_000, "soak", soak),
        ("sync", "durable before it is said", "verbs", 10_000, "sync", sync),
        ("faults", "one candidate that the referee's provider fails on", "seeds", 1_000, "faults", faults),
        ("batches", "kills of a run that goes by provider batches", "kills", 100, "batches", batches),
        ("lock", "a second daemon on one folder", "daemons", 100, "lock", lock),
        ("scorer", "scorer processes killed, stopped, hung", "times", 500, "scorer", scorer),
        ("posts", "long and hostile POSTs", "bodies", 300, "posts", posts),
        ("gone", "files of an open store removed or replaced", "times", 2_000, "gone", gone),
    )
}
