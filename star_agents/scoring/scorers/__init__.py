"""Scorers by name, beside IFD: each is one module of this folder, and there by being there.

A module has ``load(name, path, config) -> Measurer``; agents.yaml gives it a model, ``scoring: {scorers: {NAME:
MODEL}}``, and recipes measure by it, ``bench.measure(samples, by="NAME")``. Several models of one module are told apart
by what stands behind a colon, as in ``reward:MODEL``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Protocol

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError
from star_agents.records import Sample
from star_agents.scoring.facts import MeasurerFacts


class Measurer(Protocol):
    """A loaded scorer."""

    tokens: int
    """That went through its model so far."""
    rows: int
    """The same with padding."""

    def measure(self, samples: Sequence[Sample]) -> Sequence[dict[str, float] | str]:
        """Of each sample, in order: its measures by name, all finite; or why there are none."""

    def facts(self) -> MeasurerFacts:
        """What is loaded."""


def names() -> list[str]:
    """Of all scorers there are, in alphabetical order; none of them is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def check_names(wanted: Mapping[str, str]) -> None:
    """Raises ScorerError for the first one that there is not."""
    for name in wanted:
        if module_of(name) not in names():
            raise ScorerError(f"scoring.scorers names {name!r}; there are: {', '.join(names())}")


def module_of(scorer: str) -> str:
    """The module that a scorer is: the part of its name before a colon."""
    return scorer.partition(":")[0]


def load(scorer: str, name: str, path: str, config: ScoringConfig) -> Measurer:
    """Load a scorer with the model that agents.yaml calls ``name`` from ``path``. Raises ScorerError."""
    check_names({scorer: name})
    loaded: Measurer = importlib.import_module(f"{__name__}.{module_of(scorer)}").load(name, path, config)
    return loaded
