"""One LiteLLM Router for life, reconciled with agents.yaml by difference.

Each agent is a *line*: its settings, its limiter and a model group on the Router. A line whose endpoints change gets a
new group; the old one is taken off the Router when the last call that began on it has ended, so calls in flight,
retries included, finish where they began. The Router neither retries nor cools down: both are ours (design §5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import anyio
import anyio.lowlevel

from star_agents.agents.endpoints import Endpoint
from star_agents.config import AgentConfig
from star_agents.errors import AgentRefused, ConfigError, Problem


@dataclass(kw_only=True, slots=True, eq=False)
class Line:
    """One agent as it is called now."""

    name: str
    config: AgentConfig
    endpoints: tuple[Endpoint, ...]
    limiter: anyio.CapacityLimiter
    group: str
    """Name of its model group on the Router; never used twice."""
    calls: int = 0
    """Calls that began on this line and have not ended, queued and waiting ones included."""
    retired: bool = False

    @property
    def model(self) -> str:
        """The model, for messages; of several, the first."""
        return self.endpoints[0].model

    def endpoint(self, deployment: str) -> Endpoint:
        """The endpoint behind a deployment's id on the Router."""
        index = deployment.rpartition("/")[2]
        return self.endpoints[int(index)] if index.isdigit() and int(index) < len(self.endpoints) else self.endpoints[0]


class Lines:
    """The agents at hand, and the Router under them."""

    def __init__(self, litellm: ModuleType) -> None:
        self._litellm = litellm
        self.router: Any = litellm.Router(
            model_list=[], num_retries=0, disable_cooldowns=True, enable_pre_call_checks=False
        )
        self._lines: dict[str, Line] = {}
        self._generation = 0
        self._reconciling = anyio.Lock()

    def __getitem__(self, agent: str) -> Line:
        """The agent's line; ``AgentRefused`` where agents.yaml has no such agent (any more)."""
        try:
            return self._lines[agent]
        except KeyError:
            known = ", ".join(sorted(self._lines)) or "none"
            raise AgentRefused(f"agent {agent} is not in agents.yaml (there: {known})") from None

    def start(self, agents: Mapping[str, AgentConfig], endpoints: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Fill an empty Router."""
        for name, config in agents.items():
            self._lines[name] = self._open(name, config, endpoints[name])
            self._register(self._lines[name])

    async def reconcile(self, agents: Mapping[str, AgentConfig], endpoints: Mapping[str, tuple[Endpoint, ...]]) -> None:
        """Make the lines what agents.yaml now says; what did not change is not touched.

        New groups are registered first, one per turn of the event loop (each takes about 2 ms), then all agents change
        over at once. Where that fails, or is cancelled, everything is as it was.
        """
        async with self._reconciling:
            lines = await self._prepare(agents, endpoints)
            for name, line in lines.items():
                line.config = agents[name]
                line.limiter.total_tokens = line.config.max_concurrency
            before, self._lines = self._lines, lines
            for name, old in before.items():
                if lines.get(name) is not old:
                    self._retire(old)

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
                lines[name] = self._open(name, config, endpoints[name], old.limiter if old else None)
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

    def close(self) -> None:
        """Take the Router's callbacks out of LiteLLM's global lists."""
        self.router.discard()

    def _open(
        self,
        name: str,
        config: AgentConfig,
        endpoints: tuple[Endpoint, ...],
        limiter: anyio.CapacityLimiter | None = None,
    ) -> Line:
        self._generation += 1
        return Line(
            name=name,
            config=config,
            endpoints=endpoints,
            limiter=limiter or anyio.CapacityLimiter(config.max_concurrency),
            group=f"{name}#{self._generation}",
        )

    def _register(self, line: Line) -> None:
        """Put a line's endpoints on the Router; ``ConfigError`` where it does not take one."""
        for index, endpoint in enumerate(line.endpoints):
            id, said = f"{line.group}/{index}", "it was dropped without a word"
            deployment = self._litellm.types.router.Deployment(
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
        for index in range(len(line.endpoints)):
            self.router.delete_deployment(id=f"{line.group}/{index}")
