"""What came back for a request that LiteLLM wrote, read: by ourselves where the reply is plain, else by LiteLLM.

LiteLLM's own reading is the dear half of a call. A reply is plain where its form is known here to the last field that
matters: texts, thoughts, calls of the user's tools, counts of tokens that all have a price of the list. Any other goes
through the provider's config, so that nothing which LiteLLM makes of a reply is lost; tests hold both readings to the
same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import anyio.to_thread

from star_agents.agents.answer import Answer, Call
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.prices import Price
from star_agents.agents.replies import for_litellm
from star_agents.agents.replies.for_litellm import Heard
from star_agents.agents.transports.direct import openai_answer
from star_agents.agents.transports.http import HttpReply
from star_agents.agents.transports.json_body import decode, encode
from star_agents.agents.transports.litellm_answers import answer_of
from star_agents.agents.transports.litellm_translations import Sent, Translation
from star_agents.agents.transports.plain_replies import as_openai_reply, has_tier
from star_agents.agents.transports.plain_requests import PlainRequest
from star_agents.limits.json_structure import SMALL_BYTES


class LiteLLMReplies:
    """Reads replies to requests of one translation after another.

    Args:
        litellm: Loads the module, which happens with the first reply that is not plain.
    """

    def __init__(self, litellm: Callable[[], ModuleType]) -> None:
        self._litellm = litellm

    def plain(
        self, translation: Translation | PlainRequest, request_body: Any, content: Mapping[str, Any], call: Call
    ) -> Answer | None:
        """The answer in a reply that needs no LiteLLM to be read; else ``None``. Raises as ``read`` does.

        Args:
            translation: What the request was written by.
            request_body: Its body, as plain data.
            content: The reply.
            call: What was asked for.
        """
        if _is_listed(call.endpoint.price) and has_tier(content, call.shape):
            return None
        if (
            plain := as_openai_reply(translation, content, request_body=request_body, offers_tools=bool(call.tools))
        ) is None:
            return None
        answer = openai_answer(plain, call)
        usd = self._usd_of_plain(translation, plain.get("usage"), answer, call)
        return answer if usd is None else replace(answer, listed_usd=usd)

    async def read(
        self, translation: Translation, sent: Sent, reply: HttpReply, content: dict[str, Any], call: Call
    ) -> Answer:
        """The answer in a reply that is an object and no error, as LiteLLM reads it; a long one is read in a thread.

        Raises:
            HttpFailure: It is an error after all.
            ValueError, LookupError, TypeError, AttributeError: It cannot be read.
        """
        if len(reply.body) <= SMALL_BYTES:
            return self._by_litellm(translation, sent, reply, content, call)
        return await anyio.to_thread.run_sync(self._by_litellm, translation, sent, reply, content, call)

    def _usd_of_plain(
        self, translation: Translation | PlainRequest, usage: Any, answer: Answer, call: Call
    ) -> float | None:
        """What the provider says that it cost, or LiteLLM, where the list's prices of tokens are not all."""
        price, translator = call.endpoint.price, call.endpoint.translator
        if not _is_listed(price) or not isinstance(usage, Mapping):
            return None
        if translation.provider == "openrouter" and isinstance(said := usage.get("cost"), (int, float)):
            return float(said)
        if translator is None or translator.is_listed_price or answer.usage_doubt:
            return None
        details = usage.get("completion_tokens_details")
        try:
            counted = self._litellm().Usage(
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
                total_tokens=answer.prompt_tokens + answer.completion_tokens,
                prompt_tokens_details={"cached_tokens": answer.cached_tokens},
                completion_tokens_details=details if isinstance(details, Mapping) else None,
            )
            parts = self._litellm().cost_per_token(
                model=translation.model,
                custom_llm_provider=translation.provider,
                usage_object=counted,
                vertex_location=translator.region,
            )
        except Exception:  # whatever it does not know a price for; then the list's own counts
            return None
        return float(sum(parts))

    def _by_litellm(
        self, translation: Translation, sent: Sent, reply: HttpReply, content: Mapping[str, Any], call: Call
    ) -> Answer:
        with for_litellm.hearing() as heard:
            mended = for_litellm.note(content, reply.body)
            body = reply.body if mended is None else encode(mended)
            try:
                response = self._transformed(translation, sent, reply, body)
            except Exception as error:
                if (answer := _answer_without_litellm(heard, call)) is not None:
                    return answer
                raise readable(error, reply) from None
        if _is_listed(call.endpoint.price):
            response._hidden_params["response_cost"] = self._listed_usd(translation, sent, response, call)
        return answer_of(response, call, heard)

    def _transformed(self, translation: Translation, sent: Sent, reply: HttpReply, body: bytes) -> Any:
        import httpx  # noqa: PLC0415  only where LiteLLM is loaded, which is by now

        rewritten = ("content-encoding", "content-length", "transfer-encoding", "content-type")
        # httpx takes ASCII alone, and no header is worth an answer: nor is a kind that says UTF-16 of JSON.
        headers = [("Content-Type", "application/json")] + [
            (name, value.encode("ascii", "replace").decode())
            for name, value in reply.headers.items()
            if name.lower() not in rewritten
        ]
        raw = httpx.Response(
            reply.status, headers=headers, content=body, request=httpx.Request("POST", translation.url)
        )
        empty = self._litellm().ModelResponse()
        empty.usage = self._litellm().Usage()
        empty._hidden_params["custom_llm_provider"] = translation.provider
        if translation.provider not in ("openai", "anthropic", "azure"):
            empty.model = f"{translation.provider}/{translation.model}"
        arguments = {
            "model": translation.model,
            "model_response": empty,
            "logging_obj": translation.logging,
            "messages": sent.messages,
        }
        arguments |= {"optional_params": sent.optional, "api_key": translation.api_key, "encoding": _NO_TOKENIZER}
        arguments["json_mode"] = translation.json_mode
        if translation.form == "converse":
            return translation.config._transform_response(response=raw, stream=False, data=sent.data, **arguments)
        return translation.config.transform_response(
            raw_response=raw, request_data=sent.data, litellm_params=sent.litellm_params, **arguments
        )

    def _listed_usd(self, translation: Translation, sent: Sent, response: Any, call: Call) -> float | None:
        from litellm.cost_calculator import response_cost_calculator  # noqa: PLC0415

        translator = call.endpoint.translator
        try:
            return response_cost_calculator(
                response_object=response,
                model=translation.model,
                custom_llm_provider=translation.provider,
                call_type="acompletion",
                vertex_location=translator.region if translator is not None else None,
                # As the agent names it, whatever the provider does: LiteLLM prices by that where the reply tells none.
                optional_params={**sent.optional, "service_tier": call.shape.get("service_tier")},
            )
        except Exception:  # whatever it does not know a price for; then the list's own counts
            return None


