"""One pass over a folder's rows: written as shards where they go out, counted and looked through in any case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_agents.admission.language import UNKNOWN, language_of
from star_agents.engine.provenance import source_of
from star_agents.engine.publishing.secrets_found import SecretsFound
from star_agents.engine.run_facts import Reservoir
from star_agents.storage.outgoing.game_files import game_rows
from star_agents.storage.outgoing.result_rows import preference_rows, reward_rows, selected_rows
from star_agents.storage.outgoing.reviewed_rows import ReviewedRows
from star_agents.storage.outgoing.shards import CONFIGS, SHARD_BYTES, Shards
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result

Row = Mapping[str, Any]
LANGUAGE_SAMPLE = 1_000
"""Rows by which the languages are told."""
LEAST_SHARE = 0.02
"""Of the rows looked at: a language with less may be a mistake."""


@dataclass(frozen=True, slots=True)
class LanguageShare:
    """A language that rows are written in."""

    code: str
    share: float
    """Of the rows of which a language could be told."""


@dataclass(kw_only=True)
class Gathered:
    """What stands in the rows."""

    rows: Counter[str] = field(default_factory=Counter[str])
    """By config, of those that have any."""
    files: list[str] = field(default_factory=list[str])
    """Shards that were written, below their folder."""
    models: Counter[str] = field(default_factory=Counter[str])
    """Trials that a model wrote in, of every stage, by its name in agents.yaml."""
    prompts: Counter[str] = field(default_factory=Counter[str])
    """Trials by the versions of the prompts that were in use."""
    sources: Counter[str] = field(default_factory=Counter[str])
    """Rows by the file or dataset that their seeds came from, but for games."""
    read_from: set[str] = field(default_factory=set[str])
    """The same files and datasets, those of games too."""
    findings: Counter[tuple[str, str, str, str]] = field(default_factory=Counter[tuple[str, str, str, str]])
    """What admission has against rows, children and seeds, by filter, what it is about, what became of it and why."""
    skipped: Counter[str] = field(default_factory=Counter[str])
    """Pairs that teach no preference, by reason."""
    skipped_rows: Counter[str] = field(default_factory=Counter[str])
    """Rows that people left out, by reason."""
    reasons_left_out: int = 0
    """Of judges, which may quote what admission refused or struck out."""
    secrets: SecretsFound = field(default_factory=SecretsFound)
    languages: list[LanguageShare] = field(default_factory=list[LanguageShare])
    """The most frequent first."""
    looked_at: int = 0
    """Rows by which they are told."""
    untold: int = 0
    """Those of them of which nobody can tell."""


def gather(reader: StoreReader, *, into: Path | None = None, shard_bytes: int = SHARD_BYTES) -> Gathered:
    """Go through every row.

    Args:
        reader: The store.
        into: Folder of the shards; ``None``: rows are only counted.
        shard_bytes: A shard of so many gets no further rows.
    """
    found, texts = Gathered(), Reservoir[str](LANGUAGE_SAMPLE)
    with ExitStack() as files:
        shards: dict[str, Shards] = {}
        if into is not None:
            made = [(config, Shards(into, config, most_bytes=shard_bytes)) for config in CONFIGS]
            shards = {config: files.enter_context(one) for config, one in made}
        reviewed = ReviewedRows(reader.reviews())
        for as_it_is in reader.results():
            result = reviewed(as_it_is, found.skipped_rows)
            for one in result.findings:
                found.findings[one.objection.filter, one.kind, one.action, one.objection.reason] += 1
            for trial in result.trials:
                found.models.update(set(trial.models.values()))
                found.prompts.update(set(trial.prompts))
            source = source_of({"source": result.header.source})
            for config, row in _rows(result, found):
                found.rows[config] += 1
                found.read_from.add(source)
                found.secrets.look(row, f"{config}, row {found.rows[config]:,} (seed {result.header.seed_id})")
                if config in shards:
                    shards[config].add(row)
                if config != "battles":
                    found.sources[source] += 1
                    texts.add(_text_of(row))
    found.files = [name for one in shards.values() for name in one.names]
    _tell_languages(found, texts.items)
    return found


def _rows(result: Result, found: Gathered) -> Iterator[tuple[str, Row]]:
    for row in selected_rows(result, "messages"):
        yield "sft", row
    for row in preference_rows(result, skipped=found.skipped):
        yield "preferences", row
    for row in reward_rows(result):
        yield "reward", row
    may_quote = any(one.action in ("refused", "redacted") for one in result.findings)
    for row in game_rows(result):
        if may_quote and row["reason"]:
            found.reasons_left_out += 1
            row["reason"] = ""
        yield "battles", row


def _text_of(row: Row) -> str:
    """What a row says, the answer first: the language of an instruction may be another one."""
    turns = row["messages"] if "messages" in row else [*row["prompt"], *row["chosen"]]
    return "\n".join(turn["content"] for turn in reversed(turns))


def _tell_languages(found: Gathered, texts: list[str]) -> None:
    codes = Counter(language_of(text).code for text in texts)
    found.looked_at, found.untold = len(texts), codes.pop(UNKNOWN, 0)
    told = codes.total()
    found.languages = [
        LanguageShare(code, count / told) for code, count in codes.most_common() if count >= LEAST_SHARE * told
    ]
