"""A reply in the form of Gemini's ``generateContent``, told in OpenAI's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.agents.replies.json_objects import nested_object

_FINISHES = {"STOP": "stop", "MAX_TOKENS": "length"}
_FILTERED = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"})
_PLAIN_PART = frozenset({"text", "thought", "thoughtSignature"})
_PLAIN_COUNTS = frozenset(
    {"promptTokenCount", "candidatesTokenCount", "totalTokenCount", "thoughtsTokenCount", "cachedContentTokenCount"}
    | {"promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails", "trafficType", "serviceTier"}
)


def from_gemini(response: Mapping[str, Any]) -> dict[str, Any]:
    """The reply in OpenAI's form, its counts as they were sent.

    Raises:
        LookupError: It has no candidates.
    """
    used = nested_object(response, "usageMetadata")
    usage = {
        "prompt_tokens": used.get("promptTokenCount"),
        "completion_tokens": _completion(used),
        "prompt_tokens_details": {"cached_tokens": used.get("cachedContentTokenCount") or 0},
    }
    choices = [_choice(one) for one in response["candidates"]]
    return {"choices": choices, "usage": usage, "model": response.get("modelVersion")}


def is_plain(response: Mapping[str, Any]) -> bool:
    """Whether it holds texts and thoughts alone, is whole or cut at its length, and is priced by its tokens."""
    candidates = response.get("candidates")
    if not isinstance(candidates, list) or not candidates or "promptFeedback" in response:
        return False
    used = response.get("usageMetadata")
    if not isinstance(used, Mapping) or used.keys() - _PLAIN_COUNTS or not _is_text_alone(used):
        return False
    return all(isinstance(one, Mapping) and _is_plain_candidate(one) for one in candidates)


def _is_plain_candidate(candidate: Mapping[str, Any]) -> bool:
    parts = nested_object(candidate, "content").get("parts")
    if candidate.get("finishReason") not in _FINISHES or "groundingMetadata" in candidate:
        return False
    return isinstance(parts, list) and all(
        isinstance(one, Mapping) and not one.keys() - _PLAIN_PART and isinstance(one.get("text"), str) for one in parts
    )


def _is_text_alone(used: Mapping[str, Any]) -> bool:
    details = ("promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails")
    listed = [one for name in details for one in used.get(name) or ()]
    return all(isinstance(one, Mapping) and one.get("modality") in ("TEXT", "DOCUMENT") for one in listed)


def _completion(used: Mapping[str, Any]) -> Any:
    """Tokens of answer and thoughts: ``candidatesTokenCount`` holds the thoughts in some replies, and in most not."""
    written, thought = used.get("candidatesTokenCount"), used.get("thoughtsTokenCount")
    prompt, total = used.get("promptTokenCount"), used.get("totalTokenCount")
    if type(thought) is not int or type(written) is not int:
        return thought if written is None else written
    is_whole = isinstance(prompt, int) and isinstance(total, int) and prompt + written == total
    return written if is_whole else written + thought


def _choice(candidate: Mapping[str, Any]) -> dict[str, Any]:
    parts = [one for one in nested_object(candidate, "content").get("parts") or () if isinstance(one, Mapping)]
    said = "".join(str(one.get("text") or "") for one in parts if not one.get("thought"))
    thoughts = "".join(str(one.get("text") or "") for one in parts if one.get("thought"))
    reason = str(candidate.get("finishReason") or "")
    finish = "content_filter" if reason in _FILTERED else _FINISHES.get(reason, reason.lower())
    message = {"role": "assistant", "content": said, **({"reasoning_content": thoughts} if thoughts else {})}
    return {"message": message, "finish_reason": finish}
