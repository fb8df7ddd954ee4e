"""From a sample to the token ids of its two passes (design §4, Eq. 4), or to the reason why there are none.

Knows tokenizers, not models: it needs no torch. ``PairEncoder`` is our reading of Eq. 4; the readings of other projects
are in ``compat.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from star_agents.errors import ScorerError
from star_agents.records import Sample
from star_agents.text import chat_template


class Reason(str):
    """Why a sample has no score, in words for people. Never empty."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One sequence that goes through a model: the tokens from ``start`` on are scored, those before are context."""

    ids: tuple[int, ...]
    start: int
    """At least 1: a token is predicted by the one before it. Less than ``len(ids)``."""

    @property
    def scored(self) -> int:
        """Number of tokens whose loss counts."""
        return len(self.ids) - self.start


@dataclass(frozen=True, slots=True)
class Encoded:
    """The two passes of one sample."""

    conditional: Passage
    """The response given the instruction."""
    alone: Passage
    """The response by itself."""


class Tokenizer(chat_template.Tokenizer, Protocol):
    """What the encoders ask of a Hugging Face tokenizer."""

    bos_token_id: int | None
    eos_token_id: int | None

    def __call__(self, text: list[str], *, add_special_tokens: bool, verbose: bool, return_attention_mask: bool) -> Any:
        """Tokenise a batch; ``["input_ids"]`` of the result holds one list per text."""

    def encode(self, text: str, *, truncation: bool, max_length: int | None, verbose: bool) -> list[int]:
        """Tokenise one text with the special tokens that this tokenizer adds by itself."""


class Encoder(Protocol):
    """One reading of Eq. 4."""

    def encode(self, samples: Sequence[Sample]) -> list[Encoded | Reason]:
        """Encode each sample, in order."""

    def prompts(self, samples: Sequence[Sample]) -> list[str]:
        """What stands before each response, as text; where a template refuses, its words."""


def start_token(tokenizer: Tokenizer) -> int | None:
    """x of Eq. 4: BOS, or EOS where the tokenizer has no BOS. Whether a tokenizer *adds* its BOS does not matter."""
    return tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], *, add_special_tokens: bool = False) -> list[list[int]]:
    """Tokenise a batch without a limit and, unless they are asked for, without special tokens."""
    if not texts:
        return []
    # Not verbose: a tokenizer would warn of texts beyond its model's length, which are cut later and on purpose.
    # And no masks, as nothing is padded: lists that nobody reads cost as much as those of the ids.
    found = tokenizer(list(texts), add_special_tokens=add_special_tokens, verbose=False, return_attention_mask=False)
    ids: list[list[int]] = found["input_ids"]
    return ids


def unusable(sample: Sample) -> Reason | None:
    """The reason, if any, why no reading can score this sample. A blank response counts as empty."""
    if sample.response is None:
        return Reason("no response given")
    if not sample.response.strip():
        return Reason("empty response")
    texts = (*(turn.content for turn in sample.history), sample.instruction, sample.input, sample.response)
    if not all(_is_unicode(text) for text in texts):
        return Reason("the text holds half of a surrogate pair, which is not valid Unicode")
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def plain_prompt(sample: Sample) -> str:
    """The prompt without a chat template: ``instruction\\n``, followed by ``input\\n`` where there is an input.

    The design is silent on earlier turns here; our reading puts each of them in front, followed by a line break.
    """
    turns = [turn.content for turn in sample.history]
    return "".join(f"{part}\n" for part in (*turns, sample.instruction, *((sample.input,) if sample.input else ())))


class PairEncoder:
    """Our reading of Eq. 4: both passes score the same response tokens, the first one included.

    Pass one is ``[x] + prompt + response``, pass two ``[x] + response``, with x as in ``start_token``. Prompt and
    response are tokenised separately and without special tokens, so no merge across their border moves a token from
    one to the other. The prompt is the tokenizer's chat template up to the assistant's turn where it has one (x is
    not doubled where the template begins with it; its clock stands still, see ``chat_template.py``), else
    ``plain_prompt``. Where both do not fit ``max_length`` tokens
    the response is cut on the right, the same in both passes. With ``score_eos`` the EOS after the response is scored
    too, unless the cut took it.

    Raises ScorerError where the tokenizer has neither BOS nor EOS, or no EOS that could be scored.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, score_eos: bool = False) -> None:
        x = start_token(tokenizer)
        if x is None:
            raise ScorerError(
                "the tokenizer has neither a BOS nor an EOS token, and both passes of Eq. 4 begin with one: "
                "set bos_token or eos_token in the model's tokenizer_config.json"
            )
        if score_eos and tokenizer.eos_token_id is None:
            raise ScorerError("scoring.mode is score_eos, but the tokenizer has no EOS token: use perplexity_ratio")
        self._x = x
        self._end = [tokenizer.eos_token_id] if score_eos and tokenizer.eos_token_id is not None else []
        self._tokenizer = tokenizer
        self._template = chat_template.ChatTemplate(tokenizer)
        self._max_length = max_length

    def prompts(self, samples: Sequence[Sample]) -> list[str]:
        """What stands before each response, as text."""
        return [self._prompt(sample) for sample in samples]

    def encode(self, samples: Sequence[Sample]) -> list[Encoded | Reason]:
        """Encode each sample, in order; the tokenizer sees the whole batch at once."""
        texts = [unusable(sample) or self._prompt(sample) for sample in samples]
        usable = [index for index, text in enumerate(texts) if not isinstance(text, Reason)]
        prompts = iter(token_ids(self._tokenizer, [texts[index] for index in usable]))
        responses = iter(token_ids(self._tokenizer, [samples[index].response or "" for index in usable]))
        return [text if isinstance(text, Reason) else self._join(next(prompts), next(responses)) for text in texts]

    def _prompt(self, sample: Sample) -> str:
        """The text, or a ``Reason``, which is one too."""
        if not self._template:
            return plain_prompt(sample)
        try:
            return self._template.render([message.to_dict() for message in sample.prompt])
        except Exception as error:  # a template is a program by the model's authors and may raise what it likes
            return Reason(f"the chat template refuses the conversation: {error}")

    def _join(self, prompt: list[int], response: list[int]) -> Encoded | Reason:
        if prompt[:1] == [self._x]:
            prompt = prompt[1:]
        start = 1 + len(prompt)
        if not response:
            return Reason("empty response")
        if start >= self._max_length:
            return Reason(f"no room: prompt of {start} tokens fills max_length {self._max_length}")
        kept = [*response, *self._end][: self._max_length - start]
        return Encoded(
            conditional=Passage((self._x, *prompt, *kept), start),
            alone=Passage((self._x, *kept), 1),
        )
