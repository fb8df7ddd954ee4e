"""Kills of a run whose calls go by provider batches, over a provider that goes wrong in every way it can.

The provider outlives the kills and keeps a book. At the end every seed has its outcome, every call that brought an
answer was charged once, and what was lost on its way (the provider garbled an answer) is counted as such, too.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import fork_server
from batch_account import COMPLETION_TOKENS, PROMPT_TOKENS, Faults
from batch_provider import charges_in
from chaos_nursery import PATIENCE_S, Nursery

from star_agents.agents.price_list import listed
from star_agents.process.crash_points import VARIABLE
from star_agents.storage.connection import connect_reading
from star_agents.storage.store import STORE_FILE, Store

RECIPE = '''
"""One question, and two about its answer."""

from star_agents.recipes.protocol import done, recipe, sft
from star_agents.records import Sample


@recipe(takes="instruction")
async def thrice(seed, bench, settings):
    """One row for each of the two."""
    first = await bench.ask("a", seed.sample.question, step="first")
    asks = [f"{kind} of {first.text}" for kind in ("critique", "summary")]
    told = await bench.gather(*(bench.ask("ab"[n], one, step=f"ask:{n}") for n, one in enumerate(asks)))
    return done(seed, rows=[sft(Sample(instruction=one, response=said.text)) for one, said in zip(asks, told.results)])
'''
CALLS_PER_SEED = 3
FAULTS = Faults(
    http=0.05,
    lost_reply=0.2,
    cut=0.1,
    expired=0.15,
    cancelled=0.1,
    failed=0.05,
    full=0.05,
    broken=0.02,
    doubled=0.05,
    unknown=0.02,
    noise=0.002,
    garbled=0.002,
)
POINTS = (
    "calls_gathered",
    "batch_made",
    "batch_uploaded",
    "batch_created",
    "batch_submitted",
    "results_taken_in",
    "batch_ended",
    "batch_deleted",
)
"""Where a process may die that works batches; Anthropic's know no upload."""
MODELS: Mapping[str, tuple[str, str]] = {
    "openai": ("openai/gpt-4o-mini", "openai/gpt-4.1-mini"),
    "azure": ("azure/gpt-4.1-nano", "azure/gpt-4.1-mini"),
    "mistral": ("mistral/mistral-small-latest", "mistral/mistral-medium-latest"),
    "gemini": ("gemini/gemini-2.5-flash-lite", "gemini/gemini-2.5-flash"),
    "anthropic": ("anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-5"),
}
PATHS = {"openai": "/v1", "azure": "/azure", "mistral": "/mistral/v1", "gemini": "/gemini/v1beta", "anthropic": ""}
"""Of each protocol's address at the tests' provider."""
KILLED = -signal.SIGKILL
PATIENCE_RUNS = 50
LOOK_S = 0.02


@dataclass
class BatchReport:
    """What the kills did. ``violations`` holds a sentence for each promise that was broken, and is empty."""

    kills: Counter[str] = field(default_factory=Counter[str])
    """By how a process ended."""
    seeds: int = 0
    calls: int = 0
    batches: int = 0
    charges: int = 0
    lost: int = 0
    """Charges whose answer the provider garbled."""
    alone: int = 0
    """Charges of calls that fell back to the full price."""
    quarantined: int = 0
    """Seeds that three kills found in hand; released at the end, and finished."""
    cost_usd: float = 0.0
    full_usd: float = 0.0
    """What the same calls cost one by one."""
    violations: list[str] = field(default_factory=list)


