"""Calls of seeds to agents that go by batch: gathered durably, their budget set aside, their seed let go.

Nobody waits for a batch in memory. Who asks for a call that has no answer yet gets AwaitsBatch, and the seed is parked;
when its calls are answered it is worked again and finds them in the journal, as after a restart. So tens of thousands
of seeds may wait for batches, and neither a kill nor a drain pays for anything twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from star_agents.agents.budgets import Budgets, Charge, Reservation
from star_agents.agents.client import AgentClient
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.errors import AwaitsBatch
from star_agents.process.crash_points import crash_point
from star_agents.records import Message, Tool
from star_agents.storage.batch_rows import Gathering, OpenCall
from star_agents.storage.rows import Intent
from star_agents.storage.store import Store


class BatchedRequest(NamedTuple):
    """What is asked of an agent that goes by batch."""

    agent: str
    messages: tuple[Message, ...]
    shape: Mapping[str, Any]
    """Sampling parameters."""
    form: ReplyForm | None
    tools: tuple[Tool, ...]
    bound: Charge
    """The most that one call may take, at the full price."""


class BatchedCalls:
    """Gathers the calls of all seeds.

    Args:
        store: Keeps them.
        client: Knows the agents.
    """

    def __init__(self, store: Store, client: AgentClient) -> None:
        self._store = store
        self._client = client
        self._reserved: dict[str, Reservation] = {}
        self.gathered: Counter[str] = Counter()
        """By agent, calls that wait for a batch; whoever makes batches puts this right."""
        self.on_gathered: Callable[[str, bool], None] = lambda agent, is_first: None
        """Hears that calls to an agent were gathered, and whether none was before."""
        self.on_full: Callable[[str], None] = lambda agent: None
        """Hears that a call waits for what those that are gathered have reserved."""

    def restore(self, calls: Sequence[OpenCall]) -> None:
        """Set aside what calls may take that an earlier process gathered or sent."""
        for call in calls:
            charge = Charge(usd=call.reserved_usd, tokens=call.reserved_tokens)
            self._reserved[call.key] = self._client.budgets.resume(call.agent, charge)

    async def ask(self, request: BatchedRequest, intents: Sequence[Intent]) -> None:
        """Let calls go by batch; returns where a batch could not answer them, and they are to be sent alone.

        Raises:
            AwaitsBatch: They are gathered, or in a batch.
            AgentError: What they came to, or BudgetExhausted.
        """
        known = await self._store.batches.calls([intent.key for intent in intents])
        new = [intent for intent in intents if intent.key not in known]
        if new:
            await self._gather(request, new)
        if new or any(row.state in ("gathered", "sent") for row in known.values()):
            raise AwaitsBatch(f"call {intents[0].key[:12]} of agent {request.agent} waits for a batch")
        batching = self._client.batching(request.agent)
        failures = [row.failure for row in known.values() if row.state == "failed"]
        if failures and batching is not None:
            raise batching.error(failures[0])

    async def _gather(self, request: BatchedRequest, intents: Sequence[Intent]) -> None:
        agent = request.agent
        batching = self._client.batching(agent)
        assert batching is not None, "agents.yaml is refused where batches of an agent have nowhere to go"
        calls: list[Gathering] = []
        for intent in intents:
            call = batching.call(intent.key, request.messages, request.shape, request.form, request.tools)
            size = len(batching.provider.line(call)) + 1
            calls.append(Gathering(intent, call.to_dict(), size))
        held: dict[str, Reservation] = {}
        try:
            for intent in intents:
                told = partial(self.on_full, agent)
                held[intent.key] = await self._client.reserve(agent, request.bound, on_wait=told)
            gathered = set(await self._store.batches.gather(calls))
        except BaseException:
            for reservation in held.values():
                self._client.budgets.cancel(reservation)
            raise
        for key, reservation in held.items():
            if key not in gathered:  # Answered since it was looked for: its seed finds that when it is taken again.
                self._client.budgets.cancel(reservation)
        self._reserved |= {key: held[key] for key in gathered}
        crash_point("calls_gathered")
        self.wait_for_batch(agent, len(gathered))

    def wait_for_batch(self, agent: str, calls: int) -> None:
        """Count calls that wait for a batch, again or for the first time."""
        if calls:
            is_first = not self.gathered[agent]
            self.gathered[agent] += calls
            self.on_gathered(agent, is_first)

    def settle(self, key: str, charge: Charge | None) -> None:
        """A call took this; ``None``: nobody knows, so the most that was reserved counts."""
        if (reservation := self._reserved.pop(key, None)) is not None:
            self._budgets.settle(reservation, charge)

    def cancel(self, key: str) -> None:
        """A call took nothing."""
        if (reservation := self._reserved.pop(key, None)) is not None:
            self._budgets.cancel(reservation)

    @property
    def _budgets(self) -> Budgets:
        return self._client.budgets
