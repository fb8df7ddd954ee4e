"""Is each agent what agents.yaml takes it for? One tiny call or two to every deployment, and a look at the lists.

Nothing here decides anything: an agent that fails its call has a ``problem``, everything else is told as it is found.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import aiohttp
import anyio
import orjson

from star_agents.agents.client import AgentClient
from star_agents.agents.endpoints import Endpoint, Way, resolve
from star_agents.agents.model_lists import Identity, Shelf, identify, listed_by_litellm, look, nearest, open_session
from star_agents.agents.provider import Provider
from star_agents.agents.transports import litellm_env
from star_agents.config.models import AgentConfig
from star_agents.errors import AgentError, AgentRefused, AgentUnavailable
from star_agents.events import CallEnded
from star_agents.records import Message

QUESTION = "Answer with one short sentence: why is the sky blue?"
JSON_QUESTION = 'Answer with the JSON object {"sky": "blue"} and nothing else.'
_MAX_TOKENS = 64
_RETRIES = 1
_GIVE_UP_AFTER_S = 60.0
"""A check is for somebody who waits; a run's own patience is longer."""
_SHOWN_NAMES = 5
"""An in-process provider that no agent has."""

JsonAnswer = Literal["yes", "no", "not tried"]
_NOT_TRIED: tuple[JsonAnswer, str] = ("not tried", "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What was found out about one agent, or about one deployment of an agent that has several."""

    agent: str
    """``qwen``; of several deployments ``qwen/0``, ``qwen/1`` and so on."""
    model: str
    """As agents.yaml names it."""
    reachable: bool
    """Something answered there, be it to refuse."""
    model_known: bool | None
    """By the server's own list, else by LiteLLM's. ``None``: there is no list to say so."""
    price: Literal["free", "known", "unknown"]
    json: JsonAnswer
    """Whether it answers in JSON when ``response_format`` asks for it. ``not tried`` also where nothing came of it."""
    context: int | None
    """Tokens; ``None``: unknown."""
    latency_s: float | None
    """Of the tiny call, from asking to the whole answer; ``None`` where it failed."""
    calls: int
    cost_usd: float | None
    """Of the calls together; ``None``: unknown."""
    way: Way = "litellm"
    """How its calls are sent."""
    was_refused: bool = False
    """Whether the provider refused the call: then it may be the parameters, and another may help."""
    dimensions: int | None = None
    """Of an embedding; ``None`` for agents that write."""
    problem: str = ""
    """Why it cannot be used, and what to do; empty where it can."""
    notes: tuple[str, ...] = ()
    """What a person should know, though it fails nothing."""


async def inspect(
    agents: Mapping[str, AgentConfig],
    *,
    embedder: str | None = None,
    longest_prompt: int = 0,
    providers: Mapping[str, Provider] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[Inspection]:
    """Inspect every agent, all at once; in order of configuration, deployment by deployment.

    Costs at most two calls of 64 tokens each. An agent's failure is its ``problem``, no exception.

    Args:
        agents: As in agents.yaml.
        embedder: The agent that embeds instead of writing.
        longest_prompt: Tokens that a prompt may have; context that cannot hold them and the reply earns a note.
        providers: In-process providers by prefix, as for ``AgentClient``.
        environ: Where ``os.environ/NAME`` is looked up.

    Raises:
        ConfigError: An agent's key variable is not set, or LiteLLM does not know its provider.
    """
    # A key that is missing is said before LiteLLM is loaded, which takes seconds.
    resolved = resolve(litellm_env.load, agents, environ, providers or {})
    litellm, free = litellm_env.load(), frozenset(providers or {})
    subjects = [
        _Subject(
            name=f"{name}/{index}" if len(resolved[name]) > 1 else name,
            config=_alone(agent, index),
            endpoint=endpoint,
            identity=identify(litellm, endpoint, environ),
            embeds=name == embedder,
        )
        for name, agent in agents.items()
        for index, endpoint in enumerate(resolved[name])
    ]
    reports: list[CallEnded] = []
    asked = {name: config for subject in subjects for name, config in subject.asked().items()}
    await _warm_up(litellm)
    client = AgentClient(asked, providers=providers, environ=environ, on_call=reports.append)
    found: dict[str, Inspection] = {}
    try:
        async with open_session() as session, anyio.create_task_group() as tasks:
            inspector = _Inspector(litellm, client, session, reports, free, longest_prompt)
            for subject in subjects:
                tasks.start_soon(inspector.inspect, subject, found)
    finally:
        await client.aclose()
    return [found[subject.name] for subject in subjects]


async def _warm_up(litellm: ModuleType) -> None:
    """LiteLLM loads half of itself on the first call; that is no agent's latency, so this call goes to nobody."""
    await litellm.acompletion(
        model="openai/nobody", messages=[{"role": "user", "content": QUESTION}], mock_response="-"
    )


def deployments_of(name: str, agent: AgentConfig) -> dict[str, AgentConfig]:
    """Each deployment as an agent of its own, with the patience of a check: ``qwen``, or ``qwen/0``, ``qwen/1``, …"""
    several = len(agent.endpoints) > 1
    return {f"{name}/{index}" if several else name: _alone(agent, index) for index in range(len(agent.endpoints))}


def _alone(agent: AgentConfig, index: int) -> AgentConfig:
    """The agent with one of its endpoints, and with the patience of a check."""
    return agent.model_copy(
        update={
            **agent.endpoints[index].model_dump(),
            "deployments": (),
            "retries": min(agent.retries, _RETRIES),
            "give_up_after_s": min(agent.give_up_after_s, _GIVE_UP_AFTER_S),
        }
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Subject:
    """One deployment under inspection."""

    name: str
    config: AgentConfig
    endpoint: Endpoint
    identity: Identity
    embeds: bool

    @property
    def json_name(self) -> str:
        """The same agent, asked for JSON; no agent of the user's can have this name."""
        return f"{self.name} (JSON)"

    def asked(self) -> dict[str, AgentConfig]:
        """The agents that the client is built with."""
        extra = {**self.config.extra, "response_format": {"type": "json_object"}}
        return {self.name: self.config, self.json_name: self.config.model_copy(update={"extra": extra})}


class _Inspector:
    """What the inspections share."""

    def __init__(
        self,
        litellm: ModuleType,
        client: AgentClient,
        session: aiohttp.ClientSession,
        reports: list[CallEnded],
        free: frozenset[str],
        longest_prompt: int,
    ) -> None:
        self._litellm = litellm
        self._client = client
        self._session = session
        self._reports = reports
        self._free = free
        self._longest_prompt = longest_prompt

    async def inspect(self, subject: _Subject, found: dict[str, Inspection]) -> None:
        """Ask, look it up, ask for JSON; in this order, since Ollama tells the context of models that are loaded."""
        failure, dimensions = await self._ask(subject)
        identity = subject.identity
        shelf = await look(self._session, identity.server, identity.model) if identity.server else None
        json, json_note = _NOT_TRIED if failure or subject.embeds else await self._ask_for_json(subject)
        known, name_note = self._known(subject, shelf, answered=failure is None)
        context = (shelf.context if shelf else None) or identity.entry.get("max_input_tokens")
        narrow, whole = self._too_narrow(subject.config, context), _why_litellm(subject.endpoint)
        notes = (name_note, json_note, *(() if subject.embeds else (narrow, whole)))
        reports = [one for one in self._reports if one.agent in (subject.name, subject.json_name)]
        costs = [one.cost_usd for one in reports]
        price = subject.endpoint.price
        found[subject.name] = Inspection(
            agent=subject.name,
            model=subject.endpoint.model,
            reachable=not isinstance(failure, AgentUnavailable) or shelf is not None,
            model_known=known,
            price="unknown" if price is None else "free" if price.is_free else "known",
            json=json,
            context=context,
            latency_s=None if failure else reports[0].seconds,
            calls=len(reports),
            cost_usd=None if None in costs else sum((cost for cost in costs if cost), 0.0),
            way="litellm" if subject.embeds else subject.endpoint.way,
            was_refused=isinstance(failure, AgentRefused),
            dimensions=dimensions,
            problem=str(failure or ""),
            notes=tuple(note for note in notes if note),
        )

    async def _ask(self, subject: _Subject) -> tuple[AgentError | None, int | None]:
        """What went wrong, if anything, and the dimensions of an embedding, if it is one."""
        try:
            if subject.embeds:
                return None, len((await self._client.embed(subject.name, [QUESTION])).vectors[0])
            await self._client.ask(subject.name, _user(QUESTION), max_tokens=_MAX_TOKENS)
        except AgentError as error:
            return error, None
        return None, None

    async def _ask_for_json(self, subject: _Subject) -> tuple[JsonAnswer, str]:
        """Whether ``response_format`` works, and a note where that cannot be told."""
        identity = subject.identity
        if identity.provider in self._free:
            return "no", ""
        takes = self._litellm.get_supported_openai_params(model=identity.model, custom_llm_provider=identity.provider)
        if "response_format" not in (takes or ()):
            return _NOT_TRIED
        try:
            reply = await self._client.ask(subject.json_name, _user(JSON_QUESTION), max_tokens=_MAX_TOKENS)
        except AgentRefused:
            return "no", ""
        except AgentError as error:
            return "not tried", str(error)
        if _is_object(reply.text):
            return "yes", ""
        if reply.finish_reason == "length":
            return "not tried", f"its JSON was cut at {_MAX_TOKENS} tokens, so nothing is known of it"
        return "no", ""

    def _known(self, subject: _Subject, shelf: Shelf | None, *, answered: bool) -> tuple[bool | None, str]:
        """Whether a list has the model, and a better name where none has. In process, whoever answers is known."""
        identity = subject.identity
        if identity.provider in self._free:
            return answered, ""
        if shelf is not None and identity.server is not None:
            where, names, known = f"the server at {identity.server.base}", shelf.names, shelf.has(identity.model)
        else:
            where, names = "LiteLLM's list", listed_by_litellm(self._litellm, identity.provider)
            known = bool(identity.entry)
            if not known and (identity.server is not None or not names):
                return None, ""
        return known, "" if known else _not_there(subject, where, names)

    def _too_narrow(self, config: AgentConfig, context: int | None) -> str:
        wanted = self._longest_prompt + (config.max_tokens or 0)
        if context is None or wanted <= context:
            return ""
        return (
            f"its context of {context:,} tokens cannot hold a prompt of {self._longest_prompt:,} (scoring.max_length) "
            f"and a reply of {config.max_tokens or 0:,} (max_tokens): lower them, or serve the model with more context"
        )


def _not_there(subject: _Subject, where: str, names: tuple[str, ...]) -> str:
    """A sentence that names what was probably meant."""
    model, prefix = subject.identity.model, subject.endpoint.model.removesuffix(subject.identity.model)
    if near := nearest(model, names):
        return f"{where} does not have {model}; did you mean {prefix}{near}?"
    some = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
    return f"{where} does not have {model}; it has {some or 'no model at all'}"


def _why_litellm(endpoint: Endpoint) -> str:
    if not endpoint.why_litellm:
        return ""
    return f"LiteLLM sends its calls whole, {endpoint.why_litellm}: each takes about four times the CPU of our own way"


def _user(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except ValueError:
        return False
