"""Why a reply ended, in four words of ours; any other word comes back as the provider wrote it.

The list is closed: what is not known to be a good end is none, since a reply that was broken off looks like a whole
one. Words follow LiteLLM's map (``_FINISH_REASON_MAP``), which calls everything that it does not know ``stop``, and
the documentation of the providers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.text.redaction import redactor

STOP = "stop"
"""The answer is whole."""
LENGTH = "length"
"""It was cut: at ``max_tokens``, or where the model's context ended."""
TOOL_CALLS = "tool_calls"
CONTENT_FILTER = "content_filter"
NONE = "none"
"""The provider gave no reason, and its counts do not show either that nothing is missing."""

_LIMITS = ("max_tokens", "max_completion_tokens", "num_predict")
"""Names of the parameter that bounds an answer."""
_LONGEST = 40
"""Characters of a word of the provider's own."""
_READ = 1_000
"""Characters of such a word in which secrets are looked for."""

KNOWN: Mapping[str, str] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "stop_sequence"), STOP),
    **dict.fromkeys(("complete", "completed", "finish", "endoftext", "finish_reason_stop"), STOP),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "max_length", "model_length", "limit"), LENGTH),
    **dict.fromkeys(("model_context_window_exceeded", "compaction", "finish_reason_max_tokens"), LENGTH),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), TOOL_CALLS),
    **dict.fromkeys(("content_filter", "content_filtered", "refusal", "sensitive"), CONTENT_FILTER),
    **dict.fromkeys(("safety", "recitation", "language", "other", "blocklist", "prohibited_content"), CONTENT_FILTER),
    **dict.fromkeys(("spii", "image_safety", "image_prohibited_content", "no_image"), CONTENT_FILTER),
    **dict.fromkeys(("image_recitation", "image_other", "escalation", "error_toxic"), CONTENT_FILTER),
    "guardrail_intervened": CONTENT_FILTER,
}
"""By the provider's word in lower case. Not here, so no good ends: ``error``, ``abort``, ``network_error``,
``insufficient_system_resource``, ``pause_turn``, ``FINISH_REASON_UNSPECIFIED``, ``MALFORMED_RESPONSE`` and so on."""


def finish_reason(sent: Any, *, tokens: int, max_tokens: int | None, choices: int = 1) -> str:
    """What a provider's finish reason means.

    Some providers claim a stop whatever happened (Ollama's ``/api/generate`` behind LiteLLM), so a claim is compared
    with the counts: a reply with as many tokens as it could have is taken as cut. Where there is no reason at all, as
    some servers have it and as LiteLLM hides, it is a stop only if the counts say that tokens were left.

    Args:
        sent: As the provider sent it.
        tokens: Completion tokens of all choices together; 0 where nobody counted.
        max_tokens: Of each choice; ``None`` where the call set no limit.
        choices: How many choices the tokens were spent on.
    """
    if sent is not None and sent != "":
        known = KNOWN.get(sent) if isinstance(sent, str) else None
        if known is None:
            word = _word(sent)
            known = KNOWN.get(word.lower(), word)
        return LENGTH if known == STOP and _used_up(tokens, max_tokens, choices) else known
    if _used_up(tokens, max_tokens, choices):
        return LENGTH
    return STOP if tokens else NONE


def most_tokens(shape: Mapping[str, Any]) -> int | None:
    """The limit that a call's parameters set for one answer, by whichever of its names."""
    found = [limit for name in _LIMITS if isinstance(limit := shape.get(name), int) and limit > 0]
    if isinstance(body := shape.get("extra_body"), Mapping):
        found += [limit for name in _LIMITS if isinstance(limit := body.get(name), int) and limit > 0]
    return min(found, default=None)


def _used_up(tokens: int, max_tokens: int | None, choices: int) -> bool:
    """Whether every choice had all the tokens it could have; of several, the counts do not tell more."""
    return max_tokens is not None and tokens >= max_tokens * choices


def _word(sent: Any) -> str:
    """A provider's own word as one short line, without secrets; struck out before it is cut, which would hide them."""
    text = redactor.known((sent if isinstance(sent, str) else str(sent))[:_READ])
    plain = "".join(character if character.isprintable() else " " for character in text[: 4 * _LONGEST]).strip()
    return plain[:_LONGEST] or "blank"
