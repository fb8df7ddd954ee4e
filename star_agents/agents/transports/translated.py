"""The short way to providers with a protocol of their own: LiteLLM writes and reads, we send.

What is plain of OpenAI's and Anthropic's own is written and read without it, in the same words (``plain_requests``).
Limits, deadlines, the pool of connections, redirects and secrets are those of the direct way, and so is what an error
of the provider's means. It costs a quarter of the CPU of LiteLLM's own sending.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from star_agents.agents.answer import Answer, Call, Choice, Transport
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import RefusedReply
from star_agents.agents.replies.finish_reasons import LENGTH
from star_agents.agents.transports.credentials import CredentialsRefused, CredentialsUnavailable
from star_agents.agents.transports.direct import object_in
from star_agents.agents.transports.http import HttpReply, HttpRequest, HttpSender
from star_agents.agents.transports.json_body import encode
from star_agents.agents.transports.litellm_capture import NotCaptured
from star_agents.agents.transports.litellm_replies import LiteLLMReplies, readable
from star_agents.agents.transports.litellm_translations import Sent, Translation
from star_agents.agents.transports.plain_requests import PlainRequest

_CUT_BEFORE_TEXT = "could not finish the message because max_tokens or model output limit was reached"
"""OpenAI's words for an answer that was cut before its first word: an error of status 400, though it is paid for."""
_EMPTY_CUT = Answer(choices=(Choice(text="", finish_reason=LENGTH),), prompt_tokens=0, completion_tokens=0)

_UNEXPECTED = frozenset({"APIConnectionError", "APIError", "InternalServerError"})
"""What LiteLLM calls errors of its own that it does not know, though nothing was sent yet: a region that is none."""
_UNAUTHORISED = (401, 403)
"""What is answered to credentials that do not hold, or not for this."""


class TranslatedTransport:
    """Sends to endpoints that have a ``translator``.

    Args:
        sender: Sends what LiteLLM wrote.
        litellm: Loads the module, which happens with the first call, or reply, that is not plain.
        whole: Sends what LiteLLM alone can.
    """

    def __init__(self, sender: HttpSender, litellm: Callable[[], ModuleType], whole: Transport) -> None:
        self._sender = sender
        self._whole = whole
        self._replies = LiteLLMReplies(litellm)

    async def complete(self, call: Call) -> Answer:
        """Send once.

        Raises:
            HttpFailure: The server answered with an error, or points elsewhere; or the call cannot be written, in which
                case nothing was sent.
            RefusedReply: The reply passes a limit.
            ValueError, LookupError, TypeError, AttributeError: The reply cannot be read.
            aiohttp.ClientError: The server was not reached, or hung up.
            CredentialsRefused, CredentialsUnavailable: What the request needs beside them could not be had, or ended
                before its time; nothing was sent, or nothing answered.
            Exception: What LiteLLM raises over the parameters, of ``litellm.exceptions``.
        """
        translator = call.endpoint.translator
        if translator is not None and translator.plain is not None:
            plain = translator.plain.request(call.messages, call.shape, call.n)
            if plain is not None:
                return await self._send_plain(plain, call)
        try:
            translation = await self._translation(call)
        except NotCaptured:
            return await self._whole.complete(call)
        credentials = None if translation.credentials is None else await translation.credentials.current()
        sent = _request_by(translation, call, credentials)
        reply = await self._sender.send(
            HttpRequest(
                url=translation.url,
                headers=sent.headers,
                body=sent.body,
                timeout_s=call.timeout_s,
                proxy=translation.proxy,
            )
        )
        try:
            content = await _object_in(reply)
        except HttpFailure as failure:
            fetched = translation.credentials if failure.status_code in _UNAUTHORISED else None
            if fetched is not None and fetched.refused(credentials):
                raise CredentialsUnavailable(f"the provider refused credentials that had held: {failure}") from None
            raise
        if content is None:
            return _EMPTY_CUT
        if translation.url.endswith("/api/generate") and "response" not in content:
            raise RefusedReply("the reply has no `response`")
        answer = self._replies.plain(translation, sent.data, content, call)
        return answer if answer is not None else await self._replies.read(translation, sent, reply, content, call)

    async def _send_plain(self, plain: PlainRequest, call: Call) -> Answer:
        """Send what was written without LiteLLM, which is asked where the reply is not plain."""
        reply = await self._sender.send(
            HttpRequest(
                url=plain.url,
                headers=plain.headers,
                body=encode(plain.body),
                timeout_s=call.timeout_s,
                proxy=plain.proxy,
            )
        )
        content = await _object_in(reply)
        if content is None:
            return _EMPTY_CUT
        if (answer := self._replies.plain(plain, plain.body, content, call)) is not None:
            return answer
        try:
            translation = await self._translation(call)
        except NotCaptured as reason:
            raise ValueError(f"nobody can read the reply, {reason}") from None
        sent = _request_by(translation, call, None)
        return await self._replies.read(translation, sent, reply, content, call)

    async def _translation(self, call: Call) -> Translation:
        translator = call.endpoint.translator
        if translator is None:
            raise NotCaptured("since nobody translates for it")
        try:
            return await translator.translation(call.shape, call.messages, call.n)
        except (NotCaptured, CredentialsRefused):
            raise
        except Exception as error:
            raise _refusal(error) from None


async def _object_in(reply: HttpReply) -> dict[str, Any] | None:
    """As ``object_in``; ``None``: the answer was cut before its first word."""
    try:
        return await object_in(reply)
    except HttpFailure as failure:
        if failure.status_code == 400 and _CUT_BEFORE_TEXT in str(failure).lower():
            return None
        raise


def _request_by(translation: Translation, call: Call, credentials: Any) -> Sent:
    try:
        return translation.request(call.messages, credentials)
    except Exception as error:
        raise _refusal(error) from None


def _refusal(error: Exception) -> Exception:
    """Why a call cannot be written, as an error of the request: another try would end alike."""
    known = readable(error)
    if type(error).__name__ in _UNEXPECTED:
        return HttpFailure(400, f"LiteLLM cannot write the request: {error}", {})
    if isinstance(known, HttpFailure) or type(error).__module__.startswith(("litellm.", "openai")):
        return known
    return HttpFailure(400, f"LiteLLM cannot write the request: {type(error).__name__}: {error}", {})
