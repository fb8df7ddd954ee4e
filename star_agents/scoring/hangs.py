"""When a scorer process counts as hung: decided from what is seen of it. Pure: no task, no clock, no process.

Time is counted in looks and not read from a clock: while the parent does not run (the machine is suspended, the whole
group is frozen), nobody looks, and the child is not charged for it. All limits are generous: a busy machine is slow,
not stuck, and a process that is ended for nothing has to load its models again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

STOPPED = "T"
"""State in ``/proc/PID/stat`` of a process that SIGSTOP or a terminal has stopped; a debugger's is ``t``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How long a scorer process is waited for."""

    look_s: float = 5.0
    """Between two looks at the process."""
    request_s: float = 300.0
    """What every request is allowed beside what its tokens ask for."""
    slack: float = 10.0
    """A request may take so many times what the rate measured so far asks for its tokens."""
    first_rate_cpu: float = 1.0
    """Tokens per second that a request is allowed for on a CPU before anything was measured."""
    first_rate_gpu: float = 50.0
    """Likewise on a GPU, whose requests are larger."""
    loading_s: float = 4 * 3600.0
    """Loading the models; the first time they may have to be downloaded."""
    lifeless_s: float = 900.0
    """Loading may pass so long without a sign of life: neither computing nor reading."""
    stopped_s: float = 60.0
    """A stopped process goes on only if somebody lets it; it is waited for so long."""


USUAL = Limits()


@dataclass(frozen=True, kw_only=True, slots=True)
class Signs:
    """What the system says of a process; all zero and empty where it says nothing."""

    state: str = ""
    """One letter, as in proc(5)."""
    cpu_s: float = 0.0
    """Processor time so far."""
    read: int = 0
    """Bytes read and written so far."""
    is_known: bool = False
    """Whether the system could be asked."""


ALIVE_CPU_S = 1.0
ALIVE_BYTES = 1 << 20
"""Less than both since the last sign of life is none: threads that only wait wake up now and then."""


class Pace:
    """How fast one process answers, from the requests that it answered so far."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tokens = 0
        self._seconds = 0.0

    def measured(self, tokens: int, seconds: float) -> None:
        """A request of about so many tokens was answered in so many seconds."""
        self._tokens += tokens
        self._seconds += seconds

    def allowed_s(self, tokens: int, *, is_on_gpu: bool) -> float:
        """Seconds after which a request of about so many tokens counts as hung."""
        if self._tokens and self._seconds > 0:
            return self._limits.request_s + self._limits.slack * tokens * self._seconds / self._tokens
        first = self._limits.first_rate_gpu if is_on_gpu else self._limits.first_rate_cpu
        return self._limits.request_s + tokens / first


class Watch:
    """Over one request; ``verdict`` says why its process counts as hung, and is empty while it may still answer."""

    def __init__(self, limits: Limits, *, allowed_s: float, lifeless_s: float = math.inf) -> None:
        self.limits = limits
        self.verdict = ""
        self._allowed_s = allowed_s
        self._lifeless_s = lifeless_s
        self._waited_s = 0.0
        self._stopped_s = 0.0
        self._still_s = 0.0
        self._alive = Signs()

    @classmethod
    def over_loading(cls, limits: Limits) -> Watch:
        """Loading has a limit of its own, and a process that does nothing at all is not waited for that long."""
        return cls(limits, allowed_s=limits.loading_s, lifeless_s=limits.lifeless_s)

    @property
    def has_just_stopped(self) -> bool:
        """Whether the last look was the first at a stopped process."""
        return 0.0 < self._stopped_s <= self.limits.look_s

    def look(self, signs: Signs) -> None:
        """Take in what is seen, ``look_s`` after the last time."""
        self._waited_s += self.limits.look_s
        self._stopped_s = self._stopped_s + self.limits.look_s if signs.state == STOPPED else 0.0
        self._still_s = 0.0 if self._shows_life(signs) else self._still_s + self.limits.look_s
        if self._stopped_s >= self.limits.stopped_s:
            self.verdict = f"it was stopped (state T, as by SIGSTOP) for {self._stopped_s:,.0f} s"
        elif self._still_s >= self._lifeless_s:
            self.verdict = f"it neither computed nor read for {self._still_s:,.0f} s"
        elif self._waited_s >= self._allowed_s:
            self.verdict = f"it did not answer within {self._allowed_s:,.0f} s, many times what the work should take"

    def _shows_life(self, signs: Signs) -> bool:
        if not signs.is_known:
            return True
        since = self._alive
        if signs.cpu_s - since.cpu_s < ALIVE_CPU_S and signs.read - since.read < ALIVE_BYTES and since.is_known:
            return False
        self._alive = signs
        return True
