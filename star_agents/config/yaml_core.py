"""YAML 1.2's core schema (yaml.org/spec/1.2.2, section 10.3) over PyYAML, whose own rules are those of YAML 1.1.

    5e-7 is a number    no, on and yes are words    010 is ten, 0o10 is eight    2001-01-01 and 12:30 are words

Three things are ours, beyond the core schema:

- Keys stay as they are written, whatever they look like: an agent may be named ``no``, ``010`` or ``2001-01-01``.
- Underscores may part the digits of a whole number, as in Python: ``10_000``.
- Merge keys (``<<``, from YAML 1.1) work, and what a mapping says itself overrides what it merges.

PyYAML scans and parses; tags and values are ours. Nothing but plain data comes out, and whatever cannot be read is a
``YamlError`` with its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

MAX_NODES = 20_000
"""Keys and values of one text, which take a second of CPU. They are counted while they are read, and once more as often
as aliases repeat them: an alias bomb is refused before it goes off."""
MAX_DEPTH = 64
"""Levels of lists and mappings in one another."""
MAX_NUMBER = 100
"""Characters of a number: a longer one is no number that anybody means."""

_FIXES = {
    "'\\t'": "indent with spaces, not with tabs",
    "mapping values are not allowed here": "put a text that holds `: ` in quotes, or indent this like its siblings",
    "found undefined alias": "name it before, with &",
    "expected a single document": "leave out the `---` between them",
    "cannot start any token": "put the text in quotes",
    "expected ',' or": "close the bracket, or put a comma before this",
    "found unexpected end of stream": "close the quote",
    "found incompatible YAML document": "leave the line out: YAML 1.2 is what is read",
}
"""What to do about what PyYAML says most often."""

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]

_OLD_BREAKS = "\x85\u2028\u2029"
_PRIVATE, _PRIVATE_END = 0x100000, 0x10FFFE
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_INT = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


class YamlError(Exception):
    """The text cannot be read, or holds what has no meaning."""

    def __init__(self, message: str, *, line: int | None, fix: str = "") -> None:
        super().__init__(message)
        self.line = line
        """Counted from 1; ``None`` where it is not known."""
        self.fix = fix


class Repeated(NamedTuple):
    """A key that stands twice in one mapping of the text."""

    path: str
    line: int
    first_line: int


class _Loader(yaml.SafeLoader):
    """PyYAML's scanner, parser and composer with the core schema's tags for plain scalars; it constructs nothing."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own shape

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As PyYAML does, within bounds: a text that is too large is not read to its end."""
        self._nodes += 1
        self._depth += 1
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        _refuse_more_than(MAX_NODES, self._nodes, line)
        if self._depth > MAX_DEPTH:
            raise YamlError(f"is nested too deeply: more than {MAX_DEPTH} levels", line=line, fix="make it flatter")
        self._free(event)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _free(self, event: yaml.Event) -> None:
        """Let an anchor be set anew: an alias means the latest before it (YAML 1.2.2, section 7.1), which PyYAML
        refuses."""
        if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(event.anchor, None)


def _resolve_by(tag: str, pattern: re.Pattern[str]) -> None:
    # PyYAML only tries to match from the start: the whole scalar must be the number.
    _Loader.add_implicit_resolver(f"{_TAG}{tag}", re.compile(f"(?:{pattern.pattern})$(?!\n)"), None)


_resolve_by("null", re.compile("~|null|Null|NULL|"))
_resolve_by("bool", re.compile("|".join(_BOOL)))
_resolve_by("int", _INT)
_resolve_by("float", _FLOAT)
_resolve_by("float", _INFINITE)
_resolve_by("merge", re.compile("<<"))


def compose(text: str) -> yaml.Node | None:
    """The tree of nodes in a text of one document; ``None`` where it holds none.

    Raises:
        YamlError: with the line of what is not YAML, refers to itself, is nested deeper than ``MAX_DEPTH``, or holds
            more than ``MAX_NODES``.
    """
    loader: _Loader | None = None
    stands_for = _stand_ins(text)
    try:
        loader = _Loader(text.translate({ord(one): other for other, one in stands_for.items()}))
        root: yaml.Node | None = loader.get_single_node()
        if root is not None:
            _count(root)
            _restore(root, stands_for, set())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(filter(None, (error.context, error.problem)))
        fix = next((fix for said, fix in _FIXES.items() if said in reason), "")
        raise YamlError(f"not valid YAML: {reason}", line=mark.line + 1 if mark else None, fix=fix) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"not valid YAML: it holds the character U+{ord(text[error.position]):04X}"
        raise YamlError(message, line=line, fix="take it out, or write it as an escape in double quotes") from None
    except (ValueError, OverflowError):  # PyYAML makes characters of escapes without a look: "\UFFFFFFFF"
        raise YamlError("not valid YAML: an escape names no character", line=_line_of(loader)) from None
    except RecursionError:
        raise YamlError("is nested too deeply", line=_line_of(loader)) from None
    return root


def plain_data(node: yaml.Node) -> Plain:
    """What a tree says, as plain data; every key of a mapping is text, as written.

    Raises:
        YamlError: with the line of a tag that is none of the core schema's, a value that its tag does not fit, or a
            merge of what is no mapping.
    """
    try:
        return _construct(node)
    except RecursionError:
        raise YamlError("is nested too deeply", line=node.start_mark.line + 1) from None


def repeated_keys(node: yaml.Node) -> Iterator[Repeated]:
    """Keys that stand twice in one mapping of the text; what is merged, or written once and aliased, is no repeat.

    Raises:
        YamlError: where a key is itself a list or a mapping.
    """
    yield from _repeated(node, "", set())


def entries(node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Key and value nodes by the key as written: the mapping's own, and those it merges that it does not override.

    Of several merged mappings the earlier ones go before the later (yaml.org/type/merge).

    Raises:
        YamlError: where a merge key names what is no mapping.
    """
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            for merged in _merged(value):
                found = {**entries(merged), **found}
        else:
            own[_key(key)] = (key, value)
    return {**found, **own}


