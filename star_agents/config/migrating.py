"""agents.yaml rewritten with every key in its section; all else stays as it is written, comments, order and quotes.

It is done in the text, not by writing the data anew: what is moved is cut out where it stands, with the comments above
and beside it, and put under `star:` with a deeper indentation. Whatever comes of that is read again, and only taken
where it says the same and no comment is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import yaml

from star_agents.config.old_places import STAR, Move, in_sections, moved
from star_agents.config.yaml_core import Plain, YamlError, compose, plain_data, repeated_keys

_INDENT = "  "


class CannotMigrate(Exception):
    """The text is written in a way in which nothing is moved safely."""


class _Edit(NamedTuple):
    """A part of the text, from one character to another, and what takes its place."""

    start: int
    end: int
    text: str


def migrate_text(text: str) -> str:
    """The text with every key in its section; itself where nothing stands at an old place.

    Raises:
        CannotMigrate: with the reason, for people.
        YamlError: it is no YAML.
    """
    root = compose(text)
    found = list(moved(plain_data(root))) if root is not None else []
    if not found:
        return text
    if not isinstance(root, yaml.MappingNode):
        raise CannotMigrate("it is no mapping")
    before = _said(text)
    for place in (0, -1):  # Beside the first key that moves; or beside the last, since an alias follows its anchor.
        made = _rewritten(text, root, found, place)
        if _is_faithful(made, text, before):
            return made
    raise CannotMigrate("what came of it would say something else, or lose a comment")


def _is_faithful(made: str, text: str, before: str) -> bool:
    try:
        return _said(made) == before and made.count("#") == text.count("#") and not list(moved(_data(made)))
    except YamlError:
        return False


def _data(text: str) -> Plain:
    root = compose(text)
    if root is None or list(repeated_keys(root)):
        raise YamlError("is empty or repeats a key", line=None)
    return plain_data(root)


def _said(text: str) -> str:
    return json.dumps(in_sections(_data(text)), sort_keys=True)


def _rewritten(text: str, root: yaml.MappingNode, found: list[Move], place: int) -> str:
    cuts = [_cut(text, root, move) for move in found]
    edits = _into_flow(text, root, cuts, place) if root.flow_style else _into_block(text, root, cuts, place)
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


class _Cut(NamedTuple):
    """What is taken out of the text, and as what it is put in again."""

    edit: _Edit
    entry: str
    """Whole lines without their indentation where it stood in a block; else the key and its value."""
    is_block: bool


def _cut(text: str, root: yaml.MappingNode, move: Move) -> _Cut:
    holder = root
    for part in move.old[:-1]:
        key, value = _own(holder, part)
        if not isinstance(value, yaml.MappingNode) or value.start_mark.index < key.end_mark.index:
            raise CannotMigrate(f"`{part}` is an alias; write out what it stands for")
        holder = value
    key, value = _own(holder, move.old[-1])
    if holder.flow_style:
        start, end = key.start_mark.index, _end_of(key, value)
        return _Cut(_Edit(*_with_comma(text, start, end), ""), text[start:end], is_block=False)
    start, end = _lines_of(text, holder, key)
    column = key.start_mark.column
    lines = text[start:end].splitlines(keepends=True)
    entry = "".join(line[column:] if not line[:column].strip() else line for line in lines)
    left = ""
    if holder is not root and len(holder.value) == 1:
        left = f"{' ' * column}{{}}{_newline(text)}"
    return _Cut(_Edit(start, end, left), entry, is_block=True)


def _own(holder: yaml.MappingNode, name: str) -> tuple[yaml.Node, yaml.Node]:
    """Key and value that a mapping holds itself, and does not merge."""
    for key, value in holder.value:
        if key.value == name:
            return key, value
    raise CannotMigrate(f"`{name}` comes from a merge (`<<`); write it out")


def _end_of(key: yaml.Node, value: yaml.Node) -> int:
    if value.start_mark.index < key.end_mark.index:
        raise CannotMigrate(f"the value of `{key.value}` is an alias; write out what it stands for")
    return int(value.end_mark.index)


def _with_comma(text: str, start: int, end: int) -> tuple[int, int]:
    """An entry of a flow mapping with the comma that goes with it."""
    after = end
    while after < len(text) and text[after].isspace():
        after += 1
    if text[after : after + 1] == ",":
        after += 1
        while text[after : after + 1] in (" ", "\t"):
            after += 1
        return start, after
    before = start
    while before and text[before - 1].isspace():
        before -= 1
    return (before - 1, end) if text[before - 1 : before] == "," else (start, end)


def _lines_of(text: str, holder: yaml.MappingNode, key: yaml.Node) -> tuple[int, int]:
    """An entry of a block mapping with the comments above it, and with all that stands before the next entry's."""
    keys = [one for one, _ in holder.value]
    following = keys[keys.index(key) + 1 :]
    start = _with_comments(text, key)
    end = _with_comments(text, following[0]) if following else _end_of_block(text, holder)
    return start, end


