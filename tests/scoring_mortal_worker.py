"""A scorer process that tests can stop and kill: ``python scoring_mortal_worker.py light|real GATE``.

The protocol is the real one. ``light`` serves a model that counts letters and needs no torch; ``real`` serves the true
models and stops in the middle of a batch. GATE is a named pipe: opening it for writing tells the test that the process
is there, and lasts until the test reads the other end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError
from star_agents.records import Sample, Score
from star_agents.scoring import ModelFacts, ScorerFacts, worker
from star_agents.scoring.facts import Usage
from star_agents.scoring.worker import Model, Request


def count(sample: Sample) -> Score:
    """The light model's score: thirds and sevenths, so that no digit may get lost."""
    return Score(ifd_small=len(sample.instruction) / 3, ifd_large=len(sample.response or "") / 7, response_tokens=1)


class Letters:
    """Counts letters; dies of the word POISON, waits at GATE until let go, at HANG (ONCE: once) for ever; prints."""

    def __init__(self, gate: Path, facts: ScorerFacts) -> None:
        self._gate = gate
        self._facts = facts

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        print("a library prints")
        os.write(1, b"and another one writes to the descriptor\n")
        for sample in samples:
            self._obey(sample.instruction)
        return [count(sample) for sample in samples]

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        for text in texts:
            self._obey(text)
        return np.array([[len(text) / 3, -1e-30] for text in texts], dtype=np.float32)

    def measure(self, by: str, samples: Sequence[Sample]) -> list[dict[str, float] | str]:
        for sample in samples:
            self._obey(sample.instruction)
        return [{by: len(sample.response or "") / 3} if sample.response else "no response" for sample in samples]

    def facts(self) -> ScorerFacts:
        return self._facts

    def usage(self) -> Usage:
        return Usage(tokens=10, rows=20)

    def devices(self) -> int:
        return 1

    def _obey(self, text: str) -> None:
        if "POISON" in text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "GATE" in text:
            self._gate.write_bytes(b"here")
            self._gate.with_name("let_go").read_bytes()
        if "HANG" in text or ("ONCE" in text and _is_first(self._gate)):
            self._gate.write_bytes(b"here")
            signal.pause()
        if "CHATTER" in text:
            sys.stderr.write("a warning\n" * 100_000)


def _is_first(gate: Path) -> bool:
    """Whether nobody was here before."""
    try:
        gate.with_name("been_here").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class StopsHalfway:
    """The true models; while the gate is there a batch stops in its middle, for good."""

    def __init__(self, model: Model, gate: Path) -> None:
        self._model = model
        self._gate = gate

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        if not self._gate.exists():
            return self._model.score(samples)
        self._model.score(samples[: len(samples) // 2])
        self._gate.write_bytes(b"here")
        signal.pause()
        return []

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._model.embed(texts)

    def measure(self, by: str, samples: Sequence[Sample]) -> Sequence[dict[str, float] | str]:
        return self._model.measure(by, samples)

    def facts(self) -> ScorerFacts:
        return self._model.facts()

    def usage(self) -> Usage:
        return self._model.usage()

    def devices(self) -> int:
        return 1


def load_light(request: Request, gate: Path) -> Model:
    config = ScoringConfig.model_validate_json(request["config"])
    if config.small == "missing":
        raise ScorerError("scorer model missing cannot be loaded")
    if config.small == "single" and request["worker"]:
        raise ScorerError("scorer model single does not fit into memory")
    if config.small == "deadly":
        sys.exit("the dynamic library is broken")
    if config.small == "once" and _is_first(gate):
        os.kill(os.getpid(), signal.SIGKILL)
    if config.small == "stuck":
        signal.pause()
    facts: dict[str, Any] = {"device": "cpu", "dtype": "float32", "parameters": 26, "max_length": 9, "forward": "own"}
    small = ModelFacts(model=request["paths"][config.small], **facts)
    return Letters(gate, ScorerFacts(mode=config.mode, small=small, embedder=request["embedder"]))


def main() -> None:
    kind, gate = sys.argv[1], Path(sys.argv[2])
    if kind == "light":
        worker.main(lambda request: load_light(request, gate))
    else:
        worker.main(lambda request: StopsHalfway(worker.load(request), gate))


if __name__ == "__main__":
    main()
