"""A causal language model that answers conversations, many at a time.

A conversation is written by the model's own chat template, under a clock that stands still (``chat_template.py``). A
template that takes no system turn is given its text before the first turn of the user. A model without a template is a
base model: it reads each turn followed by a line break, as the scorer shows it an instruction (``encoding.py``).

Each row of a batch has a temperature, a length and a seed of its own: noise of Gumbel's distribution is added to its
logits, and the largest is taken, which draws each token with its probability and lets ``generate`` run all rows alike.
The noise is the row's own, so its answer does not depend on what is answered beside it, but for what batches of other
shapes do to the last digits of a logit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from star_agents.config.sections import ScoringConfig
from star_agents.errors import ScorerError, first_line
from star_agents.scoring.batching import Batcher
from star_agents.scoring.completions import Asked, Completed
from star_agents.scoring.encoding import Reason
from star_agents.scoring.facts import MeasurerFacts, ScorerFacts, Usage
from star_agents.scoring.loading import (
    Loaded,
    choose_device,
    choose_dtype,
    from_checkpoint,
    is_out_of_memory,
    release_memory,
)
from star_agents.text.chat_template import ChatTemplate

SETTINGS: Callable[..., GenerationConfig] = GenerationConfig
"""The class under a type: its own constructor has none."""
TOKENS_CPU = 16_384
"""Tokens of prompts and longest answers in a batch; halved when memory runs out."""
TOKENS_GPU = 131_072
LONGEST = 32_768
"""Tokens of prompt and answer where the model does not say how many it reads."""
GENERATION = "generation"
"""Name of what is loaded, among the facts of a process."""


@dataclass(frozen=True, slots=True)
class _Row:
    asked: Asked
    ids: list[int]
    most: int
    """Tokens that the answer may have."""


class Generation:
    """A loaded model that answers.

    Args:
        loaded: The model and its tokenizer.
        tokens_per_batch: Of a batch; halved when memory runs out.
    """

    def __init__(self, loaded: Loaded, *, tokens_per_batch: int) -> None:
        self._loaded = loaded
        self._template = ChatTemplate(loaded.tokenizer)
        self._longest = loaded.limit or LONGEST
        self._own = loaded.model.generation_config
        self._ends = _ends_of(loaded)
        self._batcher = Batcher(tokens_per_batch, is_out_of_memory=is_out_of_memory, release=release_memory)
        self._tokens = self._rows = 0

    def complete(self, asked: Sequence[Asked]) -> list[Completed | Reason]:
        """An answer to each, in order, or why there is none."""
        rows = [self._row(self._with_own_defaults(one)) for one in asked]
        whole = [row for row in rows if isinstance(row, _Row)]
        done = iter(self._batcher.run(whole, lambda row: len(row.ids) + row.most, self._run))
        found = [row if isinstance(row, Reason) else next(done) for row in rows]
        return [_of_memory(one) if isinstance(one, Reason) else one for one in found]

    def facts(self) -> ScorerFacts:
        """What is loaded."""
        dtype = str(self._loaded.dtype).removeprefix("torch.")
        device = str(self._loaded.device)
        facts = MeasurerFacts(model=self._loaded.name, device=device, dtype=dtype, max_length=self._longest)
        return ScorerFacts(mode="", scorers={GENERATION: facts})

    def usage(self) -> Usage:
        """What was done so far."""
        gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
        return Usage(tokens=self._tokens, rows=self._rows, gpu_memory=gpu)

    def devices(self) -> int:
        """One process answers for one model."""
        return 1

    def _with_own_defaults(self, asked: Asked) -> Asked:
        own = self._own
        samples = bool(own.do_sample)
        temperature = (own.temperature or 1.0) if samples else 0.0
        changed: dict[str, Any] = {"temperature": temperature} if asked.temperature is None else {}
        if samples and asked.top_p is None:
            changed["top_p"] = own.top_p
        if samples and asked.top_k is None:
            changed["top_k"] = own.top_k
        return replace(asked, **changed)

    def _row(self, asked: Asked) -> _Row | Reason:
        try:
            text = self._written(asked.messages)
        except Exception as error:  # a template may raise what it likes
            return Reason(f"the model's chat template refuses the conversation: {first_line(error)}")
        try:
            ids = self._ids(text)
        except (UnicodeError, ValueError, TypeError) as error:
            return Reason(f"the conversation cannot be turned into tokens: {first_line(error)}")
        room = self._longest - len(ids)
        if room < 1:
            return Reason(f"the conversation has {len(ids):,} tokens, and the model reads {self._longest:,}")
        return _Row(asked, ids, min(room, asked.max_tokens or room))

    def _written(self, messages: Sequence[Mapping[str, str]]) -> str:
        if not self._template:
            return "".join(f"{one['content']}\n" for one in messages)
        return self._template.render_whole(messages)

    def _ids(self, text: str) -> list[int]:
        """The prompt, beginning with BOS where the tokenizer would put one there, and once."""
        tokenizer = self._loaded.tokenizer
        ids: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        start, added = tokenizer.bos_token_id, tokenizer("", verbose=False)["input_ids"]
        if start is not None and start in added and ids[:1] != [start]:
            ids = [start, *ids]
        return ids or [start if start is not None else next(iter(self._ends), 0)]

    @torch.inference_mode()
    def _run(self, batch: Sequence[_Row]) -> list[Completed | Reason]:
        longest = max(len(row.ids) for row in batch)
        padding = next(iter(self._ends), 0)
        ids = torch.full((len(batch), longest), padding, dtype=torch.long)
        mask = torch.zeros((len(batch), longest), dtype=torch.long)
        for number, row in enumerate(batch):
            ids[number, longest - len(row.ids) :] = torch.tensor(row.ids)
            mask[number, longest - len(row.ids) :] = 1
        ends = _Ends(batch, longest, self._ends, self._loaded.tokenizer)
        config = SETTINGS(
            max_new_tokens=max(row.most for row in batch),
            do_sample=False,
            use_cache=True,
            eos_token_id=sorted(self._ends) or None,
            pad_token_id=padding,
            bos_token_id=self._loaded.tokenizer.bos_token_id,
        )
        written = self._loaded.model.generate(
            ids.to(self._loaded.device),
            attention_mask=mask.to(self._loaded.device),
            generation_config=config,
            logits_processor=LogitsProcessorList([_Draw(batch)]),
            stopping_criteria=StoppingCriteriaList([ends]),
        )
        found = [ends.completed(number, written[number, longest:].tolist()) for number in range(len(batch))]
        self._tokens += sum(one.prompt_tokens + one.completion_tokens for one in found)
        self._rows += written.numel()
        return list(found)


class _Draw(LogitsProcessor):
    """Makes the largest logit of each row what would be drawn for it."""

    def __init__(self, batch: Sequence[_Row]) -> None:
        self._rows = [row.asked for row in batch]
        self._chance = [torch.Generator() for _ in batch]
        for chance, row in zip(self._chance, self._rows, strict=True):
            if row.seed is None:
                chance.seed()
            else:
                chance.manual_seed(row.seed % 2**63)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Float32 [rows, vocabulary]."""
        found = scores.float().clone()
        for number, (asked, chance) in enumerate(zip(self._rows, self._chance, strict=True)):
            if asked.temperature:
                kept = _most_probable(found[number] / asked.temperature, asked.top_k, asked.top_p)
                uniform = torch.rand(kept.shape, generator=chance, dtype=torch.float64).clamp_(min=1e-300)
                found[number] = kept - torch.log(-torch.log(uniform)).to(kept.device, torch.float32)
        return found


