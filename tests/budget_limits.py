"""Budgets as the tests set them."""

from __future__ import annotations

from star_agents.agents.budget_ledger import Unit
from star_agents.agents.budgets import Limit


def limits(unit: Unit, total: float | None = None, /, *, per_day: bool = False, **agents: float) -> list[Limit]:
    """Budgets in one unit: of everybody, and by agent."""
    key = f"budget_{unit}{'_per_day' if per_day else ''}"
    owned = {} if total is None else {None: total}
    return [
        Limit(
            key=key if owner is None else f"agents.{owner}.{key}",
            owner=owner,
            unit=unit,
            per_day=per_day,
            amount=amount,
        )
        for owner, amount in [*owned.items(), *agents.items()]
    ]


def dollars(total: float | None = None, /, *, per_day: bool = False, **agents: float) -> list[Limit]:
    """Budgets in US dollars."""
    return limits("usd", total, per_day=per_day, **agents)
