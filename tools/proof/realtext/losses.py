"""Losses of each response under one model, by the product's own encoder and packed pass. Method: sees no votes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proof.kept import ask_once
from star_agents.config.sections import ScoringConfig
from star_agents.records import Sample
from star_agents.scoring.encoding import Encoded, PairEncoder, Passage, Reason
from star_agents.scoring.forward import choose_forward
from star_agents.scoring.head import split
from star_agents.scoring.loading import load_model
from star_agents.scoring.packed import PackedRows
from star_agents.text.content_hash import digest

MAX_LENGTH = 512
"""Tokens of prompt and response; longer ones lose their end, as in the product."""
PACK = 1024
"""Rows of a pack, as the product has it on a CPU."""
PORTION = 50
"""Samples between two lines on disk."""
Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """[samples] each, NaN where a sample cannot be scored. Sums over tokens, in nats."""

    tokens: Values
    """Of the response, without its end."""
    given: Values
    """NLL of the response given its instruction, without its end."""
    given_end: Values
    """NLL of the end then; 0 where the response was cut and has none."""
    alone: Values
    """NLL of the response by itself."""
    alone_end: Values
    ends: Values
    """1, or 0 where the response was cut."""


class LossModel:
    """One scorer model in float32 on a thread. Raises ScorerError where it cannot be loaded."""

    def __init__(self, name: str, folder: Path, *, dtype: str = "float32") -> None:
        config = ScoringConfig.model_validate({"max_length": MAX_LENGTH, "threads": 1, "device": "cpu", "dtype": dtype})
        loaded = load_model(name, str(folder), config)
        forward = choose_forward(loaded)
        if not isinstance(forward, PackedRows):
            raise SystemExit(f"{name}: {forward.because}: its losses cannot be had token by token")
        self._forward = forward
        self._end: Any = loaded.tokenizer.eos_token_id
        self._encoder = PairEncoder(loaded.tokenizer, max_length=MAX_LENGTH, score_eos=True)

    def sums(self, samples: Sequence[Sample]) -> list[object]:
        """Of each sample: tokens, given, its end, alone, its end, has an end; or why there are none."""
        encoded = self._encoder.encode(samples)
        usable = [one for one in encoded if isinstance(one, Encoded)]
        passages = [passage for one in usable for passage in (one.conditional, one.alone)]
        sums = self._passages(passages)
        pairs = iter(zip(sums[::2], sums[1::2], usable, strict=True))
        return [str(one) if isinstance(one, Reason) else self._row(*next(pairs)) for one in encoded]

    def _row(self, given: Values, alone: Values, encoded: Encoded) -> list[float]:
        ends = int(encoded.conditional.ids[-1] == self._end)
        body = slice(0, len(given) - ends)
        found = (given[body].sum(), given[body.stop :].sum(), alone[body].sum(), alone[body.stop :].sum())
        return [body.stop, *(round(float(one), 5) for one in found), ends]

    def _passages(self, passages: Sequence[Passage]) -> list[Values]:
        """NLL of every scored token of each passage, in order."""
        found: dict[int, Values] = {}
        for batch in self._forward.plan(passages, PACK):
            chosen = [passages[at] for at in batch]
            parts = split(self._forward.nll(chosen).double(), chosen)
            found.update({at: part.numpy() for at, part in zip(batch, parts, strict=True)})
        return [found[at] for at in range(len(passages))]


def measured(samples: Sequence[Sample], name: str, folder: Path, file: Path) -> Losses:
    """Losses of each sample under the model in ``folder``; those that ``file`` holds are not measured again."""
    models: list[LossModel] = []

    def ask(portion: Sequence[Sample]) -> list[object]:
        if not models:
            models.append(LossModel(name, folder))
        return models[0].sums(portion)

    answers = ask_once(file, samples, partial(_name, name), ask, portion_size=PORTION)
    nothing = [math.nan] * 6
    table = np.array([nothing if isinstance(one, str) else one for one in answers], dtype=np.float64).reshape(-1, 6)
    tokens, given, given_end, alone, alone_end, ends = table.T
    return Losses(tokens=tokens, given=given, given_end=given_end, alone=alone, alone_end=alone_end, ends=ends)


def _name(model: str, sample: Sample) -> str:
    return f"{model} {digest(sample.to_dict())[:32]}"
