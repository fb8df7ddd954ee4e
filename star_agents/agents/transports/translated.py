"""The short way to providers with a protocol of their own: LiteLLM writes and reads, we send.

Limits, deadlines, the pool of connections, redirects and secrets are those of the direct way, and so is what an error
of the provider's means. It costs a quarter of the CPU of LiteLLM's own sending.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from star_agents.agents.answer import Answer, Call, Choice, Transport
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import RefusedReply
from star_agents.agents.replies.finish_reasons import LENGTH
from star_agents.agents.transports.direct import object_in
from star_agents.agents.transports.http import HttpRequest, HttpSender
from star_agents.agents.transports.litellm_capture import NotCaptured
from star_agents.agents.transports.litellm_replies import RepliesOfLiteLLM, readable
from star_agents.agents.transports.litellm_translations import Sent, Translation

_CUT_AT_NOTHING = "could not finish the message because max_tokens or model output limit was reached"
"""OpenAI's words for an answer that was cut before its first word: an error of status 400, though it is paid for."""


class TranslatedTransport:
    """Sends to endpoints that have a ``translator``.

    Args:
        sender: Sends what LiteLLM wrote.
        litellm: Gives the module, which the endpoint's resolution has loaded.
        whole: Sends what LiteLLM alone can.
    """

    def __init__(self, sender: HttpSender, litellm: Callable[[], ModuleType], whole: Transport) -> None:
        self._sender = sender
        self._litellm = litellm
        self._whole = whole

    async def complete(self, call: Call) -> Answer:
        """Send once.

        Raises:
            HttpFailure: The server answered with an error, or points elsewhere; or the call cannot be written, in which
                case nothing was sent.
            RefusedReply: The reply passes a limit.
            ValueError, LookupError, TypeError, AttributeError: The reply cannot be read.
            aiohttp.ClientError: The server was not reached, or hung up.
            Exception: What LiteLLM raises over the parameters, of ``litellm.exceptions``.
        """
        try:
            one, sent = await self._written(call)
        except NotCaptured:
            return await self._whole.complete(call)
        reply = await self._sender.send(
            HttpRequest(url=one.url, headers=sent.headers, body=sent.body, timeout_s=call.timeout_s, proxy=one.proxy)
        )
        try:
            read = await object_in(reply)
        except HttpFailure as failure:
            if failure.status_code == 400 and _CUT_AT_NOTHING in str(failure).lower():
                return Answer(choices=(Choice(text="", finish_reason=LENGTH),), prompt_tokens=0, completion_tokens=0)
            raise
        if one.url.endswith("/api/generate") and "response" not in read:
            raise RefusedReply("the reply has no `response`")
        return await RepliesOfLiteLLM(self._litellm()).read(one, sent, reply, read, call)

    async def _written(self, call: Call) -> tuple[Translation, Sent]:
        translator = call.endpoint.translator
        if translator is None:
            raise NotCaptured("since nobody translates for it")
        try:
            one = await translator.translation(call.shape, call.messages, call.n)
            return one, one.request(call.messages)
        except NotCaptured:
            raise
        except Exception as error:
            raise _refusal(error) from None


def _refusal(error: Exception) -> Exception:
    """Why a call cannot be written, as an error of the request: another try would end alike."""
    known = readable(error)
    if isinstance(known, HttpFailure) or type(error).__module__.startswith(("litellm.", "openai")):
        return known
    return HttpFailure(400, f"LiteLLM cannot write the request: {type(error).__name__}: {error}", {})
