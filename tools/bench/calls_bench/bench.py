"""What every subcommand is handed: the provider, where to run, how often, and the runs themselves."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calls_bench import peers, product
from calls_bench.product import Job, Place
from calls_bench.provider import FakeProvider
from calls_bench.watching import Watched, watch

CLEAN = {"latency_s": 0.2}


@dataclass(kw_only=True)
class Bench:
    """One call of the tool."""

    provider: FakeProvider
    place: Place
    rounds: int
    scale: float
    """1 for the sizes that the table is about; less for a quick look."""
    environments: Path | None
    """Where the peers live."""
    batches: tuple[int, ...] = (250,)
    """Of distilabel."""
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def size(self, seeds: int) -> int:
        """Scaled."""
        return max(10, round(seeds * self.scale))

    def run(self, job: Job, settings: Mapping[str, Any] = CLEAN, **how: Any) -> Watched:
        """Run the product."""
        return product.run(job, self.provider, self.place, settings, name=self._name(job.transport), **how)

    def bare(
        self, seeds: int, in_flight: int, settings: Mapping[str, Any] = CLEAN, form: product.Form = "openai"
    ) -> Watched:
        """Run the bare Router."""
        self.provider.reset(settings)
        folder = self.place.folder
        command = [sys.executable, "-m", "calls_bench.bare_router", "--url", self.provider.url]
        command += ["--seeds", str(seeds), "--in-flight", str(in_flight), "--form", form]
        env = product.environment(self.place.product)
        found = watch(command, self.provider, cwd=folder, folder=folder, env=env, core=self.place.core)
        if found.returncode or found.out.split()[-1:] != [str(5 * seeds)]:
            sys.exit(f"bare Router: exit code {found.returncode}\n{found.out}\n{found.errors[-4000:]}")
        return found

    def peer(
        self, peer: peers.Peer, seeds: int, *, batch: int = 250, form: product.Form = "openai", pss: bool = False
    ) -> Watched:
        """Run a peer on the job ``four``."""
        if self.environments is None:
            sys.exit("say with --peers-dir where the peers' environments are or shall be, outside of the repository")
        return peers.run(
            peer,
            self.provider,
            self.place,
            CLEAN,
            environments=self.environments,
            seeds=seeds,
            name=self._name(peer),
            batch=batch,
            form=form,
            pss=pss,
        )

    def interleave(self, runs: Mapping[str, Callable[[], Watched]]) -> dict[str, list[Watched]]:
        """Run each once per round; every round begins with another one."""
        found: dict[str, list[Watched]] = {name: [] for name in runs}
        names = list(runs)
        for number in range(self.rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                one = runs[name]()
                found[name].append(one)
                say(f"  round {number + 1} {name}: wall {one.wall_s:.1f} s, CPU {one.cpu_s:.1f} s, {_told(one)}")
        return found

    def _name(self, what: str) -> str:
        return f"{next(self._numbers):03}-{what}"


def say(text: str) -> None:
    """To standard error, as it goes on."""
    print(text, file=sys.stderr, flush=True)


def _told(one: Watched) -> str:
    stats = one.stats
    return f"{stats['arrived']} requests, {stats['answered']} answered, {stats['choices']} choices"
