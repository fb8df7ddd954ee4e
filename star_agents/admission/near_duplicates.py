"""Whether a text nearly repeats another one: MinHash signatures of its word n-grams, and an index for one intake.

Documents are compared by 5-grams. A word in the middle of a text is in five of them, so that of two instructions of 20
words that differ in one alone half are the same: instructions of fewer than ``SHORT`` words are compared by 2-grams. Of
2,436 such instructions of the field 3 pairs reach 0.7, all of them true repetitions; of small edits (a function word
more, less or another one, two words swapped) 44 % reach it in 8 to 11 words, 86 % in 12 to 19, all in 20 to 32: by
5-grams 22, 33 and 49 %. Single words would find still more, and take "What is 12 minus 7?" for "What is 7 minus 12?".
In a question of few words each makes it another question, so that little but the same words repeats it.

An instruction that goes with a text, functions or options is compared only with those that go with the same: "Sum up
this text" says nothing without it.

Signatures mean something only beside others of one ``SCHEME``, which is kept with them (``storage.near_texts``). Their
values are rensa's R-MinHash, measured against datasketch (tools/bench/RESULTS.md).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rensa import RMinHash

from star_agents.text.content_hash import digest
from star_agents.text.minhash import BANDS, ROWS, VALUES, Signature, as_values
from star_agents.text.words import normalised, words_in

UNIT, SHORT_UNIT = 5, 2
"""Words of one n-gram, and of one of a short instruction."""
SHORT = 33
"""Words from which an instruction is not short: an edit of one of them leaves 0.7 of the 5-grams as they were."""
LEAST_SHARE = 0.7
"""No two texts are so alike of which one has fewer n-grams than this share of the other's."""
SCHEME = (
    f"r-minhash {RMinHash.ALGORITHM_VERSION}, {VALUES} values, {BANDS} bands of {ROWS}, {UNIT} words, "
    f"{SHORT_UNIT} below {SHORT}, text 1"
)
"""What signatures are made and found by; ``text`` counts the ways in which words were told apart here."""
DOCUMENTS, INSTRUCTIONS = "documents", "instructions"
"""What is compared only with its like."""
_SEED = 1

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Signed:
    """A text as it is kept, and as it is looked up."""

    kept: Signature
    sought: tuple[Signature, ...]
    """Itself, and by the other unit where one that is as alike may be on the other side of ``SHORT``."""


def signature(text: str) -> Signature:
    """The MinHash of a document's word 5-grams.

    Case, punctuation and width of characters make no difference. Of a text with fewer than five words all are one
    n-gram; one without words is that n-gram itself.
    """
    return _signature(*_words(text), UNIT, DOCUMENTS)


def signed_instruction(text: str, goes_with: Sequence[str] = ()) -> Signed:
    """An instruction by the n-grams of its length.

    Args:
        text: Its words.
        goes_with: What it is about, which has to be the same in another one that repeats it: a text, functions.
    """
    words, compared = _words(text)
    contexts = [" ".join(_words(one)[0]) or one.strip() for one in goes_with]
    among = f"{INSTRUCTIONS} {digest(contexts)[:32]}" if any(contexts) else INSTRUCTIONS
    kept_by = SHORT_UNIT if len(words) < SHORT else UNIT
    other = UNIT if kept_by == SHORT_UNIT else SHORT_UNIT
    is_near_the_border = SHORT * LEAST_SHARE <= len(words) <= SHORT / LEAST_SHARE
    made = {
        unit: _signature(words, compared, unit, f"{among} {unit}")
        for unit in ((kept_by, other) if is_near_the_border else (kept_by,))
    }
    return Signed(kept=made[kept_by], sought=tuple(made.values()))


def _words(text: str) -> tuple[list[str], str]:
    """A text's words, and the text itself, as they are compared."""
    compared = normalised(text)
    return words_in(compared), compared


def _signature(words: Sequence[str], compared: str, unit: int, among: str) -> Signature:
    shingles = list(map(" ".join, zip(*(words[start:] for start in range(unit)), strict=False)))
    sketch = RMinHash(num_perm=VALUES, seed=_SEED)
    sketch.update(shingles or [" ".join(words) or compared])
    return Signature(as_values(sketch.digest()), among)


class NearDuplicates(Generic[Key]):
    """Signatures by key, in memory: 2 KB each. For what comes in one intake; a store keeps what came before."""

    def __init__(self) -> None:
        self._values: dict[Key, bytes] = {}
        self._by_band: dict[int, Key | list[Key]] = {}

    def __len__(self) -> int:
        return len(self._values)

    def find(self, one: Signature, least: float) -> Key | None:
        """The key of the most similar signature, where its similarity is ``least`` or more; of several the first."""
        found: dict[Key, None] = {}
        for band in one.bands:
            known = self._by_band.get(band)
            found.update(dict.fromkeys(known if isinstance(known, list) else () if known is None else (known,)))
        alike = one.similarities([self._values[key] for key in found])
        best = max(zip(alike, found, strict=True), key=lambda pair: pair[0], default=None)
        return best[1] if best is not None and best[0] >= least else None

    def add(self, key: Key, one: Signature) -> None:
        """Let a signature be found under its key from now on."""
        self._values[key] = one.values
        for band in one.bands:
            known = self._by_band.get(band)
            if known is None:
                self._by_band[band] = key
            elif isinstance(known, list):
                known.append(key)
            else:
                self._by_band[band] = [known, key]