def is_plain(node: yaml.Node) -> bool:
    """Whether a node is a scalar without quotes and without a block's sign: its look decides what it is."""
    return isinstance(node, yaml.ScalarNode) and node.style is None


def _stand_ins(text: str) -> dict[str, str]:
    """Characters that are not in the text, each for one in it that breaks lines in YAML 1.1 and no longer in 1.2."""
    breaks = [one for one in _OLD_BREAKS if one in text]
    unused = (chr(code) for code in range(_PRIVATE, _PRIVATE_END) if chr(code) not in text)
    return dict(zip(unused, breaks, strict=False))


def _restore(node: yaml.Node, stands_for: Mapping[str, str], seen: set[int]) -> None:
    if not stands_for or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        node.value = node.value.translate({ord(one): other for one, other in stands_for.items()})
    for child in _children(node):
        _restore(child, stands_for, seen)


def _merged(value: yaml.Node) -> Iterator[yaml.MappingNode]:
    for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
        if not isinstance(one, yaml.MappingNode):
            raise YamlError("`<<` merges mappings, and this is none", line=one.start_mark.line + 1, fix="<<: *name")
        yield one


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise YamlError("keys must be plain words", line=node.start_mark.line + 1)
    return _text(node)


def _count(node: yaml.Node, seen: int = 0, above: frozenset[int] = frozenset()) -> int:
    """Count nodes as aliases repeat them, and give up beyond the limit, so that an alias bomb costs nothing."""
    line = node.start_mark.line + 1
    if id(node) in above:
        raise YamlError("holds itself, by an alias", line=line, fix="an alias may not stand inside what it repeats")
    seen += 1
    _refuse_more_than(MAX_NODES, seen, line)
    above |= {id(node)}
    for child in _children(node):
        seen = _count(child, seen, above)
    return seen


def _refuse_more_than(most: int, count: int, line: int) -> None:
    if count > most:
        message = f"holds more than {most:,} keys and values, each counted as often as an alias repeats it"
        raise YamlError(message, line=line, fix="make it shorter, or repeat less by aliases")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _repeated(node: yaml.Node, path: str, seen: set[int]) -> Iterator[Repeated]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _repeated(child, f"{path}[{index}]", seen)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, child in node.value:
        name, line = _key(key), key.start_mark.line + 1
        dotted = f"{path}.{name}".lstrip(".")
        # A quoted "<<" is a key like any other, and no merge.
        known = name if key.tag != _MERGE else " <<"
        if known in lines:
            yield Repeated(dotted, line, lines[known])
        lines.setdefault(known, line)
        yield from _repeated(child, dotted, seen)


def _construct(node: yaml.Node) -> Plain:
    _refuse_foreign_tag(node)
    if isinstance(node, yaml.MappingNode):
        return {name: _construct(value) for name, (_, value) in entries(node).items()}
    if isinstance(node, yaml.SequenceNode):
        return [_construct(child) for child in node.value]
    assert isinstance(node, yaml.ScalarNode), "the third kind of node"
    kind = node.tag.removeprefix(_TAG)
    if kind in ("int", "float") and len(node.value) > MAX_NUMBER:
        raise YamlError(f"a number of {len(node.value)} characters", line=node.start_mark.line + 1)
    try:
        return _SCALARS[kind](node)
    except (ValueError, KeyError):
        raise YamlError(f"{node.value!r} is no {kind}", line=node.start_mark.line + 1) from None


def _refuse_foreign_tag(node: yaml.Node) -> None:
    collection = "map" if isinstance(node, yaml.MappingNode) else "seq"
    known = _SCALARS.keys() if isinstance(node, yaml.ScalarNode) else {collection}
    kind = node.tag.removeprefix(_TAG)
    if node.tag.startswith(_TAG) and kind in known:
        return
    name = f"!!{kind}" if node.tag.startswith(_TAG) else node.tag
    raise YamlError(f"the tag {name} has no meaning here", line=node.start_mark.line + 1, fix="leave the tag out")


def _text(node: yaml.ScalarNode) -> str:
    """The scalar as text; two escapes for the halves of a character, as JSON writes it, are that character."""
    try:
        return str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        fix = "write the character itself"
        message = "the text holds half of a surrogate pair"
        raise YamlError(message, line=node.start_mark.line + 1, fix=fix) from None


def _null(node: yaml.ScalarNode) -> None:
    if node.value not in _NULL:
        raise ValueError(node.value)


def _integer(node: yaml.ScalarNode) -> int:
    if not _INT.fullmatch(node.value):
        raise ValueError(node.value)
    base = {"0o": 8, "0x": 16}.get(node.value[:2], 10)
    return int(node.value, base)


def _number(node: yaml.ScalarNode) -> float:
    if _INFINITE.fullmatch(node.value):
        return float(node.value.replace(".", ""))
    if not _FLOAT.fullmatch(node.value):
        return float(_integer(node))
    return float(node.value)


_SCALARS: Mapping[str, Callable[[yaml.ScalarNode], Plain]] = {
    "null": _null,
    "bool": lambda node: _BOOL[node.value],
    "int": _integer,
    "float": _number,
    "str": _text,
    "merge": _text,  # `<<` as a value is a word
}


def _line_of(loader: _Loader | None) -> int | None:
    return int(loader.get_mark().line) + 1 if loader is not None else None
