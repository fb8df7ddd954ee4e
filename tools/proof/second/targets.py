"""The models of the second world: a large scorer, and a small one that is also the target. World.

Both read plain traces, which show what operations do, and questions with responses of the ``train`` part, of one to
four operations. *large* reads many of these, all sound; *small* few, in the manner of a crowd that errs. They are made
when they are first wanted, and kept. Sizes, steps and shares were settled by what the models answer before and after
training on right rows alone, before any arm was run.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from pretraining import EOS, pretrain, save_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers

from proof.second import families, tasks
from proof.second.families import FAMILIES
from proof.second.tasks import Kind

_UNKNOWN = "[?]"
_OPERATIONS_READ = (1, 2, 3, 4)
_WORDS_DRAWN = 20_000
_UNSURE = 0.05
"""Share of plain traces that name a second state at the end: so every model has read every word."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Size, reading matter and steps of one model."""

    seed: int
    steps: int
    width: int
    layers: int
    heads: int
    inner: int
    instructed: float
    """Share of documents that are a question with a response; the rest are plain traces."""
    kinds: Mapping[Kind, int]
    """Weights of the kinds of response."""


_CROWD: Mapping[Kind, int] = {
    "shown": 35, "bare": 15, "checked": 10, "slipped": 10, "skipped": 10, "guessed": 10, "strayed": 10,
}  # fmt: skip
_SOUND: Mapping[Kind, int] = {"shown": 60, "bare": 25, "checked": 15}
RECIPES: Mapping[str, Recipe] = {
    "large": Recipe(
        seed=2, steps=800, width=96, layers=3, heads=6, inner=256, instructed=0.6, kinds=_SOUND
    ),
    "small": Recipe(
        seed=1, steps=600, width=64, layers=3, heads=4, inner=176, instructed=0.15, kinds=_CROWD
    ),
}  # fmt: skip


def document(recipe: Recipe, rng: random.Random) -> tuple[str, str]:
    """One document as ``(prompt, response)``; plain traces have an empty prompt."""
    family, count = rng.choice(tuple(FAMILIES)), rng.choice(_OPERATIONS_READ)
    if rng.random() >= recipe.instructed:
        task = tasks.draw(rng, family, count)
        other = f" or {tasks.draw(rng, family, 1).answer}" if rng.random() < _UNSURE else ""
        return "", f"{family} {task.start}{tasks.STEP}{tasks.trace(task.operations, task.states)}{other}"
    task = tasks.draw(rng, family, count, "train")
    kind = rng.choices(tuple(recipe.kinds), tuple(recipe.kinds.values()))[0]
    return f"{task.question}\n", tasks.write(task, kind, rng)


def make_tokenizer() -> Tokenizer:
    """Every word of the world is a token."""
    rng = random.Random(0)
    drawn = (" ".join(document(RECIPES["large"], rng)) for _ in range(_WORDS_DRAWN))
    words = sorted({word for text in drawn for word in text.replace("\n", " ").split()})
    vocabulary = [EOS, _UNKNOWN, "\n", *words, *(word for word in families.SYLLABLES if word not in words)]
    tokenizer = Tokenizer(
        models.WordLevel({word: at for at, word in enumerate(dict.fromkeys(vocabulary))}, unk_token=_UNKNOWN)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "removed"), pre_tokenizers.Split("\n", "isolated")]
    )
    return tokenizer


def folder_of(name: str, out: Path, share: float = 1.0) -> str:
    """Where a model lies; one that ``out`` does not hold yet is made. ``share``: of its steps."""
    recipe = RECIPES[name]
    steps = max(1, round(recipe.steps * share))
    folder = out / "second" / f"{name}-{steps}"
    if not (folder / "tokenizer.json").is_file():  # written last
        state = torch.get_rng_state()
        tokenizer = make_tokenizer()
        pretrain(name, recipe, partial(document, recipe), tokenizer, steps).save_pretrained(folder)
        save_tokenizer(tokenizer, folder)
        torch.set_rng_state(state)
    return str(folder)
