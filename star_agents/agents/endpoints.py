"""What agents.yaml says of an agent's endpoints, resolved into what the Router needs: provider, key, price.

Everything that can be wrong with them is found here, before the Router hears of it: a variable that is not set, a model
name without a provider. Keys leave this file only inside ``Endpoint.params``, which no ``repr`` shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from star_agents.agents.prices import Price, listed_price
from star_agents.agents.routes import Route, route_to
from star_agents.config import AgentConfig, DeploymentConfig
from star_agents.errors import ConfigError, Problem

_REFERENCE = "os.environ/"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET = 8
"""Shorter values are words like ``none``; removing them would garble messages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One deployment of an agent, ready for the Router."""

    model: str
    params: Mapping[str, str] = field(repr=False)
    """LiteLLM's parameters, the key included."""
    price: Price | None
    """``None``: nobody knows it."""
    route: Route | None = None
    """Where to send directly; ``None``: only LiteLLM can."""


def resolve(
    litellm: ModuleType, agents: Mapping[str, AgentConfig], environ: Mapping[str, str], free: frozenset[str]
) -> dict[str, tuple[Endpoint, ...]]:
    """Resolve the endpoints of every agent; ``ConfigError`` lists all that is wrong with any of them.

    Args:
        litellm: The loaded module.
        agents: As configured.
        environ: Where the variables behind ``os.environ/NAME`` are looked up.
        free: Providers that cost nothing: the in-process ones.
    """
    problems: list[Problem] = []
    resolved = {
        name: tuple(
            _endpoint(litellm, agent, endpoint, environ, free, _where(name, agent, index), problems)
            for index, endpoint in enumerate(agent.endpoints)
        )
        for name, agent in agents.items()
    }
    if problems:
        raise ConfigError(problems)
    return resolved


def secrets_of(environ: Mapping[str, str], agents: Mapping[str, AgentConfig]) -> frozenset[str]:
    """Every value that must not be shown: the agents' keys, and whatever in the environment is named like one."""
    named = {e.api_key.removeprefix(_REFERENCE) for agent in agents.values() for e in agent.endpoints if e.api_key}
    values = {value for name, value in environ.items() if name in named or _SECRET_NAME.search(name)}
    return frozenset(value for value in values if len(value) >= _SHORTEST_SECRET)


def _where(name: str, agent: AgentConfig, index: int) -> str:
    return f"agents.{name}" if agent.model is not None else f"agents.{name}.deployments.{index}"


def _endpoint(
    litellm: ModuleType,
    agent: AgentConfig,
    config: DeploymentConfig,
    environ: Mapping[str, str],
    free: frozenset[str],
    where: str,
    problems: list[Problem],
) -> Endpoint:
    provider = _provider(litellm, config.model, where, problems)
    params = {"model": config.model}
    for name in ("api_base", "api_version"):
        if value := getattr(config, name):
            params[name] = value
    if config.api_key is not None:
        params["api_key"] = _key(config.api_key, environ, where, problems)
    elif provider == "openai" and config.api_base:
        # Else LiteLLM would send the user's OPENAI_API_KEY to whatever server this is.
        params["api_key"] = "none"
    price = Price(prompt=0.0, completion=0.0) if provider in free else _price(litellm, config, provider)
    route = route_to(litellm, agent, config, params.get("api_key"), environ) if provider else None
    return Endpoint(model=config.model, params=params, price=price, route=route)


def _provider(litellm: ModuleType, model: str, where: str, problems: list[Problem]) -> str:
    try:
        return str(litellm.get_llm_provider(model=model)[1])
    except Exception:
        fix = "write provider/model, such as openai/gpt-4o-mini or ollama_chat/qwen2.5:14b"
        message = f"LiteLLM knows no provider for {model!r}"
        problems.append(Problem(where="agents.yaml", field=f"{where}.model", message=message, fix=fix))
        return ""


def _key(reference: str, environ: Mapping[str, str], where: str, problems: list[Problem]) -> str:
    variable = reference.removeprefix(_REFERENCE)
    value = environ.get(variable, "")
    if not value:
        problems.append(
            Problem(
                where="agents.yaml",
                field=f"{where}.api_key",
                message=f"the environment variable {variable} is not set",
                fix=f"export {variable}=... before starting",
            )
        )
    return value


def _price(litellm: ModuleType, config: DeploymentConfig, provider: str) -> Price | None:
    """The price from agents.yaml (one that is left out beside the other is 0), else from LiteLLM's list."""
    if config.input_cost_per_token is not None or config.output_cost_per_token is not None:
        return Price(prompt=config.input_cost_per_token or 0.0, completion=config.output_cost_per_token or 0.0)
    for name in (config.model, config.model.partition("/")[2]):
        entry = litellm.model_cost.get(name) or {}
        same_provider = str(entry.get("litellm_provider", "")).startswith(provider)
        if same_provider and entry.get("input_cost_per_token") is not None:
            return listed_price(entry)
    return None
