"""The README.md of a trained model, as the hub reads it: what it was made of and how, and nothing that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import yaml

from star_agents import __version__
from star_agents.engine.training.rows import IN_WORDS, Rows
from star_agents.text.markdown import code, prose
from star_agents.training.batches import Division
from star_agents.training.request import ONLY_FOR, PAPER, TrainingRequest
from star_agents.training.watch import Point

LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
METHODS = {
    "sft": "Supervised fine-tuning (SFT)",
    "dpo": "Direct preference optimization (DPO)",
    "reward": "A reward model (Bradley-Terry)",
    "rloo": "REINFORCE leave-one-out (RLOO) with a reward model, in the place of PPO",
}
CURVE, PICTURE = "curve.jsonl", "loss.svg"
AGENTS_TOLD = 20


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card tells."""

    request: TrainingRequest
    licence: Mapping[str, str]
    """Of the model that it began with, as its card says; empty: not told."""
    hub_name: str
    """As ``BaseModel`` has it."""
    rows: Rows
    learned: int
    """Rows that were learned."""
    offered: int
    """Rows that it would have learned, had it not ended within its first epoch."""
    left_out: Mapping[str, int]
    """Rows that were not, by reason."""
    notes: Sequence[str]
    """What else was done to rows and tokenizer."""
    division: Division
    steps: int
    seconds: float
    points: Sequence[Point]


def model_card(facts: CardFacts) -> str:
    """Markdown, with the hub's front matter."""
    request = facts.request
    parts = [
        f"# {prose(request.out.name)}",
        f"{METHODS[request.method]} of {code(request.model)} by star_agents {__version__}.",
        _section("Licence", [_licence(facts)]),
        _section("Data", _data(facts)),
        _section("Training", _training(facts)),
        _section("Curve", _curve(facts.points)),
        _section("Versions", [f"- {name} {version}" for name, version in versions().items()]),
    ]
    return f"---\n{_front_matter(facts)}---\n\n" + "\n\n".join(parts) + "\n"


def versions() -> dict[str, str]:
    """Of the libraries that had a hand in it, those that are installed."""
    found = {"star_agents": __version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _front_matter(facts: CardFacts) -> str:
    method = facts.request.method
    told = {
        **({"base_model": facts.hub_name} if facts.hub_name else {}),
        **facts.licence,
        "library_name": "transformers",
        "pipeline_tag": "text-classification" if method == "reward" else "text-generation",
        "tags": ["star_agents", "trl", "reward-model" if method == "reward" else method],
    }
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True)


def _licence(facts: CardFacts) -> str:
    if not facts.licence:
        return (
            "Not told: the folder of the model that it began with names none. Look it up before you pass this on; the "
            "models that wrote the data may have terms of their own, too."
        )
    told = ", ".join(f"{key}: {prose(value)}" for key, value in facts.licence.items())
    return f"As the model that it began with ({told}). The models that wrote the data may have terms of their own, too."


def _data(facts: CardFacts) -> list[str]:
    rows = facts.rows
    shapes = ", ".join(f"{rows.shapes[shape]:,} {name}" for shape, name in IN_WORDS.items() if rows.shapes[shape])
    lines = [
        f"- source: {code(facts.request.source.name)}, which holds {shapes} rows",
        f"- learned: {facts.learned:,} rows"
        + (f" of {facts.offered:,}: it ended before it came to the others" if facts.learned < facts.offered else ""),
    ]
    if rows.held_out:
        lines.append(f"- held out: {len(rows.held_out):,} rows, none with a prompt that is learned")
    lines += [f"- left out: {n:,} rows {prose(reason)}" for reason, n in facts.left_out.items()]
    if rows.bad:
        lines.append(f"- left out: {rows.bad:,} rows that could not be read")
    lines += [f"- {code(name)}: SHA-256 `{found}`" for name, found in rows.files.items()]
    lines.append(f"- rows as learned, in order: digest `{rows.digest}`")
    if rows.recipes:
        lines.append("- recipes: " + ", ".join(f"{prose(name)} ({n:,} rows)" for name, n in rows.recipes.most_common()))
    if rows.revisions:
        lines.append("- revisions of the run's config: " + ", ".join(map(str, sorted(rows.revisions))))
    if rows.agents:
        told = [f"{prose(name)} ({n:,} rows)" for name, n in rows.agents.most_common(AGENTS_TOLD)]
        more = len(rows.agents) - len(told)
        lines.append("- models that wrote them: " + ", ".join(told) + (f", and {more:,} more" if more else ""))
    return [*lines, *(f"- {prose(note)}" for note in facts.notes)]


def _training(facts: CardFacts) -> list[str]:
    usual = asdict(PAPER[facts.request.method])
    lines = ["| setting | value | usual |", "|---|---|---|"]
    for name, value in asdict(facts.request.settings).items():
        if facts.request.method not in ONLY_FOR.get(name, (facts.request.method,)):
            continue
        shown = "yours" if name == "chat_template" and len(str(value)) > 20 else value
        lines.append(f"| {name} | {_cell(shown)} | {_cell(usual[name])} |")
    divided = facts.division
    lines += [
        "",
        f"{facts.steps:,} steps of {divided.batch} rows ({divided.micro} in a pass, {divided.accumulation} passes, "
        f"{divided.processes} processes), {facts.seconds:,.0f} s in the last call; weights kept in "
        f"{facts.request.save_dtype}.",
    ]
    if facts.request.reward_model:
        lines.append(f"Reward model: {code(facts.request.reward_model)}.")
    return lines


def _curve(points: Sequence[Point]) -> list[str]:
    losses = [(one.step, one.loss) for one in points if one.loss is not None]
    held = [(one.step, one.eval_loss) for one in points if one.eval_loss is not None]
    lines = [f"![Loss over the steps]({PICTURE})", ""] if losses else []
    if losses:
        lines.append(
            f"Loss {losses[0][1]:.4f} at step {losses[0][0]:,}, {losses[-1][1]:.4f} at step {losses[-1][0]:,}."
        )
    if held:
        lines.append(f"Loss on what was held out: {held[0][1]:.4f} first, {held[-1][1]:.4f} last.")
    return [*lines, f"Every step stands in `{CURVE}`."]


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines)


def _cell(value: object) -> str:
    return "–" if value is None or value == "" else prose(str(value))


def write_beside(facts: CardFacts, folder: Path) -> None:
    """Write the card into a folder."""
    (folder / "README.md").write_text(model_card(facts), encoding="utf-8")
