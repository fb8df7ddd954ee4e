"""Reads what a provider replied, for every transport: its answer, the model's thoughts, why it ended, what is wrong.

Nobody else looks into a message, and nobody else says why a reply cannot be used (``why_unusable``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from star_agents.agents.answer import Call, Choice
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.finish_reasons import LENGTH, NONE, STOP, TOOL_CALLS, finish_reason, most_tokens
from star_agents.agents.replies.thoughts import split_thoughts, unwrapped
from star_agents.agents.replies.tool_calls import calls_said, calls_sent
from star_agents.records import Failure, Reply
from star_agents.text.redaction import redactor
from star_agents.text.visible import is_visible

_THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking", "thinking_blocks", "reasoning_details")
"""Fields of a message that hold thoughts: vLLM and DeepSeek; vLLM since 0.12 and OpenRouter; Ollama; LiteLLM for
Claude; OpenRouter. What counts is what they hold: null or nothing leaves open whether thoughts stand in the text."""
_THOUGHT_PARTS = ("thinking", "reasoning", "reasoning_text", "summary")
_TEXT_PARTS = ("text", "output_text", "refusal")
_LONGEST_THOUGHTS = 200_000
"""Characters of thoughts that are kept: some 50,000 tokens, more than models think before they are cut."""
_DEEPEST = 4
"""Levels of parts inside parts of thoughts."""
_LONGEST_NAME = 200
"""Characters of a model's name that are kept."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
NO_END = "its thoughts never end"
SECRET = "it repeats a secret of this process, which was struck out"
"""A provider that echoes a key; a text with a hole in it is no data, and the person has to hear of it."""

_CHARACTERS_PER_TOKEN = 32
"""At the most, over a whole reply. Words have about 4; single tokens of today's vocabularies go up to 128 blanks or
dashes, and no answer is made of those alone."""
_SHORTEST_BOUND = 2_000
"""Characters that every reply may have: some servers go a little beyond a small `max_tokens`."""
_MOST_TOKENS = 131_072
"""Where a call sets no limit: more than any model gives in one reply."""


def choices_of(replied: Sequence[Mapping[str, Any]], call: Call, *, completion_tokens: int) -> tuple[Choice, ...]:
    """Read the choices of a reply, in OpenAI's form.

    A choice that is an error is left out where another one is none.

    Raises:
        HttpFailure: Every choice is an error; the first one's.
        LookupError: There is no choice.
        TypeError, AttributeError: A choice has another form.
    """
    if not replied:
        raise LookupError("the reply has no choices")
    errors = [error_in(choice, {}) for choice in replied]
    if (first := errors[0]) is not None and None not in errors:
        raise first
    limit = most_tokens(call.shape)
    prompt = [message["content"] for message in call.messages]
    return tuple(
        read_choice(
            choice["message"],
            finish_reason(
                choice.get("finish_reason"), tokens=completion_tokens, max_tokens=limit, choices=len(replied)
            ),
            prompt,
            max_tokens=limit,
            offers_tools=bool(call.tools),
        )
        for choice, error in zip(replied, errors, strict=True)
        if error is None
    )


def name_in(model: object) -> str:
    """What a reply calls its model, in bounds and without secrets; empty where that is no name."""
    return redactor.text(model[:_LONGEST_NAME]).strip() if isinstance(model, str) else ""


def read_choice(
    message: Mapping[str, Any],
    ended: str,
    prompt: Sequence[str],
    *,
    max_tokens: int | None = None,
    offers_tools: bool = False,
) -> Choice:
    """Read one message.

    A text longer than ``longest_text`` is cut there before anybody looks at it, and is no answer: kept whole, it would
    be shown to referees, and paid for with every call that shows it.

    Args:
        message: Its ``content``, a text or a list of parts, and whatever holds thoughts.
        ended: As ``finish_reason`` reads it.
        prompt: The texts that were asked.
        max_tokens: That the reply could have; ``None`` where the call set no limit.
        offers_tools: Calls of tools are read, also out of the text.

    Raises:
        TypeError: The content is neither text nor parts.
    """
    whole, thoughts, flaw = _content(message.get("content"))
    text, excess = _cut(whole, max_tokens)
    said = [*(_thoughts(held) for key in _THOUGHT_KEYS if (held := message.get(key))), thoughts]
    split = split_thoughts(text, prompt)
    kept = "\n\n".join(dict.fromkeys(filter(None, (*(one.strip() for one in said), split.thoughts))))
    written = unwrapped(split.answer, prompt) if kept else split.answer
    calls = calls_sent(message.get("tool_calls")) if offers_tools else ()
    if offers_tools and not calls:
        written, calls = calls_said(written)
    answer = redactor.known(written)
    if (ended == STOP and message.get("tool_calls")) or (calls and ended != LENGTH):
        ended = TOOL_CALLS
    return Choice(
        text=answer,
        finish_reason=ended,
        reasoning=_bounded(kept),
        flaw=excess or (NO_END if split.is_open else flaw or _flaw(answer) or _struck(written, answer)),
        tool_calls=calls,
    )


def read_again(reply: Reply, *, max_tokens: int | None = None) -> Reply:
    """A reply from the journal; older releases kept thoughts in its text, any length of it, and secrets."""
    reply = _without_secrets(reply)
    text, excess = _cut(reply.text, max_tokens)
    split = split_thoughts(text)
    if split.answer == reply.text:
        return reply
    flaw = excess or (NO_END if split.is_open else reply.flaw)
    thoughts = "\n\n".join(filter(None, (reply.reasoning, split.thoughts)))
    return replace(reply, text=split.answer, reasoning=_bounded(thoughts), flaw=flaw)


