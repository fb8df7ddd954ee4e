"""What a dataset's card tells, out of what a report knows and what stands in the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import PurePath
from typing import Any

from star_agents.config.kept import config_in_sections
from star_agents.engine.publishing.gathering import Gathered
from star_agents.engine.publishing.settings import shown_name, shown_settings
from star_agents.errors import RecipeError
from star_agents.export.card import (
    ARMS_TOLD,
    Arms,
    Cost,
    DatasetFacts,
    Finding,
    HeldAgainst,
    LeftOut,
    Model,
    Picture,
    SourceDataset,
    Stage,
)
from star_agents.export.hub_datasets import dataset_at, dataset_of
from star_agents.export.hub_names import HubName, Pinned
from star_agents.export.licences import Licence
from star_agents.export.terms import OURS, terms_for
from star_agents.recipes.registry import find_recipe
from star_agents.report.facts import RunFacts
from star_agents.report.plots import Plot
from star_agents.report.rendering import decimal, percent
from star_agents.storage.outgoing.shards import CONFIGS, SCHEMAS
from star_agents.storage.reader import StoreReader
from star_agents.storage.rows import ModelUse

REASONS_TOLD = 30
SOURCES_TOLD = 50
"""Files, of which a folder or a pattern may have thousands."""
_TOLD_AS_FINDINGS = frozenset({"rows", "reported", "admission"})
"""Parts whose failures are admission's findings. Their examples may quote items of benchmarks, which is no way to keep
those out of training data."""
_ENDS = {
    "kept": "kept",
    "base": "kept as their base",
    "dropped": "dropped",
    "waiting": "not worked yet",
    "working": "in hand",
    "stranded": "taken by nobody as things stand",
    "quarantined": "set apart, since the process died over them",
}
Data = Mapping[str, Any]


def dataset_facts(
    reader: StoreReader,
    facts: RunFacts,
    gathered: Gathered,
    plots: Sequence[Plot],
    *,
    pins: Mapping[str, Pinned],
    name: str,
    repo: str = "",
    licence: Licence | None = None,
) -> DatasetFacts:
    """Join them.

    Args:
        reader: The store.
        facts: What a report tells of it.
        gathered: What stands in its rows.
        plots: The pictures beside the card.
        pins: What seeds were read from at the hub, by the name that was given.
        name: What the dataset is called.
        repo: ``user/name`` at the hub, where that is known.
        licence: As a person named it.
    """
    summary, revision = facts.summary, reader.revisions()[-1].config
    counts, used = summary["counts"], reader.models()
    return DatasetFacts(
        name=name,
        repo=repo,
        licence=licence,
        rows={config: gathered.rows[config] for config in CONFIGS if gathered.rows[config]},
        columns={config: schema.names for config, schema in SCHEMAS.items()},
        languages=[(one.code, one.share) for one in gathered.languages],
        looked_at=gathered.looked_at,
        untold=gathered.untold,
        sources=told_sources(gathered.sources),
        source_datasets=_datasets(pins, gathered.read_from),
        pipeline=list(_pipeline(summary["recipes"])),
        models=[_model(one, gathered) for one in used],
        measured_by=_measured_by(summary["config"]),
        prompts=dict(_ranked(gathered.prompts)),
        arms=[*_pairs(summary["pairs"]), *_pools(summary["pools"])],
        left_out=_left_out(summary, gathered),
        findings=[
            Finding(*key, n) for key, n in sorted(gathered.findings.items(), key=lambda item: (item[0][0], -item[1]))
        ],
        held_against=_held_against(config_in_sections(revision)),
        refused=[_refused(one) for one in summary["refused"][:ARMS_TOLD]],
        failures=[one["sentence"] for one in summary["failures"] if one["part"] not in _TOLD_AS_FINDINGS],
        cost=_cost(summary),
        settings=shown_settings(revision),
        pictures=[Picture(one.file, one.says) for one in plots],
        seeds=_ends(counts),
        reviewed=reader.count_reviews(),
        made=f"Made {summary['began_at']} to {summary['as_of']}" if summary["as_of"] else "",
        versions=summary["versions"],
        notes=list(_notes(used, counts)),
    )


def _left_out(summary: Mapping[str, Any], gathered: Gathered) -> list[LeftOut]:
    return [
        LeftOut("Seeds that were dropped", _first(summary["dropped_because"])),
        LeftOut("Pairs that teach no preference", _first(gathered.skipped)),
        LeftOut("Rows", _first(gathered.skipped_rows)),
        LeftOut("Reasons of judges", _reasons(gathered.reasons_left_out)),
    ]


def _ends(counts: Mapping[str, int]) -> dict[str, int]:
    """Seeds by what became of them, in words."""
    return {words: n for name, words in _ENDS.items() if (n := counts.get(name, 0))}


def _reasons(left_out: int) -> dict[str, int]:
    return {"may quote what admission refused or struck out": left_out} if left_out else {}


def told_sources(counts: Mapping[str, int]) -> dict[str, int]:
    """Rows by file; files that are called alike, without their folders on this machine, together."""
    shown = Counter[str]()
    for source, n in counts.items():
        shown[shown_name(source) or "not told"] += n
    ranked = _ranked(shown)
    rest = ranked[SOURCES_TOLD:]
    return {**dict(ranked[:SOURCES_TOLD]), **({f"{len(rest):,} other files": sum(n for _, n in rest)} if rest else {})}


def _datasets(pins: Mapping[str, Pinned], read_from: Set[str]) -> list[SourceDataset]:
    """Those that rows came from: one that was only looked at, or whose seeds gave no row, is none. Where another folder
    keeps the commit, as that of all rounds does, its beginning is told.
    """
    named = [
        (repo, one)
        for name, one in pins.items()
        if not read_from.isdisjoint(_called(repo := HubName.of(name).repo, one))
    ]
    known = {(repo, one.commit[:10]) for repo, one in named}
    others = {found for source in read_from if (found := dataset_of(source)) and found not in known}
    told = [SourceDataset(repo, one.commit, ", ".join(filter(None, (one.config, one.split)))) for repo, one in named]
    return sorted([*told, *(SourceDataset(repo, commit, "") for repo, commit in others)])


def _called(repo: str, pinned: Pinned) -> set[str]:
    """What its files are called as sources; in older folders by the name alone."""
    at = dataset_at(repo, pinned.commit)
    return {called for file in pinned.files for called in (f"{at}/{file}", PurePath(file).name)}


def _pipeline(recipes: Mapping[str, Data]) -> Iterator[Stage]:
    for name, one in recipes.items():
        try:
            summary = find_recipe(name).summary
        except RecipeError:
            summary = "A recipe of its maker's own."
        yield Stage(name, summary, one["takes"], _ends(one["outcomes"]), one["rows"])


def _model(used: ModelUse, gathered: Gathered) -> Model:
    return Model(
        agent=used.agent,
        asked=_shown_model(used.asked),
        answered=_shown_model(used.answered),
        calls=used.calls,
        trials=gathered.models[used.asked],
        terms=terms_for(used.asked),
    )


def _shown_model(name: str) -> str:
    """A model that is a folder on this machine is told by the folder's name alone."""
    provider, slash, path = name.partition("/")
    return f"{provider}/{shown_name(path)}" if slash and path.startswith(("/", "~")) else shown_name(name)


