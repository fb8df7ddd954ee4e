"""Calls to agents: budgeted, queued, sent, tried again, translated, settled.

One call is *admitted*: its worst cost is reserved, and it has queued for a deployment of the agent that is up and has a
slot free (``gate.py``). Whoever asked for it may then record what is to be sent, and sends it: the way that deployment
takes (``transports``), and on a passing failure it gives the slot back, waits, queues again (``admitted_call.py``). In
the end it is settled once (``sending.py``). There is one loop that retries (``retry.py``) and one place where foreign
errors become ours (``translate.py``). Cancellation is never an error of the provider's: it passes through, and closes
the connection.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from star_agents.agents.admitted_call import AdmittedCall, Receipt, Request
from star_agents.agents.answer import Answer, Call, Embedded, Transport
from star_agents.agents.batching.agent import AgentBatching, batches_at
from star_agents.agents.batching.http import BatchHttp
from star_agents.agents.budgets import Budgets, Charge, Reservation
from star_agents.agents.deployment_groups import DeploymentGroup, DeploymentGroups
from star_agents.agents.egress.sender import EgressSender
from star_agents.agents.endpoints import Endpoint, resolve, secrets_of
from star_agents.agents.prices import most_tokens, worst_case
from star_agents.agents.provider import Provider
from star_agents.agents.rate_limit import Sent, estimate_tokens
from star_agents.agents.receipts import receipt, receipt_of_vectors
from star_agents.agents.replies.structured_output import Binding, ReplyForm, StructuredReplies
from star_agents.agents.replies.tool_forms import OfferedTools
from star_agents.agents.sampling import UNSET, Unset, longest_reply, sampling
from star_agents.agents.sending import Sender
from star_agents.agents.throttle import Rejection, ThrottleChange
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.direct import DirectHttpTransport
from star_agents.agents.transports.http import HttpPool, HttpSender
from star_agents.agents.transports.in_process import InProcessTransport
from star_agents.agents.transports.litellm import LiteLLMTransport
from star_agents.agents.transports.translated import TranslatedTransport
from star_agents.config.models import AgentConfig
from star_agents.events import CallEnded
from star_agents.observe.status import AgentState, EgressState
from star_agents.records import Message, Reply, Tool
from star_agents.records.tool_text import tools_as_text
from star_agents.text.redaction import redactor

__all__ = ["UNSET", "AgentClient", "AgentState", "Embedded", "Provider"]

_CLOSING_S = 5.0
"""Longest wait for LiteLLM's own background tasks at the end."""


