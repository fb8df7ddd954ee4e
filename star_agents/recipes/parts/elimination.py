"""Which evolved instructions come to nothing, and why (Evol-Instruct, arXiv 2304.12244, "elimination evolving"). Pure.

The paper eliminates an evolution that an LLM judges equal to its parent, one whose answer is a refusal ("sorry", and
fewer than 80 words), one whose answer holds only punctuation and stop words, and one that copies words of the prompt
("given prompt"). All but the first are decided here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

REFUSAL_WORDS = 80
"""An answer with an apology refuses if it is shorter (the paper's bound)."""
COPIED_RUN = 6
"""So many words of the prompt in a row are copied, and no coincidence. Ours; the paper names single phrases."""

SENTENCE_RUN = 12
"""So many words of the prompt in a row are a sentence of it that a small model says in place of its own."""

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_APOLOGY = re.compile(r"\b(?:sorry|apolog(?:y|ies|i[sz]e[sd]?|i[sz]ing))\b", re.IGNORECASE)
_PROMPT_PHRASE = re.compile(
    r"\b(?:given|rewritten|created|evolved) (?:prompt|instruction)s?\b"
    r"|\b(?:new|modified) (?:prompt|instruction)(?=\W*:)"
    r"|</?(?:instruction|conversation)>",
    re.IGNORECASE,
)
_STOP_WORDS = frozenset(
    _WORD.findall(
        "an and are as at be been but by did do does for from had has have he her here him his how if in into is it "
        "its me my of on or our she so than that the their them then there these they this those to too was we were "
        "what when where which while who whom why with you your it's i'm that's"
    )
)
"""Without "a" and "i", which name choices, and without "yes", "no" and "not", which answer questions."""


def instruction_flaw(evolved: str, *, parent: str, prompt: Sequence[str]) -> str:
    """Why an evolved instruction is eliminated before anybody is asked about it; empty where it is not.

    Args:
        evolved: What was written.
        parent: What it was made of.
        prompt: The texts by which it was asked for.
    """
    if not content_words(evolved):
        return "the instruction holds no words"
    if _folded(evolved) == _folded(parent):
        return "the instruction has the same words as its parent"
    if copied := copied_words(evolved, parent=parent, prompt=prompt):
        return f"words of the prompt were copied into the instruction: {copied!r}"
    return ""


def answer_flaw(answer: str, *, instruction: str) -> str:
    """Why an instruction is eliminated for what it is answered with; empty where it is not."""
    if not content_words(answer):
        return "the answer holds nothing but punctuation and stop words"
    if is_refusal(answer, instruction=instruction):
        return f"the answer refuses: an apology in fewer than {REFUSAL_WORDS} words"
    return ""


def is_refusal(answer: str, *, instruction: str) -> bool:
    """Whether an answer is short and apologises; an instruction that speaks of an apology itself may be given one."""
    return (
        len(answer.split()) < REFUSAL_WORDS
        and _APOLOGY.search(answer) is not None
        and _APOLOGY.search(instruction) is None
    )


def content_words(text: str) -> list[str]:
    """The words of a text, numbers included, that are no stop words of English."""
    return [word for word in _words(text) if word not in _STOP_WORDS]


def copied_words(evolved: str, *, parent: str, prompt: Sequence[str]) -> str:
    """The first words that came from the prompt into an evolved instruction and are not its parent's; or empty."""
    inherited = {found.group().lower() for found in _PROMPT_PHRASE.finditer(parent)}
    for found in _PROMPT_PHRASE.finditer(evolved):
        if found.group().lower() not in inherited:
            return found.group()
    asked = {run for text in prompt for run in _runs(text)} - set(_runs(parent))
    return next((" ".join(run) for run in _runs(evolved) if run in asked), "")


def copied_sentence(text: str, *, prompt: str, besides: Callable[[], str]) -> str:
    """The first ``SENTENCE_RUN`` words in a row that a text has from the prompt and from nothing ``besides`` it, which
    is asked for only where there are such words; empty where it has none."""
    asked = set(_runs(prompt, SENTENCE_RUN))
    copied = [run for run in _runs(text, SENTENCE_RUN) if run in asked]
    known = set(_runs(besides(), SENTENCE_RUN)) if copied else set()
    return next((" ".join(run) for run in copied if run not in known), "")


def _runs(text: str, length: int = COPIED_RUN) -> Iterator[tuple[str, ...]]:
    words = _words(text)
    return (tuple(words[place : place + length]) for place in range(len(words) - length + 1))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _folded(text: str) -> str:
    return " ".join(text.lower().split())
