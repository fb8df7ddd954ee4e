"""What a call costs the daemon's core where it sends itself, and where an actor of the cluster sends for it.

CPU is that of this process alone, with all its threads, Ray's among them: what is measured plays the daemon. The fake
provider and the actor are processes of their own. Calls are answered after 200 ms. The arms take turns, and ratios are
taken round by round.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from calls_bench.product import Form, Job, Place, run
from calls_bench.provider import FakeProvider
from calls_bench.rows import Row, ratios, spread
from calls_bench.watching import Watched, cpu_s

from star_agents.agents.answer import Call
from star_agents.agents.endpoints import Endpoint
from star_agents.agents.transports.direct import DirectHttpTransport
from star_agents.agents.transports.direct_routes import Route
from star_agents.agents.transports.http import HttpPool, HttpSender
from star_agents.cluster import Connection
from star_agents.config.cluster import ClusterConfig
from star_agents.engine.egress import egress_over
from star_agents.observe.bus import Bus

TLS = Path(__file__).resolve().parents[3] / "tests" / "tls_certificate.pem"
LATENCY_S = 0.2
IN_FLIGHT = 200
LINE_IN_FLIGHT = 300
FORMS: tuple[Form, ...] = ("openai", "anthropic")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is sent."""

    key: str
    what: str
    is_tls: bool = False
    prompt: int = 1_500
    """Characters."""
    n: int = 1


KINDS = (
    Kind(key="http", what="http, 1.5 KB there, 0.8 KB back"),
    Kind(key="tls", what="https, 1.5 KB there, 0.8 KB back", is_tls=True),
    Kind(key="large", what="https, 20 KB there, 20 KB back in 26 choices", is_tls=True, prompt=20_000, n=26),
)


@dataclass(frozen=True)
class Took:
    """Of one call, in the mean."""

    here_ms: float
    """CPU of this process."""
    actor_ms: float
    """CPU of the actor."""


def egress(rounds: int, scale: float, cores: set[int], portions: Path | None) -> list[Row]:
    """Sending alone with what builds and reads a call around it, then the whole line."""
    del portions
    os.environ["SSL_CERT_FILE"] = str(TLS)  # before Ray starts, whose processes have it from here
    return asyncio.run(_egress(rounds, scale, cores))


async def _egress(rounds: int, scale: float, cores: set[int]) -> list[Row]:
    config = ClusterConfig(ray="local", egress=1)
    async with Connection(config, tell=_say) as connection, egress_over(connection, Bus()) as there:
        here = HttpPool()
        senders: Mapping[str, HttpSender] = {"here": here, "there": there}
        found = [
            row for kind in KINDS for row in await _sent(kind, senders, rounds, max(400, round(4000 * scale)), cores)
        ]
        address = str(connection.ray.get_runtime_context().gcs_address)
        seeds = max(60, round(600 * scale))
        found += [await asyncio.to_thread(_line, form, address, rounds, seeds, cores) for form in FORMS]
        assert there.sent_here == 0, "the actor sends"
        await here.aclose()
        await there.aclose()
    return found


async def _sent(kind: Kind, senders: Mapping[str, HttpSender], rounds: int, calls: int, cores: set[int]) -> list[Row]:
    took: dict[str, list[Took]] = {name: [] for name in senders}
    with FakeProvider(cores, TLS if kind.is_tls else None) as provider:
        provider.reset({"latency_s": LATENCY_S})
        call = _call(f"{provider.url}/a/v1/chat/completions", kind)
        for number in range(rounds):
            for name in list(senders)[:: 1 if number % 2 else -1]:
                transport = DirectHttpTransport(senders[name])
                await _many(lambda: transport.complete(call), 2 * IN_FLIGHT)  # noqa: B023  awaited before it changes
                took[name].append(await _measured(lambda: transport.complete(call), calls))  # noqa: B023
                _say(f"  {kind.key}, round {number + 1}, {name}: {took[name][-1]}")
    mine, theirs = ([one.here_ms for one in took[name]] for name in ("here", "there"))
    found = ratios(theirs, mine)
    actor_ms = median(one.actor_ms for one in took["there"])
    return [
        Row(
            key=f"egress.{kind.key}",
            what=f"CPU of the daemon to build, send and read a call: by an actor ÷ by itself; {kind.what}",
            measured=f"{spread(found)}×; {median(theirs):.3f} ms against {median(mine):.3f} ms; "
            f"the actor takes {actor_ms:.3f} ms",
            target="< 1×",
            holds=median(found) < 1,
        )
    ]


def _call(url: str, kind: Kind) -> Call:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer bench"}
    endpoint = Endpoint(model="openai/m", params={}, price=None, route=Route(url=url, headers=headers, model="m"))
    prompt = [{"role": "user", "content": ("word " * kind.prompt)[: kind.prompt]}]
    return Call(endpoint=endpoint, messages=prompt, shape={"max_tokens": 2048}, n=kind.n, timeout_s=60.0)


async def _many(send: Callable[[], Awaitable[object]], calls: int) -> None:
    numbers = iter(range(calls))

    async def work(wait_s: float) -> None:
        await asyncio.sleep(wait_s)  # so that they do not all come back at one moment
        for _ in numbers:
            await send()

    await asyncio.gather(*(work(LATENCY_S * number / IN_FLIGHT) for number in range(IN_FLIGHT)))


async def _measured(send: Callable[[], Awaitable[object]], calls: int) -> Took:
    actors = _actors()
    before, actors_before = time.process_time(), sum(map(cpu_s, actors))
    await _many(send, calls)
    here, there = time.process_time() - before, sum(map(cpu_s, actors)) - actors_before
    return Took(here_ms=1000 * here / calls, actor_ms=1000 * there / calls)


def _actors() -> list[int]:
    """Processes of actors that send."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cmdline").read_bytes().startswith(b"ray::EgressWorker"):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def _line(form: Form, address: str, rounds: int, seeds: int, cores: set[int]) -> Row:
    """The whole line, `run` with four candidates and a judgement a seed: calls per second of the daemon's CPU."""
    settings = {"latency_s": LATENCY_S}
    found: dict[str, list[Watched]] = {"here": [], "there": []}
    with tempfile.TemporaryDirectory() as folder, FakeProvider(cores) as provider:
        place = Place(product=Path(__file__).resolve().parents[3], folder=Path(folder), core=max(cores))
        for number in range(rounds):
            for name in list(found)[:: 1 if number % 2 else -1]:
                top = {} if name == "here" else {"cluster": {"ray": address, "egress": 1, "scorers": "off"}}
                job = Job(seeds=seeds, in_flight=LINE_IN_FLIGHT, top=top, form=form)
                found[name].append(run(job, provider, place, settings, name=f"{number}-{name}"))
                each = found[name][-1].calls_per_cpu_s
                _say(f"  {form} line, round {number + 1}, {name}: {each:.0f} calls a CPU second")
    rate = {name: [one.calls_per_cpu_s for one in some] for name, some in found.items()}
    gained = ratios(rate["there"], rate["here"])
    return Row(
        key=f"egress.{'line' if form == 'openai' else form}",
        what=f"calls per second of the daemon's core, whole line, {form} shape over http: by an actor ÷ by itself",
        measured=f"{spread(gained)}×; {median(rate['there']):.0f} against {median(rate['here']):.0f}",
        target="> 1×",
        holds=median(gained) > 1,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
