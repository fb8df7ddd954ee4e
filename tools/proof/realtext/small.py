"""The small scorer: SmolLM2-135M without twelve of its thirty layers, briefly distilled from the whole. Seeded.

Which layers: those whose loss leaves a text least unlikely before any training (of blocks of twelve; one look at one
chapter of the Rust book). Loss: KL divergence from the large model's distribution to the small one's, over each token
(Hinton, Vinyals and Dean, arXiv 1503.02531, at temperature 1). Read: half of the rows to train on, never the half that
arms choose from, and as many tokens of documents; no instruction that anybody's preference is known for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from transformers import AutoModelForCausalLM, AutoTokenizer

from proof.realtext import data
from proof.realtext.halves import half_of

KEPT = (*range(7), *range(19, 30))
"""Layers of the large model that the small one begins with."""
WINDOW, WINDOWS, HELD_OUT = 256, 4, 8
"""Tokens of a window, windows of a step, windows that are never trained on."""
STEPS, WARM_UP, COSINE = 50, 10, 100
"""The rate's half cosine is laid out for more steps than are taken: more of them go on where these end."""
RATE, SEED = 5e-4, 1
EVERY = 25
"""Steps between two checkpoints."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Distilled:
    """What the small model is, and how near it came."""

    layers: int
    layers_of_large: int
    parameters: int
    tokens: int
    """Read in distillation."""
    divergence: tuple[float, float]
    """KL in nats per token on held-out windows, before and after."""
    loss: tuple[float, float]
    """Cross-entropy likewise."""
    loss_of_large: float


_FACTS = TypeAdapter(Distilled)


def distilled(large: Path, folder: Path, *, steps: int = STEPS) -> Distilled:
    """The small model in ``folder``, made there unless it is there already; goes on from its last checkpoint."""
    facts = folder / "distilled.json"
    if not facts.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        found = _distil(large, folder, steps)
        facts.write_bytes(_FACTS.dump_json(found, indent=1))
        (folder / "state.pt").unlink(missing_ok=True)
    return _FACTS.validate_json(facts.read_bytes())


def _distil(large: Path, folder: Path, steps: int) -> Distilled:
    tokenizer: Any = AutoTokenizer.from_pretrained(large)
    teacher: Any = AutoModelForCausalLM.from_pretrained(large, dtype=torch.bfloat16)
    teacher.eval()
    windows = _windows(tokenizer)
    held_out, trained_on = windows[:HELD_OUT], windows[HELD_OUT:]
    if len(trained_on) < steps * WINDOWS:
        raise data.NoData(f"{len(trained_on)} windows of {WINDOW} tokens, {steps * WINDOWS} are asked for")
    student = pruned(large)
    before = _measured(teacher, student, held_out)
    _train(teacher, student, trained_on, steps, folder / "state.pt")
    after = _measured(teacher, student, held_out)
    student.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Distilled(
        layers=len(KEPT),
        layers_of_large=teacher.config.num_hidden_layers,
        parameters=sum(one.numel() for one in student.parameters()),
        tokens=steps * WINDOWS * WINDOW,
        divergence=(before[0], after[0]),
        loss=(before[1], after[1]),
        loss_of_large=after[2],
    )


def pruned(large: Path, keep: Sequence[int] = KEPT) -> Any:
    """A copy of the model in float32 with these of its layers; embedding and head, which are one, do not learn."""
    student: Any = AutoModelForCausalLM.from_pretrained(large, dtype=torch.float32)
    layers = student.model.layers
    student.model.layers = type(layers)([layers[number] for number in keep])
    for place, layer in enumerate(student.model.layers):
        layer.self_attn.layer_idx = place
    student.config.num_hidden_layers = len(keep)
    student.model.embed_tokens.requires_grad_(False)
    return student


def _train(teacher: Any, student: Any, windows: Tensor, steps: int, state: Path) -> None:
    learning = [one for one in student.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=RATE, betas=(0.9, 0.95), weight_decay=0.01)
    done = 0
    if state.is_file():
        kept = torch.load(state, weights_only=True)
        student.load_state_dict(kept["student"])
        optimizer.load_state_dict(kept["optimizer"])
        done = kept["done"]
    student.train()
    for step in range(done, steps):
        ids = windows[step * WINDOWS : (step + 1) * WINDOWS]
        for group in optimizer.param_groups:
            group["lr"] = RATE * _share_of_rate(step)
        divergence, _, _ = losses(teacher, student, ids)
        divergence.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % EVERY == 0:
            fresh = state.with_suffix(".new")
            kept = {"student": student.state_dict(), "optimizer": optimizer.state_dict(), "done": step + 1}
            torch.save(kept, fresh)
            fresh.replace(state)
        if step % 10 == 9:
            print(f"distilled {step + 1} of {steps} steps, KL {divergence.item():.3f} nats per token", flush=True)
    student.eval()


def _share_of_rate(step: int) -> float:
    """Warm-up, then a half cosine down to a tenth, which is then kept."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, (step - WARM_UP) / (COSINE - WARM_UP))))


def losses(teacher: Any, student: Any, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """KL from teacher to student, and the cross-entropies of student and teacher, in nats per token of ids [B, T]."""
    with torch.no_grad():
        wanted = log_softmax(teacher(input_ids=ids, use_cache=False).logits[:, :-1].float(), -1).flatten(0, 1)
    with torch.autocast("cpu", torch.bfloat16):
        logits = student(input_ids=ids, use_cache=False).logits[:, :-1]
    found = log_softmax(logits.float(), -1).flatten(0, 1)  # (B * (T - 1), V)
    following = ids[:, 1:].flatten()
    divergence = kl_div(found, wanted, log_target=True, reduction="batchmean")
    with torch.no_grad():
        student_loss = -found.gather(1, following[:, None]).mean()
        teacher_loss = cross_entropy(wanted, following)
    return divergence, student_loss, teacher_loss


@torch.no_grad()
def _measured(teacher: Any, student: Any, windows: Tensor) -> tuple[float, float, float]:
    student.eval()
    found = [losses(teacher, student, one[None]) for one in windows]
    divergence, loss, of_large = (round(sum(float(one[at]) for one in found) / len(found), 4) for at in range(3))
    return divergence, loss, of_large


def _windows(tokenizer: Any) -> Tensor:
    """[N, WINDOW] token ids, instruction rows and documents in turn, shuffled."""
    rows = [one for one in data.rows_to_train_on() if half_of(one.question, data.READ) == "exploration"]
    talks = ([message.to_dict() for message in row.messages] for row in rows)
    texts = (tokenizer.apply_chat_template(talk, tokenize=False) for talk in talks)
    kinds = [list(_cut(tokenizer, one)) for one in (texts, data.documents())]
    few = min(map(len, kinds))
    order = torch.Generator().manual_seed(SEED)
    both = [torch.tensor(kind)[torch.randperm(len(kind), generator=order)[:few]] for kind in kinds]
    return torch.stack(both, dim=1).flatten(0, 1)


def _cut(tokenizer: Any, texts: Any) -> Iterator[list[int]]:
    """One stream of tokens in windows; the rest at its end is left out."""
    held: list[int] = []
    for text in texts:
        held += tokenizer(text, add_special_tokens=False).input_ids
        while len(held) >= WINDOW:
            yield held[:WINDOW]
            held = held[WINDOW:]
