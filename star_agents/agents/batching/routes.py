"""Where the batches of an agent go, and what a batched call costs; asked once per endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from star_agents.agents.price_list import listed
from star_agents.agents.prices import Price
from star_agents.config.models import AgentConfig, DeploymentConfig

Protocol = Literal["openai", "azure", "mistral", "gemini", "anthropic"]

_PROTOCOLS: Mapping[str, tuple[Protocol, str, str]] = {
    "openai": ("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    "hosted_vllm": ("openai", "", "HOSTED_VLLM_API_KEY"),
    "azure": ("azure", "", "AZURE_API_KEY"),
    "mistral": ("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "gemini": ("gemini", "https://generativelanguage.googleapis.com", "GEMINI_API_KEY"),
    "anthropic": ("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY"),
}
"""By provider: what it speaks, its address, and the variable of its key."""
KNOWN = tuple(_PROTOCOLS)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRoute:
    """Where batches are made."""

    protocol: Protocol
    base: str
    """The address that the protocol's paths are joined to."""
    key: str = field(repr=False)
    model: str
    """As the provider's batches know it."""
    version: str = ""
    """Of the API, where every address names it."""


def batch_route(
    config: DeploymentConfig, provider: str, key: str | None, environ: Mapping[str, str], *, model: str = ""
) -> BatchRoute:
    """Where an endpoint's batches go; ``model``: its name there, where it is another one.

    Raises:
        ValueError: it has none that are known here; the message says so.
    """
    if provider not in _PROTOCOLS:
        raise ValueError(f"batches of {provider} are not known here; there are those of {', '.join(KNOWN)}")
    protocol, address, variable = _PROTOCOLS[provider]
    base = config.api_base or address or (environ.get("AZURE_API_BASE", "") if protocol == "azure" else "")
    if not base:
        raise ValueError(f"`api_base` is missing: batches of {provider} go to a server of yours")
    if "@" in urlsplit(base).netloc:
        raise ValueError("batches cannot go to an address that holds a password; give the key as `api_key`")
    base, version = base.rstrip("/"), ""
    if protocol == "azure":
        base, version = _of_azure(base, config.api_version or environ.get("AZURE_API_VERSION", ""))
    return BatchRoute(
        protocol=protocol,
        base=base,
        key=key or environ.get(variable, ""),
        model=model or config.model.partition("/")[2],
        version=version,
    )


def _of_azure(base: str, version: str) -> tuple[str, str]:
    """The address that Azure's paths are joined to, and the version that each names; its newest API needs none."""
    resource = base.partition("/openai")[0]
    if version in _UNDATED:
        return f"{resource}/openai/v1", ""
    return f"{resource}/openai", version


_UNDATED = ("", "v1", "latest", "preview")


def batch_price(agent: AgentConfig, config: DeploymentConfig, provider: str, price: Price | None) -> Price | None:
    """What a batched call costs: as LiteLLM's list has it, else the share that agents.yaml states; ``None``: nobody
    knows. What is free one by one is free in batches."""
    if price is not None and price.is_free:
        return price
    if config.input_cost_per_token is None and config.output_cost_per_token is None:
        for name in (config.model, config.model.partition("/")[2]):
            entry = listed(name)
            prompt, completion = (entry.get(f"{side}_cost_per_token_batches") for side in ("input", "output"))
            is_of_provider = str(entry.get("litellm_provider", "")).startswith(provider)
            if is_of_provider and isinstance(prompt, (int, float)) and isinstance(completion, (int, float)):
                return Price(prompt=float(prompt), completion=float(completion))
    if price is None or agent.batch.price is None:
        return None
    return Price(prompt=price.prompt * agent.batch.price, completion=price.completion * agent.batch.price)
