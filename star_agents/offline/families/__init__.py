"""The families of the closed world, each with its wordings, its worked answers and their near misses."""

from __future__ import annotations

from star_agents.offline.families.calendar import MONTH, WEEKDAY
from star_agents.offline.families.language import CATEGORY, COUNT, EDIT, FACT
from star_agents.offline.families.numbers import ADD, COMPARE, SEQUENCE, SORT, UNIT
from star_agents.offline.families.reasoning import LOGIC, TABLE
from star_agents.offline.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        ADD, UNIT, SORT, SEQUENCE, COMPARE, WEEKDAY, MONTH, EDIT, FACT, CATEGORY, COUNT, TABLE, LOGIC,
    )
}  # fmt: skip
NUMBER_FAMILIES = frozenset({"add", "unit", "sort", "sequence", "compare", "weekday", "month"})
"""The rest are the language families; sample agents are strong in one half or the other."""
