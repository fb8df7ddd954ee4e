"""What is taught: conversations, and documents from which they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from star_agents.records.messages import Message, Tool
from star_agents.records.tool_text import TOOL_RESULT, as_text

_MORE_TURNS = frozenset(("history", "tool_turns", "tools"))
"""Fields of a sample that is more than a question and an answer."""


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
    tool_turns: tuple[Message, ...] = ()
    """The turns between instruction and response: what the assistant asked of tools, and what they gave. Without a
    response the last of them may be a call: then the call is what is taught."""
    tools: tuple[Tool, ...] = ()
    """What the assistant could call."""

    @property
    def question(self) -> str:
        """Instruction and input as one user message."""
        return _question(self.instruction, self.input)

    @property
    def turns(self) -> tuple[Message, ...]:
        """The whole conversation as it is kept: calls of tools are calls, results are turns of the role ``tool``."""
        asked = (*self.history, Message(role="user", content=self.question), *self.tool_turns)
        return asked if self.response is None else (*asked, Message(role="assistant", content=self.response))

    @property
    def messages(self) -> tuple[Message, ...]:
        """The whole conversation in texts of three roles, the response included where there is one."""
        return as_text(self.turns, self.tools)

    @property
    def prompt(self) -> tuple[Message, ...]:
        """Every turn before what is taught, in texts of three roles."""
        told = self.messages
        return told[:-1] if told[-1].role == "assistant" else told

    @property
    def in_text(self) -> Sample:
        """The same in texts of three roles, for whoever knows no tools: its instruction is the last turn of the user,
        which may be what a tool gave. Itself, where it holds no tools."""
        if not self.holds_tools:
            return self
        *history, asked = self.prompt
        last = self.messages[-1]
        response = last.content if last.role == "assistant" else None
        return Sample(instruction=asked.content, response=response, history=tuple(history))

    @property
    def holds_tools(self) -> bool:
        """Whether anything in it is no plain text: tools, calls of them, or their results."""
        return bool(self.tools or self.tool_turns) or any(
            turn.tool_calls or turn.role == "tool" for turn in self.history
        )

    @property
    def is_answered(self) -> bool:
        """Whether it holds what can be taught: a response, or a call of a tool that stands in its place."""
        return bool((self.response or "").strip()) or bool(self.tool_turns and self.tool_turns[-1].tool_calls)

    @property
    def answers_a_tool(self) -> bool:
        """Whether the last turn is what a tool gave: nobody's instruction, and nothing to rewrite."""
        return bool(self.tool_turns) or self.instruction.startswith(f"<{TOOL_RESULT}>")

    def to_dict(self) -> dict[str, Any]:
        """Plain data; empty fields are left out, so the same sample always gives the same text."""
        data: dict[str, Any] = {"instruction": self.instruction}
        if self.input:
            data["input"] = self.input
        if self.response is not None:
            data["response"] = self.response
        if self.history:
            data["history"] = [message.to_dict() for message in self.history]
        if self.tool_turns:
            data["tool_turns"] = [message.to_dict() for message in self.tool_turns]
        if self.tools:
            data["tools"] = [tool.to_dict() for tool in self.tools]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        if _MORE_TURNS.isdisjoint(data):
            return cls(instruction=data["instruction"], input=data.get("input", ""), response=data.get("response"))
        return cls(
            instruction=data["instruction"],
            input=data.get("input", ""),
            response=data.get("response"),
            history=tuple(map(Message.from_dict, data.get("history", ()))),
            tool_turns=tuple(map(Message.from_dict, data.get("tool_turns", ()))),
            tools=tuple(map(Tool.from_dict, data.get("tools", ()))),
        )


def plain_messages(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``messages`` of a sample, both as plain data: of one that is a question and an answer no records are made."""
    if not _MORE_TURNS.isdisjoint(data):
        return [turn.to_dict() for turn in Sample.from_dict(data).messages]
    asked = {"role": "user", "content": _question(data["instruction"], data.get("input", ""))}
    response = data.get("response")
    return [asked] if response is None else [asked, {"role": "assistant", "content": response}]


def _question(instruction: str, input: str) -> str:
    return f"{instruction}\n\n{input}" if input else instruction


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
