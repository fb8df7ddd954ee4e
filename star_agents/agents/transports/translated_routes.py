"""Which endpoints LiteLLM only translates for, while we send; and why the others are left to LiteLLM whole.

The list of providers is closed: for each, a test asks both ways with the same calls and compares what arrives and what
comes of the reply. Whether one of their models can go so is asked of LiteLLM itself, by letting it write a call.
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import anyio.to_thread
import orjson

from star_agents.agents.prices import Price, cost
from star_agents.agents.transports.credentials import CredentialsByName
from star_agents.agents.transports.litellm_capture import NotCaptured, capture
from star_agents.agents.transports.litellm_handlers import translation_of
from star_agents.agents.transports.litellm_translations import Translation
from star_agents.agents.transports.plain_requests import PlainWriter
from star_agents.agents.transports.schema_patterns import filled, keeps_marks, marked

TRANSLATED = frozenset(
    {"openai", "azure", "anthropic", "gemini", "vertex_ai", "bedrock", "mistral", "codestral", "groq", "together_ai"}
    | {"fireworks_ai", "openrouter", "deepseek", "xai", "cohere", "cohere_chat", "ollama", "ollama_chat"}
    | {"hosted_vllm", "huggingface", "llamafile", "lm_studio", "perplexity", "deepinfra", "cerebras", "nvidia_nim"}
    | {"sambanova", "nebius", "novita", "hyperbolic", "moonshot", "dashscope", "featherless_ai", "friendliai"}
    | {"meta_llama", "nscale", "volcengine", "zai", "minimax", "ai21_chat", "github", "lambda_ai", "baseten"}
)
"""Providers as LiteLLM knows them."""
_WHY_NOT: Mapping[str, str] = {
    "replicate": "since an answer is asked for again and again until it is there",
}
_READS_FILES = frozenset({"bedrock"})
"""Providers whose region LiteLLM looks for in files."""
_MOST_SHAPES = 256
"""That are remembered for an endpoint; beyond it all are forgotten, and each costs a millisecond again."""
_SCHEMA = "response_format"
_LEFT_NONE = NotCaptured("since its schemas are written one by one")
"""Of a pattern whose marks LiteLLM did not leave as they were."""
_PROBE = ({"role": "user", "content": "Hello"},)
_USAGES = ((1_000, 200, 0, 0), (1_000, 200, 600, 50), (300_000, 200, 0, 0), (300_000, 200, 250_000, 0))
"""Tokens of prompt, answer, cache and thoughts, by which two ways of pricing are compared."""


class Translator:
    """How the calls to one endpoint are written, by their shape.

    Args:
        litellm: Loads the module.
        provider: As LiteLLM knows it.
        params: LiteLLM's parameters of the endpoint.
        price: Of its tokens.
        plain: Writes plain calls, for which LiteLLM is not loaded.
        region: Of Vertex AI.
    """

    def __init__(
        self,
        litellm: Callable[[], ModuleType],
        provider: str,
        params: Mapping[str, str],
        price: Price | None,
        plain: PlainWriter | None = None,
        region: str | None = None,
    ) -> None:
        self._litellm = litellm
        self._provider = provider
        self._params = params
        self._shapes: dict[bytes, Translation | NotCaptured] = {}
        self._credentials = CredentialsByName()
        self.plain = plain
        self._is_loaded = plain is None
        self.region = region
        """Of Vertex AI."""
        is_listed = plain is not None or _is_listed_price(litellm(), provider, params["model"], price, region)
        self.is_listed_price = is_listed
        """Whether the list's prices of tokens are all that a reply can cost; else LiteLLM says what it does."""

    def __repr__(self) -> str:
        """Without the parameters, a key among them."""
        return f"Translator({self._provider!r})"

    async def translation(self, shape: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], n: int) -> Translation:
        """How LiteLLM writes a call of this shape; it is loaded in a thread, where it was not needed until now.

        Raises:
            NotCaptured: LiteLLM has to send it.
            Exception: What LiteLLM raises over the shape.
        """
        if not self._is_loaded:
            await anyio.to_thread.run_sync(self._litellm)
            self._is_loaded = True
        key = _key(shape, n, messages)
        if (known := self._shapes.get(key)) is None and (known := await self._of_a_pattern(shape, messages, n)) is None:
            known = await self._found(shape, messages, n)
            self._remember(key, known)
        if isinstance(known, NotCaptured):
            raise known.with_traceback(None)
        return known

    async def _of_a_pattern(
        self, shape: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], n: int
    ) -> Translation | NotCaptured | None:
        """Schemas differ from call to call in what a text may be (the codes of judges), which LiteLLM leaves as it is.

        So it writes the call once with marks in their place. ``None``: there are none, or it did not leave them.
        """
        if _SCHEMA not in shape:
            return None
        texts: list[str] = []
        pattern = {**shape, _SCHEMA: marked(shape[_SCHEMA], texts)}
        if not texts:
            return None
        key = _key(pattern, n, messages)
        if (known := self._shapes.get(key)) is None:
            known = await self._found(pattern, messages, n)
            if isinstance(known, Translation) and not keeps_marks(pickle.loads(known.optional), len(texts)):
                known = _LEFT_NONE
            self._remember(key, known)
        if known is _LEFT_NONE:
            return None
        if isinstance(known, NotCaptured):
            return known
        return known.with_parameters(lambda parameters: filled(parameters, texts))

    async def _found(
        self, shape: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], n: int
    ) -> Translation | NotCaptured:
        if self._provider in _READS_FILES:
            return await anyio.to_thread.run_sync(self.find, shape, messages, n)
        return self.find(shape, messages, n)

    def _remember(self, key: bytes, known: Translation | NotCaptured) -> None:
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[key] = known

    def find(
        self, shape: Mapping[str, Any], messages: Sequence[Mapping[str, Any]] = _PROBE, n: int = 1
    ) -> Translation | NotCaptured:
        """The same, found out anew."""
        try:
            litellm = self._litellm()
            captured = capture(litellm, self._params, shape, messages, n)
            return translation_of(litellm, captured, self._credentials)
        except NotCaptured as reason:
            return reason


