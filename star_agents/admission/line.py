"""The filters that a config asks for, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterator

from star_agents.admission.filters import Applied
from star_agents.admission.languages import Languages
from star_agents.admission.length import Length
from star_agents.config.models import Config


def filters_of(config: Config) -> tuple[Applied, ...]:
    """Made once for a config, in a thread: what a filter reads of files, it reads here."""
    return tuple(_filters(config))


def _filters(config: Config) -> Iterator[Applied]:
    settings = config.admission
    if settings.languages:
        yield Applied(Languages(settings.languages), "refuse")
    if (length := settings.length) is not None:
        yield Applied(Length(length.instruction, length.response), length.action)
