"""The agents as agents.yaml has them, reconciled with it by difference.

Each agent is a *deployment group*: its settings, its gate and, where it has several deployments or sends by LiteLLM's
Router, a model group there (``routing.py``). An agent whose endpoints change gets a new group, with a gate that knows
nothing bad of them; the old one is taken off the Router when the last call that began on it has ended, so calls in
flight, retries included, finish where they began. How each single deployment is doing, the gate knows
(``deployment.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel

from star_agents.agents.endpoints import Endpoint
from star_agents.agents.gate import Gate
from star_agents.agents.rate_limit import RateLimit, Sent
from star_agents.agents.routing import NotTakenError, Routing, deployment_id
from star_agents.agents.sampling import Unset, sampling
from star_agents.agents.throttle import ThrottleChange
from star_agents.config.models import AgentConfig
from star_agents.config.secrets import shown_parameters
from star_agents.config.serving import origin_of
from star_agents.errors import AgentRefused, ConfigError, Problem


@dataclass(kw_only=True, slots=True, eq=False)
class DeploymentGroup:
    """One agent as it is called now: all its deployments together."""

    name: str
    config: AgentConfig
    endpoints: tuple[Endpoint, ...]
    gate: Gate
    router_name: str
    """Of its model group on the Router; never used twice."""
    models: tuple[str, ...]
    """Of the endpoints, each once, sorted."""
    shown: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """What of the parameters is shown, by the temperature and length that a call asks for; see ``parameters``."""
    calls: int = 0
    """Calls that began on this group and have not ended, queued and waiting ones included."""
    retired: bool = False

    @property
    def model(self) -> str:
        """The model, for messages; of several, the first."""
        return self.endpoints[0].model

    def parameters(self, temperature: float | Unset | None, max_tokens: int | Unset | None) -> dict[str, Any]:
        """As ``AgentClient.parameters``."""
        wanted = (repr(temperature), repr(max_tokens))  # 0 and 0.0 are equal, and not the same in a journal's key
        if wanted not in self.shown:
            shape = sampling(self.config, temperature, max_tokens)
            self.shown[wanted] = shown_parameters({"models": list(self.models), **shape})
        return dict(self.shown[wanted])

    def configure(self, config: AgentConfig) -> None:
        """Take over other settings for the same endpoints."""
        self.config = config
        self.shown.clear()
        self.gate.set_ceiling(config.max_concurrency)
        self.gate.set_rate(config.requests_per_minute, config.tokens_per_minute)

    def id_on_router(self, index: int) -> str:
        """Of a deployment, where LiteLLM's Router sends to it; else empty."""
        return deployment_id(self.router_name, index) if self.endpoints[index].through_router else ""

    @property
    def is_out(self) -> bool:
        """Whether nobody should be asked who need not: it is down, rests for as good as that, or rejects everything."""
        rests = self.gate.is_at_rest(self.config.wait_when_down_s, self.config.give_up_after_s)
        return self.gate.is_down or self.gate.is_rejecting or rests


Origin = tuple[str, int | None]
"""Host and port of a server (``config.serving.origin_of``)."""


class _Hold(NamedTuple):
    """Why no call may pass; empty: calls may."""

    why: str
    is_for_good: bool


_NOT_STARTED = _Hold("its server is not started yet", is_for_good=False)


def _places(group: DeploymentGroup, origin: Origin) -> list[int]:
    """Which of its deployments are of the server at an address."""
    found = [endpoint.address for endpoint in group.endpoints]
    return [index for index, address in enumerate(found) if address and origin_of(address) == origin]


def needs_router(group: DeploymentGroup) -> bool:
    """Whether there is a choice among an agent's deployments, or the Router sends."""
    return len(group.endpoints) > 1 or any(endpoint.through_router for endpoint in group.endpoints)