def _most_probable(logits: torch.Tensor, top_k: int | None, top_p: float | None) -> torch.Tensor:
    """The logits with those that are not drawn from at minus infinity; the most probable one always stays."""
    if top_k:
        least = logits.topk(min(top_k, len(logits))).values[-1]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if top_p is not None and top_p < 1.0:
        ordered, places = logits.sort(descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        logits = logits.index_fill(0, places[before >= top_p], -torch.inf)
    return logits


class _Ends(StoppingCriteria):
    """Says of each row when it has ended, and remembers where and by what."""

    def __init__(self, batch: Sequence[_Row], start: int, ends: frozenset[int], tokenizer: Any) -> None:
        self._batch = batch
        self._start = start
        self._ends = ends
        self._tokenizer = tokenizer
        self._ended: dict[int, int] = {}
        """Row to how many tokens its answer has, the one that ends it included."""
        self._longest_stop = [max((len(stop) for stop in row.asked.stop), default=0) for row in batch]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **more: Any) -> torch.Tensor:
        """Bool [rows]."""
        count = input_ids.shape[1] - self._start
        for number, row in enumerate(self._batch):
            if number not in self._ended and (count >= row.most or self._is_over(number, input_ids[number])):
                self._ended[number] = count
        return torch.tensor([number in self._ended for number in range(len(self._batch))], device=input_ids.device)

    def _is_over(self, number: int, ids: torch.Tensor) -> bool:
        if int(ids[-1]) in self._ends:
            return True
        if not self._longest_stop[number]:
            return False
        # A character may take several tokens, and none of them less than a byte.
        tail = ids[self._start :][-4 * self._longest_stop[number] - 4 :]
        text = self._tokenizer.decode(tail, skip_special_tokens=False)
        return any(stop in text for stop in self._batch[number].asked.stop)

    def completed(self, number: int, ids: Sequence[int]) -> Completed:
        """The answer of a row, from all that was written behind its prompt."""
        row = self._batch[number]
        count = self._ended.get(number, len(ids))
        own = list(ids[:count])
        is_ended = bool(own) and own[-1] in self._ends
        text = str(self._tokenizer.decode(own[:-1] if is_ended else own, skip_special_tokens=True))
        places = [place for stop in row.asked.stop if (place := text.find(stop)) >= 0]
        if places:
            text = text[: min(places)]
        return Completed(
            text=text,
            finish_reason="stop" if is_ended or places else "length",
            prompt_tokens=len(row.ids),
            completion_tokens=count,
        )


