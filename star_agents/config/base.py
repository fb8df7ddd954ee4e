"""What the sections of agents.yaml are made of: the strict base, and the settings that several of them share."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

SECRET_REFERENCE = re.compile(r"os\.environ/[A-Za-z_][A-Za-z0-9_]*")
WHOLE_REFERENCE = rf"^{SECRET_REFERENCE.pattern}$"
"""The same for pydantic, whose patterns may match anywhere."""
LONGEST_TEXT = 4096
"""Characters of one value: a path is no longer (PATH_MAX of Linux)."""
MAX_TOKENS = 100_000_000
"""Of one reply, or one sequence; no model is near it."""
MAX_COUNT = 1_000_000_000
LONGEST_S = 366 * 86_400.0
"""Longest duration in seconds. Beyond some centuries, timers and dates overflow."""
UsdPerToken = Annotated[float, Field(ge=0, le=1_000_000)]
Usd = Annotated[float, Field(ge=0, le=1e12)]
Amount = Annotated[int, Field(ge=0, le=10**15)]
Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS)]


def server_address(value: str) -> str:
    """The address of a server, as it stands, where one can be called at it; no name is looked up.

    Raises:
        ValueError: it has no scheme, no host, or parts that no address has. It says nothing of the address, which may
            hold a password.
    """
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_one = False
    if not is_one or any(character.isspace() for character in value):
        raise ValueError("is no address of a server: write http://HOST:PORT/v1, or https://HOST/v1")
    return value


def refuse_infinite(value: object) -> None:
    """Raise ``ValueError`` where plain data holds a number that JSON has no word for."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for one in value:
            refuse_infinite(one)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that is not finite, which no request can say")


def refuse_unless_tokens(name: str, value: object) -> None:
    """Raise ``ValueError`` where a value is no number of tokens that could bound a reply."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_TOKENS:
        raise ValueError(f"{name} must be a whole number from 1 to {MAX_TOKENS:,}: it bounds what a call costs")


def _is_seen(text: str) -> bool:
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


class Section(BaseModel):
    """Base of every section: strict, frozen, unknown keys refused, documentation under the fields."""

    model_config = ConfigDict(
        extra="forbid",
        defer_build=True,  # the whole file is checked by one validator, which holds those of its sections
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        str_max_length=LONGEST_TEXT,
    )

    @field_validator("*")
    @classmethod
    def _no_control_characters(cls, value: object) -> object:
        """What a path, a name or a header cannot hold is told here, not by whoever uses it."""
        texts = value if isinstance(value, tuple) else (value,)
        if not all(_is_seen(text) for text in texts if isinstance(text, str)):
            raise ValueError("holds a control character, such as a line break or NUL; take it out")
        return value


class EndpointSettings(Section):
    """How an endpoint is reached and what it costs, in LiteLLM's words."""

    api_base: str | None = None
    """Base URL of an OpenAI-compatible or local server."""
    api_key: str | None = None
    """`os.environ/NAME`. Keys are never written into this file."""
    api_version: str | None = None
    """For providers that have one, such as Azure."""
    input_cost_per_token: UsdPerToken | None = None
    """US dollars per prompt token, where LiteLLM does not know the price."""
    output_cost_per_token: UsdPerToken | None = None
    """US dollars per completion token."""

    @field_validator("api_base")
    @classmethod
    def _base_is_an_address(cls, value: str | None) -> str | None:
        return value if value is None else server_address(value)

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
