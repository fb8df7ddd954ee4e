"""The one line of the log that says everything about a seed but its texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from star_agents.events import CallAnswered, CallFailed, Event, OutcomeCommitted, PairsDrawn, SeedReturned
from star_agents.records import Outcome, Trial


class OutcomeLine(TypedDict, total=False):
    """The fields of ``outcome_committed``, the one line that says everything about a seed but its texts."""

    seq: int
    """Place in the order in which outcomes took effect."""
    seed_id: str
    recipe: str
    """Which recipe worked it."""
    kind: str
    """``kept``: something came of it, by Star a sampled pair's candidate; ``base``: a base pair's; ``dropped``:
    nothing, see ``reason``."""
    reason: str
    """Why it was dropped; empty otherwise."""
    pair: str | None
    """The pair that won, or another arm; null where no trial did."""
    pi: float | None
    """Eq. 7, or what the selection ranks by; null where the recipe does not measure it, like the four after it."""
    pi_llm: float | None
    """What the referee said of it (Eq. 6)."""
    gap: float | None
    """IFD of the small model minus IFD of the large one."""
    ifd_small: float | None
    ifd_large: float | None
    candidates: int
    """Trials."""
    failed: int
    """Those that are not usable."""
    judged: int
    """Those that a referee looked at."""
    from_memory: int
    """Pairs that the memory bank proposed."""
    seconds: float
    """From taking the seed to its commit."""
    calls: int
    """Answered calls, those included that the journal answered."""
    reused: int
    """Calls that the journal answered: they were paid for before."""
    calls_failed: int
    prompt_tokens: int
    completion_tokens: int
    rows: int
    """What it gave to the dataset."""
    children: int
    """Seeds that it gave to the next recipe; those that were seeds already do not count."""
    cost_usd: float | None
    """What the seed's calls cost; null where a price is unknown."""
    content: list[Any]
    """Only with ``--log-content``: arm (`pair`) and messages of every trial."""


@dataclass(slots=True)
class CallCount:
    """What is known of a seed in hand."""

    calls: int = 0
    reused: int = 0
    calls_failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    from_memory: int = 0


class SeedCounts:
    """Counts the calls of each seed in hand until its outcome is there.

    Args:
        limit: Seeds beyond which the one that was first heard of is forgotten: some never end here.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._seeds: dict[str, CallCount] = {}

    def hear(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case CallAnswered():
                count = self._of(event.seed_id)
                count.calls += 1
                count.reused += event.from_journal
                count.prompt_tokens += event.prompt_tokens
                count.completion_tokens += event.completion_tokens
            case CallFailed():
                self._of(event.seed_id).calls_failed += 1
            case PairsDrawn():
                self._of(event.seed_id).from_memory = event.from_memory
            case SeedReturned():
                self._seeds.pop(event.seed_id, None)

    def end(self, seed_id: str) -> CallCount:
        """What was counted; the seed is forgotten."""
        return self._seeds.pop(seed_id, None) or CallCount()

    def _of(self, seed_id: str) -> CallCount:
        found = self._seeds.get(seed_id)
        if found is None:
            if len(self._seeds) >= self._limit:
                del self._seeds[next(iter(self._seeds))]
            found = self._seeds[seed_id] = CallCount()
        return found


def outcome_fields(event: OutcomeCommitted, count: CallCount) -> OutcomeLine:
    """The canonical line of a seed."""
    outcome = event.outcome
    winner = outcome.winner
    measures = winner.measures if winner else {}
    return {
        "seq": event.seq,
        "seed_id": outcome.seed_id,
        "recipe": outcome.recipe,
        "kind": outcome.kind,
        "reason": outcome.reason,
        "pair": winner.arm if winner else None,
        "pi": measures.get("pi"),
        "pi_llm": measures.get("pi_llm"),
        "gap": measures.get("gap"),
        "ifd_small": measures.get("ifd_small"),
        "ifd_large": measures.get("ifd_large"),
        "candidates": len(outcome.trials),
        "failed": sum(1 for one in outcome.trials if one.failure),
        "judged": len({one.left for one in outcome.judgements if one.judge}),
        "from_memory": count.from_memory,
        "seconds": event.seconds,
        "calls": count.calls,
        "reused": count.reused,
        "calls_failed": count.calls_failed,
        "prompt_tokens": count.prompt_tokens,
        "completion_tokens": count.completion_tokens,
        "rows": len(outcome.shapes),
        "children": event.new_children,
        "cost_usd": outcome.cost_usd,
    }


def content_of(outcome: Outcome) -> list[Any]:
    """The texts of every trial."""

    def texts(one: Trial) -> dict[str, Any]:
        return {"pair": one.arm, "messages": [message.to_dict() for message in one.sample.messages]}

    return [texts(one) for one in outcome.trials]
