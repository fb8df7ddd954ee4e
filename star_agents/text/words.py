"""The words of a text, as texts are compared by them: case, punctuation and width of characters make no difference.

Where a script has no spaces between words, each character is a word.
"""

from __future__ import annotations

import re
import unicodedata

_LETTERS = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Scripts without spaces whose characters are letters: Thai, Lao, Burmese, Khmer."""
_SIGNS = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Those whose characters are syllables or words: kana, Han."""
_WORD = re.compile(rf"[{_LETTERS}{_SIGNS}]|[^\W{_LETTERS}{_SIGNS}]+")
_LETTER, _SIGN = re.compile(f"[{_LETTERS}]"), re.compile(f"[{_SIGNS}]")


def normalised(text: str) -> str:
    """The text in which words are looked for; half a surrogate pair stands there in its escape."""
    writable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return unicodedata.normalize("NFKC", writable).casefold()


def words_in(text: str) -> list[str]:
    """The words of a text that is ``normalised``, in order."""
    return _WORD.findall(text)


def places_of_words(text: str) -> list[tuple[int, int]]:
    """Where each word of ``words_in`` begins and ends."""
    return [found.span() for found in _WORD.finditer(text)]


def characters_a_word(text: str) -> float:
    """How many of ``words_in`` say what one word says in a script with spaces; of whatever script most are.

    1; 1.6 in Chinese and Japanese; 4.5 in Thai, Lao, Burmese and Khmer: the usual lengths of their words in characters.
    """
    if text.isascii():
        return 1.0
    letters, signs = len(_LETTER.findall(text)), len(_SIGN.findall(text))
    spaced = len(_WORD.findall(text)) - letters - signs
    return 1.0 if spaced >= letters + signs else 4.5 if letters > signs else 1.6
