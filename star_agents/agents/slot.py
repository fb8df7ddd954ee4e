"""Permission to send one call, and how that call went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from star_agents.agents.rate_limit import Permit

Outcome = Literal["ok", "rate_limited", "failed", "abandoned", "lost"]
"""``ok``: the provider answered, if only to refuse. ``failed``: time-out, connection, 5xx. ``abandoned``: cancelled.
``lost``: nobody knows what the provider did with it, through no fault of its own; it counts as sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a call went."""

    outcome: Outcome
    retry_after: float | None = None
    """Seconds that the provider asked to wait, with ``rate_limited``."""
    error: str | None = None
    """What went wrong, in words without secrets."""
    tokens: int | None = None
    """Tokens that the provider counted; ``None``: as many as were reserved."""
    is_stubborn: bool = False
    """Whether this very call was rejected several times in a row."""


class Slot:
    """Permission to send one call to deployment ``index``. Leave it, whatever happens.

    Args:
        index: Of the deployment.
        permit: Its place in the agent's requests and tokens per minute.
        sent: Hears when it is sent.
        ended: Hears once how it went.
        falls: How often the deployment's limit had fallen when the slot was made.
        is_probe: Whether this call shows if the deployment is up again.
        waited_down_s: Seconds of the wait during which every deployment was down.
    """

    __slots__ = ("_ended", "_is_left", "_sent", "falls", "index", "is_probe", "permit", "waited_down_s")

    def __init__(
        self,
        *,
        index: int,
        permit: Permit,
        sent: Callable[[Slot], None],
        ended: Callable[[Slot, Ended], None],
        falls: int,
        is_probe: bool,
        waited_down_s: float,
    ) -> None:
        self.index = index
        self.permit = permit
        self.falls = falls
        self.is_probe = is_probe
        self.waited_down_s = waited_down_s
        self._sent = sent
        self._ended = ended
        self._is_left = False

    def sent(self) -> None:
        """Say that the request leaves now; its minute begins."""
        self._sent(self)

    def leave(
        self,
        outcome: Outcome,
        *,
        retry_after: float | None = None,
        error: str | None = None,
        tokens: int | None = None,
        is_stubborn: bool = False,
    ) -> None:
        """Give the room back; only the first call counts, so ``leave("abandoned")`` can stand in a ``finally``.

        The arguments are those of ``Ended``.
        """
        if not self._is_left:
            self._is_left = True
            self._ended(
                self,
                Ended(outcome=outcome, retry_after=retry_after, error=error, tokens=tokens, is_stubborn=is_stubborn),
            )
