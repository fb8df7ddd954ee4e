"""One LiteLLM Router for life, reconciled with agents.yaml by difference.

Each agent is a *line*: its settings, its gate and, where it has several deployments, a model group on the Router, which
picks among them. A line whose endpoints change gets a new group and a gate that knows nothing bad of them; the old one
is taken off the Router when the last call that began on it has ended, so calls in flight, retries included, finish
where they began. The Router neither retries nor cools down nor limits nor sends: all of that is ours (design §5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import anyio
import anyio.lowlevel

from star_agents.agents.endpoints import Endpoint
from star_agents.agents.gate import Gate
from star_agents.agents.rate_limit import RateLimit, Sent
from star_agents.agents.throttle import ThrottleChange
from star_agents.config.models import AgentConfig
from star_agents.errors import AgentRefused, ConfigError, Problem

_PICKS = 8
"""How often the Router is asked for a deployment that happens to be free: it does not know which are."""


@dataclass(kw_only=True, slots=True, eq=False)
class Line:
    """One agent as it is called now."""

    name: str
    config: AgentConfig
    endpoints: tuple[Endpoint, ...]
    gate: Gate
    group: str
    """Name of its model group on the Router; never used twice."""
    models: tuple[str, ...]
    """Of the endpoints, each once, sorted."""
    calls: int = 0
    """Calls that began on this line and have not ended, queued and waiting ones included."""
    retired: bool = False

    @property
    def model(self) -> str:
        """The model, for messages; of several, the first."""
        return self.endpoints[0].model


def needs_router(line: Line) -> bool:
    """Whether there is a choice among an agent's deployments."""
    return len(line.endpoints) > 1


def deployment_id(group: str, index: int) -> str:
    """Id of a deployment on the Router."""
    return f"{group}/{index}"


