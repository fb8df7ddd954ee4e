"""A chain of two recipes of somebody's own, as the loops run it: what stands in its files, and in its agents.yaml.

Every document gives five rows and two children, of which it shares one with its neighbour, and draws from two pools:
``study.style`` learns from what the children are worth, ``study.depth`` at once. Every child gives one row. Some
documents and some children are dropped, and of some children nobody says what they are worth.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from lines import agents_yaml

STYLES = ("plain", "formal", "terse", "playful", "dry")
DEPTHS = ("low", "high")
TONES = ("warm", "cool")
ROWS = 5
CALLS_AT_ONCE = ROWS
"""Of one seed."""

STUDY = '''
"""Rows and children about a document."""

import random

from star_agents.recipes.protocol import Measure, Settings, done, dropped, recipe, sft
from star_agents.records import Reward, Sample, Trial


class StudySettings(Settings):
    styles: list[str]
    """What the pool holds."""


@recipe(
    takes="document",
    settings=StudySettings,
    pools={"style": lambda settings, agents: settings.styles, "depth": ["low", "high"]},
    measures=[Measure("words", high=100)],
)
async def study(seed, bench, settings):
    """Five rows, and two children."""
    (style,) = await bench.draw("style")
    (depth,) = await bench.draw("depth")
    code = await bench.once("code", lambda: random.SystemRandom().randrange(10**9))
    text = seed.document.text
    number = int(text.split()[-1])
    asks = [f"{style} {depth} {code} question {n} about {text}?" for n in range(5)]
    told = await bench.gather(*(bench.ask("a", one, step=f"ask:{n}") for n, one in enumerate(asks)))
    earned = [Reward(pool="depth", arm=depth, value=number % 5 / 4)]
    samples = [Sample(instruction=one, response=said.text) for one, said in zip(asks, told.results)]
    trials = [Trial(arm=style, sample=one, measures={"words": number % 50 + n}) for n, one in enumerate(samples)]
    if number % 11 == 7:
        return dropped(seed, "every eleventh", trials=trials, earned=earned)
    texts = [f"{style} thoughts on {text}?", f"thoughts on {number // 2}?"]
    children = [bench.child(Sample(instruction=one), labels={"style": style}) for one in texts]
    return done(seed, rows=[sft(one) for one in samples], children=children, trials=trials, earned=earned)
'''
ANSWER = '''
"""One answer to an instruction."""

from dataclasses import replace

from star_agents.recipes.protocol import Measure, done, dropped, recipe, sft


@recipe(takes="instruction", pools={"tone": ["warm", "cool"]}, measures=[Measure("unmeasured", by_label=True)])
async def answer(seed, bench, settings):
    """One row."""
    (tone,) = await bench.draw("tone")
    said = await bench.ask("a", f"{tone}: {seed.sample.question}", step="answer")
    number = int(seed.sample.question.split()[-1].rstrip("?"))
    if number % 7 == 3:
        return dropped(seed, "every seventh")
    worth = None if number % 7 == 5 else number % 4 / 3
    return done(seed, rows=[sft(replace(seed.sample, response=said.text))], worth=worth)
'''


def document(number: int) -> dict[str, Any]:
    """A seed as it is posted."""
    return {"document": f"text {number}"}


def write(folder: Path, url: str, *, agents: Sequence[str], styles: Sequence[str], more: str) -> str:
    """Lay the recipes beside an agents.yaml; return its text."""
    for name, text in (("study", STUDY), ("answer", ANSWER)):
        if not (path := folder / f"{name}.py").exists():
            path.write_text(text)
    config = yaml.safe_load(agents_yaml(url, agents=agents)) | yaml.safe_load(more)
    del config["star"]
    chain = {"recipe": ["./study.py:study", "./answer.py:answer"], "study": {"styles": list(styles)}}
    return yaml.safe_dump({**config, **chain}, sort_keys=False)


def some_styles(chance: random.Random) -> list[str]:
    """Arms of ``study.style`` after an edit."""
    return chance.sample(STYLES, chance.randint(2, len(STYLES)))


# What the recipes above give, said once more


def asked(number: int, style: str, depth: str, code: int) -> list[str]:
    """The instructions of a document's rows, in their order."""
    return [f"{style} {depth} {code} question {n} about text {number}?" for n in range(ROWS)]


def children_of(number: int, style: str) -> list[str]:
    """The instructions of a document's children, in their order."""
    return [f"{style} thoughts on text {number}?", f"thoughts on {number // 2}?"]


def is_dropped(number: int) -> bool:
    """Whether nothing comes of a document."""
    return number % 11 == 7


def is_answer_dropped(instruction: str) -> bool:
    """Whether nothing comes of a child."""
    return _number_in(instruction) % 7 == 3


def worth_of(instruction: str) -> float | None:
    """What a child says that it is worth; one that is dropped is worth nothing."""
    number = _number_in(instruction)
    if is_answer_dropped(instruction):
        return 0.0
    return None if number % 7 == 5 else number % 4 / 3


def depth_earned(number: int) -> float:
    """What a document's depth earned."""
    return number % 5 / 4


def words(number: int) -> list[int]:
    """What was measured of a document's trials."""
    return [number % 50 + n for n in range(ROWS)]


def _number_in(instruction: str) -> int:
    return int(instruction.split()[-1].rstrip("?"))
