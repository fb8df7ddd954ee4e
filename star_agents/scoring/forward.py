"""The forward pass: passages in, mean losses out. Nothing else in this room knows how a model is run.

``PackedRows`` is the fast way, ``ScoredRows`` the one with padding for models that cannot be packed, and ``OwnForward``
is right whatever a model does. Log-softmax runs in float32 over the head's whole vocabulary, on the scored rows only
and a chunk of them at a time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from star_agents.scoring.attention import Unpackable
from star_agents.scoring.batching import plan
from star_agents.scoring.encoding import Passage
from star_agents.scoring.head import BlockedHead, ChunkedHead, Head, means, split
from star_agents.scoring.loading import Loaded
from star_agents.scoring.packed import packed_rows
from star_agents.scoring.prepacked import Probe, speed_up


class Forward(Protocol):
    """Runs a batch through a model."""

    name: str
    because: str
    """Why it is not the fastest one; empty where it is."""

    def plan(self, passages: Sequence[Passage], tokens: int) -> list[list[int]]:
        """Indices of the passages in batches of at most so many rows; a longer passage gets a batch of its own."""

    def rows(self, passages: Sequence[Passage]) -> int:
        """Rows that a batch takes, padding included."""

    def mean_nll(self, passages: Sequence[Passage]) -> list[float]:
        """Mean NLL of each passage's scored tokens in nats; softmax in float32, mean in float64."""

    def begin_mean_nll(self, passages: Sequence[Passage]) -> Iterable[float]:
        """Begin what ``mean_nll`` does; iterating waits for its end, where there is anything to wait for."""

    def mean_hidden(self, passages: Sequence[Passage]) -> Sequence[Tensor]:
        """Mean of the last hidden state over each passage's scored tokens: [D] each, float32, on the CPU."""


def choose_forward(loaded: Loaded) -> Forward:
    """The fastest forward pass that gives this model's own losses, on this machine.

    Some models do more than a head on the decoder's hidden state: Gemma 2 caps its logits, Cohere and Granite scale
    them. Which ones is not guessed from names: a few tokens are run both ways.
    """
    scored_rows = ScoredRows(loaded)
    if not _gives_the_same_logits(loaded, scored_rows):
        return OwnForward(loaded, because="the head on the decoder's states gives other logits than the model")
    probe = Probe()
    if loaded.device.type == "cpu":
        speed_up(loaded.model, probe)
    head = _fast_head(loaded, probe)
    try:
        packed = packed_rows(loaded, head)
    except Unpackable as error:
        return ScoredRows(loaded, because=str(error))
    if isinstance(head, BlockedHead) and head.prepacked:
        _give_up_head(loaded.model)
    return packed


def _give_up_head(model: Any) -> None:
    """Free a head's weight that nobody reads any more, unless it is the embedding's too."""
    head = model.get_output_embeddings()
    if head.weight is not model.get_input_embeddings().weight:
        head.weight = nn.Parameter(head.weight.new_empty(0), requires_grad=False)


def _fast_head(loaded: Loaded, probe: Probe) -> Head:
    head = loaded.model.get_output_embeddings()
    if loaded.device.type == "cpu" and type(head) is nn.Linear:  # a subclass may do more
        return BlockedHead(head, probe)
    return ChunkedHead(head)


@torch.inference_mode()
def _gives_the_same_logits(loaded: Loaded, scored_rows: ScoredRows) -> bool:
    vocabulary: int = loaded.model.config.get_text_config().vocab_size
    ids = torch.arange(0, vocabulary, max(1, vocabulary // 8), device=loaded.device)[None]  # (1, 8 or so)
    mask = torch.ones_like(ids)
    expected = loaded.model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()  # (1, T, V)
    try:
        found = scored_rows.head(scored_rows.hidden(ids, mask)).float()
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError):  # no decoder or head to be had by itself
        return False
    # Both run the same kernels on the same numbers, so the tolerance need not allow for a low precision.
    tolerance = 1e-5 * float(expected.nan_to_num(posinf=0, neginf=0).std())
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=0, atol=tolerance, equal_nan=True)


