"""Calls to agents: queued, budgeted, tried again, translated. LiteLLM's Router does the rest.

One call is: reserve its worst cost, queue for one of the agent's slots, send, and on a passing failure give the slot
back, wait, queue again. There is one loop that retries (``patience.py``) and one place where foreign errors become
ours (``translate.py``). Cancellation is never an error of the provider's: it passes through, and closes the connection.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from star_agents.agents import litellm_env
from star_agents.agents.budgets import Budgets, Reservation
from star_agents.agents.endpoints import Endpoint, resolve, secrets_of
from star_agents.agents.lines import Line, Lines
from star_agents.agents.patience import Patience
from star_agents.agents.prices import cost, most_tokens, worst_case
from star_agents.agents.provider import CompletionFunction, register
from star_agents.agents.reports import CallOutcome, CallReport, outcome_of
from star_agents.agents.sampling import UNSET, Unset, sampling
from star_agents.agents.translate import translate
from star_agents.config import AgentConfig
from star_agents.errors import AgentError
from star_agents.records import Message, Reply

__all__ = ["UNSET", "AgentClient", "CallReport", "CompletionFunction"]

_CLOSING_S = 5.0
"""Longest wait for LiteLLM's own background tasks at the end."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Paid:
    """What both kinds of reply say about themselves."""

    endpoint: Endpoint
    deployment: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


