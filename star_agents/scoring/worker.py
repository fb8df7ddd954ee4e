"""The scorer process: ``python -m star_agents.scoring.worker``. One JSON line in, one JSON line out.

    {"do": "load", "config": {...}, "paths": {name: path}, "small": bool, "large": bool, "embedder": str | null,
     "scorers": [name, ...], "worker": int}
    {"do": "score", "samples": [...]}   {"do": "embed", "texts": [...]}   {"do": "measure:NAME", "samples": [...]}

Each request carries an ``id`` that its answer repeats, with ``result`` and the process's ``usage`` so far or, for a
ScorerError, with ``error``. Anything
else that goes wrong ends the process: its parent starts a new one and sends the batch again. Closing stdin ends it
too, at once, whatever it computes, so a parent that is killed leaves no orphan on the GPU.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import resource
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import IO, Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError
from star_agents.process.garbage_collection import no_garbage_collection
from star_agents.records import Sample, Score
from star_agents.scoring.backlog import MEASURE
from star_agents.scoring.facts import ScorerFacts, Usage

Request = dict[str, Any]


class Served(Protocol):
    """What a worker of any kind serves."""

    def facts(self) -> ScorerFacts:
        """What is loaded."""

    def usage(self) -> Usage:
        """What was done so far."""

    def devices(self) -> int:
        """How many processes like this one the machine has devices for."""


class Model(Served, Protocol):
    """What a scorer's worker serves: in earnest a ``DualModel``."""

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """One score per sample, in order."""

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Float32 [n, d]."""

    def measure(self, by: str, samples: Sequence[Sample]) -> Sequence[dict[str, float] | str]:
        """Measures of each sample by a scorer beside IFD, or why there are none."""


Load = Callable[[Request], Model]
M = TypeVar("M", bound=Served)


def load(request: Request) -> Model:
    """Load the models of a ``load`` request. Raises ScorerError."""
    # Torch takes seconds to load, and the watch over stdin has to stand before that.
    with no_garbage_collection():
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

        from star_agents.scoring.dual_model import DualModel  # noqa: PLC0415

    quiet: Callable[[], None] = disable_progress_bar
    quiet()
    paths: dict[str, str] = request["paths"]
    return DualModel.load(
        ScoringConfig.model_validate_json(request["config"]),
        small=request["small"],
        large=request["large"],
        embedder=request["embedder"],
        scorers=request.get("scorers", ()),
        resolve=lambda name: paths.get(name, name),
        worker=request.get("worker", 0),
    )


def work(model: Model, request: Request) -> Any:
    """The result of a request to a scorer, as plain data."""
    if request["do"] == "score":
        samples = [Sample.from_dict(data) for data in request["samples"]]
        return [score.to_dict() for score in model.score(samples)]
    if request["do"].startswith(MEASURE):
        by = request["do"].removeprefix(MEASURE)
        return model.measure(by, [Sample.from_dict(data) for data in request["samples"]])
    # Bytes and not digits: embeddings arrive as the float32 numbers that they are, and in half the space.
    vectors = model.embed(request["texts"])
    return [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]


class Worker(Generic[M]):
    """Answers requests in their order; the first one has to be ``load``."""

    def __init__(self, load: Callable[[Request], M], work: Callable[[M, Request], Any]) -> None:
        self._load = load
        self._work = work
        self._model: M | None = None

    def answer(self, line: bytes) -> bytes:
        """The answer to one request, both as a line of JSON."""
        request: Request = json.loads(line)
        try:
            result = self._do(request)
        except ScorerError as error:
            return _line({"id": request["id"], "error": str(error)})
        return _line({"id": request["id"], "result": result, "usage": self._usage()})

    def _usage(self) -> dict[str, int]:
        usage = self._model.usage() if self._model else Usage()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"tokens": usage.tokens, "rows": usage.rows, "gpu_memory": usage.gpu_memory, "memory": memory}

    def _do(self, request: Request) -> Any:
        if request["do"] == "load":
            self._model = self._load(request)
            facts = self._model.facts()
            # On a CPU the cores are the model's; a GPU would wait for texts that one core turns into tokens.
            os.environ["TOKENIZERS_PARALLELISM"] = "true" if facts.is_on_gpu else "false"
            return {**facts.to_dict(), "devices": self._model.devices()}
        if self._model is None:
            raise ScorerError("the scorer process was asked for work before its models were loaded")
        return self._work(self._model, request)


def serve(requests: IO[bytes], answers: IO[bytes], worker: Worker[M]) -> None:
    """Answer requests until ``requests`` ends, which ends the process."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests, lines), daemon=True).start()
    while True:
        answers.write(worker.answer(lines.get()))
        answers.flush()


def _read(requests: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    for line in requests:
        lines.put(line)
    os._exit(0)  # not sys.exit: the main thread may be deep in a forward pass


def _line(data: dict[str, Any]) -> bytes:
    # allow_nan=False: a NaN that got this far would be a bug, and must not travel as one.
    return json.dumps(data, allow_nan=False).encode() + b"\n"


def private_stdout() -> IO[bytes]:
    """Our own copy of stdout; file descriptor 1 becomes stderr, so that no library's print can break the protocol."""
    copy = os.fdopen(os.dup(1), "wb")
    sys.stdout.flush()
    os.dup2(2, 1)
    return copy


def main(load: Load = load) -> None:
    """Serve stdin and stdout with a scorer."""
    serve_pipes(Worker(load, work))


def serve_pipes(worker: Worker[M]) -> None:
    """Serve stdin and stdout."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        serve(sys.stdin.buffer, private_stdout(), worker)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # an orderly exit aborts on the thread that still reads stdin


if __name__ == "__main__":
    main()
