"""What an edit of agents.yaml changes, and which of it only a restart can put in force. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import ValidationError

from star_agents.config.models import Config
from star_agents.records import Flat

_BUILT_ONCE = ("scoring", "server", "memory", "concurrency")
"""Sections that processes, sockets, the index and the worker count are built from."""

MARKS = 200
"""The newest edits that are told: more than that on one curve are a grey area."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigMark(Flat):
    """An edit of agents.yaml that came into force."""

    revision: int
    seq: int
    """The newest outcome when it did; 0: none yet."""
    at: float
    """Seconds since 1970."""
    changes: tuple[str, ...]
    """As ``changes_between`` has them."""


def config_marks(revisions: Sequence[tuple[int, int, float, str]]) -> list[ConfigMark]:
    """What each revision changed in the one before it, oldest first; the first one changed nothing.

    Args:
        revisions: Number, newest outcome, time, and config as JSON of each, as the store keeps them.
    """
    return [
        ConfigMark(revision=revision, seq=seq, at=at, changes=_changes_of(before[-1], config))
        for before, (revision, seq, at, config) in pairwise(revisions[-MARKS - 1 :])
    ]


def _changes_of(old: str, new: str) -> tuple[str, ...]:
    try:
        found = changes_between(Config.model_validate_json(old), Config.model_validate_json(new))
    except ValidationError:  # written by another version, which had other keys
        found = ()
    return found or ("~ agents.yaml",)


def restart_only(old: Config, new: Config) -> list[str]:
    """Sections of ``new`` that must stay as in ``old`` until a restart."""
    delayed = [section for section in _BUILT_ONCE if getattr(old, section) != getattr(new, section)]
    needs_more_models = (new.needs_small and not old.needs_small) or (new.needs_large and not old.needs_large)
    if needs_more_models or old.embedder != new.embedder:
        delayed.append("selection")
    return delayed


def changes_between(old: Config, new: Config) -> tuple[str, ...]:
    """One line per agent, pair and section that differs: ``+ agent mistral``, ``- pair keep/phi``, ``~ candidates``."""
    return tuple(_changes(old, new))


def _changes(old: Config, new: Config) -> Iterator[str]:
    for name in new.agents.keys() - old.agents.keys():
        yield f"+ agent {name}"
    for name in old.agents.keys() - new.agents.keys():
        yield f"- agent {name}"
    for name in sorted(old.agents.keys() & new.agents.keys()):
        if old.agents[name] != new.agents[name]:
            yield f"~ agent {name}"
    for pair in sorted(set(new.pool) - set(old.pool)):
        yield f"+ pair {pair.name}"
    for pair in sorted(set(old.pool) - set(new.pool)):
        yield f"- pair {pair.name}"
    for section in Config.model_fields:
        if section not in ("agents", "pairs") and getattr(old, section) != getattr(new, section):
            yield f"~ {section}"
