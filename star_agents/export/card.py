"""The card of a dataset: README.md as the hub reads it, with nothing in it that nobody knows. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from star_agents.export.licences import Licence
from star_agents.export.terms import Terms
from star_agents.text.figures import usd_sum
from star_agents.text.markdown import Markdown, code, code_block, prose

README = "README.md"
PLOTS = "plots"
"""Folder of the pictures beside it."""
TAG = "star_agents"
MARK = f"- {TAG}\n".encode()
"""Stands in the head of every card of ours."""
HEAD_BYTES = 1 << 14
"""In which it does."""
ARMS_TOLD = 20
"""Of one pool."""
LONGEST_TEXT = 400
"""Characters of a reason or a name that are told."""
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
_LARGEST = "100M<n<1B"
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
MEANINGS: Mapping[str, str] = {
    "sft": "conversations that end with the answer to learn (`messages`), for supervised fine-tuning",
    "preferences": "a prompt with a better and a worse answer (`chosen`, `rejected`), for DPO and its kin",
    "reward": "the same with the points between them (`margin`), for a reward model",
    "battles": "every game of the arena: who met whom over which prompt, the judge's points and reason",
}
"""Of the configs."""
_TAGS: Mapping[str, Sequence[str]] = {"sft": ["sft"], "preferences": ["dpo"], "reward": ["reward-model"], "battles": []}


class SourceDataset(NamedTuple):
    """A dataset of the hub that seeds came from."""

    repo: str
    commit: str
    parts: str
    """Config and split, where it has any."""


class Model(NamedTuple):
    """A model that was asked."""

    agent: str
    asked: str
    answered: str
    """What the provider called it; empty where it did not say."""
    calls: int
    trials: int
    """That it wrote in; a judge writes in none."""
    terms: Terms


class Stage(NamedTuple):
    """One recipe of the pipeline."""

    name: str
    summary: str
    takes: Sequence[str]
    outcomes: Mapping[str, int]
    rows: Mapping[str, int]


class Arms(NamedTuple):
    """What was drawn from, and what came of it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The name first, then what was counted of it."""
    untold: int
    """Arms that are not among the rows."""


class LeftOut(NamedTuple):
    """What did not get in."""

    title: str
    counts: Mapping[str, int]
    """By reason."""


class Finding(NamedTuple):
    """What a filter of admission had against rows or seeds."""

    filter: str
    about: str
    """``row``, ``child``, ``seed`` or ``trial``."""
    action: str
    """``refused``, ``reported`` or ``redacted``."""
    reason: str
    times: int


class HeldAgainst(NamedTuple):
    """Benchmarks whose items were looked for in rows and seeds."""

    files: Sequence[str]
    mode: str
    """``refuse``: rows that hold items are not in the dataset; ``report``: they are, and are told."""
    coverage: float
    """Share of the words of an item that one row has to hold."""
    ngram: int
    """Words by which they are found."""


class Picture(NamedTuple):
    """A plot beside the card."""

    file: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What all calls behind the rows took, in US dollars and tokens."""

    known_usd: float | None
    """``None``: nobody knows."""
    calls_of_unknown_price: int
    calls: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a card tells."""

    name: str
    repo: str
    """``user/name``; empty before it is known."""
    licence: Licence | None
    rows: Mapping[str, int]
    """By config, without empty ones."""
    columns: Mapping[str, Sequence[str]]
    languages: Sequence[tuple[str, float]]
    """ISO 639 codes with their shares, the most frequent first."""
    looked_at: int
    untold: int
    """Rows, of those that were looked at for their language, of which nobody can tell it."""
    sources: Mapping[str, int]
    """Rows by the file or dataset that their seeds came from."""
    source_datasets: Sequence[SourceDataset]
    pipeline: Sequence[Stage]
    models: Sequence[Model]
    measured_by: Sequence[Model]
    """Models that measured and wrote nothing."""
    prompts: Mapping[str, int]
    arms: Sequence[Arms]
    left_out: Sequence[LeftOut]
    findings: Sequence[Finding]
    """Of admission, by filter."""
    held_against: HeldAgainst | None
    """``None``: nobody looked for items of benchmarks."""
    refused: Sequence[Sequence[str]]
    """Arm, made, refused, why."""
    failures: Sequence[str]
    cost: Cost
    settings: str
    """YAML."""
    pictures: Sequence[Picture]
    seeds: Mapping[str, int]
    """By what became of them."""
    reviewed: Mapping[str, int]
    """Rows that people accepted, rejected or edited."""
    made: str
    """When."""
    versions: Mapping[str, Any]
    notes: Sequence[str] = field(default_factory=tuple)
    """What else a reader has to know."""

    @property
    def all_rows(self) -> int:
        """Rows of all configs together."""
        return sum(self.rows.values())


def dataset_card(facts: DatasetFacts) -> str:
    """Markdown, with the hub's front matter."""
    body = (
        _environment()
        .get_template("dataset_card.md.jinja")
        .render(
            facts=facts,
            configs=[(name, n, MEANINGS[name], facts.columns[name]) for name, n in facts.rows.items()],
            plots=PLOTS,
            tag=TAG,
        )
    )
    return f"---\n{front_matter(facts)}---\n\n{body}"


