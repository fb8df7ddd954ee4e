"""An agents.yaml in which the real models fill every role."""

from __future__ import annotations

from typing import Literal, get_args

from real_model_lib import embedder_server, llm_server
from real_model_lib.folder import Folder

Recipe = Literal["star", "arena_instruct"]
RECIPES: tuple[Recipe, ...] = get_args(Recipe)
_SETTINGS = "timeout_s: 600.0, input_cost_per_token: 0.0, output_cost_per_token: 0.0"
"""It costs nothing, and on a busy processor it is slow."""
_NO_LOOPS = "extra: {dry_multiplier: 1.0, dry_allowed_length: 8, dry_penalty_last_n: 400}"
"""llama.cpp's remedy for a small model that says the same for ever: what repeats more than 8 tokens grows unlikely."""
_HEAD = "# Real, and weak: SmolLM2-135M writes English and is no judge. For trying things out, not for data."
_PARTS = {
    "transformer": f"max_tokens: 200, allow_cut: true, {_NO_LOOPS}",
    "writer": f"max_tokens: 300, {_NO_LOOPS}",
    "suggester": f"max_tokens: 200, {_NO_LOOPS}",
    "editor": f"max_tokens: 250, {_NO_LOOPS}",
    "answerer": f"max_tokens: 96, allow_cut: true, {_NO_LOOPS}",
    "target": f"max_tokens: 96, allow_cut: true, temperature: 0.0, {_NO_LOOPS}",
    "opponent": f"max_tokens: 96, allow_cut: true, temperature: 1.0, {_NO_LOOPS}",
    "judge": "roles: []",
}
"""Each an agent of its own, so that calls, tokens and what could not be read are told of each by itself."""


def agents_yaml(
    folder: Folder, llm_url: str, embedder_url: str | None = None, recipe: Recipe = "star", *, is_short: bool = False
) -> str:
    """The text of a file for a recipe.

    ``star``: SmolLM2 writes, rewrites and judges, and scores as the large model. ``arena_instruct``: it plays every
    part from the transformer to the judge, which fails its exam and judges all the same.

    Args:
        folder: Set up.
        llm_url: What ``llm_server`` gave.
        embedder_url: What ``embedder_server`` gave; without it the memory bank embeds with the small scorer.
        recipe: Which.
        is_short: Leave out what only the judge is asked: Star chooses by the gap, and the arena's judge sits no exam.
    """
    smollm2 = f"model: hosted_vllm/{llm_server.MODEL}, api_base: '{llm_url}', max_concurrency: {llm_server.PARALLEL}"
    if recipe == "star":
        lines = _star(folder, smollm2, embedder_url, selection=", selection: gap" if is_short else "")
    else:
        lines = _arena_instruct(smollm2, exam="'off'" if is_short else "warn")
    return "\n".join([_HEAD, *lines, f"concurrency: {llm_server.PARALLEL}"]) + "\n"


def _star(folder: Folder, smollm2: str, embedder_url: str | None, *, selection: str) -> list[str]:
    minilm = f"model: openai/{embedder_server.MODEL}, api_base: '{embedder_url}'"
    return [
        "agents:",
        f"  writer: {{{smollm2}, max_tokens: 120, allow_cut: true, {_SETTINGS}}}",
        f"  judge:  {{{smollm2}, roles: [], {_SETTINGS}}}",
        *([f"  minilm: {{{minilm}, roles: [], {_SETTINGS}}}"] if embedder_url else []),
        f"star: {{referee: {{agents: [judge], max_tokens: 128}}, candidates: 2{selection}}}",
        f"scoring: {{small: '{folder.small}', large: '{folder.large}', mode: score_eos, threads: 1}}",
        f"memory: {{embedder: {'agent:minilm' if embedder_url else 'auto'}}}",
    ]


def _arena_instruct(smollm2: str, *, exam: str) -> list[str]:
    return [
        "agents:",
        *(f"  {name}: {{{smollm2}, {own}, {_SETTINGS}}}" for name, own in _PARTS.items()),
        "recipe: arena_instruct",
        "agent_instruct:",
        *(f"  {name}: {name}" for name in ("transformer", "writer", "suggester", "editor", "answerer")),
        "  skills: [reading_comprehension, conversation, text_modification]",
        "  skills_per_document: 3   # conversations are answered up to their last turn",
        "  types_per_document: 4",
        "  instructions_per_document: 8",
        "  refine: {rounds: 1, suggestions: 1}",
        "arena:",
        "  target: target",
        "  opponents: [opponent]",
        "  judges: [judge]",
        f"  exam: {exam}",
        "  judge_max_tokens: 300",
        "  keep: {sft: 1, preference: 1, min_winner: 0}   # so weak a judge gives few points and parts them by few",
        "failure_limits: {share: 1.0}   # most that it writes has not its form",
        f"max_in_flight: {llm_server.PARALLEL}",
    ]
