"""`cluster` of agents.yaml: the Ray cluster that lends its machines, and what of them is taken."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from star_agents.config.base import LONGEST_S, Section

_ADDRESS = re.compile(r"(ray://)?[A-Za-z0-9_.\-\[\]:]{1,255}:[0-9]{1,5}")


class ClusterConfig(Section):
    """Machines of a Ray cluster beside this one (extra `star-agents[ray]`). Every decision, the store and the daemon
    stay here; what runs there can be made again."""

    ray: str = "auto"
    """`auto`: the cluster that this machine is a node of, as `ray start` made it one. `ray://HOST:10001`: a cluster
    that this machine is no node of, by Ray's client. `HOST:6379`: as `auto`, by the address of its head. `local`: one
    of this machine alone, which starts and ends with us."""
    scorers: Literal["on", "off"] = "on"
    """Whether the scorer models run there, one copy for each device of each node; `off`: here, as without a cluster."""
    gpus_per_scorer: float = Field(default=1.0, gt=0, le=1)
    """GPUs that one copy of the scorer models takes: 0.5 puts two copies on each GPU. Of a cluster with GPUs only the
    nodes that have some get copies, since scores of both kinds of device do not mix; `scoring: {device: cpu}` takes all
    nodes and no GPU."""
    scorers_per_node: Annotated[int, Field(ge=1, le=256)] | None = None
    """At most so many copies on one node; left out: as many as its GPUs hold, and one on a node without."""
    cpus_per_scorer: float = Field(default=1.0, ge=0, le=1024)
    """CPUs that Ray sets aside for a copy; a node that has fewer left gets none. It bounds no threads: that is
    `scoring.threads`."""
    egress: int = Field(default=0, ge=0, le=64)
    """Processes that send calls for the daemon, one on a node and so many at the most: sockets, TLS and the reading of
    replies are theirs, every decision stays here. 0: the daemon sends itself. More than two or three are of no use to
    one daemon."""
    start_timeout_s: float = Field(default=120.0, gt=0, le=LONGEST_S)
    """Seconds that a node may take to start an actor, its models not counted; then it is left out, and told."""

    @field_validator("ray")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value not in ("auto", "local") and not _ADDRESS.fullmatch(value):
            raise ValueError("give auto, local, ray://HOST:PORT or HOST:PORT")
        return value

    @field_validator("scorers", mode="before")
    @classmethod
    def _on_or_off(cls, value: object) -> object:
        # By YAML 1.2's rules `off` is a word, by 1.1's none.
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