@contextmanager
def provider_in_a_process(folder: Path, faults: Faults, seed: int) -> Iterator[str]:
    """The provider as a process; yields its address."""
    told = ["--book", str(folder / "book.jsonl"), "--faults", json.dumps(asdict(faults)), "--seed", str(seed)]
    with fork_server.start(told, module="batch_provider", is_heard=False) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def lay_out(
    folder: Path,
    url: str,
    seeds: int,
    *,
    protocol: str = "openai",
    tries: int = 6,
    wait_s: float = 0.2,
    most: int = 400,
    settings: str = "",
) -> None:
    """Write what a run needs."""
    base = f"{url}{PATHS[protocol]}"
    settings += ", price: 0.5" * (protocol == "mistral")  # Nobody lists its price of batches.
    batch = f"{{max_requests: {most}, max_wait_s: {wait_s}, poll_s: 0.02, tries: {tries}{settings}}}"
    agents = "\n".join(
        f'  {name}: {{model: {model}, api_base: "{base}", api_key: os.environ/LINE_TEST_KEY, transport: batch, '
        f"batch: {batch}}}"
        for name, model in zip("ab", MODELS[protocol], strict=True)
    )
    (folder / "thrice.py").write_text(RECIPE)
    (folder / "agents.yaml").write_text(f"agents:\n{agents}\nrecipe: ./thrice.py:thrice\nmemory: off\nconcurrency: 8\n")
    rows = (json.dumps({"instruction": f"question number {number} of many?"}) for number in range(seeds))
    (folder / "seeds.jsonl").write_text("\n".join(rows) + "\n")