def longest_text(max_tokens: int | None) -> int:
    """Characters that a reply of so many tokens can have at the most."""
    return max(_SHORTEST_BOUND, _CHARACTERS_PER_TOKEN * (max_tokens or _MOST_TOKENS))


def _cut(text: str, max_tokens: int | None) -> tuple[str, str]:
    """A text of a length that can be, and what is wrong with it where it had to be cut."""
    longest = longest_text(max_tokens)
    if len(text) <= longest:
        return text, ""
    limit = f"`max_tokens: {max_tokens}`" if max_tokens else f"{_MOST_TOKENS:,} tokens"
    return text[:longest], f"it is {len(text):,} characters long, more than {limit} can explain"


def error_in(place: Mapping[str, Any], headers: Mapping[str, str]) -> HttpFailure | None:
    """The error that a reply with status 200, or one of its choices, holds; an empty one, as some send it, is none."""
    error = place.get("error")
    if not error:
        return None
    message, code = (error.get("message"), error.get("code")) if isinstance(error, Mapping) else (error, None)
    if not message and code is None:
        return None
    status = 422 if code is None else code if isinstance(code, int) else 500
    return HttpFailure(status, str(message or "an error without a message"), headers)


def why_unusable(reply: Reply, what: str, *, allow_cut: bool) -> Failure | None:
    """Why a reply is no response or no instruction; ``None`` where it is one.

    IFD could not tell: text without an end, or with thoughts before it, scores as any other.

    Args:
        reply: As read.
        what: ``response`` or ``instruction``.
        allow_cut: Take a text however it ended, short of one that is unreadable or empty.
    """
    if reply.flaw:
        if reply.flaw == NO_END and reply.finish_reason == LENGTH:
            cut = f"{reply.agent} was cut after {reply.completion_tokens} tokens, while it was still thinking"
            return Failure(kind="length", detail=f"{cut}; raise its `max_tokens`")
        return Failure(kind="format", detail=f"the {what} of {reply.agent} cannot be used: {reply.flaw}")
    if not is_visible(reply.text):
        thoughts = ", only thoughts" if reply.reasoning else ""
        detail = f"{reply.agent} wrote no {what}{thoughts} (finish_reason {reply.finish_reason})"
        return Failure(kind="empty", detail=detail)
    if reply.finish_reason == STOP or allow_cut:
        return None
    if reply.finish_reason == LENGTH:
        detail = f"the {what} of {reply.agent} was cut after {reply.completion_tokens} tokens"
        return Failure(kind="length", detail=detail)
    if reply.finish_reason == NONE:
        end = "without a finish_reason, and no count shows that it is whole"
    else:
        end = f"with finish_reason {reply.finish_reason!r}, which is not known as the end of a whole one"
    detail = f"the {what} of {reply.agent} ended {end}; `allow_cut: true` takes it all the same"
    return Failure(kind="format", detail=detail)


def _without_secrets(reply: Reply) -> Reply:
    said = redactor.known(reply.text)
    flaw = reply.flaw or _struck(reply.text, said)
    return replace(reply, text=said, reasoning=redactor.known(reply.reasoning), flaw=flaw)


def _struck(written: str, answer: str) -> str:
    return "" if answer == written else SECRET


def _flaw(text: str) -> str:
    """What makes a text unusable as data: no other program, and not our own reader, takes it."""
    if "\0" in text:
        return f"it holds a NUL character at position {text.index(chr(0)) + 1}"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        return f"it holds half a surrogate pair (U+{half:04X}) at position {error.start + 1}"
    return ""


def _content(content: Any) -> tuple[str, str, str]:
    """Text, thoughts among its parts, and what is wrong with it."""
    if content is None:
        return "", "", ""
    if isinstance(content, str):
        return content, "", ""
    if not isinstance(content, list):
        raise TypeError(f"the answer is no text but {type(content).__name__}")
    texts: list[str] = []
    thoughts: list[str] = []
    foreign: list[str] = []
    for piece in content:
        kind = piece.get("type", "text") if isinstance(piece, Mapping) else "text"
        text = piece.get(kind, piece.get("text")) if isinstance(piece, Mapping) else piece
        if kind in _TEXT_PARTS and isinstance(text, str):
            texts.append(text)
        elif kind in _THOUGHT_PARTS or kind == "redacted_thinking":
            thoughts.append(_thoughts(piece))
        else:
            foreign.append(redactor.known(str(kind)[:1_000])[:40])
    flaw = f"it holds a part of type {foreign[0]!r}, which is no text" if foreign else ""
    return "".join(texts), "\n\n".join(filter(None, thoughts)), flaw


def _thoughts(value: Any, depth: int = 0) -> str:
    """The text in a field or part that holds thoughts, whatever its form; encrypted ones give none."""
    if isinstance(value, str):
        return value
    if depth >= _DEEPEST:
        return ""
    if isinstance(value, Mapping):
        names = ("thinking", "text", "summary", "reasoning", "reasoning_text", "content")
        return next(filter(None, (_thoughts(value.get(name), depth + 1) for name in names)), "")
    if isinstance(value, list):
        return "".join(_thoughts(item, depth + 1) for item in value)
    return ""


def _bounded(thoughts: str) -> str:
    """Thoughts as they are kept: of bounded length, without secrets, and without what no file can hold."""
    if not thoughts:
        return ""
    # With what follows, so that no half of a secret stands at the end.
    known = redactor.known(thoughts[: _LONGEST_THOUGHTS + 1_000])[:_LONGEST_THOUGHTS]
    plain = _LONE_SURROGATE.sub("\ufffd", known).replace("\0", "\ufffd")
    left_out = len(thoughts) - _LONGEST_THOUGHTS
    return f"{plain}\n[{left_out} more characters are not kept]" if left_out > 0 else plain
