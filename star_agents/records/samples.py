"""What is taught: conversations, and documents from which they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

Role = Literal["system", "user", "assistant"]

TOOL_RESULT = "tool_response"
"""Tag around what a tool gave, in a turn of the user (the form of Hermes and Qwen)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One turn of a conversation in the field's ``messages`` form."""

    role: Role
    content: str

    def to_dict(self) -> dict[str, str]:
        """Return ``{"role": ..., "content": ...}``."""
        return {"role": self.role, "content": self.content}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(role=data["role"], content=data["content"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One instruction-response sample; a conversation is its last turn plus ``history``."""

    instruction: str
    """The last user turn."""
    input: str = ""
    """Alpaca's second column: material that the instruction works on; empty where there is none."""
    response: str | None = None
    """The last assistant turn; ``None`` where the seed has none."""
    history: tuple[Message, ...] = ()
    """The turns before the instruction, a system message included."""

    @property
    def question(self) -> str:
        """Instruction and input as one user message."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction

    @property
    def prompt(self) -> tuple[Message, ...]:
        """Every turn before the response."""
        return (*self.history, Message(role="user", content=self.question))

    @property
    def answers_a_tool(self) -> bool:
        """Whether the last turn is what a tool gave: nobody's instruction, and nothing to rewrite."""
        return self.instruction.startswith(f"<{TOOL_RESULT}>")

    @property
    def messages(self) -> tuple[Message, ...]:
        """The whole conversation, the response included where there is one."""
        if self.response is None:
            return self.prompt
        return (*self.prompt, Message(role="assistant", content=self.response))

    def to_dict(self) -> dict[str, Any]:
        """Plain data; empty fields are left out, so the same sample always gives the same text."""
        data: dict[str, Any] = {"instruction": self.instruction}
        if self.input:
            data["input"] = self.input
        if self.response is not None:
            data["response"] = self.response
        if self.history:
            data["history"] = [message.to_dict() for message in self.history]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(
            instruction=data["instruction"],
            input=data.get("input", ""),
            response=data.get("response"),
            history=tuple(Message.from_dict(turn) for turn in data.get("history", ())),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A raw text that instructions are made from."""

    text: str
    title: str = ""
    """What it is called, for people and for prompts; empty where nobody said."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data; an empty title is left out, so the same document always gives the same text."""
        return {"text": self.text, **({"title": self.title} if self.title else {})}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(text=data["text"], title=data.get("title", ""))
