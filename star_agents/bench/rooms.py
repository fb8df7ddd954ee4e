"""What a bench works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from star_agents.agents.client import AgentClient
from star_agents.agents.prompts import Prompts
from star_agents.bench.batched_calls import BatchedCalls
from star_agents.bench.toolbox import Toolbox
from star_agents.bench.vectors import Embed
from star_agents.config.models import Config
from star_agents.observe.bus import Bus
from star_agents.scheduling.own_pool import OwnPool
from star_agents.scheduling.pools import Pools
from star_agents.scoring.scorer import Scorer
from star_agents.storage.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Rooms:
    """What a bench works with, as of one revision of the config."""

    config: Config
    revision: int
    store: Store
    client: AgentClient
    batched: BatchedCalls
    """Takes calls to agents that go by batch."""
    prompts: Prompts
    jury: tuple[str, ...]
    """The referees that may judge: those of the config that passed their exam."""
    have_voted: set[str]
    """Referees that have answered under this config: where one fails now, it may be for what it was shown."""
    scorer: Scorer | None
    is_last_call: bool
    """No other seed waits: what was put off until more of them came is decided with what there is."""
    embed: Embed | str | None
    """Makes the vector of a seed's instruction, or names the agent that does; ``None`` where the memory bank is off."""
    own_pool: OwnPool
    """What a recipe with a bench of its own draws from."""
    pools: Pools
    tools: Toolbox
    """What agents may call, as far as agents.yaml allows it."""
    salt: bytes
    """Secret of this store; makes the referee's codes unguessable, yet the same on a second run."""
    bus: Bus
    clock: Callable[[], float]
    """Monotonic seconds."""
