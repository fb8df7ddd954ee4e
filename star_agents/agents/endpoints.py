"""What agents.yaml says of an agent's endpoints, resolved into what is needed to send: provider, key, price.

Everything that can be wrong with them is found here, before LiteLLM's Router hears of it: a variable that is not set, a
model name without a provider. Keys leave this file only inside ``Endpoint.params``, which no ``repr`` shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

from star_agents.agents.batching.routes import BatchRoute, batch_price, batch_route
from star_agents.agents.local_network import is_local
from star_agents.agents.price_list import listed
from star_agents.agents.prices import Price, listed_price
from star_agents.agents.provider import Provider
from star_agents.agents.sampling import UNSET, sampling
from star_agents.agents.transports.direct_routes import Route, provider_of, route_to
from star_agents.agents.transports.litellm_refused import REFUSED, why_refused
from star_agents.agents.transports.plain_requests import plain_provider_of, plain_writer
from star_agents.agents.transports.translated_routes import Translator, translator_for, vertex_region
from star_agents.config.models import AgentConfig, DeploymentConfig
from star_agents.config.references import look_up_secret
from star_agents.config.secrets import written_secrets
from star_agents.errors import ConfigError, Problem
from star_agents.text.redaction import SECRET_NAME, SHORTEST_SECRET

_REFERENCE = "os.environ/"
_BASES = {
    "ollama": ("OLLAMA_API_BASE", "http://localhost:11434"),
    "ollama_chat": ("OLLAMA_API_BASE", "http://localhost:11434"),
    "llamafile": ("LLAMAFILE_API_BASE", "http://127.0.0.1:8080/v1"),
    "lm_studio": ("LM_STUDIO_API_BASE", ""),
    "hosted_vllm": ("HOSTED_VLLM_API_BASE", ""),
}
"""By provider: LiteLLM's variable for the address, and its default."""


