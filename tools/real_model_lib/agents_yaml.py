"""An agents.yaml in which the real models fill every role."""

from __future__ import annotations

from real_model_lib import embedder_server, llm_server
from real_model_lib.folder import Folder

_SETTINGS = "timeout_s: 600.0, input_cost_per_token: 0.0, output_cost_per_token: 0.0"
"""It costs nothing, and on a busy processor it is slow."""


def agents_yaml(folder: Folder, llm_url: str, embedder_url: str | None = None) -> str:
    """The text of a file in which SmolLM2 writes, rewrites and judges, and scores as the large model.

    Args:
        folder: Set up.
        llm_url: What ``llm_server`` gave.
        embedder_url: What ``embedder_server`` gave; without it the memory bank embeds with the small scorer.
    """
    smollm2 = f"model: hosted_vllm/{llm_server.MODEL}, api_base: '{llm_url}', max_concurrency: {llm_server.PARALLEL}"
    minilm = f"model: openai/{embedder_server.MODEL}, api_base: '{embedder_url}'"
    lines = [
        "# Real, and weak: SmolLM2-135M writes English and is no judge. For trying things out, not for data.",
        "agents:",
        f"  writer: {{{smollm2}, max_tokens: 120, allow_cut: true, {_SETTINGS}}}",
        f"  judge:  {{{smollm2}, roles: [], {_SETTINGS}}}",
        *([f"  minilm: {{{minilm}, roles: [], {_SETTINGS}}}"] if embedder_url else []),
        "star: {referee: {agents: [judge], max_tokens: 128}, candidates: 2}",
        f"scoring: {{small: '{folder.small}', large: '{folder.large}', mode: score_eos, threads: 1}}",
        f"memory: {{embedder: {'agent:minilm' if embedder_url else 'auto'}}}",
        f"concurrency: {llm_server.PARALLEL}",
    ]
    return "\n".join(lines) + "\n"
