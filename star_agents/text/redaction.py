"""What must not be read is struck out: known secrets, and whatever is shaped like a key.

Whoever reads a secret out of the environment or of agents.yaml, or makes one, tells it here. What a provider says
passes here where it enters (``agents.replies.reading``, ``agents.translate``), and every log line and traceback before
anybody sees it. A line that holds nothing suspect costs a few searches for fixed bytes, and no regular
expression.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
import urllib.parse
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from star_agents.text.needles import Needles

STRUCK = "***"
SHORTEST_SECRET = 8
"""A shorter value is a placeholder such as ``none``, and striking it out would tear up ordinary words."""
LONGEST_TEXT = 8_000
"""Characters of one text that a line may hold."""
DEEPEST = 12
"""Levels of lists and mappings that a line may hold."""
_PERCENT = re.compile(r"%[0-9A-F]{2}")
_ESCAPED_IN_HTML = frozenset("<>&'+")
"""Characters that Go, C# and others write as ``\\u003c`` and so on in JSON."""
_URL_SAFE = str.maketrans("+/", "-_")
SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_HEADERS_NAME = re.compile(r"OTEL_EXPORTER_OTLP_(?:\w+_)?HEADERS")
_SHAPES = re.compile(
    r"(?P<before>(?i:\bbearer\s+))[\w.~+/=*-]{8,}"
    r"|(?P<basic>(?i:\bbasic\s+))[\w+/=*-]{16,}"
    r"|(?P<name>(?i:[\"']?(?:x-)?api[-_]?key[\"']?\s*:\s*[\"']))[^\"']{8,}"
    r"|(?P<user>://[^/\s:@]+:)[^/\s@]+(?=@)"
    r"|(?<![A-Za-z0-9])(?:sk|pk|rk|xai)-[\w*-]{8,}"
    r"|(?<![A-Za-z0-9])(?:gsk_|hf_|ghp_|AIza)[\w*-]{8,}"
)
_SHAPE_MARKS = ("k-", "xai-", "gsk_", "hf_", "ghp_", "aiza", "api_key", "api-key", "apikey", "bearer", "basic", "@")
"""In small letters: a text without any of these holds nothing of such a shape."""


