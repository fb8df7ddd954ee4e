"""Other projects' readings of IFD, kept so that published scores can be reproduced (``scoring.mode``).

Both tokenise prompt and response as *one* text with the tokenizer's own special tokens, so a merge across the border
may move it, and both bound the alone pass by the length of the prompt. What those projects do with a score afterwards
(dropping IFD > 1, selecting a share) is selection and stands nowhere here. Neither knows conversations: earlier turns
go in front as in ``plain_prompt``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from star_agents.config.sections import ScoreMode
from star_agents.records import Sample
from star_agents.scoring.encoding import (
    Encoded,
    Encoder,
    PairEncoder,
    Passage,
    Reason,
    Tokenizer,
    plain_prompt,
    token_ids,
    unusable,
)

ALPACA = "Below is an instruction that describes a task. "
ALPACA_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
)
ALPACA_REQUEST = "Write a response that appropriately completes the request.\n\n"
RESPONSE_MARK = "### Response:"


def encoder_for(mode: ScoreMode, tokenizer: Tokenizer, *, max_length: int) -> Encoder:
    """The encoder of a ``scoring.mode``. Raises ScorerError where the tokenizer lacks a token that the mode needs."""
    if mode == "superfiltering":
        return SuperfilteringEncoder(tokenizer, max_length=max_length)
    if mode == "cherry":
        return CherryEncoder(tokenizer, max_length=max_length)
    return PairEncoder(tokenizer, max_length=max_length, score_eos=mode == "score_eos")


class Texts(NamedTuple):
    """What a reading tokenises of one sample."""

    prompt: str
    conditional: str
    alone: str


class Ids(NamedTuple):
    """The same as token ids, special ones included and not cut."""

    prompt: list[int]
    conditional: list[int]
    alone: list[int]


class SuperfilteringEncoder:
    """Superfiltering (arXiv 2402.00530, ``code_ifd/data_analysis.py``): a ratio of perplexities.

    Conditional: ``instruction\\n[input\\n]response`` as one text, cut to ``max_length``; scored from the token count
    of the prompt on. Alone: the response, cut to ``max_length - L_prompt + 1``; every token but the first of the
    sequence is scored, so without a BOS the first response token is not, and a response of one token has no score.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length

    def encode(self, samples: Sequence[Sample]) -> list[Encoded | Reason]:
        """Encode each sample, in order."""
        return _encoded(samples, self._texts, self._passages, self._tokenizer)

    def prompts(self, samples: Sequence[Sample]) -> list[str]:
        """What stands before each response."""
        return [plain_prompt(sample) for sample in samples]

    def _texts(self, sample: Sample) -> Texts:
        prompt, response = plain_prompt(sample), sample.response or ""
        return Texts(prompt, prompt + response, response)

    def _passages(self, texts: Texts, whole: Ids) -> Encoded | Reason:
        start = len(whole.prompt)
        conditional = _passage(_cut(self._tokenizer, texts.conditional, whole.conditional, self._max_length), start)
        room = self._max_length - min(start, self._max_length) + 1
        alone = _passage(_cut(self._tokenizer, texts.alone, whole.alone, room), 1)
        if conditional is None:
            return Reason(f"no room: prompt of {start} tokens fills max_length {self._max_length}")
        if alone is None:
            return Reason("superfiltering: the response alone leaves no token to score")
        return Encoded(conditional, alone)


class CherryEncoder:
    """Cherry LLM (arXiv 2308.12032, ``data_analysis.py`` and ``data_by_IFD.py``): a ratio of mean *losses*.

    Conditional: the Alpaca prompt, which ends in ``### Response:``, and the response as one text, cut to
    ``max_length``. Alone: ``### Response:`` and the response, cut to ``max_length - L_prompt + 4`` (4 is the mark's
    length in LLaMA tokens, written there as a number). Both are scored from the token count of what stands before the
    response on.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length

    def encode(self, samples: Sequence[Sample]) -> list[Encoded | Reason]:
        """Encode each sample, in order."""
        return _encoded(samples, self._texts, self._passages, self._tokenizer)

    def prompts(self, samples: Sequence[Sample]) -> list[str]:
        """What stands before each response."""
        return [_alpaca(sample) for sample in samples]

    def _texts(self, sample: Sample) -> Texts:
        prompt, response = _alpaca(sample), sample.response or ""
        return Texts(prompt, prompt + response, RESPONSE_MARK + response)

    def _passages(self, texts: Texts, whole: Ids) -> Encoded | Reason:
        start = len(whole.prompt)
        mark = len(self._tokenizer.encode(RESPONSE_MARK, truncation=False, max_length=None, verbose=False))
        room = self._max_length - min(start, self._max_length) + 4
        conditional = _passage(_cut(self._tokenizer, texts.conditional, whole.conditional, self._max_length), start)
        alone = _passage(_cut(self._tokenizer, texts.alone, whole.alone, room), mark)
        if conditional is None or alone is None:
            return Reason(f"no room: prompt of {start} tokens fills max_length {self._max_length}")
        return Encoded(conditional, alone)


def _alpaca(sample: Sample) -> str:
    history = "".join(f"{turn.content}\n" for turn in sample.history)
    instruction = f"### Instruction:\n{history}{sample.instruction}\n\n"
    if not sample.input:
        return f"{ALPACA}{ALPACA_REQUEST}{instruction}{RESPONSE_MARK}"
    return f"{ALPACA_WITH_INPUT}{ALPACA_REQUEST}{instruction}### Input:\n{sample.input}\n\n{RESPONSE_MARK}"


def _encoded(
    samples: Sequence[Sample],
    texts_of: Callable[[Sample], Texts],
    passages: Callable[[Texts, Ids], Encoded | Reason],
    tokenizer: Tokenizer,
) -> list[Encoded | Reason]:
    """Each sample, in order; the tokenizer sees the whole batch at once, as it then uses every core."""
    found = [unusable(sample) or texts_of(sample) for sample in samples]
    texts = [text for entry in found if isinstance(entry, Texts) for text in entry]
    whole = iter(token_ids(tokenizer, texts, add_special_tokens=True))
    return [
        entry if isinstance(entry, Reason) else passages(entry, Ids(next(whole), next(whole), next(whole)))
        for entry in found
    ]


def _cut(tokenizer: Tokenizer, text: str, whole: list[int], max_length: int) -> list[int]:
    """The ids of a text cut to a length. The tokenizer cuts, as it may keep a special token at the end."""
    if len(whole) <= max_length:
        return whole
    return tokenizer.encode(text, truncation=True, max_length=max_length, verbose=False)


def _passage(ids: list[int], start: int) -> Passage | None:
    """The passage scored from ``start`` on, at least from its second token; ``None`` where nothing is left to score."""
    start = max(start, 1)
    return Passage(tuple(ids), start) if start < len(ids) else None
