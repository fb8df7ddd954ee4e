"""Mail addresses, telephone numbers, payment cards, bank accounts and secret keys in texts: what has a form that a
program can tell. Names, addresses and dates of birth have none, and are not found.

A number that only looks like one of these is passed over where the form has a check: Luhn's for cards, the remainder
by 97 for IBANs. Addresses and numbers that are reserved for examples belong to nobody (RFC 2606, RFC 6761; North
American 555-0100 to 555-0199).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from star_agents.admission.filters import EVERYTHING, evidence
from star_agents.admission.offered import Offered
from star_agents.records.findings import Objection

_MAIL = re.compile(
    r"(?<![\w.+%-])[A-Za-z0-9](?:[\w.+%-]{0,62}[\w+%-])?@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}\b"
)
_FOR_EXAMPLES = re.compile(
    r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net|edu)|(?:[\w-]+\.)?(?:example|test|invalid|localhost))$", re.I
)
_PHONE = re.compile(
    r"""(?<![\w.+/-])(?:
        \+[1-9](?:[ .()/-]{0,2}\d){7,14}            # international
      | \(?[2-9]\d{2}\)?[ .-]{1,2}[2-9]\d{2}[.-]\d{4}  # North American
      | \(0\d{1,5}\)[ /-]?\d{2,5}(?:[ -]?\d{2,4}){1,3} # an area code in brackets
      | 0\d{2,5}[/-] ?\d{3,5}(?:[ -]?\d{2,4}){1,2}   # behind a stroke
    )(?![\w/]|[.,-]\d)""",
    re.VERBOSE,
)
_FICTION = re.compile(r"^1?[2-9]\d{2}55501\d{2}$")
_CARD = re.compile(r"(?<![\w.,+/-])[2-6](?:[ -]?\d){12,18}(?![\w/]|[.,-]\d)")
_CARD_LENGTHS: Mapping[str, Sequence[int]] = {
    "2": (16,),
    "3": (14, 15),
    "4": (13, 16, 19),
    "5": (16,),
    "6": (16, 17, 18, 19),
}
"""By its first digit."""
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")
_KEY = re.compile(
    r"""(?<![\w-])(?:
        sk-(?:[a-z]+-)*[A-Za-z0-9_]{20,}[A-Za-z0-9_-]*         # OpenAI, Anthropic and their like
      | (?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{36,} | github_pat_\w{40,} | glpat-[\w-]{20,}
      | (?:AKIA|ASIA)[A-Z0-9]{16} | AIza[\w-]{35} | xox[abprs]-[A-Za-z0-9-]{20,} | hf_[A-Za-z0-9]{30,}
      | [rs]k_(?:live|test)_[A-Za-z0-9]{20,} | eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}
    )(?![\w])
    | -----BEGIN\ (?:[A-Z]+\ )*PRIVATE\ KEY-----(?:[^-]*-----END\ (?:[A-Z]+\ )*PRIVATE\ KEY-----)?""",
    re.VERBOSE,
)


class Found(NamedTuple):
    """One piece of personal data in a text."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Looked for in all that is said."""

    name = "personal_data"
    kinds = EVERYTHING

    def check(self, one: Offered) -> Objection | None:
        """See ``Filter``. The evidence shows the first character of each alone."""
        told: dict[str, list[str]] = {}
        for text in one.texts:
            for found in personal_data_in(text):
                told.setdefault(found.kind, []).append(f"{text[found.start]}…")
        if not told:
            return None
        said = "; ".join(f"{len(some)} {kind} ({', '.join(some[:5])})" for kind, some in sorted(told.items()))
        return Objection(filter=self.name, reason=f"it holds: {', '.join(sorted(told))}", evidence=evidence(said))


def personal_data_in(text: str) -> list[Found]:
    """All of it, in order; of two that overlap the one that begins first, then the longer one."""
    found = sorted(_candidates(text), key=lambda one: (one.start, -one.end))
    kept: list[Found] = []
    for one in found:
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept


def redacted(text: str) -> str:
    """The text with ``[mail]``, ``[phone]`` and so on in the place of each."""
    parts, end = list[str](), 0
    for one in personal_data_in(text):
        parts += [text[end : one.start], f"[{one.kind}]"]
        end = one.end
    return "".join([*parts, text[end:]])


def _candidates(text: str) -> Iterator[Found]:
    for kind, (needed, pattern, is_one) in _KINDS.items():
        for found in pattern.finditer(text) if needed.search(text) else ():
            if is_one(found.group()):
                yield Found(kind, found.start(), found.end())


def _is_mail(text: str) -> bool:
    return _FOR_EXAMPLES.search(text) is None


def _is_phone(text: str) -> bool:
    digits = _digits(text)
    return 7 <= len(digits) <= 15 and _FICTION.match(digits) is None and len(set(digits[-7:])) > 1


def _is_card(text: str) -> bool:
    """By the length that cards of its kind have and Luhn's check; not a row of one digit."""
    written = _digits(text)
    digits = [int(one) for one in reversed(written)]
    doubled = [sum(divmod(2 * one, 10)) if place % 2 else one for place, one in enumerate(digits)]
    return len(digits) in _CARD_LENGTHS[written[0]] and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """By ISO 7064: read as a number with its first four characters last, it leaves 1 by 97."""
    account = text.replace(" ", "")
    number = "".join(str(int(one, 36)) for one in account[4:] + account[:4])
    return 15 <= len(account) <= 34 and int(number) % 97 == 1


def _digits(text: str) -> str:
    return "".join(one for one in text if one.isdecimal())


_KINDS: Mapping[str, tuple[re.Pattern[str], re.Pattern[str], Callable[[str], bool]]] = {
    "key": (re.compile(r"[rs]k[-_]|gh[pousr]_|_pat_|glpat-|A[KS]IA|AIza|xox|hf_|eyJ|-----BEGIN"), _KEY, bool),
    "mail": (re.compile("@"), _MAIL, _is_mail),
    "iban": (re.compile(r"[A-Z]{2}\d{2}"), _IBAN, _is_iban),
    "card": (re.compile(r"\d[ -]?\d{3}[ -]?\d"), _CARD, _is_card),
    "phone": (re.compile(r"\d[ .()/-]?\d{2}"), _PHONE, _is_phone),
}
"""What has to be in a text for it to be worth a look, the form itself, and its check."""