class AgentClient:
    """Every call to every agent. One per process: LiteLLM keeps providers and connections in globals.

    Building it imports LiteLLM (about two seconds) and raises ``ConfigError`` for an unset key variable or an unknown
    provider.

    Args:
        agents: As in agents.yaml.
        providers: In-process providers by prefix, such as ``{"offline": respond}``; their calls cost nothing.
        budgets: Bookkeeper of what may be spent.
        rng: Jitter of the waits.
        on_call: Hears how each call went. It must not raise.
        sleep: Waits between tries.
        clock: Monotonic seconds.
        environ: Where ``os.environ/NAME`` is looked up.
    """

    def __init__(
        self,
        agents: Mapping[str, AgentConfig],
        *,
        providers: Mapping[str, CompletionFunction] | None = None,
        budgets: Budgets | None = None,
        rng: random.Random | None = None,
        on_call: Callable[[CallReport], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        clock: Callable[[], float] = time.monotonic,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._litellm = litellm_env.load()
        self._free = frozenset(providers or {})
        register(self._litellm, providers or {})
        self.budgets = budgets or Budgets()
        self._rng = rng or random.Random()
        self._on_call = on_call
        self._sleep = sleep
        self._clock = clock
        self._environ = environ
        endpoints = resolve(self._litellm, agents, environ, self._free)
        self._secrets = secrets_of(environ, agents)
        self._lines = Lines(self._litellm)
        self._lines.start(agents, endpoints)

    async def reconfigure(self, agents: Mapping[str, AgentConfig]) -> None:
        """Take over an edited agents.yaml; calls in flight finish as they began.

        Raises:
            ConfigError: As when building; everything is as it was.
        """
        endpoints = resolve(self._litellm, agents, self._environ, self._free)
        self._secrets |= secrets_of(self._environ, agents)
        await self._lines.reconcile(agents, endpoints)

    def parameters(
        self, agent: str, *, temperature: float | Unset | None = UNSET, max_tokens: int | Unset | None = UNSET
    ) -> dict[str, Any]:
        """Everything that shapes the agent's answer, as plain data: part of the journal's key.

        Keys, limits, time-outs and base URLs are not in it: changing those must not pay for an answer again.
        """
        line = self._lines[agent]
        models = sorted({endpoint.model for endpoint in line.endpoints})
        return {"models": models, **sampling(line.config, temperature, max_tokens)}

    def worst_case_usd(self, agent: str, messages: Sequence[Message], max_tokens: int | None) -> float | None:
        """Upper bound of what one call costs; ``None`` where the price or the length of the answer has no bound."""
        return _bound(self._lines[agent], most_tokens(messages), max_tokens)

    async def ask(
        self,
        agent: str,
        messages: Sequence[Message],
        *,
        temperature: float | Unset | None = UNSET,
        max_tokens: int | Unset | None = UNSET,
    ) -> Reply:
        """Ask an agent; parameters that are not given are the agent's own. An empty answer comes back as ``text=""``.

        Raises:
            BudgetExhausted: The call could pass a budget; nothing was sent.
            AgentRefused: The request is at fault, or the agent is not in agents.yaml.
            AgentRateLimited: Still 429 after ``give_up_after_s``.
            AgentUnavailable: Still failing after ``retries`` or ``give_up_after_s``.
        """
        line = self._lines[agent]
        shape = sampling(line.config, temperature, max_tokens)
        plain = [message.to_dict() for message in messages]

        async def send() -> tuple[Reply, _Paid]:
            response = await self._lines.router.acompletion(
                model=line.group, messages=plain, timeout=line.config.timeout_s, **shape
            )
            choice, paid = response.choices[0], self._paid(line, response)
            reply = Reply(
                text=choice.message.content or "",
                finish_reason=choice.finish_reason or "stop",
                agent=agent,
                model=paid.endpoint.model,
                prompt_tokens=paid.prompt_tokens,
                completion_tokens=paid.completion_tokens,
                cost_usd=paid.cost_usd,
                deployment=paid.deployment,
            )
            return reply, paid

        return await self._call(line, _bound(line, most_tokens(messages), shape.get("max_tokens")), send)

    async def embed(self, agent: str, texts: Sequence[str]) -> list[list[float]]:
        """Embed texts with an embedding model: one vector per text, in order. Raises what ``ask`` raises."""
        line = self._lines[agent]
        tokens = most_tokens([Message(role="user", content=text) for text in texts])

        async def send() -> tuple[list[list[float]], _Paid]:
            response = await self._lines.router.aembedding(
                model=line.group, input=list(texts), timeout=line.config.timeout_s
            )
            rows = sorted(response.data, key=lambda row: int(row["index"]))
            if len(rows) != len(texts):
                raise ValueError(f"{len(rows)} vectors for {len(texts)} texts")
            return [list(row["embedding"]) for row in rows], self._paid(line, response)

        return await self._call(line, _bound(line, tokens, 0), send)

    async def aclose(self) -> None:
        """Close every connection. Ask nothing any more."""
        self._lines.close()
        with anyio.move_on_after(_CLOSING_S, shield=True):
            await litellm_env.close_connections(self._litellm)

    async def _call(self, line: Line, bound: float | None, send: Callable[[], Awaitable[tuple[T, _Paid]]]) -> T:
        """Reserve, try until done, settle, report."""
        began = self._clock()
        config = line.config
        patience = Patience(retries=config.retries, give_up_after_s=config.give_up_after_s, rng=self._rng)
        reservation: Reservation | None = None
        try:
            reservation = self.budgets.reserve(line.name, bound)
            with self._lines.in_use(line):
                answered: tuple[T, _Paid] = await patience.retrying(self._sleep)(self._try, line, patience, send)
        except BaseException as error:
            if isinstance(error, AgentError):
                error.certainly_unpaid = not patience.maybe_paid
            self._give_back(reservation, patience)
            self._report(line, began, patience, outcome_of(error), None)
            raise
        reply, paid = answered
        self.budgets.settle(reservation, paid.cost_usd)
        self._report(line, began, patience, "ok", paid)
        return reply

    async def _try(
        self, line: Line, patience: Patience, send: Callable[[], Awaitable[tuple[T, _Paid]]]
    ) -> tuple[T, _Paid]:
        """Send once, holding one of the agent's slots for just as long."""
        failure: Exception
        async with line.limiter:
            began = self._clock()
            paid_before, patience.maybe_paid = patience.maybe_paid, True
            patience.tries += 1
            try:
                with anyio.fail_after(line.config.timeout_s):
                    return await send()
            except Exception as error:
                failure = error
            finally:
                patience.seconds += self._clock() - began
            # A library that turned our cancellation into an error of its own does not get to have it retried.
            await anyio.lowlevel.checkpoint_if_cancelled()
        ours = translate(failure, agent=line.name, model=line.model, secrets=self._secrets)
        patience.maybe_paid = paid_before or not ours.certainly_unpaid
        raise ours

    def _paid(self, line: Line, response: Any) -> _Paid:
        hidden = response._hidden_params or {}
        id = str(hidden.get("model_id") or "")
        endpoint, usage = line.endpoint(id), getattr(response, "usage", None)
        prompt = getattr(usage, "prompt_tokens", 0) or 0
        completion = getattr(usage, "completion_tokens", 0) or 0
        return _Paid(
            endpoint=endpoint,
            deployment=f"{line.name}/{id.rpartition('/')[2] or 0}",
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost_usd=cost(endpoint.price, prompt, completion, hidden.get("response_cost")),
        )

    def _give_back(self, reservation: Reservation | None, patience: Patience) -> None:
        if reservation is None:
            return
        if patience.maybe_paid:
            self.budgets.settle(reservation, None)
        else:
            self.budgets.cancel(reservation)

    def _report(self, line: Line, began: float, patience: Patience, outcome: CallOutcome, paid: _Paid | None) -> None:
        if self._on_call is None:
            return
        self._on_call(
            CallReport(
                agent=line.name,
                model=paid.endpoint.model if paid else line.model,
                seconds=self._clock() - began,
                outcome=outcome,
                retries=max(0, patience.tries - 1),
                prompt_tokens=paid.prompt_tokens if paid else 0,
                completion_tokens=paid.completion_tokens if paid else 0,
                cost_usd=paid.cost_usd if paid else None if patience.maybe_paid else 0.0,
            )
        )


def _bound(line: Line, prompt_tokens: int, max_tokens: int | None) -> float | None:
    return worst_case((endpoint.price for endpoint in line.endpoints), prompt_tokens, max_tokens)
