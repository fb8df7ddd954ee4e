"""Agents on this machine: the sample agents, and local models that answer through Transformers.

    agents: {mine: {model: transformers/./my-model}}      a folder, or a name on the Hugging Face hub

The model answers in a process of its own (``scoring.local_models``), on the device and in the precision of ``scoring``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from star_agents.agents.provider import Background, Provider
from star_agents.agents.sampling import longest_reply
from star_agents.config.models import Config
from star_agents.config.recipes import agents_named
from star_agents.errors import AgentRefused, AgentUnavailable, ScorerError
from star_agents.offline.agents import respond
from star_agents.scoring.completions import Asked, Completed
from star_agents.scoring.local_models import LocalModels

PREFIX = "transformers"
"""What the names of local models begin with in agents.yaml."""
_WHOLE = ("top_k", "max_tokens", "seed")
_TAKEN = ("temperature", "top_p", "top_k", "stop", "seed", "max_tokens", "max_completion_tokens")


def providers_with(models: LocalModels) -> dict[str, Provider]:
    """The providers on this machine, by the prefix of their models."""
    return {"offline": respond, PREFIX: Background(partial(_complete, models))}


def local_models_of(config: Config) -> list[str]:
    """The local models of all agents, each once."""
    return _models_of(config, list(config.agents))


def local_models_at_work(config: Config) -> list[str]:
    """The local models that its recipes will ask, as far as settings name them; loaded before the first call, which has
    no time for it. Others are loaded when they are asked."""
    return _models_of(config, agents_named_by(config))


def agents_at_work(config: Config) -> list[str]:
    """The agents that a line of this config will ask: all of them where a recipe's settings name none."""
    named = agents_named_by(config)
    if not named and config.recipe != ("star",):
        return list(config.agents)
    toxic, embedder = config.admission.toxic, config.embedder if config.memory.enabled else ""
    named += [] if toxic is None else [toxic.judge]
    named += [embedder.removeprefix("agent:")] if embedder.startswith("agent:") else []
    if config.draws_pairs:
        named += config.model_copy(update={"recipe": ("star",)}).called_agents
    return [name for name in config.agents if name in named]


def agents_named_by(config: Config) -> list[str]:
    """Those of recipe `star` alone, or those whom the settings of other recipes name."""
    if config.recipe == ("star",):
        return list(config.called_agents)
    sections = [getattr(config, name) for name in type(config).model_fields.keys() - Config.model_fields.keys()]
    return sorted({agent for section in sections for _, agent in agents_named(section, ())})


def _models_of(config: Config, agents: Sequence[str]) -> list[str]:
    models = [one.model.partition("/") for agent in agents for one in config.agents[agent].endpoints]
    return list(dict.fromkeys(model for prefix, _, model in models if prefix == PREFIX))


async def _complete(
    models: LocalModels, model: str, messages: Sequence[Mapping[str, str]], shape: Mapping[str, Any]
) -> Completed:
    """Ask a local model.

    Raises:
        AgentRefused: it cannot answer this, or not with these parameters.
        AgentUnavailable: it cannot be loaded.
    """
    asked = _asked(model, messages, shape)
    try:
        (answer,) = await models.complete(model, [asked])
    except ScorerError as error:
        down = AgentUnavailable(f"{PREFIX}/{model}: {error}")
        down.what, down.said, down.certainly_unpaid = "the local model cannot be loaded", str(error), True
        raise down from None
    if isinstance(answer, str):
        refused = AgentRefused(f"{PREFIX}/{model}: {answer}")
        refused.what, refused.said, refused.may_lie_in_the_text = "the local model gave no answer", answer, True
        raise refused
    return answer


def _asked(model: str, messages: Sequence[Mapping[str, str]], shape: Mapping[str, Any]) -> Asked:
    """Raises AgentRefused for what a local model does not know, or that is no such value."""
    stop = shape.get("stop") or ()
    texts = (stop,) if isinstance(stop, str) else stop
    given = {
        "temperature": shape.get("temperature"),
        "top_p": shape.get("top_p"),
        "top_k": shape.get("top_k"),
        "max_tokens": longest_reply(shape),
        "seed": shape.get("seed"),
    }
    wrong = [name for name, value in given.items() if value is not None and not _is_number(value, name in _WHOLE)]
    if not isinstance(texts, (list, tuple)) or not all(isinstance(one, str) and one for one in texts):
        wrong.append("stop")
    if unknown := [name for name in shape if name not in _TAKEN]:
        raise AgentRefused(f"{PREFIX}/{model}: takes no `{unknown[0]}`; there are: {', '.join(_TAKEN)}")
    if wrong:
        raise AgentRefused(f"{PREFIX}/{model}: `{wrong[0]}: {shape[wrong[0]]!r:.60}` is no value for it")
    return Asked(messages=tuple(dict(one) for one in messages), stop=tuple(texts), **given)


def _is_number(value: object, is_whole: bool) -> bool:
    return not isinstance(value, bool) and isinstance(value, int if is_whole else (int, float)) and value >= 0
