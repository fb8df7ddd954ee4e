"""The families of the second world: a state, and operations that turn it into the next one. World.

States are lists of words, and every operation moves, adds, takes away or replaces some of them: models of a size that
is made in minutes learn that, and learn no table by heart. No two families share an operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

SYLLABLES = ("ka", "mo", "ri", "tu", "se", "no", "li", "pa", "du", "ge")
HOLDERS = ("P", "Q")


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """One kind of task."""

    draw: Callable[[Random], list[str]]
    """A state to begin with."""
    operation: Callable[[Random, list[str]], str]
    """An operation that can be done in a state."""
    apply: Callable[[list[str], str, list[str]], list[str]]
    """``(state, name of an operation, its words) -> state``. Raises ``LookupError`` or ``ValueError`` where one is none
    of this family."""

    def step(self, state: str, operation: str) -> str:
        """The state after an operation, both as text."""
        name, *words = operation.split(" ")
        return " ".join(self.apply(state.split(" "), name, words))


def _three(rng: Random) -> list[str]:
    return rng.sample(SYLLABLES, 3)


def _new(rng: Random, state: list[str]) -> str:
    return rng.choice([word for word in SYLLABLES if word not in state])


def _rearranged(state: list[str], name: str, words: list[str]) -> list[str]:
    first, second, third = state
    if words:
        raise ValueError("a whole row is rearranged")
    return {"flip": [third, second, first], "roll": [second, third, first], "swap": [second, first, third]}[name]


def _known(words: list[str], count: int) -> list[str]:
    if len(words) != count or set(words) - set(SYLLABLES):
        raise ValueError(f"an operation on {count} words of the world")
    return words


def _draw_pile(rng: Random, state: list[str]) -> str:
    return "pop" if len(state) > 1 and rng.random() < 0.5 else f"push {rng.choice(SYLLABLES)}"


def _piled(state: list[str], name: str, words: list[str]) -> list[str]:
    if name == "push":
        return [*state, *_known(words, 1)]
    if name == "pop" and not words and len(state) > 1:
        return state[:-1]
    raise ValueError("something is put on a pile, or its top taken away")


def _draw_queue(rng: Random, state: list[str]) -> str:
    return "serve" if len(state) > 1 and rng.random() < 0.5 else f"join {rng.choice(SYLLABLES)}"


def _queued(state: list[str], name: str, words: list[str]) -> list[str]:
    if name == "join":
        return [*state, *_known(words, 1)]
    if name == "serve" and not words and len(state) > 1:
        return state[1:]
    raise ValueError("somebody joins a queue at its end, or leaves it at its head")


def _replaced(state: list[str], name: str, words: list[str]) -> list[str]:
    old, new = _known(words, 2)
    if name != "turn" or state.count(old) != 1:
        raise ValueError("one word of a line turns into another")
    return [new if word == old else word for word in state]


def _moved(state: list[str], name: str, words: list[str]) -> list[str]:
    (word,) = _known(words, 1)
    others = [one for one in state if one != word]
    if len(others) != len(state) - 1:
        raise ValueError("the word that moves stands in the line once")
    return {"front": [word, *others], "last": [*others, word]}[name]


def _draw_slots(rng: Random, state: list[str]) -> str:
    if rng.random() < 0.5:
        return f"set {rng.choice(HOLDERS)} {_new(rng, state)}"
    return "trade " + " ".join(rng.sample(HOLDERS, 2))


def _held(state: list[str], name: str, words: list[str]) -> list[str]:
    holds = dict(zip(state[::2], state[1::2], strict=True))
    one, other = words
    if tuple(holds) != HOLDERS or one not in holds:
        raise ValueError("two hold something each, in their order")
    if name == "set":
        holds[one] = _known([other], 1)[0]
    elif name == "trade":
        holds[one], holds[other] = holds[other], holds[one]
    else:
        raise ValueError("somebody is given something, or two trade")
    return [word for pair in holds.items() for word in pair]


FAMILIES: Mapping[str, Family] = {
    "row": Family(draw=_three, operation=lambda rng, _: rng.choice(("flip", "roll", "swap")), apply=_rearranged),
    "pile": Family(draw=lambda rng: rng.sample(SYLLABLES, 2), operation=_draw_pile, apply=_piled),
    "queue": Family(draw=lambda rng: rng.sample(SYLLABLES, 2), operation=_draw_queue, apply=_queued),
    "line": Family(
        draw=_three,
        operation=lambda rng, state: f"turn {rng.choice(state)} {_new(rng, state)}",
        apply=_replaced,
    ),
    "walk": Family(
        draw=_three,
        operation=lambda rng, state: f"{rng.choice(('front', 'last'))} {rng.choice(state)}",
        apply=_moved,
    ),
    "slots": Family(
        draw=lambda rng: [word for pair in zip(HOLDERS, rng.sample(SYLLABLES, 2), strict=True) for word in pair],
        operation=_draw_slots,
        apply=_held,
    ),
}
