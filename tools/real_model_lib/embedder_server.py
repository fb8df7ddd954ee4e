"""all-MiniLM-L6-v2 behind OpenAI's ``/v1/embeddings``: its weights are safetensors, which llama.cpp does not read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from real_model_lib.folder import Folder

MODEL = "minilm"
LONGEST = 256
"""Tokens of a text that are read, as its makers set it."""


class MiniLm:
    """The model with the pooling that it was trained with."""

    def __init__(self, folder: Folder) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"
        import torch  # noqa: PLC0415 - slow to load
        import transformers  # noqa: PLC0415 - slow to load

        library: Any = transformers
        library.utils.logging.disable_progress_bar()
        torch.set_num_threads(1)
        self._tokenizer = library.AutoTokenizer.from_pretrained(folder.embedder)
        self._model = library.AutoModel.from_pretrained(folder.embedder).eval()
        self._no_grad = torch.inference_mode

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], int]:
        """One vector of 384 numbers and length 1 per text (the tokens' mean), and how many tokens were read."""
        tokens = self._tokenizer(list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        with self._no_grad():
            states = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        means = (states * mask).sum(1) / mask.sum(1)
        return (means / means.norm(dim=1, keepdim=True)).tolist(), int(mask.sum())


@asynccontextmanager
async def embedder_server(folder: Folder, *, port: int = 0) -> AsyncIterator[str]:
    """Serve on loopback; yields the base URL, ending in ``/v1``.

    Args:
        folder: Set up.
        port: 0 takes a free one.
    """
    app = web.Application()
    model, one_at_a_time = await asyncio.to_thread(MiniLm, folder), asyncio.Lock()

    async def embeddings(request: web.Request) -> web.Response:
        try:
            texts = (await request.json())["input"]
            texts = [texts] if isinstance(texts, str) else texts
            if not texts or not all(isinstance(text, str) for text in texts):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            error = {"message": "`input` must be a text or a list of texts", "type": "invalid_request_error"}
            return web.json_response({"error": error}, status=400)
        async with one_at_a_time:
            vectors, tokens = await asyncio.to_thread(model.embed, texts)
        data = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response({"object": "list", "model": MODEL, "data": data, "usage": usage})

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "local"}]})

    app.add_routes([web.post("/v1/embeddings", embeddings), web.get("/v1/models", models)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
