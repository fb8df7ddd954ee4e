"""A reward model: a sequence classifier with one output, which reads a whole conversation and says how good its answer
is. It reads conversations in its own chat template: under another one its numbers mean nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError, first_line
from star_agents.records import Sample
from star_agents.scoring.batching import Batcher
from star_agents.scoring.encoding import Reason
from star_agents.scoring.facts import MeasurerFacts
from star_agents.scoring.loading import (
    Loaded,
    choose_device,
    choose_dtype,
    from_checkpoint,
    is_out_of_memory,
    release_memory,
)
from star_agents.scoring.probe import PROBES, digest_of
from star_agents.scoring.weights_digest import weights_digest
from star_agents.text.chat_template import ChatTemplate
from star_agents.text.model_names import names_a_folder

TOKENS_CPU = 1024
"""Tokens in a batch, padding included, where ``scoring.tokens_per_batch`` is left out."""
TOKENS_GPU = 16_384
NO_ANSWER = Reason("no response to reward")


class RewardModel:
    """A loaded reward model.

    Args:
        loaded: The model, its tokenizer with a chat template, and where they are.
        tokens_per_batch: Of a batch, padding included; halved when memory runs out.
        max_length: Tokens that a conversation may have; a longer one gets no reward, since a part of it is another one.

    Raises:
        ScorerError: it is no reward model, or has no chat template.
    """

    def __init__(self, loaded: Loaded, *, tokens_per_batch: int, max_length: int) -> None:
        outputs = loaded.model.config.num_labels
        if outputs != 1:
            raise ScorerError(f"reward model {loaded.name} has {outputs} outputs; a reward model has one")
        self._template = ChatTemplate(loaded.tokenizer)
        if not self._template:
            raise ScorerError(
                f"reward model {loaded.name} has no chat template, so nobody knows how it reads a conversation: add "
                "`chat_template` to its tokenizer_config.json"
            )
        self.name = loaded.name
        self.device = loaded.device
        self._loaded = loaded
        self._longest = min(max_length, loaded.limit or max_length)
        self._batcher = Batcher(tokens_per_batch, is_out_of_memory=is_out_of_memory, release=release_memory)
        self._read = digest_of([self._encode(sample) for sample in PROBES])
        self.tokens = 0
        """Tokens of conversations that went through."""
        self.rows = 0
        """The same with padding."""

    def measure(self, samples: Sequence[Sample]) -> list[dict[str, float] | Reason]:
        """``reward`` of each sample's response, in order: any finite number; or why there is none."""
        return [one if isinstance(one, Reason) else {"reward": one} for one in self.rewards(samples)]

    def rewards(self, samples: Sequence[Sample]) -> list[float | Reason]:
        """The reward of each sample's response, in order, or why there is none. Any finite number; never NaN."""
        encoded = [self._encode(sample) for sample in samples]
        whole = [ids for ids in encoded if not isinstance(ids, Reason)]
        done = iter(self._batcher.run(whole, len, self._run))
        return [ids if isinstance(ids, Reason) else next(done) for ids in encoded]

    def facts(self) -> MeasurerFacts:
        """What is loaded."""
        dtype = str(self._loaded.dtype).removeprefix("torch.")
        return MeasurerFacts(
            model=self.name,
            device=str(self.device),
            dtype=dtype,
            max_length=self._longest,
            tokens=self._read,
            weights=self._loaded.weights,
        )

    def _encode(self, sample: Sample) -> list[int] | Reason:
        if not (sample.response or "").strip():
            return NO_ANSWER
        try:
            text = self._template.render([message.to_dict() for message in sample.messages], is_answered=True)
        except Exception as error:  # a template may raise what it likes
            return Reason(f"the reward model's chat template refuses the conversation: {first_line(error)}")
        ids: list[int] = self._loaded.tokenizer(text)["input_ids"]
        start = self._loaded.tokenizer.bos_token_id
        if start is not None and ids[:2] == [start, start]:
            ids = ids[1:]  # the template writes one, and the tokenizer adds another
        if len(ids) > self._longest:
            return Reason(f"the conversation has {len(ids)} tokens; the reward model reads {self._longest}")
        return ids

    @torch.inference_mode()
    def _run(self, batch: Sequence[list[int]]) -> list[float | Reason]:
        padding = self._padding(batch)
        if padding is None and len(batch) > 1:
            return [found for ids in batch for found in self._run([ids])]
        longest = max(map(len, batch))
        rows = torch.full((len(batch), longest), padding or 0, dtype=torch.long)
        mask = torch.zeros((len(batch), longest), dtype=torch.long)
        for number, ids in enumerate(batch):
            rows[number, : len(ids)] = torch.tensor(ids)
            mask[number, : len(ids)] = 1
        # The model takes its output at the last token that is no padding, which it knows by its id.
        self._loaded.model.config.pad_token_id = padding
        logits = self._loaded.model(rows.to(self.device), attention_mask=mask.to(self.device)).logits
        self.tokens += sum(map(len, batch))
        self.rows += rows.numel()
        found = logits.float().reshape(-1).tolist()
        return [one if math.isfinite(one) else Reason("the reward is no finite number") for one in found]

    def _padding(self, batch: Sequence[list[int]]) -> int | None:
        """An id that no conversation of the batch holds: where padding is a token that a conversation may end with, the
        model would look for its end before it. ``None``: the batch holds every id there is."""
        used = {token for ids in batch for token in ids}
        return next((token for token in range(self._loaded.model.config.vocab_size) if token not in used), None)


def load(name: str, path: str, config: ScoringConfig) -> RewardModel:
    """Load the model that agents.yaml calls ``name`` from ``path`` (a folder or a Hugging Face name).

    Raises ScorerError with the model's name, what went wrong and what to do.
    """
    device = choose_device(config)
    dtype = choose_dtype(config, device)
    try:
        model, tokenizer, missing = from_checkpoint(AutoModelForSequenceClassification, path, config, device, dtype)
    except Exception as error:  # loading runs through a dozen libraries, each with errors of its own
        raise ScorerError(_unloadable(name, path, error)) from error
    if missing:
        raise ScorerError(
            f"reward model {name}: the checkpoint lacks {len(missing)} weights ({', '.join(missing[:3])}), which "
            "would be random numbers: is it a sequence classifier, saved with its head?"
        )
    tokens = config.tokens_per_batch or (TOKENS_GPU if device.type == "cuda" else TOKENS_CPU)
    loaded = Loaded(name, model, tokenizer, device, dtype, weights=weights_digest(model))
    return RewardModel(loaded, tokens_per_batch=tokens, max_length=config.max_length)


def _unloadable(name: str, path: str, error: Exception) -> str:
    place = name if name == path else f"{name} ({path})"
    if is_out_of_memory(error):
        return f"reward model {place} does not fit into memory: choose a smaller one, or a smaller scoring.dtype"
    folder = ": no such folder" if names_a_folder(path) and not Path(path).is_dir() else ""
    said = first_line(error)
    if "trust_remote_code" in str(error):
        return (
            f"reward model {place} brings Python code of its own, which is not run unless you allow it: read that code "
            "and set `scoring: {trust_remote_code: true}`, or choose another model"
        )
    return (
        f"reward model {place} cannot be loaded{folder}: {said} (it is a Hugging Face name or a folder with "
        "config.json, weights and tokenizer of a sequence classifier)"
    )
