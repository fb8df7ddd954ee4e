"""The filters that a config asks for, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from star_agents.admission.contamination import BenchmarkIndex
from star_agents.admission.filters import Applied
from star_agents.admission.held_items import HeldItems
from star_agents.admission.languages import Languages
from star_agents.admission.length import Length
from star_agents.admission.own import load_own
from star_agents.admission.personal_data import PersonalData, redacted
from star_agents.admission.refusing import Refusing
from star_agents.admission.repetition import Repetition
from star_agents.config.models import Config
from star_agents.records.contamination import BenchmarkItem


def filters_of(config: Config, benchmarks: Iterable[BenchmarkItem] = ()) -> tuple[Applied, ...]:
    """Made once for a config, in a thread.

    Args:
        config: Whose section `admission` asks for them.
        benchmarks: The items of its `contamination`.
    """
    return tuple(_filters(config, benchmarks))


def _filters(config: Config, benchmarks: Iterable[BenchmarkItem]) -> Iterator[Applied]:
    settings = config.admission
    if settings.languages:
        yield Applied(Languages(settings.languages), "refuse")
    if settings.personal_data is not None:  # Before the others, so that what they refuse is kept without it, too.
        redact = redacted if settings.personal_data == "redact" else None
        yield Applied(PersonalData(), settings.personal_data, redact)
    if (one := settings.contamination) is not None:
        index = BenchmarkIndex(benchmarks, ngram=one.ngram, coverage=one.coverage)
        yield Applied(HeldItems(index), one.mode)
    if (length := settings.length) is not None:
        yield Applied(Length(length.instruction, length.response), length.action)
    if settings.refusals is not None:
        yield Applied(Refusing(), settings.refusals)
    if settings.repetition is not None:
        yield Applied(Repetition(), settings.repetition)
    for name in settings.own:
        yield Applied(load_own(name)[0], "refuse")