class Redactor:
    """Knows secrets, and strikes them out of texts and of plain data. May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: tuple[str, ...] = ()
        """In every form."""
        self._for_good: frozenset[str] = frozenset()
        self._for_now: weakref.WeakKeyDictionary[object, frozenset[str]] = weakref.WeakKeyDictionary()
        """By whose they are."""
        self._forms = Needles()
        self._unescaped = Needles()
        """Those that stand in a text without a percent sign or a backslash."""
        self._marks = Needles()
        """As they stand in a line of JSON."""

    def keep(self, values: Iterable[str]) -> None:
        """Strike these values out from now on, also as they stand in a URL, in JSON, in hexadecimal digits or somewhere
        in base64."""
        forms = _forms_of_all(values)
        if forms <= self._for_good:
            return
        with self._lock:
            self._for_good |= forms
            self._look_for_all()

    def keep_for(self, owner: object, values: Iterable[str]) -> None:
        """Strike out these values as long as their owner lives, in place of those that it told before."""
        forms = _forms_of_all(values)
        with self._lock:
            self._for_now[owner] = forms
            self._look_for_all()

    def _look_for_all(self) -> None:
        self._secrets = tuple(sorted(self._for_good.union(*self._for_now.values())))
        self._forms = Needles(self._secrets)
        self._unescaped = Needles(form for form in self._secrets if "%" not in form and "\\" not in form)
        self._marks = Needles(orjson.dumps(secret)[1:-1].decode() for secret in self._secrets)

    def suspects(self, line: bytes) -> bool:
        """Whether a line of JSON may hold something to strike out; False only where it holds nothing."""
        # For every line, so quick: a search in `str` takes half the time of one in `bytes`, and `map` over a method
        # of C half the time of a loop.
        text = line.decode()
        return any(map(text.lower().__contains__, _SHAPE_MARKS)) or bool(self._marks.found_in(text))

    def may_hold(self, text: str) -> bool:
        """Whether a text of JSON may hold a known secret; False only where it holds none."""
        return "\\u" in text or bool(self._marks.found_in(text))

    def text(self, text: str) -> str:
        """The text without known secrets and without what is shaped like one."""
        small = text.lower()
        if not any(map(small.__contains__, _SHAPE_MARKS)):
            return self.known(text)
        # Both are looked for in the whole text: a known secret inside a longer key, struck out first, would leave a
        # rest of the key that looks like none.
        struck = _without(text, [*self._places(text), *map(_key_in, _SHAPES.finditer(text))])
        return _SHAPES.sub(_strike, struck)

    def holds(self, text: str) -> bool:
        """Whether a known secret stands in the text."""
        return bool(self._places(text))

    def known(self, text: str) -> str:
        """The text without known secrets; what merely looks like a key stays, since it may be what was asked for."""
        places = self._places(text)
        return _without(text, places) if places else text

    def known_in(self, value: Any) -> Any:
        """Plain data without known secrets in any of its texts; within its JSON, what stands before a secret could be
        taken for the half of an escape."""
        if isinstance(value, str):
            return self.known(value)
        if isinstance(value, (list, tuple)):
            return [self.known_in(one) for one in value]
        if isinstance(value, Mapping):
            return {self.known_in(name): self.known_in(one) for name, one in value.items()}
        return value

    def _places(self, text: str) -> list[tuple[int, int]]:
        """Where known secrets begin and end, those that overlap included."""
        # A text has most forms of no secret, so what it cannot hold is not looked for.
        is_escaped = "%" in text or "\\" in text
        found = []
        for secret in (self._forms if is_escaped else self._unescaped).found_in(text):
            at = text.find(secret)
            while at >= 0:
                found.append((at, at + len(secret)))
                at = text.find(secret, at + 1)
        return found

    def plain(self, value: Any, *, depth: int = DEEPEST) -> Any:
        """The value as plain data that JSON can hold, every text in it without secrets and of bounded length."""
        match value:
            case None | bool() | float():
                return value
            case int():
                return value if -(2**63) <= value < 2**64 else str(value)
            case str():
                whole = self.text(value.encode("utf-8", "replace").decode())  # half a surrogate pair is no text
                beyond = len(whole) - LONGEST_TEXT
                return whole if beyond <= 0 else f"{whole[:LONGEST_TEXT]}… ({beyond:,} characters more)"
            case Mapping() | list() | tuple() | set() | frozenset() if depth == 0:
                return "…"
            case Mapping():
                return {self.text(str(name)): self.plain(inner, depth=depth - 1) for name, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.plain(inner, depth=depth - 1) for inner in value]
            case _:
                return self.plain(_said(value))


def _forms_of_all(values: Iterable[str]) -> frozenset[str]:
    return frozenset(form for value in values if len(value) >= SHORTEST_SECRET for form in forms_of(value))


def keys_in(text: str) -> list[str]:
    """What in a text is shaped like a key, without what introduces it."""
    small = text.lower()
    if not any(map(small.__contains__, _SHAPE_MARKS)):
        return []
    return [text[slice(*_key_in(found))] for found in _SHAPES.finditer(text)]


def _without(text: str, places: Iterable[tuple[int, int]]) -> str:
    """The text with these places struck out; those that overlap are one."""
    parts, end = [], 0
    for start, stop in sorted(places):
        if start >= end:
            parts += [text[end:start], STRUCK]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def _strike(found: re.Match[str]) -> str:
    """Keep what introduces a key, such as ``Bearer``, and strike out the key."""
    return f"{_introduced_by(found)}{STRUCK}"


def _key_in(found: re.Match[str]) -> tuple[int, int]:
    """Where the key itself begins and ends."""
    return found.start() + len(_introduced_by(found)), found.end()


def _introduced_by(found: re.Match[str]) -> str:
    return found["before"] or found["basic"] or found["name"] or found["user"] or ""


def forms_of(secret: str) -> frozenset[str]:
    """A secret as it may stand in a text: plain, in a URL, inside JSON, in hexadecimal digits, inside base64.

    In base64 a byte stands in one of three places of its group of four characters, so there are three forms; without
    the characters at either end, which hold bits of what stands beside it.
    """
    quoted = {urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret), urllib.parse.quote_plus(secret)}
    lower = {_PERCENT.sub(lambda found: found[0].lower(), one) for one in quoted}
    every = "".join(f"%{byte:02X}" for byte in secret.encode())
    plain = json.dumps(secret)[1:-1]
    careful = {one for form in (plain, plain.replace("/", "\\/")) for one in _with_escapes(form)}
    escaped = {*careful, "".join(f"\\u{ord(one):04x}" for one in secret)}
    hexadecimal = {secret.encode().hex(), secret.encode().hex().upper()}
    return frozenset({secret, every, every.lower(), *quoted, *lower, *escaped, *hexadecimal, *_in_base64(secret)})


def _with_escapes(text: str) -> Iterable[str]:
    """The text with every choice of characters that stand as ``\\u003c`` where JSON may be put into a page: Go escapes
    three of them, C# all and in capitals, others what they like."""
    special = sorted(_ESCAPED_IN_HTML.intersection(text))
    for number in range(len(special) + 1):
        for chosen in itertools.combinations(special, number):
            for digits in ("04x", "04X") if chosen else ("04x",):
                yield "".join(f"\\u{ord(one):{digits}}" if one in chosen else one for one in text)


def _in_base64(secret: str) -> Iterable[str]:
    for before in range(3):
        whole = b"\0" * before + secret.encode()
        whole += b"\0" * (-len(whole) % 3)
        first, shared = (0, 2, 3)[before], (0, 3, 2)[(before + len(secret.encode())) % 3]
        encoded = base64.b64encode(whole).decode()
        inner = encoded[first : len(encoded) - shared]
        yield inner
        yield inner.translate(_URL_SAFE)
    # On its own, whole: what stays of it is padding.
    alone = base64.b64encode(secret.encode()).decode().rstrip("=")
    yield alone
    yield alone.translate(_URL_SAFE)


def _said(value: object) -> str:
    try:
        return str(value)
    except Exception:  # a log line is no place to fail over somebody's __str__
        return f"<{type(value).__name__}>"


redactor = Redactor()
"""The secrets of this process."""


def keep_secret(*values: str) -> None:
    """Never show these values in a log line or traceback of this process; short ones are taken for placeholders."""
    redactor.keep(values)


def keep_secrets_of(environ: Mapping[str, str]) -> None:
    """Never show the value of a variable whose name speaks of a key, token, secret, password or credential, nor the
    headers that OpenTelemetry is told to send (``name=secret,name=secret``)."""
    redactor.keep(value for name, value in environ.items() if SECRET_NAME.search(name))
    headers = [value for name, value in environ.items() if _HEADERS_NAME.fullmatch(name)]
    redactor.keep(pair.partition("=")[2].strip() for value in headers for pair in value.split(","))
