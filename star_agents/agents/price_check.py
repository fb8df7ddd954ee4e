"""Do the budgets of agents.yaml hold for the agents that it calls? Told before anything is spent. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from star_agents.agents.endpoints import Endpoint
from star_agents.agents.local_network import host_of
from star_agents.config.models import Config
from star_agents.errors import ConfigError, Problem
from star_agents.events import PriceNoted

Endpoints = Mapping[str, Sequence[Endpoint]]

_GIVE_PRICES = (
    "give input_cost_per_token and output_cost_per_token, 0 where it is free; or set budget_calls or budget_tokens, "
    "which hold for every model; `unknown_prices: allow` goes on without"
)


def refuse_unbounded(config: Config, endpoints: Endpoints) -> None:
    """Refuse a config under which an agent could spend past a budget.

    Raises:
        ConfigError: with every such agent and what to do.
    """
    if problems := unbounded(config, endpoints):
        raise ConfigError(problems)


def unbounded(config: Config, endpoints: Endpoints) -> list[Problem]:
    """Agents that a budget is set for which cannot hold: nothing that bounds a call of theirs is known."""
    return [problem for agent in config.called_agents for problem in _unbounded(config, agent, endpoints[agent])]


def price_notes(config: Config, endpoints: Endpoints) -> list[str]:
    """What a person should know of the prices before it starts, an agent each."""
    return [note for agent in config.called_agents for note in _notes(agent, endpoints[agent])]


class PriceNotes:
    """Says what counts as free and what has no known price, each once.

    Args:
        tell: Hears it.
    """

    def __init__(self, tell: Callable[[PriceNoted], None]) -> None:
        self._tell = tell
        self._told: set[str] = set()

    def tell(self, config: Config, endpoints: Endpoints) -> None:
        """Say what was not said before."""
        for note in price_notes(config, endpoints):
            if note not in self._told:
                self._told.add(note)
                self._tell(PriceNoted(message=note))


def _unbounded(config: Config, agent: str, endpoints: Sequence[Endpoint]) -> Iterator[Problem]:
    keys = _budget_keys(config, agent)
    usd, calls, tokens = ([key for key in keys if f"budget_{unit}" in key] for unit in ("usd", "calls", "tokens"))
    is_endless = config.agents[agent].longest_reply is None and any(
        endpoint.price is None or endpoint.price.longest is None for endpoint in endpoints
    )
    where, fix = f"agents.{agent}", "give max_tokens"
    if tokens and is_endless:
        yield _problem(f"{where}.max_tokens", f"its replies may be of any length, so `{tokens[0]}` cannot hold", fix)
    if not usd or calls or tokens or config.unknown_prices == "allow":
        return
    if any(endpoint.price is None for endpoint in endpoints):
        yield _problem(where, f"nobody knows its price, so `{usd[0]}` cannot hold for it", _GIVE_PRICES)
    elif is_endless and any(endpoint.price and endpoint.price.completion for endpoint in endpoints):
        yield _problem(f"{where}.max_tokens", f"its replies may be of any length, so `{usd[0]}` cannot hold", fix)


def _budget_keys(config: Config, agent: str) -> list[str]:
    """The budgets that an agent stands under, the first of each unit its own where it has one."""
    return [*(f"agents.{agent}.{key}" for key in config.agents[agent].budgets), *config.budgets]


def _notes(agent: str, endpoints: Sequence[Endpoint]) -> Iterator[str]:
    for endpoint in endpoints:
        address = f" at {host_of(endpoint.address)}" if endpoint.address else ""
        if endpoint.price is None:
            yield f"agent {agent}: nobody knows the price of {endpoint.model}{address}; its cost is told as unknown"
        elif endpoint.price.is_assumed:
            yield f"agent {agent}: {endpoint.model}{address} has no price and counts as free"


def _problem(field: str, message: str, fix: str) -> Problem:
    return Problem(where="agents.yaml", field=field, message=message, fix=fix)
