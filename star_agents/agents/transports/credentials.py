"""Credentials that end: fetched in a thread, renewed before their end, by one fetch at a time for all calls.

The event loop never waits for whoever gives them out: a call that finds good ones goes on at once, and the renewal runs
beside it. Calls that need a fetch which hangs give up after ``PATIENCE_S``; after ``HANGS_S`` another is begun beside
it, up to a few. One that failed is tried again after a pause, and calls within the pause hear at once why it failed.
Access tokens are struck out of whatever is written while they hold, as keys are.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from star_agents.config.base import SECRET_REFERENCE
from star_agents.text.redaction import redactor

PATIENCE_S = 30.0
"""Longest wait of a call for credentials."""
HANGS_S = 120.0
"""After so long a fetch is taken to hang for good."""
_MOST_HANGING = 4
"""Threads that may be left so to one endpoint."""
_EARLY_S = 300.0
"""Before their end they are renewed, or at half of their life where that is shorter."""
_MARGIN_S = 30.0
"""Before their end they are taken for ended: a request is on its way for a while, and clocks differ."""
_SHORTEST_LIFE_S = 10.0
_UNKNOWN_S = 45.0
"""How long credentials are used whose end nobody says. Who gives them out has their own cache, and is asked often."""
_UNKNOWN_END_S = 75.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_LONGEST_MESSAGE = 500
_OLD_ENOUGH_S = 60.0
"""A provider that refuses credentials sooner than this after they were fetched would refuse the next ones too."""


class CredentialsRefused(Exception):
    """Whoever gives out the credentials says no, or they cannot be made out of what is configured."""


class CredentialsUnavailable(Exception):
    """They could not be fetched just now; nothing was sent to the provider."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What a fetch brings."""

    value: Any = field(repr=False)
    """A token, or keys to sign with."""
    lasts_s: float | None
    """Seconds from the fetch on; ``None``: nobody says, so it is asked for again soon."""
    secrets: tuple[str, ...] = field(repr=False)
    """What of it is to be struck out of everything that is written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    value: Any = field(repr=False)
    fetched_at: float
    renew_at: float
    ends_at: float


class Credentials:
    """Of one endpoint. May be asked on several event loops.

    Args:
        what: Whose they are, for messages: "Google's token endpoint".
        fetch: Brings new ones; it blocks. It raises ``CredentialsRefused`` or ``CredentialsUnavailable``.
        clock: Monotonic seconds.
        patience_s: Longest wait of a call.
    """

    def __init__(
        self,
        what: str,
        fetch: Callable[[], Fetched],
        *,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._what = what
        self._fetch = fetch
        self._clock = clock
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._secrets: tuple[str, ...] = ()
        """Of the last ones, also when they are held no more: calls may be on their way with them."""
        self._under_way: Future[None] | None = None
        self._began = 0.0
        self._hanging = 0
        self._failure: Exception | None = None
        self.failures = 0
        """Fetches in a row that failed."""
        self._not_before = 0.0

    async def current(self) -> Any:
        """Good credentials.

        Raises:
            CredentialsRefused, CredentialsUnavailable: There are none.
        """
        held = self._held
        if held is not None and self._clock() < held.renew_at:
            return held.value
        fetch = self._renewal()
        if held is not None and self._clock() < held.ends_at:
            return held.value
        if fetch is not None:
            try:
                async with asyncio.timeout(self._patience_s):
                    await asyncio.shield(asyncio.wrap_future(fetch))
            except TimeoutError:
                raise CredentialsUnavailable(f"{self._what} gave no answer within {self._patience_s:g} s") from None
        held = self._held
        if held is None or self._clock() >= held.ends_at:
            raise self._why_not()
        return held.value

    def refused(self, value: Any) -> bool:
        """The provider refused these. Whether that may be passing: they are not new, and others are fetched now."""
        with self._lock:
            held = self._held
            if held is None or held.value is not value:
                return True  # others were fetched meanwhile
            if held.ends_at == math.inf or self._clock() - held.fetched_at < _OLD_ENOUGH_S:
                return False
            self._held = None
            return True

    def _renewal(self) -> Future[None] | None:
        """The fetch under way, begun here where none is, or none but what hangs; ``None`` in the pause after one that
        failed."""
        with self._lock:
            now = self._clock()
            if self._under_way is not None and now - self._began >= HANGS_S and self._hanging < _MOST_HANGING:
                self._under_way = None
                self._hanging += 1
            if self._under_way is None and now >= self._not_before:
                self._under_way, self._began = Future(), now
                threading.Thread(target=self._renew, args=(self._under_way,), daemon=True, name="credentials").start()
            return self._under_way

    def _renew(self, under_way: Future[None]) -> None:
        """In a thread of its own, which ends with the process: a fetch may hang for good."""
        began = self._clock()
        fetched: Fetched | None = None
        failure: Exception | None = None
        try:
            fetched = self._fetch()
            if fetched.lasts_s is not None and fetched.lasts_s < _SHORTEST_LIFE_S:
                failure = CredentialsUnavailable(f"what {self._what} gave has ended, or ends within seconds")
        except (CredentialsRefused, CredentialsUnavailable) as error:
            failure = error
        except Exception as error:
            failure = CredentialsUnavailable(f"{self._what}: {type(error).__name__}: {error_text(str(error))}")
        with self._lock:
            if self._under_way is not under_way:  # It hung, and what another one brought is newer.
                self._hanging -= 1
            else:
                self._under_way = None
                if failure is None and fetched is not None:
                    self._take(fetched, began)
                else:
                    self._take_failure(failure)
        under_way.set_result(None)

    def _take_failure(self, failure: Exception | None) -> None:
        self.failures += 1
        self._failure = failure
        pause = min(_FIRST_PAUSE_S * 2 ** min(self.failures - 1, 10), _LONGEST_PAUSE_S)
        self._not_before = self._clock() + pause

    def _take(self, fetched: Fetched, began: float) -> None:
        if fetched.lasts_s is None:
            renew_at, ends_at = began + _UNKNOWN_S, began + _UNKNOWN_END_S
        else:
            ends_at = began + fetched.lasts_s - min(_MARGIN_S, fetched.lasts_s / 4)
            renew_at = began + max(fetched.lasts_s - _EARLY_S, fetched.lasts_s / 2)
        self._held = _Held(
            value=fetched.value,
            fetched_at=began,
            renew_at=min(renew_at, ends_at),
            ends_at=ends_at,
        )
        self._failure, self.failures, self._not_before = None, 0, 0.0
        redactor.keep_for(self, (*self._secrets, *fetched.secrets))
        self._secrets = fetched.secrets

    def _why_not(self) -> Exception:
        """A new exception: one that many calls raise would gather the frames of all of them."""
        failure, failures = self._failure, self.failures
        if failure is None:
            return CredentialsUnavailable(f"{self._what} gave nothing that still holds")
        tries = f" ({failures} tries in a row failed)" if failures > 1 else ""
        return type(failure)(f"{failure}{tries}")


class CredentialsByName:
    """The credentials of one endpoint, shared by the shapes of its calls.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Hashable, Credentials] = {}

    def get(self, key: Hashable, what: str, fetch: Callable[[], Fetched]) -> Credentials:
        """Those of that key, which are made where there are none."""
        if key not in self._known:
            self._known[key] = Credentials(what, fetch, clock=self._clock)
        return self._known[key]


def from_environment(value: Any) -> Any:
    """A parameter of `extra`, or the text behind it where it is `os.environ/NAME`.

    Raises:
        CredentialsRefused: There is no such variable.
    """
    if not isinstance(value, str) or not SECRET_REFERENCE.fullmatch(value):
        return value
    name = value.removeprefix("os.environ/")
    if not (found := os.environ.get(name, "").strip()):
        raise CredentialsRefused(f"the environment variable {name} is not set")
    redactor.keep([found])
    return found


def error_text(message: str) -> str:
    """What a library or a server says of a failure, as it may be shown: its beginning, without secrets."""
    return redactor.text(message[:_LONGEST_MESSAGE])


def non_empty_strings(values: Iterable[Any]) -> tuple[str, ...]:
    """Those of the values that are strings and not empty."""
    return tuple(one for one in values if isinstance(one, str) and one)