class ScoredRows:
    """Padded batches through the decoder, and the head on the rows that predict scored tokens.

    Sequences are padded on the right, so no row is ever fully masked, and the padding repeats the sequence's own first
    token, so that a model's padding embedding is never read.
    """

    name = "scored rows"

    def __init__(self, loaded: Loaded, *, because: str = "") -> None:
        self.because = because
        self.head: Callable[[Tensor], Tensor] = loaded.model.get_output_embeddings()
        """Turns hidden states [..., D] into logits [..., V]."""
        self._decoder: Any = loaded.model.base_model
        self._device = loaded.device

    def plan(self, passages: Sequence[Passage], tokens: int) -> list[list[int]]:
        """See ``Forward``."""
        return plan([len(passage.ids) for passage in passages], tokens)

    def rows(self, passages: Sequence[Passage]) -> int:
        """See ``Forward``."""
        return len(passages) * max(len(passage.ids) for passage in passages)

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Last hidden state, final norm included: [B, T] token ids and mask to [B, T, D]."""
        state: Tensor = self._decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return state

    @torch.inference_mode()
    def mean_nll(self, passages: Sequence[Passage]) -> list[float]:
        """See ``Forward``."""
        ids, state, scored = self._run(passages)
        rows, tokens = state[scored - 1], ids[scored]  # (N, D), (N,): each token is predicted by the row before it
        return means(ChunkedHead(self.head).nll(rows, tokens), passages)

    def begin_mean_nll(self, passages: Sequence[Passage]) -> Iterable[float]:
        """See ``Forward``: this one waits."""
        return self.mean_nll(passages)

    @torch.inference_mode()
    def mean_hidden(self, passages: Sequence[Passage]) -> Sequence[Tensor]:
        """See ``Forward``."""
        _, state, scored = self._run(passages)
        return [part.mean(0) for part in split(state[scored].float().cpu(), passages)]

    def _run(self, passages: Sequence[Passage]) -> tuple[Tensor, Tensor, Tensor]:
        """The flattened batch: its token ids [B * T], hidden states [B * T, D] and positions of scored tokens [N]."""
        longest = max(len(passage.ids) for passage in passages)
        ids = torch.tensor([_padded(passage, longest) for passage in passages], device=self._device)  # (B, T)
        lengths = torch.tensor([len(passage.ids) for passage in passages], device=self._device)
        real = torch.arange(longest, device=self._device) < lengths[:, None]  # (B, T)
        state = self.hidden(ids, real.long())
        spans = [
            torch.arange(row * longest + passage.start, row * longest + len(passage.ids))
            for row, passage in enumerate(passages)
        ]
        return ids.flatten(), state.flatten(0, 1), torch.cat(spans).to(self._device)


class OwnForward:
    """One passage at a time through the model's own forward: slower, and right whatever a model does to its logits."""

    name = "own"

    def __init__(self, loaded: Loaded, *, because: str = "") -> None:
        self.because = because
        self._model = loaded.model
        self._device = loaded.device
        self._keeps_some = "logits_to_keep" in inspect.signature(loaded.model.forward).parameters

    def plan(self, passages: Sequence[Passage], tokens: int) -> list[list[int]]:
        """See ``Forward``: one passage a batch, whatever its length."""
        return [[index] for index in range(len(passages))]

    def rows(self, passages: Sequence[Passage]) -> int:
        """See ``Forward``."""
        return sum(len(passage.ids) for passage in passages)

    @torch.inference_mode()
    def mean_nll(self, passages: Sequence[Passage]) -> list[float]:
        """See ``Forward``."""
        return [self._mean_nll(passage) for passage in passages]

    def begin_mean_nll(self, passages: Sequence[Passage]) -> Iterable[float]:
        """See ``Forward``: this one waits."""
        return self.mean_nll(passages)

    def _mean_nll(self, passage: Passage) -> float:
        ids = torch.tensor([passage.ids], device=self._device)  # (1, T)
        rows = passage.scored + 1  # the last row predicts a token that is not there
        keep = {"logits_to_keep": rows} if self._keeps_some else {}
        mask = torch.ones_like(ids)
        logits: Tensor = self._model(input_ids=ids, attention_mask=mask, use_cache=False, **keep).logits  # (1, .., V)
        losses = ChunkedHead(lambda some: some).nll(logits[0, -rows:-1], ids[0, passage.start :])
        return means(losses, [passage])[0]

    @torch.inference_mode()
    def mean_hidden(self, passages: Sequence[Passage]) -> Sequence[Tensor]:
        """See ``Forward``."""
        return [self._mean_hidden(passage) for passage in passages]

    def _mean_hidden(self, passage: Passage) -> Tensor:
        ids = torch.tensor([passage.ids], device=self._device)  # (1, T)
        mask = torch.ones_like(ids)
        found = self._model(input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=True)
        state: Tensor = found.hidden_states[-1]  # (1, T, D)
        return state[0, passage.start :].float().cpu().mean(0)  # (D,)


def _padded(passage: Passage, length: int) -> tuple[int, ...]:
    return passage.ids + passage.ids[:1] * (length - len(passage.ids))