_BEDROCKS = ("invoke/", "converse/")
"""Ways to a model that its name on the list of prices does not hold."""
Way = Literal["direct", "translated", "litellm", "here"]
"""Written and sent by us; written by LiteLLM and sent by us; through LiteLLM whole; to a provider on this machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One deployment of an agent, ready for the Router."""

    model: str
    params: Mapping[str, str] = field(repr=False)
    """LiteLLM's parameters, the key included."""
    price: Price | None
    """``None``: nobody knows it."""
    address: str = field(default="", repr=False)
    """Of its server, as far as that is known without asking anybody; it may hold a password."""
    route: Route | None = None
    """Where to send directly; ``None``: only LiteLLM can, or a provider on this machine."""
    through_router: bool = False
    """Whether LiteLLM's Router sends, as ``transport: litellm`` asks for."""
    translator: Translator | None = field(default=None, compare=False)
    """Who writes what we send, where there is no ``route``; ``None``: LiteLLM sends, or a provider on this machine. It
    follows from the rest, so endpoints that agree in that are the same: an edit elsewhere leaves their agent alone."""
    why_litellm: str = ""
    """Why LiteLLM sends to it whole; empty where it does not, or was told to."""
    respond: Provider | None = None
    """The provider on this machine that answers."""
    takes_n: bool = False
    """Whether one request may ask for several answers."""
    batch: BatchRoute | None = None
    """Where batches of its calls are made; ``None``: nowhere that is known here."""
    batch_price: Price | None = None
    """Of a call that goes by batch; ``None``: nobody knows it."""
    is_served: bool = False
    """Whether its server is started beside the work: it is down until somebody says otherwise."""

    @property
    def way(self) -> Way:
        """How its calls go."""
        if self.respond is not None:
            return "here"
        if self.route is not None:
            return "direct"
        return "litellm" if self.translator is None else "translated"

    @property
    def server(self) -> tuple[str, str]:
        """Model and ``api_base``: endpoints that have both in common are one server, whichever agents have them."""
        return self.model, self.params.get("api_base", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Surroundings:
    """What endpoints are resolved with."""

    litellm: Callable[[], ModuleType]
    environ: Mapping[str, str]
    providers: Mapping[str, Provider]


def resolve(
    litellm: Callable[[], ModuleType],
    agents: Mapping[str, AgentConfig],
    environ: Mapping[str, str],
    providers: Mapping[str, Provider],
) -> dict[str, tuple[Endpoint, ...]]:
    """Resolve the endpoints of every agent; ``ConfigError`` lists all that is wrong with any of them.

    Args:
        litellm: Loads the module; not called where no endpoint needs it.
        agents: As configured.
        environ: Where the variables behind ``os.environ/NAME`` are looked up.
        providers: Functions in this process by prefix; their calls cost nothing.
    """
    problems: list[Problem] = []
    surroundings = _Surroundings(litellm=litellm, environ=environ, providers=providers)
    resolved = {
        name: tuple(
            _resolved(surroundings, agent, endpoint, _where(name, agent, index), problems)
            for index, endpoint in enumerate(agent.endpoints)
        )
        for name, agent in agents.items()
    }
    if problems:
        raise ConfigError(problems)
    return resolved


def secrets_of(environ: Mapping[str, str], agents: Mapping[str, AgentConfig]) -> frozenset[str]:
    """Every value that must not be shown: the agents' keys, what is secret in their addresses and headers, and whatever
    in the environment is named like a key."""
    named = {e.api_key.removeprefix(_REFERENCE) for agent in agents.values() for e in agent.endpoints if e.api_key}
    values = {value for name, value in environ.items() if name in named or SECRET_NAME.search(name)}
    values |= {secret for agent in agents.values() for secret in written_secrets(agent)}
    values |= {environ.get(name, "") for agent in agents.values() for name in _given_to_servers(agent)}
    return frozenset(value for value in values if len(value) >= SHORTEST_SECRET)


def _given_to_servers(agent: AgentConfig) -> Iterator[str]:
    """The variables of ours whose values their servers are given."""
    for serve in (one.serve for one in agent.endpoints if one.serve is not None):
        yield from (text.removeprefix(_REFERENCE) for text in serve.env.values() if text.startswith(_REFERENCE))


def _where(name: str, agent: AgentConfig, index: int) -> str:
    return f"agents.{name}" if agent.model is not None else f"agents.{name}.deployments.{index}"


def _resolved(
    surroundings: _Surroundings, agent: AgentConfig, config: DeploymentConfig, where: str, problems: list[Problem]
) -> Endpoint:
    """As ``_endpoint``; whatever LiteLLM raises over what stands in agents.yaml, or in a variable, is a problem."""
    try:
        return _endpoint(surroundings, agent, config, where, problems)
    except Exception as error:
        # Its message may hold the key, its name cannot.
        message = f"LiteLLM cannot make anything of it: {type(error).__name__}"
        fix = "look at its model, api_base and extra, and at variables that hold the provider's address"
        problems.append(Problem(where="agents.yaml", field=where, message=message, fix=fix))
        return Endpoint(model=config.model, params={}, price=None)


def _endpoint(
    surroundings: _Surroundings, agent: AgentConfig, config: DeploymentConfig, where: str, problems: list[Problem]
) -> Endpoint:
    respond = surroundings.providers.get(config.model.partition("/")[0])
    provider = "" if respond is not None else _provider(surroundings.litellm, config, where, problems)
    params = {"model": config.model}
    for name in ("api_base", "api_version"):
        if value := getattr(config, name):
            params[name] = value.rstrip("/") if name == "api_base" else value  # else LiteLLM would double the slash
    if config.api_key is not None:
        params["api_key"] = _key(config.api_key, surroundings.environ, where, problems)
    elif provider == "openai" and config.api_base:
        # Else LiteLLM would send the user's OPENAI_API_KEY to whatever server this is.
        params["api_key"] = "none"
    batch = _batch(surroundings, agent, config, provider, params.get("api_key"), where, problems)
    if not provider:
        return Endpoint(model=config.model, params=params, price=Price(prompt=0.0, completion=0.0), respond=respond)
    route = route_to(surroundings.litellm, agent, config, params.get("api_key"), surroundings.environ)
    address = route.url if route is not None else _address(config, provider, surroundings.environ)
    region = None if route is not None else vertex_region(surroundings.litellm, provider, config.model, agent.extra)
    price = _price(config, provider, address, region)
    shape = sampling(agent, UNSET, UNSET)
    plain = None if route is not None else plain_writer(provider, params, surroundings.environ)
    needs_litellm = route is None and (agent.transport == "litellm" or plain is None or not plain.takes(shape))
    if needs_litellm:
        _make_known(surroundings.litellm(), config.model, provider)
    translator, why_litellm = None, ""
    if route is None and agent.transport != "litellm":
        translator, why_litellm = translator_for(surroundings.litellm, provider, params, shape, price, plain, region)
    return Endpoint(
        model=config.model,
        params=params,
        price=price,
        address=address,
        route=route,
        through_router=agent.transport == "litellm",
        translator=translator,
        why_litellm=why_litellm,
        takes_n=_takes_n(surroundings.litellm(), config.model) if needs_litellm else _speaks_openais(provider, route),
        batch=batch,
        batch_price=batch_price(agent, config, provider, price) if batch is not None else None,
        is_served=config.serve is not None,
    )


def _speaks_openais(provider: str, route: Route | None) -> bool:
    return provider == "openai" if route is None else route.dialect == "openai"


def _batch(
    surroundings: _Surroundings,
    agent: AgentConfig,
    config: DeploymentConfig,
    provider: str,
    key: str | None,
    where: str,
    problems: list[Problem],
) -> BatchRoute | None:
    """Where batches go. An agent that no longer goes by batch may have some left at its provider."""
    try:
        provider = provider or config.model.partition("/")[0]
        return batch_route(config, provider, key, surroundings.environ, model=agent.batch.model)
    except ValueError as error:
        if agent.transport == "batch":
            fix = "leave `transport: batch` out, or use a provider that has batches"
            problems.append(Problem(where="agents.yaml", field=f"{where}.transport", message=str(error), fix=fix))
        return None


def _provider(litellm: Callable[[], ModuleType], config: DeploymentConfig, where: str, problems: list[Problem]) -> str:
    """Of the model; empty, with a problem, where nobody knows it or LiteLLM must not send to it."""
    if provider := provider_of(config.model) or plain_provider_of(config.model):
        return provider
    provider = config.model.partition("/")[0]
    message, fix = REFUSED.get(provider, ("", ""))  # before LiteLLM is asked, which would log in to some of them
    if not message:
        try:
            provider = str(litellm().get_llm_provider(model=config.model)[1])
        except Exception:
            message = f"LiteLLM knows no provider for {config.model!r}"
            fix = "write provider/model, such as openai/gpt-4o-mini or ollama_chat/qwen2.5:14b"
        else:
            message, fix = why_refused(provider, config)
    if not message:
        return provider
    problems.append(Problem(where="agents.yaml", field=f"{where}.model", message=message, fix=fix))
    return ""


def _make_known(litellm: ModuleType, model: str, provider: str) -> None:
    """Spare LiteLLM a search through its list on each call of a model that is not on it: a third of the call's CPU.

    Its Router does so too, likewise without a mode, which is how the entry is told from one of the list. It is not
    registered as a model, which would change what LiteLLM makes of its parameters. What such a call costs is not
    LiteLLM's to say (``prices.cost``).
    """
    name = model.partition("/")[2] or model
    if model not in litellm.model_cost and name not in litellm.model_cost:
        free = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "litellm_provider": provider}
        litellm.model_cost.update({model: free, name: free})


