"""What an edit of agents.yaml changes, and which of it only a restart can put in force. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import ValidationError

from star_agents.config.base import Section
from star_agents.config.kept import config_in_sections
from star_agents.config.models import Config
from star_agents.config.old_places import STAR
from star_agents.config.recipes import reward_models_named, scorers_of, sections_of
from star_agents.config.star import StarConfig
from star_agents.errors import ConfigError, Problem
from star_agents.records import Flat

_BUILT_ONCE = ("scoring", "server", "memory", "concurrency", "prompts", "prompt_texts", "cluster")
"""Sections that processes, sockets, the index, the worker count and the judges' exams are built from."""
_TOLD_APART = ("agents", STAR, "prompts", "prompt_texts")
"""Sections whose changes are told by more than their names."""

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
    told = (
        ConfigMark(revision=revision, seq=seq, at=at, changes=_changes_of(before[-1], config))
        for before, (revision, seq, at, config) in pairwise(revisions[-MARKS - 1 :])
    )
    return [mark for mark in told if mark.changes]


def _changes_of(old: str, new: str) -> tuple[str, ...]:
    """Nothing where both say the same, each in the words of the release that wrote it."""
    try:
        before, after = _as_written(old), _as_written(new)
    except ValidationError:  # written by another version, which had other keys
        return ("~ agents.yaml",)
    return () if before == after else changes_between(before, after) or ("~ agents.yaml",)


def _as_written(revision: str) -> Config:
    return Config.model_validate_json(json.dumps(config_in_sections(revision)))


def until_restart(old: Config, new: Config) -> tuple[Config, tuple[str, ...]]:
    """``new`` as it can be put in force at once, and what of it stays as in ``old`` until a restart.

    Raises:
        ConfigError: a recipe that ``old`` does not have needs a model that only a restart loads.
    """
    delayed = [section for section in _BUILT_ONCE if getattr(old, section) != getattr(new, section)]
    possible: dict[str, object] = {section: getattr(old, section) for section in delayed}
    needs_more_models = (new.needs_small and not old.needs_small) or (new.needs_large and not old.needs_large)
    if needs_more_models or old.embedder != new.embedder:
        possible[STAR] = new.star.model_copy(update={"selection": old.star.selection})
        delayed.append(f"{STAR}.selection")
    in_force = new.model_copy(update=possible)
    if (in_force.needs_small and not old.needs_small) or (in_force.needs_large and not old.needs_large):
        message, fix = "needs a scorer model that is not loaded", "start anew: models are loaded at the start"
        raise ConfigError([Problem(where="agents.yaml", field="recipe", message=message, fix=fix)])
    if (embedder := old.embedder) != in_force.embedder:  # By `auto`, where the recipe is another.
        possible["memory"] = old.memory.model_copy(update={"embedder": embedder})
        delayed.append("memory")
    for section in _lacking_reward_models(old, new):
        if section not in sections_of(old):
            message, fix = "names a reward model that is not loaded", "start anew: models are loaded at the start"
            raise ConfigError([Problem(where="agents.yaml", field=section, message=message, fix=fix)])
        possible[section] = getattr(old, section)
        delayed.append(section)
    told = ("prompts" if section == "prompt_texts" else section for section in delayed)
    return new.model_copy(update=possible), tuple(dict.fromkeys(told))


def _lacking_reward_models(old: Config, new: Config) -> list[str]:
    """The sections of recipes that name reward models which a line of the old config has not loaded."""
    loaded = scorers_of(old)
    return [
        section
        for section in sections_of(new)
        if any(judge not in loaded for _, judge in reward_models_named(getattr(new, section), (section,)))
    ]


def changes_between(old: Config, new: Config) -> tuple[str, ...]:
    """One line per agent, pair and section that differs: ``+ agent mistral``, ``- pair keep/phi``, ``~ memory``; of
    recipe `star` one per key of its section: ``~ candidates``; likewise of other recipes: ``~ arena.opponents``."""
    return tuple(_changes(old, new))


def _differing(old: Section, new: Section) -> Iterator[str]:
    """Keys of a recipe's section."""
    keys = dict.fromkeys((*type(old).model_fields, *type(new).model_fields))
    return (key for key in keys if getattr(old, key, None) != getattr(new, key, None))


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
    # What stands in a file counts as much as which file it is.
    if (old.prompts, old.prompt_texts) != (new.prompts, new.prompt_texts):
        yield "~ prompts"
    for section in dict.fromkeys((*type(old).model_fields, *type(new).model_fields)):
        before, after = getattr(old, section, None), getattr(new, section, None)
        if section in _TOLD_APART or before == after:
            continue
        if section in Config.model_fields or not (isinstance(before, Section) and isinstance(after, Section)):
            yield f"~ {section}"
        else:
            yield from (f"~ {section}.{key}" for key in _differing(before, after))
    for key in StarConfig.model_fields:
        if key != "pairs" and getattr(old.star, key) != getattr(new.star, key):
            yield f"~ {key}"