class AgentClient:
    """Every call to every agent. One per process: LiteLLM keeps providers and connections in globals.

    Building it raises ``ConfigError`` for an unset key variable or an unknown provider, and imports LiteLLM (about two
    seconds) where an agent needs it.

    Args:
        agents: As in agents.yaml.
        providers: In-process providers by prefix, such as ``{"offline": respond}``; their calls cost nothing.
        budgets: Bookkeeper of what may be spent.
        max_in_flight: Calls in flight at once, over all agents.
        rng: Jitter of the waits.
        on_call: Hears how each call went. It must not raise.
        on_change: Hears ``(agent, deployment, what)`` when a deployment goes down, is tried, is up again or paused.
        on_throttle: Hears ``(agent, change)`` when an agent begins to be slowed down, and when that is over.
        sleep: Waits between tries.
        clock: Monotonic seconds.
        place: Fills in the addresses of servers that are started beside the work, wherever agents are taken over.
        environ: Where ``os.environ/NAME`` is looked up.
        http: Sends what is prepared for it, perhaps from another process; a pool of this one where it is left out. It
            is closed with the client.
    """

    def __init__(
        self,
        agents: Mapping[str, AgentConfig],
        *,
        providers: Mapping[str, Provider] | None = None,
        budgets: Budgets | None = None,
        max_in_flight: int = 1000,
        rng: random.Random | None = None,
        on_call: Callable[[CallEnded], None] | None = None,
        on_change: Callable[[str, str, str], None] | None = None,
        on_throttle: Callable[[str, ThrottleChange], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
        place: Callable[[Mapping[str, AgentConfig]], Mapping[str, AgentConfig]] = lambda agents: agents,
        environ: Mapping[str, str] = os.environ,
        http: HttpSender | None = None,
    ) -> None:
        self._place, agents = place, place(agents)
        self._providers = dict(providers or {})
        self.budgets = budgets or Budgets()
        self._environ = environ
        endpoints = resolve(litellm_env.load, agents, environ, self._providers)
        redactor.keep(secrets_of(environ, agents))
        self._groups = DeploymentGroups(litellm_env.load, clock, on_change or _nobody, on_throttle or _nobody)
        self._groups.start(agents, endpoints)
        self._http = http or HttpPool()
        self._direct = DirectHttpTransport(self._http)
        self._batch_http = BatchHttp()
        self._litellm = LiteLLMTransport(litellm_env.load, lambda: self._groups.routing.router)
        self._translated = TranslatedTransport(self._http, litellm_env.load, self._litellm)
        self._in_process = InProcessTransport()
        self._structured = StructuredReplies()
        self._tools = OfferedTools()
        self._sender = Sender(
            groups=self._groups,
            budgets=self.budgets,
            max_in_flight=max_in_flight,
            rng=rng or random.Random(),
            on_call=on_call or _nobody,
            sleep=sleep,
            clock=clock,
        )

    async def reconfigure(
        self, agents: Mapping[str, AgentConfig], endpoints: Mapping[str, tuple[Endpoint, ...]] | None = None
    ) -> None:
        """Take over an edited agents.yaml; calls in flight finish as they began.

        Args:
            agents: As edited.
            endpoints: Theirs, where they are resolved already.

        Raises:
            ConfigError: As when building; everything is as it was.
        """
        endpoints = self.resolve(agents) if endpoints is None else endpoints
        redactor.keep(secrets_of(self._environ, agents))
        await self._groups.reconcile(self._place(agents), endpoints)

    @property
    def holds(self) -> DeploymentGroups:
        """Where whoever looks after a server says that it cannot be asked now, or that it can again."""
        return self._groups

    def restore_rates(self, sent: Mapping[str, Sequence[Sent]]) -> None:
        """Count what an earlier process sent in the last minute against each agent's requests and tokens per minute."""
        self._groups.restore_rates(sent)

    def parameters(
        self, agent: str, *, temperature: float | Unset | None = UNSET, max_tokens: int | Unset | None = UNSET
    ) -> dict[str, Any]:
        """Everything that shapes the agent's answer, as plain data: part of the journal's key.

        Keys, values of headers, limits, time-outs and base URLs are not in it: changing those must not pay for an
        answer again.
        """
        return self._groups[agent].parameters(temperature, max_tokens)

    def shape(
        self, agent: str, *, temperature: float | Unset | None = UNSET, max_tokens: int | Unset | None = UNSET
    ) -> dict[str, Any]:
        """The sampling parameters of a call, as they are sent."""
        return sampling(self._groups[agent].config, temperature, max_tokens)

    @property
    def endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        """The endpoints of every agent in force."""
        return {group.name: group.endpoints for group in self._groups}

    def resolve(self, agents: Mapping[str, AgentConfig]) -> dict[str, tuple[Endpoint, ...]]:
        """The endpoints that agents.yaml would give these agents.

        Raises:
            ConfigError: As when building.
        """
        return resolve(litellm_env.load, self._place(agents), self._environ, self._providers)

    def worst_case(
        self,
        agent: str,
        messages: Sequence[Message],
        max_tokens: int | None,
        form: ReplyForm | None = None,
        tools: Sequence[Tool] = (),
    ) -> Charge:
        """The most that one call takes; ``None`` in it where the price or the length of the answer has no bound."""
        return _bound(self._groups[agent], most_tokens(_with_more(messages, form, tools)), max_tokens)

    def binding(self, agent: str) -> Binding:
        """Whether the agent's replies are bound to a form that is asked for; of several endpoints, the first known."""
        found = [self._structured.binding(endpoint) for endpoint in self._groups[agent].endpoints]
        return next((one for one in found if one != "unknown"), "unknown")

    def down(self) -> frozenset[str]:
        """Agents none of whose deployments takes calls at the moment, that ask for a rest longer than a drawn pair
        waits, or that answer all calls with 429 for so long that one was given up."""
        return frozenset(group.name for group in self._groups if group.is_out)

    def rejecting(self) -> dict[str, Rejection]:
        """Agents on whose 429s a call was given up, and that have answered nothing else since."""
        found = {group.name: group.gate.rejection for group in self._groups}
        return {name: rejection for name, rejection in found.items() if rejection is not None}

    def unavailable(self) -> frozenset[str]:
        """Agents that are down, or whose own budget is spent."""
        return self.down() | self.budgets.spent_agents()

    def last_error(self, agent: str, deployment: str) -> str:
        """What a deployment failed with; empty where it has answered since, or is gone."""
        found = [one for group in self._groups if group.name == agent for one in group.gate.describe()]
        return next((one.last_error for one in found if one.name == deployment and one.last_error), "")

    def states(self) -> dict[str, AgentState]:
        """How each agent is doing right now."""
        return {
            group.name: AgentState(
                in_flight=group.gate.in_flight,
                queued=group.gate.queued,
                is_down=group.gate.is_down,
                deployments=group.gate.describe(),
                throttled=group.gate.throttled(),
            )
            for group in self._groups
        }

    @property
    def egress(self) -> EgressState | None:
        """Which other processes send; ``None`` where this one does."""
        return self._http.state() if isinstance(self._http, EgressSender) else None

    async def ask(
        self,
        agent: str,
        messages: Sequence[Message],
        *,
        temperature: float | Unset | None = UNSET,
        max_tokens: int | Unset | None = UNSET,
        form: ReplyForm | None = None,
    ) -> Reply:
        """Ask an agent; parameters that are not given are the agent's own. An empty answer comes back as ``text=""``.

        A ``form`` binds the reply where the server can do that; where it cannot, the reply is text.

        Raises:
            BudgetExhausted: The call could pass a budget; nothing was sent.
            AgentRefused: The request is at fault, or the agent is not in agents.yaml.
            AgentRateLimited: Still 429 after ``give_up_after_s``.
            AgentUnavailable: Still failing after ``retries`` or ``give_up_after_s``, or down for as long.
        """
        async with self.admit(agent, messages, temperature=temperature, max_tokens=max_tokens, form=form) as call:
            replies = await call.send()
        return replies[0]

    def admit(
        self,
        agent: str,
        messages: Sequence[Message],
        count: int = 1,
        *,
        temperature: float | Unset | None = UNSET,
        max_tokens: int | Unset | None = UNSET,
        form: ReplyForm | None = None,
        tools: Sequence[Tool] = (),
        is_dispensable: bool = False,
        bound: Charge | None = None,
    ) -> AbstractAsyncContextManager[AdmittedCall[list[Reply]]]:
        """Several answers to one prompt in one request (``n``), as a call that is sent within the ``async with``.

        At least one answer comes back, and perhaps fewer than ``count``. The prompt is paid for once: the first reply
        carries its tokens. Where tools are offered, a reply may call them. A dispensable call waits for an agent that
        is down no longer than ``wait_when_down_s``. Its ``bound`` is that of ``worst_case``, where the caller has it.
        Entering raises what ``ask`` raises, and so does ``send``.
        """
        group = self._groups[agent]
        shape = sampling(group.config, temperature, max_tokens)
        plain = [message.to_dict() for message in messages]

        async def send(index: int) -> Receipt[list[Reply]]:
            endpoint = group.endpoints[index]
            call = Call(
                endpoint=endpoint,
                deployment=group.id_on_router(index),
                messages=plain,
                shape=shape,
                n=count if endpoint.takes_n else 1,
                timeout_s=group.config.timeout_s,
                tools=tuple(tools),
            )
            return receipt(group, index, await self._complete(call, messages, form), count)

        return self._sender.admit(
            Request(
                group=group,
                bound=bound
                or _bound(group, most_tokens(_with_more(messages, form, tools)), longest_reply(shape), count),
                send=send,
                wait_when_down_s=group.config.wait_when_down_s if is_dispensable else math.inf,
                tokens=estimate_tokens(text for one in messages for text in one.texts)
                + count * (longest_reply(shape) or 0),
            )
        )

    async def _complete(self, call: Call, messages: Sequence[Message], form: ReplyForm | None) -> Answer:
        transport = self._transport_of(call.endpoint)
        if call.tools:
            return await self._tools.complete(transport, call, messages)
        if form is None or call.endpoint.respond is not None:
            return await transport.complete(call)
        return await self._structured.complete(transport, call, form)

    def _transport_of(self, endpoint: Endpoint) -> Transport:
        match endpoint.way:
            case "here":
                return self._in_process
            case "direct":
                return self._direct
            case "translated":
                return self._translated
            case "litellm":
                return self._litellm

    async def embed(self, agent: str, texts: Sequence[str]) -> Embedded:
        """Embed texts with an embedding model: one vector per text, in order. Raises what ``ask`` raises."""
        async with self.admit_embedding(agent, texts) as call:
            return await call.send()

    def admit_embedding(self, agent: str, texts: Sequence[str]) -> AbstractAsyncContextManager[AdmittedCall[Embedded]]:
        """``embed`` as a call that is sent within the ``async with``.

        Vectors are dispensable: an agent that is down is waited for no longer than its ``wait_when_down_s``.
        """
        group = self._groups[agent]
        tokens = most_tokens([Message(role="user", content=text) for text in texts])

        async def send(index: int) -> Receipt[Embedded]:
            response = await self._litellm.embed(
                group.endpoints[index], group.id_on_router(index), texts, timeout_s=group.config.timeout_s
            )
            return receipt_of_vectors(group, index, response, texts)

        return self._sender.admit(
            Request(
                group=group,
                bound=_bound(group, tokens, 0),
                send=send,
                wait_when_down_s=group.config.wait_when_down_s,
                tokens=estimate_tokens(texts),
            )
        )

    def goes_by_batch(self, agent: str) -> bool:
        """Whether the calls of seeds go to the agent in batches."""
        return self._groups[agent].config.transport == "batch"

    def batching(self, agent: str) -> AgentBatching | None:
        """The agent's batches, those included that were made before its ``transport`` was changed; ``None`` where it
        is not in agents.yaml any more, or its provider has none."""
        group = next((group for group in self._groups if group.name == agent), None)
        if group is None or (route := group.endpoints[0].batch) is None:
            return None
        provider = batches_at(self._batch_http, route)
        return AgentBatching(agent=agent, settings=group.config.batch, endpoint=group.endpoints[0], provider=provider)

    async def reserve(self, agent: str, charge: Charge, *, on_wait: Callable[[], None] = lambda: None) -> Reservation:
        """Set aside what a call may take that somebody else sends; settle or cancel it with the budgets.

        Where calls in flight may yet free what is missing, it is waited for, and ``on_wait`` is told so.
        Raises BudgetExhausted where none can.
        """
        return await self._sender.reserve(agent, charge, on_wait)

    async def aclose(self) -> None:
        """Close every connection. Ask nothing any more."""
        with anyio.move_on_after(_CLOSING_S, shield=True):
            await self._batch_http.aclose()
            await self._http.aclose()
            await litellm_env.close_connections()


def _bound(group: DeploymentGroup, prompt_tokens: int, max_tokens: int | None, count: int = 1) -> Charge:
    return worst_case((endpoint.price for endpoint in group.endpoints), prompt_tokens, max_tokens, count)


def _with_more(messages: Sequence[Message], form: ReplyForm | None, tools: Sequence[Tool]) -> Sequence[Message]:
    """The messages with whatever is said beside them."""
    told = [] if form is None else [form.overhead()]
    if tools:
        told.append(Message(role="system", content=tools_as_text(tools)))
    return [*messages, *told]


def _nobody(*_: object) -> None:
    """Hears and does nothing."""
