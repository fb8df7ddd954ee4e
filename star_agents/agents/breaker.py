"""Whether one deployment is up: a circuit breaker of its own, since LiteLLM's cooldown is off (design §5).

*Closed* lets calls through. Failures in a row *open* it: nothing passes until a cooldown is over, then one call passes
as a probe (*half-open*). The probe's failure opens it for twice as long; any call that is answered closes it, one that
was sent before it opened included, for that is proof of life as well.

Whoever knows that there is nobody to ask *holds* it: nothing passes, not even a probe, until it is released.

A ``Retry-After`` pauses it beside all that: nothing passes, but the provider is up and said so. Of several deadlines
the latest holds (a later, shorter one must not free it: BerriAI/litellm#40130).
"""

from __future__ import annotations

import math
from typing import Literal

State = Literal["closed", "open", "half_open"]


class Breaker:
    """Pure: ``now`` is monotonic seconds, handed in.

    Args:
        failures: Failures in a row that open it: server errors, time-outs and lost connections alike.
        cooldown_s: First cooldown.
        longest_s: Longest one.
    """

    def __init__(self, failures: int = 5, cooldown_s: float = 5.0, longest_s: float = 60.0) -> None:
        self._failures = failures
        self._first_s = self._cooldown_s = cooldown_s
        self._longest_s = longest_s
        self._failed = 0
        self._open_until = -math.inf
        self._paused_until = -math.inf
        self.state: State = "closed"
        self.is_held = False

    def allows(self, now: float) -> bool:
        """Whether a call may be sent: always while closed, one at a time after a cooldown, never during a pause."""
        return self.state != "half_open" and now >= self._open_until and now >= self._paused_until

    def opens_at(self, now: float) -> float | None:
        """Second from which a call may pass; ``None`` where time has no say: closed, or its probe is out."""
        until = max(self._open_until, self._paused_until)
        if self.is_held or self.state == "half_open" or (self.state == "closed" and until <= now):
            return None
        return until

    def began(self) -> bool:
        """Note that a call is sent, which ``allows`` permitted; True where it is the probe."""
        if self.state == "closed":
            return False
        self.state = "half_open"
        return True

    def succeeded(self) -> None:
        """Note a call that was answered, if only by a refusal or a 429: the deployment is up."""
        self._failed = 0
        if self.state != "closed" and not self.is_held:
            self._close()

    def failed(self, now: float, *, probe: bool) -> None:
        """Note a call that failed. While open, only the probe's failure counts: the others' were sent before."""
        if self.state == "closed":
            self._failed += 1
            if self._failed >= self._failures:
                self._open(now)
        elif self.state == "half_open" and probe:
            self._cooldown_s = min(2 * self._cooldown_s, self._longest_s)
            self._open(now)

    def abandoned(self, *, probe: bool) -> None:
        """Note a call that we cancelled: it says nothing, and its turn as the probe is given back."""
        if self.state == "half_open" and probe:
            self.state = "open"

    def pause(self, until: float) -> None:
        """Let nothing pass before ``until``, or before the later deadline that holds already."""
        self._paused_until = max(self._paused_until, until)

    def hold(self) -> None:
        """Let nothing pass until it is released."""
        self.is_held, self.state, self._open_until, self._failed = True, "open", math.inf, 0

    def release(self) -> None:
        """Begin anew, as one that is up."""
        self.is_held, self._failed = False, 0
        self._close()

    def _close(self) -> None:
        self.state = "closed"
        self._cooldown_s = self._first_s
        self._open_until = -math.inf

    def _open(self, now: float) -> None:
        self.state = "open"
        self._failed = 0
        self._open_until = now + self._cooldown_s
