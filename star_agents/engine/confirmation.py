"""Before a batch costs more than a person may expect, it asks: once, after its first seeds; meanwhile it takes none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from star_agents.engine.engine import Engine
from star_agents.engine.estimate import METHOD, SAMPLE, carry_over
from star_agents.events import CallAnswered, Event, OutcomeCommitted
from star_agents.storage.rows import Counts
from star_agents.text.figures import usd

REFUSED = "not gone on with: what is done is kept, and the same command goes on from there"


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmation:
    """Whether and whom to ask."""

    above_usd: float
    """US dollars that one run may cost without a question."""
    ask: Callable[[str], Awaitable[bool]] | None
    """Puts a question to a person; ``None``: nobody is there, so it is only said."""
    say: Callable[[str], None]


class Checkpoint:
    """Where a batch asks. Subscribe ``hear``, call ``begin`` before the line works and ``watch`` beside it.

    Args:
        line: The batch.
        confirmation: Whom to ask, and from where on.
        before: What the store had done before this run.
        left: Seeds that this run is to work.
    """

    def __init__(self, line: Engine, confirmation: Confirmation, *, before: Counts, left: int) -> None:
        self._line = line
        self._confirmation = confirmation
        self._before = before
        self._left = left
        self._costs: list[float] = []
        """What is known of what each seed of this run cost."""
        self._spent = 0.0
        self._unknown = 0
        self._calls = 0
        self._tokens = 0
        self._decided = _is_free(line)
        self._due = anyio.Event()

    def begin(self) -> None:
        """Let the line take no more seeds than the estimate needs. What earlier runs cost may be enough to go by."""
        if self._decided:
            return
        if self._confirmation.ask is not None:
            self._line.queue.may_take = self._may_take
        if self._before.done >= SAMPLE:
            self._due.set()

    def hear(self, event: Event) -> None:
        """Count what seeds cost."""
        match event:
            case CallAnswered(from_journal=False):
                self._calls += 1
                self._tokens += event.prompt_tokens + event.completion_tokens
                self._spent += event.cost_usd or 0.0
                self._unknown += event.cost_usd is None
            case OutcomeCommitted():
                self._left -= 1
                self._costs.append(event.outcome.cost_usd or 0.0)
            case _:
                return
        if len(self._costs) >= SAMPLE or self._spent >= self._confirmation.above_usd:
            self._due.set()

    async def watch(self) -> None:
        """Ask once it is due, and end the batch where the answer is no."""
        if self._decided:
            return
        await self._due.wait()
        text, ask = self._text(), self._confirmation.ask
        if text and ask is None:
            self._confirmation.say(text)
        if text and ask is not None and not await ask(f"{text} Go on?"):
            self._line.stop(REFUSED)
        self._decided = True
        self._line.queue.wake()

    def _may_take(self, in_hand: int) -> bool:
        return self._decided or (not self._due.is_set() and len(self._costs) + in_hand < SAMPLE)

    def _text(self) -> str:
        """Why to ask; empty where there is no reason to."""
        limit = f"--confirm-above {self._confirmation.above_usd:g}"
        target = self._line.settling.rules.target
        left = self._left if target is None else target.seeds_needed(self._left)
        if not left:
            return ""
        calls, tokens = self._before.calls_answered + self._calls, self._all_tokens() + self._tokens
        if self._before.calls_of_unknown_price + self._unknown:
            each = left / max(1, self._before.done + len(self._costs))
            return (
                f"{left:,} seeds are to come, with about {calls * each:,.0f} calls and {tokens * each:,.0f} "
                f"tokens, and the price of some is unknown, so nobody can say whether that is beyond {limit}."
            )
        if not self._costs and not self._before.done:
            return f"{usd(self._spent)} are spent before the first seed is done, beyond {limit}."
        total = carry_over(self._costs or [self._mean_before()], left, self._spent)
        if total.expected <= self._confirmation.above_usd and self._spent < self._confirmation.above_usd:
            return ""
        interval = f" ({usd(total.low)} to {usd(total.high)}, {METHOD})" if total.low < total.high else ""
        spent = f"{usd(self._spent)} so far; " if self._spent else ""
        return f"{spent}this run will cost about {usd(total.expected)}{interval}, beyond {limit}."

    def _all_tokens(self) -> int:
        return self._before.prompt_tokens + self._before.completion_tokens

    def _mean_before(self) -> float:
        return (self._before.cost_usd or 0.0) / max(1, self._before.done)


def _is_free(line: Engine) -> bool:
    """Whether no call of this batch can cost anything."""
    endpoints = [one for name in line.config.called_agents for one in line.client.endpoints[name]]
    return all(one.price is not None and one.price.is_free for one in endpoints)