def load(name: str, path: str, config: ScoringConfig) -> Generation:
    """Load the model that agents.yaml calls ``name`` from ``path`` (a folder or a Hugging Face name).

    Raises ScorerError with the model's name, what went wrong and what to do.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    device = choose_device(config)
    dtype = choose_dtype(config, device)
    try:
        model, tokenizer, missing = from_checkpoint(AutoModelForCausalLM, path, config, device, dtype)
    except Exception as error:  # loading runs through a dozen libraries, each with errors of its own
        raise ScorerError(_why_not(name, path, error)) from error
    if missing:
        told = f"lacks {len(missing)} weights ({', '.join(missing[:3])}), which would be random numbers"
        raise ScorerError(f"local model {name}: the checkpoint {told}: is it a causal language model, saved whole?")
    return Generation(
        Loaded(name, model, tokenizer, device, dtype),
        tokens_per_batch=TOKENS_GPU if device.type == "cuda" else TOKENS_CPU,
    )


def _why_not(name: str, path: str, error: Exception) -> str:
    if is_out_of_memory(error):
        return f"local model {name} does not fit into memory: choose a smaller one, or a smaller scoring.dtype"
    if isinstance(error, OSError) and not Path(path).exists():
        return (
            f"local model {name} is not on this machine, and the Hugging Face hub does not give it: "
            f"{first_line(error)} (name a folder that holds it, or fetch it where there is a network: "
            f"`hf download {path}`)"
        )
    return f"local model {name} cannot be loaded: {first_line(error)}"


def _ends_of(loaded: Loaded) -> frozenset[int]:
    """Tokens that end an answer: those of generation_config.json, and the tokenizer's."""
    own = loaded.model.generation_config.eos_token_id
    listed = own if isinstance(own, list) else [own]
    return frozenset(int(one) for one in (*listed, loaded.tokenizer.eos_token_id) if one is not None)


def _of_memory(reason: Reason) -> Reason:
    """What batching says of memory, with what helps here."""
    words, found, _ = reason.partition(": lower scoring.max_length")
    return Reason(f"{words}: lower `max_tokens`, or take a smaller model") if found else reason
