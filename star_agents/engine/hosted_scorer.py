"""A scorer process on a node of a cluster: the worker of this machine's scorer processes, behind an actor's methods.

Everything is as there, but for the pipe: the same lines are asked and answered.
"""

from __future__ import annotations

import importlib
import os
import platform
import traceback
from typing import Any

import star_agents
from star_agents import offline
from star_agents.scoring.backlog import SHARD
from star_agents.scoring.hangs import Signs
from star_agents.scoring.proc import signs_of
from star_agents.scoring.process import THREADS_WAIT
from star_agents.scoring.worker import Model, Request, Worker, load, work


def load_here(request: Request) -> Model:
    """Load models by what their names mean on this node: samples lie where the package does. Raises ScorerError."""
    paths = {name: offline.resolve_model(name) if _is_sample(name) else path for name, path in request["paths"].items()}
    return load({**request, "paths": paths})


def work_here(model: Model, request: Request) -> Any:
    """The result of a request, of which one to a scorer process on this machine is no other than there."""
    if request["do"] == SHARD:
        from star_agents.engine.score_dataset.shard import Task, score_shard  # noqa: PLC0415  loads pyarrow

        found = [score_shard(model, Task.from_dict(data)) for data in request["samples"]]
        return [f"{one} (on node {platform.node()})" if isinstance(one, str) else one for one in found]
    return work(model, request)


class HostedScorer:
    """What the actor is.

    Args:
        threads: ``OMP_NUM_THREADS`` of the parent, as a scorer process beside it would have it; ``None``: not set.
        loader: ``module:name`` of what loads the models of a ``load`` request.
    """

    def __init__(self, threads: str | None, loader: str = f"{__name__}:load_here") -> None:
        # Ray bounds the threads of numeric libraries by the CPUs that an actor reserves. Torch is not loaded yet.
        os.environ.pop("OMP_NUM_THREADS", None)
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = threads
        for name, value in THREADS_WAIT.items():
            os.environ.setdefault(name, value)
        module, _, name = loader.partition(":")
        self._worker: Worker[Any] = Worker(getattr(importlib.import_module(module), name), work_here)

    def ready(self) -> dict[str, Any]:
        """Process id, and the releases of star_agents and Python, by which nodes are compared."""
        return {"pid": os.getpid(), "release": star_agents.__version__, "python": platform.python_version()}

    def answer(self, line: bytes) -> bytes:
        """The answer to one request, both as a line of JSON. What it raises ends the process: its parent does that."""
        try:
            return self._worker.answer(line)
        except BaseException:
            traceback.print_exc()  # into Ray's log of this node
            raise

    def signs(self) -> Signs:
        """What this node's system says of the process."""
        return signs_of(os.getpid())


def _is_sample(name: str) -> bool:
    return name.startswith(offline.PREFIX)
