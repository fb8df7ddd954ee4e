"""How the sample agents work on text outside the closed world: each reshapes the reference in its own style.

Without a reference they work on a plain sketch made from the words of the question. Nothing here understands anything;
the styles differ visibly in quality, which is all that a first run of the line needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from random import Random

_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+")
_WORD = re.compile(r"[^\W\d_]{5,}")
_STRANGE = (
    "The sea was quiet that morning, and the boats had not yet come back.",
    "A good soup wants onions, time, and somebody who stirs it.",
    "Clocks in old stations are seldom on time.",
)

Style = Callable[[str, str, Random], str]
"""``(question, material, rng) -> response``."""


def reshape(style: str, question: str, reference: str, rng: Random) -> str:
    """Respond to any text in a style named in ``STYLES``; never empty."""
    material = reference or sketch(question)
    return STYLES[style](question, material, rng).strip() or sketch(question)


def sketch(question: str) -> str:
    """A few plausible sentences about a question, out of nothing but its own words."""
    words = key_words(question)
    if not words:
        return "There is little to go by here. A direct answer would need more than this."
    listed = ", ".join(words)
    return f"This is about {words[0].lower()}. The points that matter are: {listed}. Each of them deserves a look."


def key_words(text: str, most: int = 5) -> list[str]:
    """The first few different longer words of a text."""
    return list(dict.fromkeys(_WORD.findall(text)))[:most]


def units(text: str) -> list[str]:
    """The parts that can be moved about: lines where there are several, else sentences."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines if len(lines) > 1 else [part for part in _SENTENCE.split(text.strip()) if part]


def _restructure(question: str, material: str, rng: Random) -> str:
    words = key_words(question, 3)
    lead = f"About {' and '.join(words)}:" if words else "In short:"
    return f"{lead}\n\n{material.strip()}"


def _number(question: str, material: str, rng: Random) -> str:
    return "\n".join(f"{index}. {part.strip()}" for index, part in enumerate(units(material), start=1))


def _shorten(question: str, material: str, rng: Random) -> str:
    parts = units(material)
    return "\n".join(parts[: max(1, len(parts) // 2)]) if "\n" in material.strip() else " ".join(parts[:1])


def _elaborate(question: str, material: str, rng: Random) -> str:
    words = key_words(question) or ["it"]
    return f"{material.strip()}\n\nIt helps to keep {rng.choice(words)} in mind, since the rest follows from it."


def _chat(question: str, material: str, rng: Random) -> str:
    return f"What a nice thing to ask! {material.strip()}\n\nI hope this helps. Do ask again whenever you like!"


def _damage(question: str, material: str, rng: Random) -> str:
    words = re.split(r"(\s+)", material.strip())
    places = [index for index in range(0, len(words), 2) if len(words[index]) > 3]
    for index in rng.sample(places, len(places) // 3):
        words[index] = words[rng.choice(places)]
    return "".join(words)


def _cut(question: str, material: str, rng: Random) -> str:
    words = material.split()
    return " ".join(words[: max(1, len(words) * rng.randint(3, 7) // 10)]).rstrip(".!?:;,")


def _dream(question: str, material: str, rng: Random) -> str:
    return " ".join(rng.sample(_STRANGE, 2))


def _echo(question: str, material: str, rng: Random) -> str:
    return f"You ask: {question.strip()}"


def _stumble(question: str, material: str, rng: Random) -> str:
    parts = units(material)
    rng.shuffle(parts)
    return ("\n" if "\n" in material.strip() else " ").join(parts[: max(1, len(parts) - 1)])


STYLES: Mapping[str, Style] = {
    "restructure": _restructure,
    "number": _number,
    "shorten": _shorten,
    "elaborate": _elaborate,
    "chat": _chat,
    "damage": _damage,
    "cut": _cut,
    "dream": _dream,
    "echo": _echo,
    "stumble": _stumble,
}


def reword_any(instruction: str, rng: Random) -> str:
    """The same request with a careful opening or close."""
    text = instruction.strip()
    return rng.choice(
        (
            f"{text}\n\nBe clear and exact, and leave nothing out.",
            f"Read this closely and answer in full: {text}",
            f"{text}\n\nKeep to what is asked.",
        )
    )


def stretch_any(instruction: str, rng: Random) -> str:
    """The same request with one more demand."""
    text = instruction.strip()
    return rng.choice(
        (
            f"{text}\n\nGive your reasons, and one example.",
            f"{text}\n\nThen say in one sentence what would change the answer.",
            f"{text}\n\nName one point that is easily overlooked.",
        )
    )