def vertex_region(litellm: Callable[[], ModuleType], provider: str, model: str, extra: Mapping[str, Any]) -> str | None:
    """Where a call to Vertex AI is answered, as LiteLLM finds it; ``None`` for every other provider."""
    if provider != "vertex_ai":
        return None
    litellm()
    from litellm.litellm_core_utils.litellm_logging import resolve_vertex_location_for_cost  # noqa: PLC0415

    found: str | None = resolve_vertex_location_for_cost(provider, None, extra, model.partition("/")[2])
    return found


def translator_for(
    litellm: Callable[[], ModuleType],
    provider: str,
    params: Mapping[str, str],
    shape: Mapping[str, Any],
    price: Price | None,
    plain: PlainWriter | None = None,
    region: str | None = None,
) -> tuple[Translator | None, str]:
    """Who writes the calls to an endpoint, or else why LiteLLM has to send them.

    Args:
        litellm: Loads the module, which happens where its calls are not plain.
        provider: As LiteLLM knows it.
        params: LiteLLM's parameters of the endpoint.
        shape: Sampling parameters that its calls have.
        price: Of its tokens.
        plain: Writes its plain calls.
        region: Of Vertex AI, where it is answered.
    """
    if provider not in TRANSLATED:
        return None, _WHY_NOT.get(provider, f"since nobody has compared the two ways for {provider}")
    token = shape.get("azure_ad_token") or os.environ.get("AZURE_AD_TOKEN")
    if provider == "azure" and str(token).startswith("oidc/"):
        return None, "since it trades in a token of elsewhere for one of Entra's"
    if plain is not None and plain.takes(shape):
        return Translator(litellm, provider, params, price, plain), ""
    found = Translator(litellm, provider, params, price, None, region)
    try:
        reason = found.find(shape)
    except Exception:
        # Over a parameter, or for want of a key: whoever sends, a call tells what it is.
        return found, ""
    return (None, str(reason)) if isinstance(reason, NotCaptured) else (found, "")


def _key(shape: Mapping[str, Any], n: int, messages: Sequence[Mapping[str, Any]]) -> bytes:
    """What calls have in common whose translations differ in their messages alone."""
    has_tools = any("tool_calls" in one or "tool_call_id" in one for one in messages)
    try:
        return orjson.dumps([n, has_tools, shape], option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return repr((n, has_tools, shape)).encode("utf-8", "surrogatepass")


def _is_listed_price(litellm: ModuleType, provider: str, model: str, price: Price | None, region: str | None) -> bool:
    """Whether our reading of the list's entry says what LiteLLM's does, for replies of any length."""
    if price is None or price.from_config:
        return True
    name = (model.partition("/")[2] or model).removeprefix("invoke/").removeprefix("converse/")
    for prompt, completion, cached, thoughts in _USAGES:
        usage = litellm.Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
            prompt_tokens_details={"cached_tokens": cached},
            completion_tokens_details={"reasoning_tokens": thoughts},
        )
        try:
            asked = {"custom_llm_provider": provider, "usage_object": usage, "vertex_location": region}
            theirs = sum(litellm.cost_per_token(model=name, **asked))
        except Exception:
            return False
        ours = cost(price, prompt, completion, None, cached)
        if ours is None or not math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-15):
            return False
    return True
