"""How fast the server starts and writes."""

from __future__ import annotations

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from real_model_lib.folder import Folder
from real_model_lib.llm_server import MODEL, PARALLEL, llm_server

TOKENS = 200


def measure(folder: Folder) -> dict[str, float]:
    """Seconds until it is ready, and tokens written per second: by one request, and by as many as run in parallel."""
    began = time.monotonic()
    with llm_server(folder) as url:
        ready_s = time.monotonic() - began
        _written(url)  # the first request touches all weights
        return {"ready_s": ready_s, "alone": _per_second(url, 1), "together": _per_second(url, PARALLEL)}


def _per_second(url: str, requests: int) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(requests) as pool:
        tokens = sum(pool.map(_written, [url] * requests))
    return tokens / (time.monotonic() - began)


def _written(url: str) -> int:
    """Ask for a text of ``TOKENS`` tokens; returns how many came."""
    question = [{"role": "user", "content": "Write a long story about a fox and a river."}]
    body = {"model": MODEL, "messages": question, "max_tokens": TOKENS, "ignore_eos": True}
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as response:
        return int(json.load(response)["usage"]["completion_tokens"])
