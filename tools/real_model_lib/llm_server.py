"""SmolLM2 behind llama.cpp's own HTTP server, in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from real_model_lib.folder import Folder

MODEL = "smollm2"
CONTEXT_TOKENS = 4096
"""Of each of the parallel requests; the model was made for 8,192."""
PARALLEL = 4


@contextmanager
def llm_server(folder: Folder, *, port: int = 0) -> Iterator[str]:
    """Serve OpenAI's protocol on loopback; yields the base URL, ending in ``/v1``, when the model is loaded.

    One thread computes: with two on two busy cores llama.cpp's threads wait for each other and are ten times as slow.

    Args:
        folder: Set up.
        port: 0 takes a free one.
    """
    sys.path.insert(0, str(folder.packages))
    import xllamacpp  # noqa: PLC0415 - lies in the folder

    params = xllamacpp.CommonParams()
    params.model.path = str(folder.gguf)
    params.model_alias = {MODEL}
    params.n_parallel = PARALLEL
    params.n_ctx = PARALLEL * CONTEXT_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.verbosity = 0
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server  # its destructor stops it