def kill_batches(
    folder: Path, *, rounds: int, seed: int, seeds: int = 1_667, cold: bool = False, protocol: str = "openai"
) -> BatchReport:
    """Work seeds, kill the run at a random moment or send it SIGTERM, again and again; then let it end, and look.

    Args:
        folder: Empty.
        rounds: Kills.
        seed: Of the random moments and of the faults.
        seeds: Three calls each.
        cold: Start each process as a fresh interpreter.
        protocol: ``openai`` or ``anthropic``.
    """
    report, chance = BatchReport(seeds=seeds), random.Random(seed)
    with provider_in_a_process(folder, FAULTS, seed) as url, Nursery(cold=cold) as nursery:
        # So small that they last for all the kills.
        lay_out(folder, url, seeds, protocol=protocol, most=max(5, CALLS_PER_SEED * seeds // (2 * rounds)))
        for _ in range(rounds):
            _live_and_be_killed(folder, nursery, chance, report)
        _finish(folder, nursery, report)
    look(folder, report)
    return report


def die_at_points(
    folder: Path, *, seed: int, seeds: int, points: Sequence[str] = POINTS, protocol: str = "openai"
) -> BatchReport:
    """Die at each point that a run of batches passes, and let the run end; the provider goes wrong in nothing."""
    report = BatchReport(seeds=seeds)
    with provider_in_a_process(folder, Faults(), seed) as url, Nursery() as nursery:
        lay_out(folder, url, seeds, protocol=protocol)
        for point in points:
            if (point, protocol) != ("batch_uploaded", "anthropic"):
                code = nursery.run(folder, **{VARIABLE: point})
                report.kills[f"{point} {code}"] += 1
                report.violations += [f"no process died at {point}"] if code != KILLED else []
        _finish(folder, nursery, report)
    look(folder, report)
    return report


def _live_and_be_killed(folder: Path, nursery: Nursery, chance: random.Random, report: BatchReport) -> None:
    files = ("-c", folder / "agents.yaml", "-s", folder / "seeds.jsonl", "-o", folder / "out")
    nursery.start("run", "-q", *files)
    _wait_for_batches(folder / "out" / "log.jsonl", chance.randrange(4), nursery)
    # A line is logged after what it tells of: without a random pause every kill would fall there.
    time.sleep(chance.uniform(0, 0.2))
    is_drain = chance.random() < 0.2
    code = nursery.end(signal.SIGTERM if is_drain else signal.SIGKILL)
    report.kills["none: it had ended" if code == 0 else "SIGTERM" if is_drain else "SIGKILL"] += 1
    if code not in {KILLED, 0, *((128 + signal.SIGTERM, -signal.SIGTERM) if is_drain else ())}:
        report.violations.append(f"a run ended by itself, with {code}: {nursery.noise[-3:]}")


def _wait_for_batches(log: Path, more: int, nursery: Nursery) -> None:
    """Until so many more lines tell of batches: `run -q` logs them into its folder alone."""
    known, until = _told_of_batches(log), time.monotonic() + PATIENCE_S
    while not nursery.has_ended and _told_of_batches(log) < known + more:
        if time.monotonic() > until:
            raise TimeoutError(f"no batches within {PATIENCE_S:g} s; {log}")
        time.sleep(LOOK_S)


def _told_of_batches(log: Path) -> int:
    return log.read_bytes().count(b'"event":"batch_') if log.exists() else 0


def _finish(folder: Path, nursery: Nursery, report: BatchReport) -> None:
    report.quarantined = asyncio.run(_release(folder / "out"))
    for _ in range(PATIENCE_RUNS):
        if nursery.run(folder) == 0:
            return
    report.violations.append(f"the run does not end: {nursery.noise[-3:]}")


async def _release(folder: Path) -> int:
    """Let seeds out of quarantine that three of the kills found in hand; how many."""
    async with await Store.open(folder) as store:
        return await store.release_quarantined(None)


def look(folder: Path, report: BatchReport) -> None:
    """Join the provider's book with the store."""
    charged, lost, alone = Counter[str](), Counter[str](), Counter[str]()
    for line in charges_in(folder / "book.jsonl"):
        charged[line["mark"]] += 1
        lost[line["mark"]] += line["lost"]
        alone[line["mark"]] += line["alone"]
    report.charges, report.lost, report.alone = charged.total(), lost.total(), alone.total()
    twice = [mark for mark, n in charged.items() if n - lost[mark] > 1]
    with closing(connect_reading(folder / "out" / STORE_FILE)) as connection:
        ask = connection.execute
        states = dict(ask("SELECT state, count(*) FROM seeds GROUP BY state").fetchall())
        kinds = dict(ask("SELECT kind, count(*) FROM outcomes GROUP BY kind").fetchall())
        calls = dict(ask("SELECT state, count(*) FROM calls GROUP BY state").fetchall())
        report.cost_usd = float(ask("SELECT sum(cost_usd) FROM calls").fetchone()[0])
        models = dict(ask("SELECT json_extract(reply, '$.model'), count(*) FROM calls GROUP BY 1").fetchall())
        report.batches = int(ask("SELECT count(*) FROM batches").fetchone()[0])
        left = int(ask("SELECT count(*) FROM batch_calls").fetchone()[0])
        answered = {str(text).split()[-1] for (text,) in ask("SELECT json_extract(reply, '$.text') FROM calls")}
    report.calls = calls.get("answered", 0)
    report.full_usd = sum(n * _full_price(model) for model, n in models.items())
    missing = charged.keys() - answered
    wrong = [
        (f"{len(twice)} calls were paid twice", bool(twice)),
        (f"{len(missing)} answers were paid for and are not in the journal", bool(missing)),
        (f"seeds are {states}", states != {"done": report.seeds}),
        (f"outcomes are {kinds}", set(kinds) - {"kept"} != set()),
        (f"calls are {calls}", calls != {"answered": CALLS_PER_SEED * report.seeds}),
        (f"{left} calls wait for batches at the end", left > 0),
    ]
    report.violations += [sentence for sentence, is_so in wrong if is_so]
    by_batch = report.calls - report.alone
    expected = report.full_usd * (by_batch / 2 + report.alone) / max(1, report.calls)
    if abs(report.cost_usd - expected) > 0.02 * report.full_usd:
        report.violations.append(f"it cost {report.cost_usd:.6f}, and {expected:.6f} is what it should")


def _full_price(model: str) -> float:
    name = model.partition("/")[2]
    entry = listed(model) or listed(name)
    prompt, completion = float(entry["input_cost_per_token"]), float(entry["output_cost_per_token"])
    return PROMPT_TOKENS * prompt + COMPLETION_TOKENS * completion