def _measured_by(config: Data) -> list[Model]:
    scorers = {"small scorer": config["small"], "large scorer": config["large"]}
    return [
        Model(role, _shown_model(name), "", 0, 0, terms_for(f"transformers/{name}"))
        for role, name in scorers.items()
        if name
    ]


def _pairs(pairs: Mapping[str, Data]) -> Iterator[Arms]:
    if pairs:
        ranked = sorted(pairs.items(), key=lambda item: (-item[1]["candidates"], item[0]))
        rows = [
            (
                name,
                f"{one['candidates']:,}",
                f"{one['wins']:,}",
                decimal(one["mean_pi"], 3),
                percent(one["probability_now"], 1),
            )
            for name, one in ranked[:ARMS_TOLD]
        ]
        columns = ("pair", "candidates", "chosen", "mean π", "probability at the end")
        yield Arms("Pairs of agents", columns, rows, len(ranked) - len(rows))


def _pools(pools: Mapping[str, Data]) -> Iterator[Arms]:
    for name, pool in pools.items():
        drawn = [(arm, one) for arm, one in pool["arms"].items() if one["draws"]]
        drawn.sort(key=lambda item: (-item[1]["draws"], item[0]))
        rows = [
            (
                arm,
                f"{one['draws']:,}",
                f"{one['rewards']:,}",
                decimal(one["mean_reward"], 3),
                percent(one["probability"], 1),
            )
            for arm, one in drawn[:ARMS_TOLD]
        ]
        if rows:
            columns = ("arm", "draws", "rewards", "mean reward", "probability at the end")
            yield Arms(f"Pool {name}", columns, rows, len(pool["arms"]) - len(rows))


def _held_against(config: Data) -> HeldAgainst | None:
    """As the last agents.yaml says it."""
    said = config.get("admission", {}).get("contamination")
    if not said:
        return None
    files = [one["file"] for one in said["against"]]
    return HeldAgainst([PurePath(file).name for file in files], said["mode"], said["coverage"], said["ngram"])


def _cost(summary: Data) -> Cost:
    counts, cost = summary["counts"], summary["cost"]
    return Cost(
        known_usd=cost["known_usd"],
        calls_of_unknown_price=cost["calls_of_unknown_price"],
        calls=counts["calls_answered"],
        prompt_tokens=counts["prompt_tokens"],
        completion_tokens=counts["completion_tokens"],
    )


def _refused(one: Data) -> Sequence[str]:
    why = "; ".join(f"{n:,} {reason}" for reason, n in one["reasons"].items())
    return one["arm"], f"{one['instructions']:,}", f"{one['refused']:,}", why


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, in an order that is the same each time: an equal card is not pushed again."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _first(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent reasons; the others together."""
    ranked = _ranked(counts)
    rest = sum(n for _, n in ranked[REASONS_TOLD:])
    return {**dict(ranked[:REASONS_TOLD]), **({"other reasons": rest} if rest else {})}


def _notes(used: Sequence[ModelUse], counts: Data) -> Iterator[str]:
    if counts["waiting"] + counts["working"]:
        yield "The work was not done when this was written: more rows may come."
    if any(one.asked.startswith(OURS) for one in used):
        yield "Sample agents of star_agents, no language models, had a hand in these rows: they teach nothing."
