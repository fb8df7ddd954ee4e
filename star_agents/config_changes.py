"""What an edit of agents.yaml changes, and which of it only a restart can put in force. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from star_agents.config import Config

_BUILT_ONCE = ("scoring", "server", "memory", "concurrency")
"""Sections that processes, sockets, the index and the worker count are built from."""


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
