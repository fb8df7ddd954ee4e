"""Replies that a JSON schema binds, from every server that can do that; text from those that cannot.

Servers spell it alike: ``response_format: {type: json_schema, json_schema: {name, schema, strict}}`` is understood by
OpenAI, vLLM, llama.cpp's server, LM Studio, TGI and, through LiteLLM, by Anthropic and Gemini; Ollama's ``/api/chat``
takes the schema itself as ``format``. They differ in how much of a schema they take (OpenAI and Anthropic refuse the
length of a string, some that of a list, OpenAI an object whose keys nobody names), and in whether they say so. So the
tightest form is tried first, and one that is refused is followed by a looser one, text at last: within one call, which
is journaled and paid once. What an endpoint took of a schema is remembered for the life of the process, for schemas of
the same shape: one that a server does not bear leaves the others bound.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from star_agents.agents.answer import Answer, Call, Transport
from star_agents.agents.endpoints import Endpoint
from star_agents.records import Message
from star_agents.text.content_hash import digest

Binding = Literal["unknown", "schema", "ignored", "refused"]
"""What is known of an endpoint: nothing yet; its replies keep to the schema; it takes the schema and replies as it
likes; it refuses schemas, and is asked for text."""

_NAME = "reply"
_LENGTHS = frozenset({"minLength", "maxLength", "minItems", "maxItems"})
_OF_ONE_CALL = _LENGTHS | {"enum"}
"""What schemas of one shape differ in: the codes of judges, the goals and the numbers of a prompt."""
_MOST_SHAPES = 1_000
"""That are remembered; beyond it all are forgotten, which costs each a request that is refused and not paid."""
_PERHAPS_THE_SCHEMA = frozenset({400, 404, 405, 415, 422, 500, 501})
"""Statuses with which servers refuse a schema; 404 is OpenRouter's, where no provider of a model can bind a reply."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplyForm:
    """The object that a reply has to be."""

    schema: Mapping[str, Any]
    """JSON schema in which every property is required and no further one allowed, as OpenAI's strict mode asks."""
    request: str
    """What is said to the model beside its prompt where the schema is sent: the form in words."""

    def overhead(self) -> Message:
        """What the form may add to a prompt, for the bound of what a call may cost."""
        return Message(role="user", content=f"{self.request}\n{json.dumps(self.schema)}")


class StructuredReplies:
    """Asks for a form as tightly as each endpoint allows, and remembers how tightly that is."""

    def __init__(self) -> None:
        self._loosest: dict[_Shape, int] = {}
        """The first form that is worth trying."""
        self._keeps: dict[_Address, bool] = {}

    def binding(self, endpoint: Endpoint) -> Binding:
        """What is known of an endpoint: the best of what it did with any schema."""
        if endpoint.respond is not None:
            return "refused"
        address = endpoint.server
        if address in self._keeps:
            return "schema" if self._keeps[address] else "ignored"
        as_text = len(_forms(endpoint))
        is_refused = any(form == as_text for (where, _), form in self._loosest.items() if where == address)
        return "refused" if is_refused else "unknown"

    async def complete(self, way: Transport, call: Call, form: ReplyForm) -> Answer:
        """Send once, and where a form is refused once more in a looser one; raises what the last one raised."""
        shape, tries = (call.endpoint.server, _shape(form.schema)), list(_tries(call, form))
        first = min(self._loosest.get(shape, 0), len(tries) - 1)
        for number, one in list(enumerate(tries))[first:]:
            try:
                answer = await way.complete(one)
            except Exception as error:
                if number + 1 < len(tries) and getattr(error, "status_code", None) in _PERHAPS_THE_SCHEMA:
                    continue
                raise
            self._learn(shape, number, is_bound=number + 1 < len(tries), answer=answer)
            return answer
        raise AssertionError("the last try returns or raises")

    def _learn(self, shape: _Shape, number: int, *, is_bound: bool, answer: Answer) -> None:
        # One refusal of a form that was taken before has another reason, such as a prompt that is too long.
        if shape not in self._loosest:
            if len(self._loosest) == _MOST_SHAPES:
                self._loosest.clear()
            self._loosest[shape] = number
        if is_bound:
            self._keeps[shape[0]] = answer.choices[0].text.lstrip().startswith("{")


def bound_loosely(call: Call, form: ReplyForm) -> Call:
    """The call in the form that most servers take, for whoever has no second try at once."""
    return list(_tries(call, form))[-2]


_Address = tuple[str, str]
"""As ``Endpoint.server``."""
_Shape = tuple[_Address, str]
"""With a digest of what schemas of one shape have in common."""


def _shape(schema: Mapping[str, Any]) -> str:
    return digest(_without(schema, _OF_ONE_CALL))


def _forms(endpoint: Endpoint) -> tuple[bool, ...]:
    """The forms worth trying, tightest first: whether lengths of strings and lists stay in the schema. Hosted providers
    refuse them."""
    return (True, False) if endpoint.route is not None else (False,)


def _tries(call: Call, form: ReplyForm) -> Iterator[Call]:
    """The call in each form, and last as text, as if no form were asked for."""
    for has_lengths in _forms(call.endpoint):
        schema = form.schema if has_lengths else _without(form.schema, _LENGTHS)
        yield replace(call, messages=_asked(call, form.request), shape={**call.shape, **_words(call.endpoint, schema)})
    yield call


def _asked(call: Call, request: str) -> list[Mapping[str, str]]:
    *before, last = call.messages
    return [*before, {**last, "content": f"{last['content']}\n{request}"}]


def _words(endpoint: Endpoint, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parameter that binds a reply, as the endpoint spells it."""
    if endpoint.route is not None and endpoint.route.dialect == "ollama":
        return {"format": schema}
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": _NAME, "strict": True, "schema": schema},
        }
    }


def _without(schema: Mapping[str, Any], keywords: Collection[str]) -> dict[str, Any]:
    return {
        name: _without(value, keywords) if isinstance(value, Mapping) else value
        for name, value in schema.items()
        if name not in keywords
    }
