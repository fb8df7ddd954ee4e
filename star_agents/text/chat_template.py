"""A tokenizer's chat template under a clock that stands still, so that tomorrow's prompt is today's.

Templates such as Llama 3.2's, Granite's, SmolLM3's or gpt-oss's print the date, by ``strftime_now`` (transformers'
documentation, "Writing a chat template"). Under the clock on the wall the same sample would score otherwise tomorrow.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

FIXED_DATE = datetime(2024, 7, 26, 12, 0, 0)
"""What every template prints as now. 26 July 2024 is what Llama 3.1's and 3.2's templates print themselves where they
are given no clock."""

# transformers defines `strftime_now` in an environment that it caches for the whole process and, from 5 on, hands no
# function of ours through to a template. A macro of the same name in front of the template goes before it, and touches
# nobody else's. The line break after it is eaten (`trim_blocks`), so the template begins at the start of a line.
_CLOCK = (
    "{%- macro strftime_now(format) -%}"
    "{%- for part in format.replace('%%', '\\u0000').split('%') -%}"
    "{%- set code = part[:2] if part[:1] in ('-', '_', '0', '^', '#') else part[:1] -%}"
    "{%- if loop.first -%}{{- part.replace('\\u0000', '%') -}}"
    "{%- else -%}{{- fixed_clock.get(code, '%' ~ code) ~ part[code | length:].replace('\\u0000', '%') -}}"
    "{%- endif -%}{%- endfor -%}{%- endmacro %}\n"
)
_CODES = {
    f"{flag}{letter}": FIXED_DATE.strftime(f"%{flag}{letter}")
    for flag in ("", "-", "_", "0", "^", "#")
    for letter in string.ascii_letters
}


class Tokenizer(Protocol):
    """What is asked of a Hugging Face tokenizer here."""

    chat_template: Any

    def get_chat_template(self) -> str:
        """The template in force, where a model has several."""

    def apply_chat_template(
        self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool, **options: Any
    ) -> Any:
        """Write a conversation as the model was trained to read it."""


class ChatTemplate:
    """How one tokenizer writes a conversation, the same on every day."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._options = _clock_of(tokenizer)

    def __bool__(self) -> bool:
        """Whether the tokenizer has a template."""
        return bool(self._tokenizer.chat_template)

    @property
    def reads_tools(self) -> bool:
        """Whether it writes functions and calls of them in a form of its own."""
        return bool(self) and _reads_tools(self._tokenizer)

    @property
    def options(self) -> Mapping[str, Any]:
        """What has to be handed to ``apply_chat_template`` so that the clock stands still."""
        return self._options

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        is_answered: bool = False,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> str:
        """The conversation up to where the assistant answers, or with its answer, which is the last message then. A
        template may raise what it likes."""
        given = {"tools": list(tools)} if tools else {}
        text: str = self._tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=not is_answered, **given, **self._options
        )
        return text

    def render_whole(self, messages: Sequence[Mapping[str, Any]], **how: Any) -> str:
        """As ``render``; a template that takes no system turn is given its text before the first turn of the user."""
        try:
            return self.render(messages, **how)
        except Exception:
            if len(messages) < 2 or messages[0]["role"] != "system":
                raise
        return self.render(without_system(messages), **how)


def without_system(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The turns with what the system turn says in front of the first turn of the user."""
    said = f"{messages[0]['content']}\n\n{messages[1]['content']}"
    return [{**messages[1], "content": said}, *messages[2:]]


def _reads_tools(tokenizer: Tokenizer) -> bool:
    try:
        return "tools" in tokenizer.get_chat_template()
    except ValueError:
        return False


def _clock_of(tokenizer: Tokenizer) -> Mapping[str, Any]:
    """What has to be handed to a template that asks for the time; nothing to one that does not."""
    if not tokenizer.chat_template:
        return {}
    try:
        template = tokenizer.get_chat_template()
    except ValueError:  # several templates, none of them the default: rendering says so, for each sample
        return {}
    return {"chat_template": _CLOCK + template, "fixed_clock": _CODES} if "strftime_now" in template else {}
