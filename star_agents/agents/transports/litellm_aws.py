"""Calls to Bedrock, written by LiteLLM and signed by botocore over the body that we send."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from star_agents.agents.transports.litellm_capture import NotCaptured
from star_agents.agents.transports.litellm_translations import Translation, in_converses_words, made, plain_headers

NO_KEYS = "since its AWS credentials are no keys of the environment, and may have to be fetched anew"
"""Why LiteLLM sends to Bedrock."""


def converse(litellm: ModuleType, owner: Any, given: dict[str, Any]) -> Translation:
    """``BedrockConverseLLM.async_completion``, signed with keys that do not change."""
    from litellm.llms.bedrock.base_aws_llm import bedrock_bearer_token  # noqa: PLC0415

    credentials, url = given["credentials"], given["api_base"]
    is_static = type(credentials).__name__ == "Credentials" and credentials.method in ("explicit", "env", None)
    if not is_static and bedrock_bearer_token(given["api_key"]) is None:
        raise NotCaptured(NO_KEYS)

    def sign(body: bytes, headers: Mapping[str, str]) -> Mapping[str, str]:
        prepared = owner.get_request_headers(
            credentials=credentials,
            aws_region_name=given["litellm_params"].get("aws_region_name") or "us-west-2",
            extra_headers=headers,
            endpoint_url=url,
            data=body,
            headers=dict(headers),
            api_key=given["api_key"],
        )
        return plain_headers(prepared.headers)

    config, optional = litellm.AmazonConverseConfig(), given["optional_params"]
    json_mode = bool(optional.get("json_mode", False))
    return made(
        given, config, "bedrock", url, given["headers"], optional, in_converses_words, json_mode=json_mode, sign=sign
    )
