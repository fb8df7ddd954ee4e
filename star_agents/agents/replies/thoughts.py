"""Parts a reply's text into the model's thoughts and its answer, whichever way they are marked. Pure.

Thoughts stand at the beginning of a reply, so nothing is looked for elsewhere, with one exception: many chat templates
write ``<think>`` into the prompt, and the reply then holds ``</think>`` alone; what stands before it are thoughts.
Where a text could be read in two ways, it is read so that thoughts never pass for an answer, with these bounds:

- A mark in a code span, in a code block or in quotes is talk about marks, and no end of thoughts. So is one with its
  beginning before it: "<think> and </think> are tags".
- But a code block may be one that thoughts left open. An end that has a line of it to itself, and no beginning, may
  be either: such a reply is no answer, as if its thoughts never ended.
- A pair of marks further down stays in the text: an answer may show what thoughts look like.
- Thoughts that never end are no answer: all of it is thoughts, and ``is_open`` says so, also where they begin further
  down, at the beginning of a line.
- Plain words (Granite's "Here is my thought process:") count only together with those that open the answer.
- ``<answer>`` and its like are taken off an answer that follows thoughts, but not where the prompt names them: then
  they were asked for.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.agents.replies.thought_forms import (
    BEFORE_THOUGHTS,
    FORMS,
    GEMMA_LABEL,
    HARMONY_ANALYSIS,
    HARMONY_ANALYSIS_ALONE,
    HARMONY_FINAL,
    LEFTOVERS,
    MESSAGE_END,
    MESSAGE_HEADER,
    WRAPPERS,
    ThoughtForm,
)

_ROUNDS = 16
"""Blocks of thoughts at the beginning of one reply; more than that is no reply but a loop."""
_LINE = 300
"""Characters before and after a mark that are looked at to see whether it is quoted."""
_FENCE = re.compile(r"^[ \t]{0,3}(?:```+|~~~+)", re.MULTILINE)
_PROBES = {
    first: [(probe, number) for number, form in enumerate(FORMS) for probe in form.probes if probe[0] == first]
    for first in {probe[0] for form in FORMS for probe in form.probes}
}
"""What to look for, by its first character, with the number of its form."""
_QUOTES = frozenset({'""', "''", "“”", "‘’", "«»", "„“", "「」"})


@dataclass(frozen=True, slots=True)
class SplitText:
    """A reply's text, split into thoughts and answer."""

    answer: str
    thoughts: str = ""
    is_open: bool = False
    """The thoughts never end, so there is no answer."""


def split_thoughts(content: str, prompt: Sequence[str] = ()) -> SplitText:
    """Part the text of one reply; without marks it comes back as it is.

    Args:
        content: As the provider sent it.
        prompt: The texts of the messages that were answered.
    """
    thoughts: list[str] = []
    answer = content
    for _ in range(_ROUNDS):
        split = _by_messages(answer) or _by_words(answer) or _by_forms(answer)
        if split is None:
            return SplitText(answer, "\n\n".join(thoughts))
        thoughts += filter(None, [split.thoughts.strip()])
        if split.is_open:
            break
        answer = unwrapped(split.answer, prompt)
    return SplitText("", "\n\n".join(thoughts), is_open=True)


def unwrapped(answer: str, prompt: Sequence[str]) -> str:
    """An answer that follows thoughts, without the marks around it that the prompt did not ask for."""
    answer = answer.strip()
    for _ in range(len(LEFTOVERS)):
        end = next((mark for mark in LEFTOVERS if answer.endswith(mark)), None)
        if end is None:
            break
        answer = answer[: -len(end)].rstrip()
    for begin, end in WRAPPERS * 2:
        if answer.startswith(begin) and not any(begin in text for text in prompt):
            inside, mark, after = answer[len(begin) :].partition(end) if end else (answer[len(begin) :], "", "")
            answer = (inside.rstrip() + after if mark else inside).strip()
    return answer


def _by_messages(content: str) -> SplitText | None:
    """The messages of gpt-oss: ``final``, or what is told to nobody else, is the answer; all else is thoughts."""
    if "<|message|>" not in content:
        return None
    position = len(content) - len(content.lstrip())
    answers: list[str] = []
    thoughts: list[str] = []
    header = MESSAGE_HEADER.match(content, position)
    if header is None:
        return None
    while header is not None:
        end = MESSAGE_END.search(content, header.end())
        stop, position = (end.start(), end.end()) if end else (len(content), len(content))
        channel, to = header["channel"], header["to"]
        is_answer = channel in (None, "final", "assistant") and to in (None, "user")
        (answers if is_answer else thoughts).append(content[header.end() : stop])
        while content[position : position + 1].isspace():
            position += 1
        header = MESSAGE_HEADER.match(content, position)
    answers.append(content[position:])
    answer = "".join(answers)
    return SplitText(answer, "\n\n".join(thoughts), is_open=not answer.strip() and bool(thoughts))