def _with_comments(text: str, key: yaml.Node) -> int:
    """Where the comments begin that stand right above a key, as far in as the key; those at the head of the file stay
    there."""
    start = key.start_mark.index - key.start_mark.column
    at = start
    while at:
        above = text.rfind("\n", 0, at - 1) + 1
        line = text[above:at]
        if not line.lstrip(" ").startswith("#") or len(line) - len(line.lstrip(" ")) != key.start_mark.column:
            return at
        at = above
    return start


def _end_of_block(text: str, holder: yaml.MappingNode) -> int:
    """Where the lines end that are indented as far as a block is, or are blank; of the whole file, at its end."""
    column = holder.value[0][0].start_mark.column
    at = _line_after(text, holder.value[-1][0].end_mark.index)
    end = at
    last = holder.value[-1][1].end_mark.index
    for line in text[at:].splitlines(keepends=True):
        bare = line.strip()
        inside = at < last or not bare or len(line) - len(line.lstrip(" ")) >= column
        if line.startswith(("...", "---")) or not inside:
            break
        at += len(line)
        if bare or column == 0:
            end = at
    return end


def _line_after(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _section(root: yaml.MappingNode) -> tuple[yaml.Node, yaml.MappingNode] | None:
    """The section that is there already."""
    for key, value in root.value:
        if key.value != STAR:
            continue
        if not isinstance(value, yaml.MappingNode) or value.start_mark.index < key.end_mark.index:
            raise CannotMigrate(f"`{STAR}` is an alias or no mapping; write it out")
        return key, value
    return None


def _into_block(text: str, root: yaml.MappingNode, cuts: list[_Cut], place: int) -> list[_Edit]:
    column = root.value[0][0].start_mark.column
    section, newline = _section(root), _newline(text)
    ordered = sorted(cuts)
    edits = [cut.edit for cut in ordered]
    if section is None:
        lines = f"{' ' * column}{STAR}:{newline}" + _indented(ordered, column + len(_INDENT), newline)
        at = ordered[place].edit if any(cut.is_block for cut in ordered) else None
        start = _start_of_part(text, root, (at or ordered[0].edit).start)
        return [*edits, _Edit(start, start, _on_a_line_of_its_own(text, start, lines, newline))]
    key, value = section
    if not value.flow_style:
        inner = value.value[0][0].start_mark.column
        at_end = _end_of_block(text, value)
        lines = _on_a_line_of_its_own(text, at_end, _indented(ordered, inner, newline), newline)
        return [*edits, _Edit(at_end, at_end, lines)]
    return [*edits, *_expanded(text, key, value, _indented(ordered, column + len(_INDENT), newline), newline)]


def _start_of_part(text: str, root: yaml.MappingNode, at: int) -> int:
    """Where the top-level entry begins that holds a place in the text."""
    starts = [_with_comments(text, key) for key, _ in root.value]
    return max(start for start in starts if start <= at)


def _on_a_line_of_its_own(text: str, at: int, lines: str, newline: str) -> str:
    return lines if not at or text[at - 1] == "\n" else newline + lines


def _expanded(text: str, key: yaml.Node, value: yaml.MappingNode, lines: str, newline: str) -> Iterator[_Edit]:
    """The edits that make a section in one line, `{...}`, one of a line for each key."""
    indent = " " * (key.start_mark.column + len(_INDENT))
    entries = [text[one.start_mark.index : _end_of(one, other)] for one, other in value.value]
    held = "".join(_deeper(f"{entry}{newline}", indent) for entry in entries)
    after = _line_after(text, value.end_mark.index)
    yield _Edit(value.start_mark.index, value.end_mark.index, "")
    yield _Edit(after, after, _on_a_line_of_its_own(text, after, held + lines, newline))


def _indented(cuts: list[_Cut], column: int, newline: str) -> str:
    made = ""
    for cut in cuts:
        entry = cut.entry if cut.entry.endswith("\n") else cut.entry + newline
        made += _deeper(entry, " " * column)
    was_spaced = any(cut.entry.endswith(newline * 2) for cut in cuts)
    return made + newline if was_spaced and not made.endswith(newline * 2) else made


def _deeper(lines: str, indent: str) -> str:
    return "".join(indent + line if line.strip() else line for line in lines.splitlines(keepends=True))


def _into_flow(text: str, root: yaml.MappingNode, cuts: list[_Cut], place: int) -> list[_Edit]:
    section, ordered = _section(root), sorted(cuts)
    entries = ", ".join(cut.entry for cut in ordered)
    edits = [cut.edit for cut in ordered]
    if section is not None:
        value = section[1]
        at = value.end_mark.index - 1
        return [*edits, _Edit(at, at, f", {entries}" if value.value else entries)]
    name = f'"{STAR}"' if text[root.value[0][0].start_mark.index] == '"' else STAR
    at = _top_of(root, ordered[place].edit.start)
    return [*edits, _Edit(at, at, f"{name}: {{{entries}}}, ")]


def _top_of(root: yaml.MappingNode, at: int) -> int:
    return max(int(key.start_mark.index) for key, _ in root.value if key.start_mark.index <= at + 1)
