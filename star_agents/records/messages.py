"""The turns of a conversation, with the tools that are called in it, in OpenAI's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from star_agents.text.plain_data import from_json, to_json

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A function that a model may call."""

    name: str
    description: str = ""
    parameters_json: str = '{"type":"object","properties":{}}'
    """JSON schema of its arguments, an object, as JSON text."""

    @classmethod
    def of(cls, name: str, description: str, parameters: Mapping[str, Any]) -> Self:
        """A function whose arguments keep to this JSON schema."""
        return cls(name=name, description=description, parameters_json=to_json(parameters))

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of its arguments."""
        schema: dict[str, Any] = from_json(self.parameters_json)
        return schema

    def to_dict(self) -> dict[str, Any]:
        """An element of OpenAI's ``tools``."""
        described = {"description": self.description} if self.description else {}
        return {"type": "function", "function": {"name": self.name, **described, "parameters": self.parameters}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``. Raises KeyError, TypeError or ValueError where it is no function in that form."""
        if data["type"] != "function":
            raise ValueError(f"a tool of type {data['type']!r}")
        function = data["function"]
        name, described = function["name"], function.get("description") or ""
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        if not isinstance(name, str) or not name or not isinstance(described, str):
            raise TypeError("a function's name and description are texts")
        if not isinstance(parameters, Mapping):
            raise TypeError(f"the parameters of {name} are no JSON schema")
        return cls.of(name, described, parameters)


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """One call of a tool that an assistant asks for."""

    id: str
    """Names it to the result."""
    name: str
    arguments: str
    """JSON text of an object, as the model wrote it; one that is none is an error of the model's."""

    @classmethod
    def of(cls, id: str, name: str, arguments: Mapping[str, Any]) -> Self:
        """A call with these arguments."""
        return cls(id=id, name=name, arguments=to_json(arguments))

    def read_arguments(self) -> dict[str, Any]:
        """The arguments. Raises ValueError where they are no JSON object."""
        read = json.loads(self.arguments)
        if not isinstance(read, dict):
            raise ValueError(f"the arguments of {self.name} are no object")
        return read

    def to_dict(self) -> dict[str, Any]:
        """An element of OpenAI's ``tool_calls``."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        function = data["function"]
        return cls(id=data["id"], name=function["name"], arguments=function["arguments"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One turn of a conversation in the field's ``messages`` form."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """What an assistant asks of tools; its content may be empty then."""
    tool_call_id: str = ""
    """Which call a turn of the role ``tool`` answers."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything in it that a model reads: its content, and the calls of tools."""
        return (self.content, *(f"{call.id}{call.name}{call.arguments}" for call in self.tool_calls))

    def to_dict(self) -> dict[str, Any]:
        """``{"role": ..., "content": ...}``, with ``tool_calls`` or ``tool_call_id`` where there are any."""
        data: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            data["tool_calls"] = [call.to_dict() for call in self.tool_calls]
        if self.tool_call_id:
            data["tool_call_id"] = self.tool_call_id
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_dict``."""
        return cls(
            role=data["role"],
            content=data["content"],
            tool_calls=tuple(map(ToolCall.from_dict, data.get("tool_calls", ()))),
            tool_call_id=data.get("tool_call_id", ""),
        )
