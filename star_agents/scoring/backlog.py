"""Calls that wait for the scorer, and what goes into its next request. Pure: no tasks, no processes.

A request is a portion: large enough to fill a few packs, small enough that its answers leave soon. Calls take turns,
a run of items at a time, so the candidates of one seed never wait behind the thousands of a file. What goes together
depends on the calls alone and never on the clock: the same calls one after another give the same packs, and so the
same scores to the last bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from star_agents.errors import ScorerError

MEASURE = "measure:"
SHARD = "shard"
Work = str
"""``score``, ``embed``, ``MEASURE`` and the name of a scorer, or ``SHARD``: a whole file, whose items go one by one."""
Item = dict[str, Any] | str
CHARACTERS = 4
"""Per token, about: what is needed here is the order of magnitude."""
TOGETHER = 8
"""Items of one call that stay together whatever their length: a seed's candidates, which may share their prompt."""


@dataclass(frozen=True, slots=True)
class Portion:
    """The size of a request."""

    items: int
    """At most; bounds what is computed again when the process dies."""
    tokens: int
    """About; bounds how long a newcomer waits."""
    run: int
    """Items that one call may put in before it is the next one's turn."""


CPU = Portion(items=256, tokens=2048, run=32)
GPU = Portion(items=1024, tokens=131_072, run=256)


@dataclass(eq=False, slots=True)
class Call:
    """What one caller waits for."""

    work: Work
    items: Sequence[Item]
    since: float
    """When it came, on the clock of whoever asks for ``Backlog.oldest``."""
    answers: list[Any] = field(init=False)
    taken: int = 0
    """Items that are in requests already."""
    error: str = ""
    _missing: int = field(init=False)
    _done: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self.answers = [None] * len(self.items)
        self._missing = len(self.items)

    async def wait(self) -> list[Any]:
        """The answers, in the order of the items. Raises ScorerError."""
        await self._done.wait()
        if self.error:
            raise ScorerError(self.error)
        return self.answers

    def answer(self, begin: int, answers: Sequence[Any]) -> None:
        """Hand in the answers to the items from ``begin`` on; the last ones wake the caller."""
        self.answers[begin : begin + len(answers)] = answers
        self._missing -= len(answers)
        if not self._missing:
            self._done.set()

    def fail(self, error: str) -> None:
        """Wake the caller with an error."""
        self.error = error
        self._done.set()


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive items of one call."""

    call: Call
    begin: int
    end: int

    @property
    def items(self) -> Sequence[Item]:
        """The items."""
        return self.call.items[self.begin : self.end]


class Backlog:
    """Calls with items that are in no request yet, in the order of their turns."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()
        self._returned: deque[list[Run]] = deque()

    def __bool__(self) -> bool:
        return bool(self._calls or self._returned)

    @property
    def items(self) -> int:
        """Items that wait."""
        returned = sum(len(run.items) for runs in self._returned for run in runs)
        return returned + sum(len(call.items) - call.taken for call in self._calls)

    @property
    def oldest(self) -> float | None:
        """Since when the call that waits the longest is here."""
        returned = [run.call for runs in self._returned for run in runs]
        return min((call.since for call in (*returned, *self._calls)), default=None)

    def add(self, call: Call) -> None:
        """Put a call at the end."""
        self._calls.append(call)

    def drop(self, call: Call) -> None:
        """Forget a call whose caller is gone; one that is not here is no error."""
        if call in self._calls:
            self._calls.remove(call)
        kept = [[run for run in runs if run.call is not call] for runs in self._returned]
        self._returned = deque(runs for runs in kept if runs)

    def give_back(self, runs: list[Run]) -> None:
        """A request that nobody answered: it is the next one, as it was."""
        self._returned.append(runs)

    def next_is(self, work: Work) -> bool:
        """Whether the next request is of that work."""
        return bool(self._calls) and self._calls[0].work == work

    def is_full(self, portion: Portion) -> bool:
        """Whether more calls could not make the next request larger."""
        tokens = 0
        if self._returned:
            return True
        for count, item in enumerate(item for call in self._calls for item in call.items[call.taken :]):
            tokens += estimate(item)
            if count + 1 >= portion.items or tokens >= portion.tokens:
                return True
        return False

    def take(self, portion: Portion) -> list[Run]:
        """The next request: runs of calls that want the same work as the first one; empty where none waits."""
        if self._returned:
            return self._returned.popleft()
        taken: list[Run] = []
        passed: list[Call] = []
        items = tokens = 0
        while self._calls and items < portion.items and tokens < portion.tokens:
            call = self._calls.popleft()
            if taken and (call.work != taken[0].call.work or call.work == SHARD):
                passed.append(call)
                continue
            run, weight = _next_run(call, portion, portion.items - items)
            taken.append(run)
            items, tokens = items + run.end - run.begin, tokens + weight
            call.taken = run.end
            if call.taken < len(call.items):
                self._calls.append(call)
        self._calls.extendleft(reversed(passed))
        return taken


def estimate(item: Item) -> int:
    """About how many tokens an item is: of a sample, those of both passes."""
    if isinstance(item, str):
        return 1 + len(item) // CHARACTERS
    if "instruction" not in item:
        return 1
    history = sum(len(turn["content"]) for turn in item.get("history", ()))
    prompt = len(item["instruction"]) + len(item.get("input", ""))
    return 1 + (history + prompt + 2 * len(item.get("response") or "")) // CHARACTERS


def _next_run(call: Call, portion: Portion, room: int) -> tuple[Run, int]:
    end = call.taken
    tokens = 0
    for item in call.items[call.taken : call.taken + min(portion.run, room)]:
        if end - call.taken >= TOGETHER and tokens >= portion.tokens:
            break
        end += 1
        tokens += estimate(item)
    return Run(call, call.taken, end), tokens
