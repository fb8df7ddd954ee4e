"""A seed as the columns of a table, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from star_agents.records import Document, Sample, Seed
from star_agents.text.plain_data import from_json, from_record_json, to_json, writable


def columns_of_seed(seed: Seed) -> dict[str, Any]:
    """Its columns by name, in the order in which ``seed_from_columns`` takes them."""
    return {
        "id": seed.id,
        "content": to_json(seed.content.to_dict()),
        "kind": seed.kind,
        "recipe": seed.recipe,
        "labels": to_json(dict(seed.labels)),
        "parent": seed.parent,
        "round": seed.round,
        "source": writable(seed.source),
        "meta": to_json(seed.meta),
    }


def seed_from_columns(columns: Sequence[Any]) -> Seed:
    """Make a seed of its columns id, content, kind, recipe, labels, parent, round, source and meta."""
    id_, content, kind, recipe, labels, parent, round_, source, meta = columns
    read = Document.from_dict if kind == "document" else Sample.from_dict
    return Seed(
        id=id_,
        content=read(from_record_json(content)),
        kind=kind,
        recipe=recipe,
        labels=from_record_json(labels),
        parent=parent,
        round=round_,
        source=source,
        meta={} if meta == "{}" else from_json(meta),
    )