def _takes_n(litellm: ModuleType, model: str) -> bool:
    return "n" in (litellm.get_supported_openai_params(model=model) or ())


def _key(reference: str, environ: Mapping[str, str], where: str, problems: list[Problem]) -> str:
    try:
        return look_up_secret(reference, environ)
    except ValueError as error:
        fix = f"export {reference.removeprefix(_REFERENCE)}=... before starting"
        problems.append(Problem(where="agents.yaml", field=f"{where}.api_key", message=str(error), fix=fix))
        return ""


def _address(config: DeploymentConfig, provider: str, environ: Mapping[str, str]) -> str:
    """Where LiteLLM would send to, for providers whose servers people run themselves."""
    variable, otherwise = _BASES.get(provider, ("", ""))
    return config.api_base or environ.get(variable) or otherwise


def _price(config: DeploymentConfig, provider: str, address: str, region: str | None) -> Price | None:
    """The price from agents.yaml (an embedder's has one side only), else from LiteLLM's list.

    What has no price there and runs on this machine, or in a private network, counts as free.
    """
    if config.input_cost_per_token is not None or config.output_cost_per_token is not None:
        return Price(prompt=config.input_cost_per_token or 0.0, completion=config.output_cost_per_token or 0.0)
    rest = config.model.partition("/")[2]
    within = [rest.removeprefix(one) for one in _BEDROCKS if provider == "bedrock" and rest.startswith(one)]
    for name in (config.model, rest, *within):
        entry = listed(name)
        same_provider = str(entry.get("litellm_provider", "")).startswith(provider)
        if same_provider and entry.get("input_cost_per_token") is not None:
            return listed_price(entry, region=region)
    return Price(prompt=0.0, completion=0.0, is_assumed=True) if is_local(address) else None