class Lines:
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
        self._litellm = litellm
        self._clock = clock
        self._on_change = on_change
        self._on_throttle = on_throttle
        self._rates: dict[str, RateLimit] = {}
        """By agent, and for life: an edit of its endpoints empties no minute."""
        self._router: Any = None
        self._lines: dict[str, Line] = {}
        self._generation = 0
        self._reconciling = anyio.Lock()

    @property
    def router(self) -> Any:
        """LiteLLM's Router, made when it is first needed."""
        if self._router is None:
            self._router = self._litellm().Router(
                model_list=[], num_retries=0, disable_cooldowns=True, enable_pre_call_checks=False
            )
            # Takes its callbacks out of LiteLLM's global lists, and does nothing else. They count requests and tokens
            # for limits and cooldowns that are ours.
            self._router.discard()
        return self._router

    def __getitem__(self, agent: str) -> Line:
        """The agent's line; ``AgentRefused`` where agents.yaml has no such agent (any more)."""
        try:
            return self._lines[agent]
        except KeyError:
            known = ", ".join(sorted(self._lines)) or "none"
            raise AgentRefused(f"agent {agent} is not in agents.yaml (there: {known})") from None

    def __iter__(self) -> Iterator[Line]:
        """The lines in force."""
        return iter(self._lines.values())

    def start(self, agents: Mapping[str, AgentConfig], endpoints: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Fill an empty Router."""
        for name, config in agents.items():
            line = self._lines[name] = self._open(name, config, endpoints[name])
            line.gate.set_rate(config.requests_per_minute, config.tokens_per_minute)
            if needs_router(line):
                self._register(line)

    async def reconcile(self, agents: Mapping[str, AgentConfig], endpoints: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Make the lines what agents.yaml now says; what did not change is not touched.

        New groups are registered first, one per turn of the event loop (each takes about 2 ms), then all agents change
        over at once. Where that fails, or is cancelled, everything is as it was.
        """
        async with self._reconciling:
            lines = await self._prepare(agents, endpoints)
            for name, line in lines.items():
                line.config = agents[name]
                line.gate.set_ceiling(line.config.max_concurrency)
                line.gate.set_rate(line.config.requests_per_minute, line.config.tokens_per_minute)
            before, self._lines = self._lines, lines
            for name, old in before.items():
                if lines.get(name) is not old:
                    self._retire(old)
                    if name in agents:  # Calls that began there share the minute, so they profit too.
                        old.gate.set_rate(agents[name].requests_per_minute, agents[name].tokens_per_minute)

    def restore_rates(self, sent: Mapping[str, Sequence[Sent]]) -> None:
        """Count what an earlier process sent in the last minute."""
        for name, some in sent.items():
            self._rates.setdefault(name, RateLimit()).restore(some, self._clock())

    async def _prepare(
        self, agents: Mapping[str, AgentConfig], endpoints: Mapping[str, tuple[Endpoint, ...]]
    ) -> dict[str, Line]:
        """The lines to change over to: the old one where its endpoints stay, else a new one, already on the Router."""
        lines: dict[str, Line] = {}
        try:
            for name, config in agents.items():
                old = self._lines.get(name)
                if old is not None and old.endpoints == endpoints[name]:
                    lines[name] = old
                    continue
                lines[name] = self._open(name, config, endpoints[name])
                if needs_router(lines[name]):
                    self._register(lines[name])
                await anyio.lowlevel.checkpoint()
        except BaseException:
            for name, line in lines.items():
                if self._lines.get(name) is not line:
                    self._remove(line)
            raise
        return lines

    @contextmanager
    def in_use(self, line: Line) -> Iterator[None]:
        """Keep a line's group on the Router until the call that began on it has ended."""
        line.calls += 1
        try:
            yield
        finally:
            line.calls -= 1
            if line.retired and not line.calls:
                self._remove(line)

    def _open(self, name: str, config: AgentConfig, endpoints: tuple[Endpoint, ...]) -> Line:
        self._generation += 1
        group = f"{name}#{self._generation}"
        rate = self._rates.setdefault(name, RateLimit())
        return Line(
            name=name,
            config=config,
            endpoints=endpoints,
            gate=Gate(
                [f"{name}/{index}" for index in range(len(endpoints))],
                ceiling=config.max_concurrency,
                choose=lambda free: self._choose(group, free),
                clock=self._clock,
                on_change=lambda deployment, what: self._on_change(name, deployment, what),
                rate=rate,
                on_throttle=lambda change: self._on_throttle(name, change),
            ),
            group=group,
            models=tuple(sorted({endpoint.model for endpoint in endpoints})),
        )

    def _choose(self, group: str, free: Sequence[int]) -> int:
        """The Router's pick among a group's deployments that are free."""
        for _ in range(_PICKS):
            picked = self.router.get_available_deployment(model=group)["model_info"]["id"]
            index = int(str(picked).rpartition("/")[2])
            if index in free:
                return index
        return free[0]

    def _register(self, line: Line) -> None:
        """Put a line's endpoints on the Router; ``ConfigError`` where it does not take one."""
        for index, endpoint in enumerate(line.endpoints):
            id, said = deployment_id(line.group, index), "it was dropped without a word"
            deployment = self._litellm().types.router.Deployment(
                model_name=line.group, litellm_params=dict(endpoint.params), model_info={"id": id}
            )
            try:
                self.router.upsert_deployment(deployment)
            except Exception as error:
                # Its message may hold the key, its name cannot.
                said = type(error).__name__
            # An upsert has been seen to drop a deployment without a word (BerriAI/litellm#35577).
            if not self.router.has_model_id(id):
                message = f"LiteLLM's Router does not take {endpoint.model}: {said}"
                raise ConfigError([Problem(where="agents.yaml", field=f"agents.{line.name}", message=message)])

    def _retire(self, line: Line) -> None:
        line.retired = True
        if not line.calls:
            self._remove(line)

    def _remove(self, line: Line) -> None:
        if not needs_router(line):
            return
        for index in range(len(line.endpoints)):
            self.router.delete_deployment(id=deployment_id(line.group, index))