def front_matter(facts: DatasetFacts) -> str:
    """The head that the hub reads, as YAML; what nobody said or knows is left out."""
    tags = ["synthetic", TAG, *(stage.name for stage in facts.pipeline if stage.name.isidentifier())]
    tags += [tag for name in facts.rows for tag in _TAGS[name]]
    head: dict[str, Any] = {
        "language": [code for code, _ in facts.languages],
        **(facts.licence.head if facts.licence else {}),
        "pretty_name": facts.name,
        "size_categories": [size_category(max(facts.rows.values(), default=0))],
        "task_categories": ["text-generation"],
        "tags": list(dict.fromkeys(tags)),
        "annotations_creators": ["machine-generated"],
        "source_datasets": list(dict.fromkeys(one.repo for one in facts.source_datasets)),
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": "train", "path": f"{name}/train-*.parquet"}],
                **({"default": True} if place == 0 else {}),
            }
            for place, name in enumerate(facts.rows)
        ],
    }
    return yaml.safe_dump({key: value for key, value in head.items() if value}, sort_keys=False, allow_unicode=True)


def size_category(rows: int) -> str:
    """The hub's word for so many rows."""
    return next((name for most, name in _SIZES if rows < most), _LARGEST)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=False,  # HTML's; `finalize` escapes every value for Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_escaped,
    )
    environment.filters.update(
        amount=_amount,
        block=_block,
        code=_code,
        counts=_counts,
        link=_link,
        markdown=Markdown,
        percent=_percent,
        usd_sum=usd_sum,
        verbatim=_verbatim,
    )
    return environment


def _escaped(value: object) -> str:
    """Any value as text that is no markup, but for what is Markdown on purpose."""
    return value if isinstance(value, Markdown) else prose(_cut(str(value)))


def _code(text: str) -> Markdown:
    return code(_cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _block(yaml_text: str) -> Markdown:
    return code_block(yaml_text, "yaml")


def _counts(counts: Mapping[str, int]) -> Markdown:
    told = [f"{n:,} {prose(_cut(name))}" for name, n in counts.items() if n]
    return Markdown(", ".join(told) or "none")


def _link(address: str) -> Markdown:
    """An address out of our own list."""
    return Markdown(f"<{address}>")


def _verbatim(name: str) -> Markdown:
    """A name for a place where nothing can be escaped. Raises ValueError where it holds more than a name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no plain name")
    return Markdown(name)


def _amount(value: int) -> Markdown:
    return Markdown(f"{value:,}")


def _percent(value: float) -> Markdown:
    return Markdown(f"{100 * value:.3g}%")