def _by_words(content: str) -> SplitText | None:
    """The same, and Gemma's channel, where the server has dropped the special tokens and left the words between."""
    text = content.lstrip()
    if HARMONY_FINAL in text:
        before, _, answer = text.rpartition(HARMONY_FINAL)
        if not before:
            return SplitText(answer)
        if begin := HARMONY_ANALYSIS.match(before):
            return SplitText(answer, before[begin.end() :])
    if begin := HARMONY_ANALYSIS_ALONE.match(text):
        return SplitText("", text[begin.end() :], is_open=True)
    if text.startswith(GEMMA_LABEL):
        return SplitText("", text[len(GEMMA_LABEL) :], is_open=True)
    return None


def _by_forms(content: str) -> SplitText | None:
    """Thoughts between marks, or before an end that stands alone."""
    lowered = content.lower()
    # Most answers hold no "<" at all, and to look for one character costs next to nothing.
    possible = {
        number for first, probes in _PROBES.items() if first in lowered for probe, number in probes if probe in lowered
    }
    if not possible:
        return None
    forms = [FORMS[number] for number in sorted(possible)]
    thoughts: list[str] = []
    position = 0
    for _ in range(_ROUNDS):
        found = _at_the_beginning(content, position, forms) or _before_a_lone_end(content, position, forms)
        if found is None and _is_left_open(content, position, forms):
            found = content[position:], -1
        if found is None:
            return SplitText(content[position:], "\n\n".join(filter(None, thoughts))) if position else None
        thought, position = found
        thoughts.append(thought.strip())
        if position < 0:
            break
    return SplitText("", "\n\n".join(filter(None, thoughts)), is_open=True)


def _at_the_beginning(content: str, position: int, forms: Sequence[ThoughtForm]) -> tuple[str, int] | None:
    """Thoughts that begin here, and where they end: -1 where they never do."""
    if opening := BEFORE_THOUGHTS.match(content, position):
        position = opening.end()
    for form in forms:
        begin = form.begin.match(content, position)
        if begin is None:
            continue
        end = form.end.search(content, begin.end())
        if end is not None:
            return content[begin.end() : end.start()], end.end()
        if form.begins_alone:
            return content[begin.end() :], -1
    return None


def _before_a_lone_end(content: str, position: int, forms: Sequence[ThoughtForm]) -> tuple[str, int] | None:
    """What stands before the last end that has no beginning, and where that ends."""
    alone = [form for form in forms if form.ends_alone and form.end.search(content, position)]
    ends = [end for form in alone if (end := _last_lone_end(content, position, form)) is not None]
    if not ends:
        return None
    stop, after = max(ends)
    return content[position:stop], after


def _is_left_open(content: str, position: int, forms: Sequence[ThoughtForm]) -> bool:
    """Whether thoughts begin further down, at the beginning of a line, and never end."""
    fences = _code_blocks(content, position)
    for form in forms:
        begins = [*form.begin.finditer(content, position)] if form.begins_alone and form.ends_alone else []
        if not begins or form.end.search(content, begins[-1].end()):
            continue
        in_code = bisect.bisect(fences, begins[-1].start()) % 2
        if not in_code and not _is_quoted(content, begins[-1]) and not _around(content, begins[-1])[0].strip():
            return True
    return False


def _last_lone_end(content: str, position: int, form: ThoughtForm) -> tuple[int, int] | None:
    """The last end without a beginning before it; -1 for where it ends if nobody can tell what it means."""
    marks = [(mark, 1) for mark in form.begin.finditer(content, position)]
    marks += [(mark, -1) for mark in form.end.finditer(content, position)]
    fences = _code_blocks(content, position)
    depth, depth_in_code, last = 0, 0, None
    for mark, step in sorted(marks, key=lambda marked: marked[0].start()):
        if _is_quoted(content, mark):
            continue
        if bisect.bisect(fences, mark.start()) % 2:
            if step < 0 and not depth and not depth_in_code and _is_alone(content, mark):
                return len(content), -1
            depth_in_code = max(0, depth_in_code + step)
            continue
        if step < 0 and not depth:
            last = mark.span()
        depth = max(0, depth + step)
    return last


def _code_blocks(content: str, position: int) -> list[int]:
    """Where code blocks begin and end, in turn; a last one that stays open is none."""
    fences = [fence.start() for fence in _FENCE.finditer(content, position)]
    return fences[: len(fences) // 2 * 2]


def _is_alone(content: str, mark: re.Match[str]) -> bool:
    """Whether a mark has its line to itself, as it has behind thoughts that left a code block open."""
    before, after = _around(content, mark)
    return not before.strip() and not after.strip()


def _is_quoted(content: str, mark: re.Match[str]) -> bool:
    """Whether a mark stands in quotes, or in a code span of its line."""
    before, after = _around(content, mark)
    if before[-1:] + after[:1] in _QUOTES:
        return True
    return before.count("`") % 2 == 1 and "`" in after


def _around(content: str, mark: re.Match[str]) -> tuple[str, str]:
    """What stands before and after a mark in its line; of a long line, what is near."""
    before = content[max(0, mark.start() - _LINE) : mark.start()].rpartition("\n")[2]
    return before, content[mark.end() : mark.end() + _LINE].partition("\n")[0]
