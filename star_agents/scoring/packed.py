"""The fast forward pass: packs instead of padded batches, and the head on the scored rows only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from star_agents.errors import first_line
from star_agents.scoring import attention
from star_agents.scoring.attention import BlockByBlock, Packing, Unpackable, Varlen
from star_agents.scoring.encoding import Passage
from star_agents.scoring.head import Head, means, split
from star_agents.scoring.loading import Loaded, is_out_of_memory, release_memory
from star_agents.scoring.packing import Layout, lay_out, plan
from star_agents.scoring.transfer import Arriving, on_device

EXACT = 1e-4
"""Largest difference of losses from the model's own, absolute and relative: in float32 ..."""
ROUGH = 0.1
"""... and in half precision. A leak between two texts moves losses by about 1."""
HALF = {torch.bfloat16, torch.float16}
PACKABLE_LAYERS = {"full_attention", "sliding_attention"}


class PackedRows:
    """Packs through the decoder, and the head on the rows that predict scored tokens.

    Constructing it switches the model's attention.
    """

    name = "packed"
    because = ""

    def __init__(self, loaded: Loaded, head: Head) -> None:
        attention.register()
        loaded.model.set_attn_implementation(attention.NAME)
        self._head = head
        self._decoder: Any = loaded.model.base_model
        self._device = loaded.device

    def plan(self, passages: Sequence[Passage], tokens: int) -> list[list[int]]:
        """See ``Forward``."""
        return plan(passages, tokens)

    def rows(self, passages: Sequence[Passage]) -> int:
        """See ``Forward``."""
        return len(lay_out(passages).ids)

    @torch.inference_mode()
    def mean_nll(self, passages: Sequence[Passage]) -> list[float]:
        """See ``Forward``."""
        return means(self.nll(passages), passages)

    def begin_mean_nll(self, passages: Sequence[Passage]) -> Iterable[float]:
        """See ``Forward``."""
        if self._device.type == "cpu":
            return self.mean_nll(passages)
        return Arriving(self.nll(passages), partial(means, passages=passages))

    @torch.inference_mode()
    def nll(self, passages: Sequence[Passage]) -> Tensor:
        """Float32 losses [N] of all scored tokens, passage by passage."""
        layout = lay_out(passages)
        ids, positions, predicting, targets = on_device(
            (layout.ids, layout.positions, layout.predicting, layout.targets), self._device
        )
        rows = self._hidden(layout, ids, positions)[predicting]  # (N, D)
        return self._head.nll(rows, targets)

    @torch.inference_mode()
    def mean_hidden(self, passages: Sequence[Passage]) -> Sequence[Tensor]:
        """See ``Forward``."""
        layout = lay_out(passages)
        ids, positions, scored = on_device((layout.ids, layout.positions, layout.scored), self._device)
        state = self._hidden(layout, ids, positions)[scored]  # (N, D)
        return [part.mean(0) for part in split(state.float().cpu(), passages)]

    def _hidden(self, layout: Layout, ids: Tensor, positions: Tensor) -> Tensor:
        """[T, D] last hidden states, final norm included, of ids [T] at positions [T]."""
        state: Tensor = self._decoder(
            input_ids=ids[None],
            position_ids=positions[None],
            attention_mask=None,
            use_cache=False,
            packing=self._packing(layout),
        ).last_hidden_state
        return state[0]

    def _packing(self, layout: Layout) -> Packing:
        return Varlen(layout, self._device) if self._device.type == "cuda" else BlockByBlock(layout)


def packed_rows(loaded: Loaded, head: Head) -> PackedRows:
    """``PackedRows`` where packs give the losses that the model itself gives, text by text.

    Which models can be packed is not guessed from names. What a probe of a few tokens cannot see is asked for: layers
    that look at chunks of a sequence, states that run through it, and rotary embeddings that change with its length.

    Raises:
        Unpackable: with the reason; the model then has its own attention again.
    """
    if not _is_packable(loaded.model.config.get_text_config()):
        raise Unpackable("its layers or rotary embeddings need to see each text by itself")
    if loaded.device.type == "cuda" and loaded.dtype not in HALF:
        raise Unpackable("a GPU's kernel for packs takes half precision only: `scoring.dtype: bfloat16` is faster")
    texts = _texts(loaded)
    expected = torch.cat([_own_nll(loaded, text) for text in texts])
    before = loaded.model.config._attn_implementation
    try:
        packed = PackedRows(loaded, head)
        if _alike(packed.nll(texts), expected, EXACT if loaded.dtype == torch.float32 else ROUGH):
            return packed
        why = "packed texts got other losses than by themselves"
    except Exception as error:  # models are programs by others: whatever goes wrong, this one is not packed
        if is_out_of_memory(error):
            release_memory()
        why = f"{type(error).__name__}: {first_line(error)}"
    loaded.model.set_attn_implementation(before)
    raise Unpackable(why)


def _is_packable(config: Any) -> bool:
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    kinds = {part.get("rope_type") for part in (rope, *rope.values()) if isinstance(part, dict)}
    return set(getattr(config, "layer_types", None) or ()) <= PACKABLE_LAYERS and not kinds & {"dynamic", "longrope"}


def _texts(loaded: Loaded) -> list[Passage]:
    """Two responses to one prompt, which is shared, and another text."""
    vocabulary: int = loaded.model.config.get_text_config().vocab_size
    ids = tuple(range(0, vocabulary, max(1, vocabulary // 30)))[:24]
    half = len(ids) // 2
    return [
        Passage(ids[:half], half - 2),
        Passage((*ids[: half - 2], *ids[half : half + 3]), half - 2),
        Passage(ids[::-1][:half], 1),
    ]


@torch.inference_mode()
def _own_nll(loaded: Loaded, passage: Passage) -> Tensor:
    ids = torch.tensor([passage.ids], device=loaded.device)
    logits: Tensor = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
    return cross_entropy(logits[0, passage.start - 1 : -1].float(), ids[0, passage.start :], reduction="none")


def _alike(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    return torch.allclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
