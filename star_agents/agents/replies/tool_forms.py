"""Tools offered to every model: as the protocol has them where the server takes that, else told in the prompt.

OpenAI's ``tools`` are understood by OpenAI, vLLM (with a parser of calls), llama.cpp's server, LM Studio, TGI, Ollama's
``/api/chat`` and, through LiteLLM, by everybody else who has them. A server that has none for a model says so with an
error (Ollama and vLLM: 400; llama.cpp without ``--jinja``: 500), which costs nothing: the same call then goes as text
in three roles (``records.tool_text``), in which the model writes its calls between tags. What an endpoint took is
remembered for the life of the process. A server that ignores ``tools`` in silence cannot be told from a model that
calls none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from star_agents.agents.answer import Answer, Call, Transport
from star_agents.agents.endpoints import Endpoint
from star_agents.records import Message
from star_agents.records.tool_text import as_text

_PERHAPS_THE_TOOLS = frozenset({400, 404, 405, 415, 422, 501})
"""Statuses with which servers refuse tools; a 500 is one where it names them."""


class OfferedTools:
    """Offers tools as each endpoint takes them, and remembers how that is."""

    def __init__(self) -> None:
        self._in_text: set[tuple[str, str]] = set()
        self._natively: set[tuple[str, str]] = set()

    def takes_tools(self, endpoint: Endpoint) -> bool | None:
        """Whether an endpoint takes tools as the protocol has them; ``None`` where that is not known yet."""
        address = endpoint.server
        if endpoint.respond is not None or address in self._in_text:
            return False
        return True if address in self._natively else None

    async def complete(self, way: Transport, call: Call, messages: Sequence[Message]) -> Answer:
        """Send once, and where tools are refused once more with them in the text; raises what the last one raised."""
        told = replace(call, messages=[turn.to_dict() for turn in as_text(messages, call.tools)])
        address = call.endpoint.server
        if self.takes_tools(call.endpoint) is False:
            return await way.complete(told)
        try:
            answer = await way.complete(_offered(call, messages))
        except Exception as error:
            if address in self._natively or not _is_perhaps_the_tools(error):
                raise
            answer = await way.complete(told)
            self._in_text.add(address)
        else:
            self._natively.add(address)
        return answer


def _offered(call: Call, messages: Sequence[Message]) -> Call:
    tools = [tool.to_dict() for tool in call.tools]
    return replace(call, messages=[turn.to_dict() for turn in messages], shape={**call.shape, "tools": tools})


def _is_perhaps_the_tools(error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    return status in _PERHAPS_THE_TOOLS or (status == 500 and "tool" in str(error).lower())
