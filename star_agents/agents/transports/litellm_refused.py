"""Providers that LiteLLM reaches by another way than the clients that ``litellm_http`` guards: they are refused.

Past the guards a reply has no limit, and a redirect takes prompts and keys along. What LiteLLM opens by itself for the
calls that it sends whole, and is left alone, since no prompt ever passes it:

- Google's tokens (``vertex_ai``), fetched by google-auth from the address in the user's own credentials;
- AWS credentials (``bedrock``, ``sagemaker``), which botocore reads from files, from STS or from the machine's own
  169.254.169.254, within its own deadlines.

``tests/test_litellm_ways.py`` sends to every provider of LiteLLM, and lists every place of its source that opens a
connection: a release that adds one of either fails there until it is classed.
"""

from __future__ import annotations

from collections.abc import Mapping

from star_agents.agents.price_list import listed
from star_agents.config.models import DeploymentConfig

_NO_LIMIT = "past the limits of a reply, and to wherever it is redirected"
_OPENAI_FORM = "put a server that speaks OpenAI's protocol in front of it, and write openai/MODEL with its `api_base`"
REFUSED: Mapping[str, tuple[str, str]] = {
    "aiohttp_openai": (
        f"LiteLLM sends to `aiohttp_openai/` over a session of its own, {_NO_LIMIT}",
        "write openai/MODEL, which speaks the same protocol",
    ),
    "sap": (f"LiteLLM fetches the tokens and addresses of `sap/` by itself, {_NO_LIMIT}", _OPENAI_FORM),
    "gdc": (f"LiteLLM fetches the tokens of `gdc/` by itself, {_NO_LIMIT}", _OPENAI_FORM),
    "vllm": (
        "LiteLLM would load the model into this very process",
        "start `vllm serve`, and write hosted_vllm/MODEL with its `api_base`",
    ),
    "chatgpt": (
        "LiteLLM asks a person to log in, which no daemon can",
        "write openai/MODEL with an `api_key`",
    ),
    "github_copilot": (
        "LiteLLM asks a person to log in, which no daemon can",
        "write github/MODEL with an `api_key`, or another provider of the model",
    ),
}
"""By provider: what is wrong with it, and what to do."""


def why_refused(provider: str, config: DeploymentConfig) -> tuple[str, str]:
    """What is wrong with an endpoint that LiteLLM would send to, and what to do; empty where nothing is.

    Args:
        provider: As LiteLLM knows it, or the prefix of the model's name.
        config: The endpoint.
    """
    if provider == "petals" and not config.api_base:
        return "LiteLLM would join the swarm from within this process", "write the `api_base` of a Petals server"
    if provider == "databricks" and not config.api_key:
        message = f"without a key LiteLLM fetches a token by itself, {_NO_LIMIT}"
        return message, "write `api_key: os.environ/DATABRICKS_API_KEY`"
    if provider == "vertex_ai" and _is_sent_by_googles_sdk(config):
        message = f"LiteLLM would send to this model by Google's SDK, {_NO_LIMIT}"
        return message, "use a Gemini model, or one of another publisher"
    return REFUSED.get(provider, ("", ""))


def _is_sent_by_googles_sdk(config: DeploymentConfig) -> bool:
    from litellm.llms.vertex_ai import common_utils  # noqa: PLC0415  LiteLLM is loaded where this is asked

    name = config.model.partition("/")[2]
    if listed(name).get("mode") == "embedding" or listed(config.model).get("mode") == "embedding":
        return False
    route = common_utils.get_vertex_ai_model_route(name, {"api_base": config.api_base})
    return bool(route is common_utils.VertexAIModelRoute.NON_GEMINI)