class _NoTokenizer:
    """In the place of LiteLLM's tokenizer: counts that a provider did not send stay unknown, and nothing is encoded on
    the event loop."""

    def encode(self, text: str, *_: Any, **__: Any) -> list[int]:
        return []


_NO_TOKENIZER = _NoTokenizer()


def readable(error: Exception, reply: HttpReply | None = None) -> Exception:
    """An exception of one of LiteLLM's configs as one of those that ``translate`` knows.

    Each provider's is a class of its own, whose name says nothing; what it holds is a status and what was said.
    """
    from litellm.llms.base_llm.chat.transformation import BaseLLMException  # noqa: PLC0415

    if not isinstance(error, BaseLLMException):
        return error
    headers = error.headers if isinstance(error.headers, Mapping) else reply.headers if reply is not None else {}
    if reply is not None and reply.status < 400:
        # Theirs for "I cannot read this": the reply itself is no error.
        return ValueError(f"LiteLLM cannot read the reply: {error.message}")
    return HttpFailure(error.status_code, str(error.message), headers)


def _is_listed(price: Price | None) -> bool:
    return price is not None and not price.from_config and not price.is_free


def _answer_without_litellm(heard: Heard, call: Call) -> Answer | None:
    """What we make of a reply in OpenAI's form that LiteLLM could not read; ``None`` where that is nothing either."""
    if not heard.body:
        return None
    try:
        return openai_answer(decode(heard.body), call)
    except (ValueError, LookupError, TypeError, AttributeError, HttpFailure):
        return None
