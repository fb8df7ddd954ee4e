"""Who watches a line's failures: tells each new kind once, and says when the work has become worthless."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from star_agents.config.models import Config
from star_agents.engine.failure_limits import FailureLimits
from star_agents.events import Event, FailureFirstSeen, FailureLimitPassed, OutcomeCommitted, SeedReturned
from star_agents.records import Outcome
from star_agents.records.failures import REASONS_KEPT, FailureCount

WATCHED = (OutcomeCommitted, SeedReturned)
"""Kinds of events that ``FailureWatch`` counts."""
LOOK = "Look with `check`, mend it"
MEND_CODE = "Mend the recipe, whose file is read at the start"


class FailureWatch:
    """Hears a line's outcomes.

    Args:
        config: With the limits.
        known: What the store has counted already; told before.
        is_batch: A batch that begins with nothing but outages ends; a daemon waits.
        publish: Hears what is new.
        give_up: Called with a sentence once a limit is passed; not again before ``begin_anew``.
    """

    def __init__(
        self,
        config: Config,
        known: Iterable[FailureCount],
        *,
        is_batch: bool,
        publish: Callable[[Event], None],
        give_up: Callable[[str], None],
    ) -> None:
        self._known: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for one in known:
            self._known[one.part, one.name].add(one.reason)
        self._is_batch = is_batch
        self._publish = publish
        self._give_up = give_up
        self._dropped = 0
        self.retry_option = ""
        """As ``Host`` has it."""
        self.begin_anew(config)

    def begin_anew(self, config: Config) -> None:
        """Forget what counted for the limits."""
        self._limits = FailureLimits(config.failure_limits, config.concurrency)
        self._has_given_up = False

    def hear(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case OutcomeCommitted():
                self._tell_what_is_new(event.outcome)
                self._dropped += event.outcome.kind == "dropped"
                self._limits.add(event.outcome)
                self._judge()
            case SeedReturned():
                self._limits.add_returned()
                self._judge(event.reason)

    def at_end(self) -> str:
        """Why nothing is worth keeping of a batch that came to its end; empty where that is not so."""
        return self._advise(self._limits.passed(at_end=True))

    def _judge(self, returned_because: str = "") -> None:
        if self._has_given_up:
            return
        message = self._limits.passed()
        if not message and self._is_batch and returned_because and self._limits.has_begun_hopelessly:
            message = f"none of the first seeds could be worked, the last one because: {returned_because}"
        if message:
            self._has_given_up = True
            message = self._advise(message)
            self._publish(FailureLimitPassed(message=message))
            self._give_up(message)

    def _advise(self, message: str) -> str:
        if not message:
            return ""
        if not self._is_batch:
            resume = "or resume it on the page or by POST /v1/resume"
            if self._limits.is_code_at_fault:
                return f"{message}. {MEND_CODE}, and start `serve` again, {resume}"
            return f"{message}. {LOOK} in agents.yaml, {resume}"
        again = f" with {self.retry_option}" if self._dropped and self.retry_option else ""
        look = MEND_CODE if self._limits.is_code_at_fault else LOOK
        return f"{message}. {look}, and run the same command again{again}"

    def _tell_what_is_new(self, outcome: Outcome) -> None:
        for one in (tried for tried in outcome.tried if tried.part != "arm"):
            for failure in one.failures:
                reasons = self._known[one.part, one.name]
                if failure.reason not in reasons and len(reasons) < REASONS_KEPT:
                    reasons.add(failure.reason)
                    self._publish(FailureFirstSeen(part=one.part, agent=one.name, reason=failure.reason))