class DeploymentGroups:
    """The agents at hand, and the Router under them.

    Args:
        litellm: Loads the module, which happens with the first agent that needs it.
        clock: Monotonic seconds, for the gates.
        on_change: Hears of an agent's deployment that goes down, is tried, is up again or paused.
        on_throttle: Hears of an agent that begins to be slowed down, or is no more.
    """

    def __init__(
        self,
        litellm: Callable[[], ModuleType],
        clock: Callable[[], float],
        on_change: Callable[[str, str, str], None],
        on_throttle: Callable[[str, ThrottleChange], None],
    ) -> None:
        self.routing = Routing(litellm)
        self._clock = clock
        self._on_change = on_change
        self._on_throttle = on_throttle
        self._rates: dict[str, RateLimit] = {}
        """By agent, and for life: an edit of its endpoints empties no minute."""
        self._holds: dict[Origin, _Hold] = {}
        """What of the servers at these addresses is known, and that nobody has to find out."""
        self._retired: list[DeploymentGroup] = []
        """Those on which calls have yet to end."""
        self._groups: dict[str, DeploymentGroup] = {}
        self._generation = 0
        self._reconciling = anyio.Lock()

    def __getitem__(self, agent: str) -> DeploymentGroup:
        """The agent's group; ``AgentRefused`` where agents.yaml has no such agent (any more)."""
        try:
            return self._groups[agent]
        except KeyError:
            known = ", ".join(sorted(self._groups)) or "none"
            raise AgentRefused(f"agent {agent} is not in agents.yaml (there: {known})") from None

    def __iter__(self) -> Iterator[DeploymentGroup]:
        """The groups in force."""
        return iter(self._groups.values())

    def start(self, agents: Mapping[str, AgentConfig], endpoints: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Fill an empty Router."""
        for name, config in agents.items():
            group = self._groups[name] = self._open(name, config, endpoints[name])
            group.gate.set_rate(config.requests_per_minute, config.tokens_per_minute)
            if needs_router(group):
                self._register(group)

    async def reconcile(self, agents: Mapping[str, AgentConfig], endpoints: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Make the groups what agents.yaml now says; what did not change is not touched.

        New groups are registered first, one per turn of the event loop (each takes about 2 ms), then all agents change
        over at once. Where that fails, or is cancelled, everything is as it was.
        """
        async with self._reconciling:
            groups = await self._prepare(agents, endpoints)
            for name, group in groups.items():
                group.configure(agents[name])
            before, self._groups = self._groups, groups
            for name, old in before.items():
                if groups.get(name) is not old:
                    self._retire(old)
                    if name in agents:  # Calls that began there share the minute, so they profit too.
                        old.gate.set_rate(agents[name].requests_per_minute, agents[name].tokens_per_minute)

    def restore_rates(self, sent: Mapping[str, Sequence[Sent]]) -> None:
        """Count what an earlier process sent in the last minute."""
        for name, some in sent.items():
            self._rates.setdefault(name, RateLimit()).restore(some, self._clock())

    async def _prepare(
        self, agents: Mapping[str, AgentConfig], endpoints: Mapping[str, tuple[Endpoint, ...]]
    ) -> dict[str, DeploymentGroup]:
        """The groups to change over to: the old one where its endpoints stay, else a new one, already on the Router."""
        groups: dict[str, DeploymentGroup] = {}
        try:
            for name, config in agents.items():
                old = self._groups.get(name)
                if old is not None and old.endpoints == endpoints[name]:
                    groups[name] = old
                    continue
                groups[name] = self._open(name, config, endpoints[name])
                if needs_router(groups[name]):
                    self._register(groups[name])
                await anyio.lowlevel.checkpoint()
        except BaseException:
            for name, group in groups.items():
                if self._groups.get(name) is not group:
                    self._remove(group)
            raise
        return groups

    def hold(self, origin: Origin, why: str, *, for_good: bool = False) -> None:
        """Let no call pass to the server at an address, whatever agents are there; ``for_good``: nobody waits for it
        any longer."""
        self._holds[origin] = _Hold(why, for_good)
        self._put_in_force(origin)

    def release(self, origin: Origin) -> None:
        """The server at an address can be asked."""
        self._holds[origin] = _Hold("", False)
        self._put_in_force(origin)

    def forget(self, origin: Origin) -> None:
        """Nobody looks after the server at an address any more: it is up until calls to it fail."""
        self.release(origin)
        del self._holds[origin]

    def calls_at(self, origin: Origin) -> int:
        """Calls in flight there, and those that began there before an edit and have yet to be sent there."""
        there = [group for group in (*self, *self._retired) if _places(group, origin)]
        hold = self._holds.get(origin)
        if hold is not None and hold.why:  # Nothing is sent there meanwhile.
            return sum(group.gate.in_flight for group in there)
        return sum(group.calls if group.retired else group.gate.in_flight for group in there)

    def given_up(self) -> frozenset[str]:
        """Agents each of whose servers was given up."""
        gone = {origin for origin, hold in self._holds.items() if hold.is_for_good}
        return frozenset(
            group.name
            for group in self
            if all(one.address and origin_of(one.address) in gone for one in group.endpoints)
        )

    def waiting_at(self, origin: Origin) -> int:
        """Calls that wait for agents which are there."""
        return sum(group.gate.queued for group in (*self, *self._retired) if _places(group, origin))

    def _put_in_force(self, origin: Origin) -> None:
        for group in (*self._groups.values(), *self._retired):
            for index in _places(group, origin):
                self._hold(group, index, self._holds[origin])

    def _hold(self, group: DeploymentGroup, index: int, hold: _Hold) -> None:
        if hold.why:
            group.gate.hold(index, hold.why, for_good=hold.is_for_good)
        else:
            group.gate.release(index)

    def began(self, group: DeploymentGroup) -> None:
        """Keep a group on the Router until the call that begins on it has ended."""
        group.calls += 1

    def ended(self, group: DeploymentGroup) -> None:
        """Such a call has ended."""
        group.calls -= 1
        if group.retired and not group.calls:
            self._remove(group)

    def _open(self, name: str, config: AgentConfig, endpoints: tuple[Endpoint, ...]) -> DeploymentGroup:
        self._generation += 1
        router_name = f"{name}#{self._generation}"
        rate = self._rates.setdefault(name, RateLimit())
        group = DeploymentGroup(
            name=name,
            config=config,
            endpoints=endpoints,
            gate=Gate(
                [f"{name}/{index}" for index in range(len(endpoints))],
                ceiling=config.max_concurrency,
                choose=lambda: self.routing.choose(router_name),
                clock=self._clock,
                on_change=lambda deployment, what: self._on_change(name, deployment, what),
                rate=rate,
                on_throttle=lambda change: self._on_throttle(name, change),
            ),
            router_name=router_name,
            models=tuple(sorted({endpoint.model for endpoint in endpoints})),
        )
        for index, endpoint in enumerate(endpoints):
            hold = self._holds.get(origin_of(endpoint.address)) if endpoint.address else None
            if hold is not None or endpoint.is_served:
                self._hold(group, index, hold or _NOT_STARTED)
        return group

    def _register(self, group: DeploymentGroup) -> None:
        """Put a group's endpoints on the Router; ``ConfigError`` where it does not take one."""
        try:
            self.routing.register(group.router_name, group.endpoints, group.gate.idlest)
        except NotTakenError as error:
            raise ConfigError(
                [Problem(where="agents.yaml", field=f"agents.{group.name}", message=str(error))]
            ) from None

    def _retire(self, group: DeploymentGroup) -> None:
        group.retired = True
        self._retired.append(group)
        if not group.calls:
            self._remove(group)

    def _remove(self, group: DeploymentGroup) -> None:
        if group in self._retired:
            self._retired.remove(group)
        if needs_router(group):
            self.routing.remove(group.router_name)
