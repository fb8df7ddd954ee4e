"""`requests_per_minute` and `tokens_per_minute` of one agent: never more than that is sent in any 60 seconds.

A sliding window: a request counts from the moment it is sent, and for 60 seconds. Its tokens are reserved before, at an
estimate of the prompt and the longest reply, and settled with what the provider counted. What has been let through but
is not sent yet counts as well, for as long as that lasts. Pure: no task, no I/O, and the clock is handed in.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

RateLimited = Literal["requests_per_minute", "tokens_per_minute"]
"""The key of agents.yaml that keeps a call waiting."""
WINDOW_S = 61.0
"""A provider counts what arrives, and not every request is as long on its way: a second more, and 60 of its own hold no
more than allowed."""
_LETTERS_PER_TOKEN = 3
"""English has about four; too many tokens reserved are given back with the reply, too few were sent too early."""
_TOKENS_PER_MESSAGE = 8


def estimate_tokens(texts: Iterable[str]) -> int:
    """About how many tokens a prompt has: a third of its ASCII letters, one for any other, and some for each message.

    No tokenizer runs on the event loop. Money is bounded by ``prices.most_tokens`` instead: here an estimate is enough,
    since the reply settles it.
    """
    total = 0
    for text in texts:
        others = 0 if text.isascii() else sum(not letter.isascii() for letter in text)
        total += _TOKENS_PER_MESSAGE + others + math.ceil((len(text) - others) / _LETTERS_PER_TOKEN)
    return total


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A request of an earlier process."""

    ago_s: float
    tokens: int


class Permit:
    """One request that was let through. Send or cancel it; settle it once its tokens are known."""

    __slots__ = ("_limit", "counts", "sent_at", "tokens")

    def __init__(self, limit: RateLimit, tokens: int) -> None:
        self._limit = limit
        self.tokens = tokens
        """Reserved, or as settled."""
        self.sent_at: float | None = None
        self.counts = True
        """False once it was cancelled, or sent more than a minute ago."""

    def sent(self, now: float) -> None:
        """It leaves now: from here its 60 seconds count."""
        if self.counts and self.sent_at is None:
            self.sent_at = now
            self._limit._sent(self)

    def settle(self, tokens: int) -> None:
        """What the provider counted takes the place of what was reserved."""
        self._limit._settle(self, tokens)

    def cancel(self) -> None:
        """It was never sent; one that was sent stays."""
        if self.counts and self.sent_at is None:
            self._limit._cancel(self)


class RateLimit:
    """One agent's window. ``None`` as a limit means no limit; what is sent is counted all the same, for an edit.

    Args:
        requests_per_minute: Most requests in any 60 seconds.
        tokens_per_minute: Most tokens, of prompts and replies together.
        window_s: For how long a request counts.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        *,
        window_s: float = WINDOW_S,
    ) -> None:
        self._window_s = window_s
        self.requests_per_minute = requests_per_minute
        self.tokens_per_minute = tokens_per_minute
        self._held = 0
        """Requests that were let through and not sent yet."""
        self._window: deque[Permit] = deque()
        """Those sent in the last 60 seconds, oldest first."""
        self._tokens = 0
        """Of all of them."""

    def restore(self, sent: Iterable[Sent], now: float) -> None:
        """Begin with what an earlier process sent; a clock that was set back makes nobody wait for more than 60 s."""
        for one in sorted(sent, key=lambda one: -one.ago_s):
            if one.ago_s < self._window_s:
                self.hold(one.tokens).sent(now - max(0.0, one.ago_s))

    def can_ever_send(self, tokens: int) -> bool:
        """Whether a request of so many tokens fits into an empty minute."""
        return self.tokens_per_minute is None or tokens <= self.tokens_per_minute

    def opens_at(self, tokens: int, now: float) -> float:
        """When a request of so many tokens may be sent; ``now``, or later: infinity where others must be sent first."""
        self._forget(now)
        count, total = self._held + len(self._window), self._tokens
        if self._blocked_by(count, total + tokens) is None:
            return now
        for permit in self._window:
            assert permit.sent_at is not None, "only what was sent is in the window"
            count, total = count - 1, total - permit.tokens
            if self._blocked_by(count, total + tokens) is None:
                return permit.sent_at + self._window_s
        return math.inf

    def blocked_by(self, tokens: int, now: float) -> RateLimited | None:
        """Which limit keeps a request of so many tokens from being sent now."""
        self._forget(now)
        return self._blocked_by(self._held + len(self._window), self._tokens + tokens)

    def hold(self, tokens: int) -> Permit:
        """Let one request through; ask ``opens_at`` first."""
        self._held += 1
        self._tokens += tokens
        return Permit(self, tokens)

    def _blocked_by(self, count: int, total: int) -> RateLimited | None:
        if self.requests_per_minute is not None and count >= self.requests_per_minute:
            return "requests_per_minute"
        if self.tokens_per_minute is not None and total > self.tokens_per_minute:
            return "tokens_per_minute"
        return None

    def _forget(self, now: float) -> None:
        window = self._window
        while window and window[0].sent_at is not None and window[0].sent_at + self._window_s <= now:
            permit = window.popleft()
            permit.counts = False
            self._tokens -= permit.tokens

    def _sent(self, permit: Permit) -> None:
        self._held -= 1
        self._window.append(permit)

    def _cancel(self, permit: Permit) -> None:
        permit.counts = False
        self._held -= 1
        self._tokens -= permit.tokens

    def _settle(self, permit: Permit, tokens: int) -> None:
        if permit.counts:
            self._tokens += tokens - permit.tokens
            permit.tokens = tokens
