"""What the sections of agents.yaml are made of: the strict base, and the settings that several of them share."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

SECRET_REFERENCE = re.compile(r"os\.environ/[A-Za-z_][A-Za-z0-9_]*")
Usd = Annotated[float, Field(ge=0)]
Amount = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """Base of every section: strict, frozen, unknown keys refused, documentation under the fields."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


class EndpointSettings(Section):
    """How an endpoint is reached and what it costs, in LiteLLM's words."""

    api_base: str | None = None
    """Base URL of an OpenAI-compatible or local server."""
    api_key: str | None = None
    """`os.environ/NAME`. Keys are never written into this file."""
    api_version: str | None = None
    """For providers that have one, such as Azure."""
    input_cost_per_token: Usd | None = None
    """US dollars per prompt token, where LiteLLM does not know the price."""
    output_cost_per_token: Usd | None = None
    """US dollars per completion token."""

    @field_validator("api_key")
    @classmethod
    def _key_comes_from_the_environment(cls, value: str | None) -> str | None:
        if value is not None and not SECRET_REFERENCE.fullmatch(value):
            raise ValueError("keys are read from the environment: write os.environ/NAME_OF_THE_VARIABLE")
        return value


class BudgetSettings(Section):
    """What one agent may spend, or all together: reserved at its worst case before a call is sent, and over restarts.
    At a budget for life `run` stops and `serve` waits until it is raised; at one for a day (of UTC) the work waits."""

    budget_usd: Usd | None = None
    """US dollars in the life of one store: one `run` with what continues it, or one daemon's folder."""
    budget_usd_per_day: Usd | None = None
    """US dollars on one day."""
    budget_calls: Amount | None = None
    """Calls in the life of one store, which holds for every model, whatever nobody knows of its price. A call is
    counted once, however often it had to be tried."""
    budget_calls_per_day: Amount | None = None
    """Calls on one day."""
    budget_tokens: Amount | None = None
    """Tokens of prompts and answers together in the life of one store, which holds for every model as well."""
    budget_tokens_per_day: Amount | None = None
    """Tokens on one day."""

    @property
    def budgets(self) -> dict[str, float]:
        """The budgets that are set, by their keys."""
        amounts = {key: getattr(self, key) for key in BudgetSettings.model_fields}
        return {key: amount for key, amount in amounts.items() if amount is not None}
