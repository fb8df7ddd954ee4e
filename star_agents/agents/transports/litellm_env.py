"""The one place that imports LiteLLM: late, and with its environment set first.

The import costs about two seconds of CPU and 130 MB, so only the process that routes pays it, and only where an agent
needs it: one that the direct way serves and that has no choice of deployments does not. LiteLLM reads most of its
switches while it is imported; that is why they stand here and nowhere else.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from types import ModuleType

import anyio
import anyio.lowlevel

from star_agents.process.garbage_collection import no_garbage_collection

_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # prices from the installed package, no download at start
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",  # likewise, where the first call to Anthropic would wait for it
    "LITELLM_LOG": "ERROR",
    "LITELLM_MODE": "PRODUCTION",  # reads no .env file behind our back
    # Our limiters bound what is in flight. LiteLLM's own 500 per host would queue the rest unseen, and its 0 does not
    # mean "no limit" but aiohttp's default of 100.
    "AIOHTTP_CONNECTOR_LIMIT": "100000",
    "AIOHTTP_CONNECTOR_LIMIT_PER_HOST": "100000",
    "DEFAULT_MAX_LRU_CACHE_SIZE": "4096",  # at least the number of agents, else their information is computed anew
}
_CLIENTS = 4096
"""HTTP clients kept. LiteLLM's 200 would evict and rebuild them where agents use more keys and base URLs than that."""


@cache
def load() -> ModuleType:
    """Import LiteLLM with what our processes need of it; the second call costs nothing. The user's own values win."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with no_garbage_collection():
        import litellm  # noqa: PLC0415  the whole point of this module

    # Its class is built on first use otherwise, and warns wherever that happens to be.
    litellm.types.router.Deployment.model_rebuild()
    litellm.suppress_debug_info = True
    # They reach the root logger anyway; LiteLLM's own handlers would write past our log, unredacted.
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).handlers.clear()
    # LiteLLM's redaction copies every reply for listeners that we never install: a third of the work of a call.
    litellm.turn_off_message_logging = False
    # An agent of Azure's without a key goes with the identity of the machine, as azure-identity finds it.
    setattr(litellm, "enable_azure_ad_token_refresh", True)  # noqa: B010  not declared as one that may be set
    litellm.in_memory_llm_clients_cache.max_size_in_memory = _CLIENTS
    from star_agents.agents.transports import litellm_capture, litellm_http  # noqa: PLC0415  httpx, only LiteLLM's

    litellm_http.install(litellm)
    litellm_capture.install(litellm)
    return litellm


async def close_connections() -> None:
    """Wait for LiteLLM's logging tasks, then close every HTTP client of this process and forget it, if it is loaded.

    They are forgotten because LiteLLM would hand a closed one to the next caller. A second ``AgentClient`` in the same
    process just connects again.
    """
    if "litellm" not in sys.modules:
        return
    litellm = load()
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER  # noqa: PLC0415  only after `load`

    await GLOBAL_LOGGING_WORKER.flush()
    await GLOBAL_LOGGING_WORKER.stop()
    await litellm.close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()
    # Forgotten handlers close what is closed already, each in a task of its own that needs one turn of the loop.
    await anyio.lowlevel.checkpoint()
