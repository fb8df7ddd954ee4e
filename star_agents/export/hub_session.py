"""How `huggingface_hub` is used here: which hub it asks, how long it waits, and that it prints nothing of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import huggingface_hub
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

ANSWER_S = 300.0
"""Longest silence of the hub; its library waits without end."""


def endpoint_of(given: str) -> str:
    """Address of the hub; where none is given, the one in ``HF_ENDPOINT``, or Hugging Face's."""
    return given or os.environ.get("HF_ENDPOINT", "").rstrip("/") or huggingface_hub.constants.ENDPOINT


def bound_silence(seconds: float) -> None:
    """Let no request wait any longer, those included for which the library says that they may wait without end.

    To be said before each: the library may have begun a new session.
    """
    session = huggingface_hub.get_session()
    session.timeout = seconds
    hooks = session.event_hooks
    others = [hook for hook in hooks["request"] if not isinstance(hook, _Bound)]
    session.event_hooks = {**hooks, "request": [*others, _Bound(seconds)]}


class _Bound:
    """Sets what a request says nothing of; asked by httpx before it is sent."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, request: httpx.Request) -> None:
        given = request.extensions.get("timeout", {})
        phases = ("connect", "read", "write", "pool")
        request.extensions["timeout"] = {
            phase: self._seconds if given.get(phase) is None else given[phase] for phase in phases
        }


@contextmanager
def quiet_session() -> Iterator[None]:
    """Within it the library draws no bars; afterwards it has a session of its own again."""
    showed_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if showed_bars:
            enable_progress_bars()
        huggingface_hub.close_session()  # with the longest silence that was set on it
