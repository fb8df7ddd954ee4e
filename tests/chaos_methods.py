"""What a daemon works while it is killed: Star, or a chain of recipes of somebody's own."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chaos_chain
from chaos_audit import Audit
from chaos_chain_audit import ChainAudit
from lines import agents_yaml

from star_agents.process.crash_points import CRASH_POINTS

CONCURRENCY = 8
CANDIDATES = 2
OF_AN_ARENA = "battles_measured"
"""The crash point of reward judges, whom neither has: test_arena_kills lets a process die there."""
OF_ROUNDS = ("phase_done", "phase_noted")
"""Those of rounds, which no daemon works: test_rounds lets a process die there."""
OF_BATCHES = frozenset({"calls_gathered", "results_taken_in"})
"""Those of providers' batches, beside all named ``batch_``: test_provider_batches lets a process die there."""
_ELSEWHERE = frozenset({OF_AN_ARENA, *OF_ROUNDS, *OF_BATCHES})
PASSED = tuple(point for point in CRASH_POINTS if point not in _ELSEWHERE and not point.startswith("batch_"))


@dataclass(frozen=True, kw_only=True)
class Method:
    """One of them."""

    config: Callable[[Path, str, random.Random | None, int], str]
    """The text of agents.yaml: of a folder, in which it may lay files, the provider's address, what an edit goes by
    (``None`` where it is the first), and how many edits there were."""
    row: Callable[[int], dict[str, Any]]
    """A seed as it is posted, by its number."""
    audit: type[Audit]
    calls_at_once: int
    """Calls of one seed that may be open at once."""
    points: tuple[str, ...] = PASSED
    """The crash points that it passes."""

    @property
    def at_once(self) -> int:
        """Calls that may be open at once."""
        return CONCURRENCY * self.calls_at_once


def _star(folder: Path, url: str, chance: random.Random | None, edits: int) -> str:
    more = f"{_shape(edits)}\ncandidates: {CANDIDATES}\nmemory: {{embedder: hashing}}"
    return agents_yaml(url, agents=_agents(chance), replaced=more)


def _chain(folder: Path, url: str, chance: random.Random | None, edits: int) -> str:
    styles = chaos_chain.STYLES[:3] if chance is None else chaos_chain.some_styles(chance)
    return chaos_chain.write(folder, url, agents=_agents(chance), styles=styles, more=_shape(edits))


def _shape(edits: int) -> str:
    return f"concurrency: {CONCURRENCY}\nrandom_seed: {edits}"


def _agents(chance: random.Random | None) -> list[str]:
    if chance is None:
        return ["a", "b", "c"]
    return ["a", *chance.sample(["b", "c", "d", "e"], chance.randint(2, 4))]


def _sample(number: int) -> dict[str, Any]:
    return {"instruction": f"What follows {number}?", "output": f"It is {number + 1}."}


STAR = Method(config=_star, row=_sample, audit=Audit, calls_at_once=CANDIDATES)
"""Its seeds' pairs write at the same time."""
CHAIN = Method(
    config=_chain,
    row=chaos_chain.document,
    audit=ChainAudit,
    calls_at_once=chaos_chain.CALLS_AT_ONCE,
    points=tuple(point for point in PASSED if not point.startswith("index_")),
)
"""The index is of Star's memory bank."""
METHODS = {"star": STAR, "chain": CHAIN}
