"""A prompt as an agent is asked it; the templates that make one are in ``prompt_templates.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.records.messages import Message


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered template."""

    messages: tuple[Message, ...]
    version: str
    """``evol/deepen@1:5f2c9a10``, for the provenance of what comes of it."""

    @property
    def text(self) -> str:
        """What the messages say, one after another."""
        return "\n\n".join(message.content for message in self.messages)


def messages_of(prompt: str | Prompt | Sequence[Message]) -> list[Message]:
    """The turns of a prompt, whichever way it is given; a text is one turn of the user."""
    if isinstance(prompt, str):
        return [Message(role="user", content=prompt)]
    return list(prompt.messages if isinstance(prompt, Prompt) else prompt)
