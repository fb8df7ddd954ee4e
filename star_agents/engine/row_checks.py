"""What is looked at of rows, children and seeds before the transaction that admits or refuses them: filters asked,
signatures and digests made. It takes a part of a millisecond each, and is done in another thread where it is more than
a digest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import anyio

from star_agents.admission.filters import Applied
from star_agents.admission.line import filters_of
from star_agents.admission.near_duplicates import Signed, signed_instruction
from star_agents.admission.offered import Offered, offered_row, offered_seed, offered_trial, with_texts
from star_agents.admission.own import OwnFilter, TakesTooLong
from star_agents.config.admission import Compared, DuplicatesConfig, ToxicConfig
from star_agents.config.models import Config
from star_agents.engine.benchmarks import items_of
from star_agents.engine.row_index import RowIndex
from star_agents.engine.target_rows import Given, RowCounts, TargetRows
from star_agents.errors import ConfigError, SeedFileError
from star_agents.records import STAR, Claim, Outcome, Row, Sample, Seed
from star_agents.records.findings import Finding
from star_agents.records.row_labels import value_of
from star_agents.scheduling.memory import Vector
from star_agents.storage.known_rows import row_digest
from star_agents.storage.store import Store

LONGEST_LOOK_S = 60.0
"""Seconds that all filters together may take for one outcome."""


@dataclass(frozen=True, slots=True)
class AdmissionRules:
    """What a config in force asks of whatever is offered."""

    duplicates: DuplicatesConfig
    filters: tuple[Applied, ...] = ()
    toxic: ToxicConfig | None = None
    """Who is asked of each row; ``None``: nobody."""
    index: RowIndex | None = None
    """Of the instructions that were admitted; ``None`` where vectors are not compared."""
    target: TargetRows | None = None
    """How many rows are wanted; ``None``: all that come."""

    @property
    def look_at_seeds(self) -> bool:
        """Whether anything is looked for in seeds."""
        by_filters = any("seed" in one.filter.kinds for one in self.filters)
        return by_filters or self.compares("seeds")

    def compares(self, what: Compared) -> bool:
        """Whether one of these is compared with what came before, in words or by vectors."""
        return self.duplicates.least_of(what) is not None or self.duplicates.nearest_of(what) is not None


async def rules_of(config: Config, store: Store, before: AdmissionRules | None = None) -> AdmissionRules:
    """Of a config, with its filters; the index of rows, where there was none ``before``; and how many of the rows that
    are wanted are in the store.

    Raises:
        ConfigError: a benchmark cannot be read.
    """
    filters = await anyio.to_thread.run_sync(_filters_of, config)
    index = before.index if before is not None else None
    if config.admission.duplicates.embedding is None:
        index = None
    elif index is None or index.embedder != config.embedder:
        index = await RowIndex.opened(config.embedder, store)
    target = await target_of(config, store)
    return AdmissionRules(config.admission.duplicates, filters, config.admission.toxic, index, target)


async def target_of(config: Config, store: Store) -> TargetRows | None:
    """The rows that a config wants, beside those that are there."""
    if (wanted := config.target_rows) is None:
        return None
    told = await store.spare_rows.told(wanted.shape, with_labels=bool(config.quota))
    counts = RowCounts(rows=told.rows, spare=told.spare, above_quota=told.above_quota)
    for labels, rows in told.labels:
        for quota in config.quota:
            counts.by.setdefault(quota.by, Counter())[value_of(labels, quota.by)] += rows
    rows = told.rows + told.spare - told.above_quota
    given = Given(seeds=told.ended, rows=rows, squares=round(rows * max(1.0, rows / max(1, told.ended))))
    return TargetRows(wanted, config.quota, counts, given)


def _filters_of(config: Config) -> tuple[Applied, ...]:
    try:
        return filters_of(config, items_of(config))
    except SeedFileError as error:
        raise ConfigError(error.problems) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A row, a child or a seed as it was looked at."""

    findings: tuple[Finding, ...] = ()
    row: Row | None = None
    """A row as it would be admitted; a child as one, for where it is refused."""
    digest: bytes | None = None
    """Of the row; ``None``: nobody looks for one that says the same."""
    signed: Signed | None = None
    """``None``: nobody looks for one that is nearly the same."""
    text: str = ""
    """The instruction, where its vector is compared."""
    vector: Vector | None = None
    """That of the text; ``None``: it is not compared, or could not be had."""

    @property
    def is_refused(self) -> bool:
        """Whether a filter refuses it."""
        return any(one.action == "refused" for one in self.findings)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckedOutcome:
    """All of an outcome as it was looked at."""

    claims: tuple[Signed, ...] = ()
    """Of its claims in order; none where they are not compared."""
    rows: tuple[Checked, ...] = ()
    children: tuple[Checked, ...] = ()
    notes: Mapping[int, str]
    """Place of a trial to why no preference pair is to be made of it."""


async def check_rows(outcome: Outcome, seed: Seed, rules: AdmissionRules) -> CheckedOutcome:
    """An outcome as it was looked at, in another thread where that takes time. Where it takes longer than
    ``LONGEST_LOOK_S``, which only a function of the user's own can, that refuses what it was shown."""
    look = partial(look_at, outcome, seed, rules)
    if not (rules.filters or outcome.claims or rules.compares("rows")):
        return look()
    with anyio.move_on_after(LONGEST_LOOK_S):
        return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
    without = replace(rules, filters=tuple(map(_given_up, rules.filters)))
    return await anyio.to_thread.run_sync(partial(look_at, outcome, seed, without))


def _given_up(applied: Applied) -> Applied:
    return replace(applied, filter=TakesTooLong(applied.filter)) if isinstance(applied.filter, OwnFilter) else applied


def look_at(outcome: Outcome, seed: Seed, rules: AdmissionRules) -> CheckedOutcome:
    """The same in this thread."""
    least = rules.duplicates.least_of("instructions")
    is_claimed = {claim.trial for claim in outcome.claims}
    of_claims = {claim.child for claim in outcome.claims if claim.child}
    rows = [
        _row(outcome, row, place, seed, rules, is_claimed=bool(is_claimed & set(row.from_trials)))
        for place, row in enumerate(outcome.rows)
    ]
    children = [
        _child(outcome, child, place, rules, is_claimed=child.id in of_claims)
        for place, child in enumerate(outcome.children)
    ]
    return CheckedOutcome(
        claims=() if least is None else tuple(map(_signed_claim, outcome.claims)),
        rows=tuple(rows),
        children=tuple(children),
        notes=_notes_of_pairs(outcome, rules.filters),
    )


def look_at_seed(seed: Seed, rules: AdmissionRules) -> Checked:
    """A seed from outside. Of a document only what is made of it is compared as an instruction."""
    offered = offered_seed(seed, "seed")
    findings = _findings(offered, rules.filters, 0, ())
    if offered.sample is None:
        return Checked(findings=findings)
    is_signed, is_near = rules.duplicates.least_of("seeds"), rules.duplicates.nearest_of("seeds")
    return Checked(
        findings=findings,
        signed=None if is_signed is None else _signed(offered),
        text="" if is_near is None else offered.instruction,
    )


def texts_compared(outcome: Outcome, seed: Seed, rules: AdmissionRules) -> list[str]:
    """The instructions of an outcome whose vectors are compared, each once."""
    if rules.index is None:
        return []
    without = replace(rules, filters=(), duplicates=rules.duplicates.model_copy(update={"minhash": None}))
    checked = look_at(outcome, seed, without)
    return list(dict.fromkeys(one.text for one in (*checked.rows, *checked.children) if one.text))


def with_vectors(checked: CheckedOutcome, vector_of: Callable[[str], Vector | None]) -> CheckedOutcome:
    """The same with the vectors that were made of its texts."""

    def filled(some: Sequence[Checked]) -> tuple[Checked, ...]:
        return tuple(replace(one, vector=vector_of(one.text)) if one.text else one for one in some)

    if not any(one.text for one in (*checked.rows, *checked.children)):
        return checked
    return replace(checked, rows=filled(checked.rows), children=filled(checked.children))


def arms_of(outcome: Outcome, places: Sequence[int]) -> tuple[str, ...]:
    """The arms of these trials, each once."""
    return tuple(dict.fromkeys(outcome.trials[place].arm for place in places if place < len(outcome.trials)))


def as_row(child: Seed) -> Row | None:
    """A child as a row of an instruction; ``None``: it is a document."""
    if not isinstance(child.content, Sample):
        return None
    return Row(shape="instruction", data={"sample": child.content.to_dict()}, labels=child.labels)


def _row(outcome: Outcome, row: Row, place: int, seed: Seed, rules: AdmissionRules, *, is_claimed: bool) -> Checked:
    what: Compared = "instructions" if is_claimed and "instructions" in rules.duplicates.of else "rows"
    offered = offered_row(row) if rules.filters or rules.compares(what) else None
    findings, admitted = tuple[Finding, ...](), row
    if offered is not None:
        findings = _findings(offered, rules.filters, place, arms_of(outcome, row.from_trials), row)
        admitted = _redacted(row, findings, rules.filters)
    findings = (*findings, *(one for one in outcome.findings if one.kind == "row" and one.place == place))
    findings = tuple(replace(one, row=admitted) if one.row is not None else one for one in findings)
    if admitted != row and admitted.shape in ("preference", "reward") and _teaches_nothing(admitted):
        redacted = next(one for one in findings if one.action == "redacted")
        same = replace(redacted.objection, reason="without it both answers are the same")
        findings = (*findings, replace(redacted, objection=same, action="refused", row=admitted))
    compared = offered if offered is not None and not _was_compared(offered, seed, rules) else None
    is_signed = what == "rows" and rules.duplicates.least_of(what) is not None  # Of claims the claim is.
    is_near = rules.duplicates.nearest_of(what) is not None
    return Checked(
        findings=findings,
        row=admitted,
        digest=row_digest(admitted) if rules.duplicates.exact else None,
        signed=_signed(compared) if compared and is_signed else None,
        text=compared.instruction if compared and is_near else "",
    )


def _was_compared(offered: Offered, seed: Seed, rules: AdmissionRules) -> bool:
    """Whether the instruction is that of the seed, which was compared when it came."""
    came_so = bool(seed.parent) or rules.compares("seeds")
    return came_so and isinstance(seed.content, Sample) and seed.content.question == offered.instruction


def _child(outcome: Outcome, child: Seed, place: int, rules: AdmissionRules, *, is_claimed: bool) -> Checked:
    offered = offered_seed(child, "child")
    claim = next((one for one in outcome.claims if one.child == child.id), None)
    arms = arms_of(outcome, (claim.trial,)) if claim else ()
    row = as_row(child)
    findings = _findings(offered, rules.filters, place, arms, row)
    if row is None:
        return Checked(findings=findings)
    what: Compared = "instructions" if is_claimed and "instructions" in rules.duplicates.of else "rows"
    is_signed = what == "rows" and rules.duplicates.least_of(what) is not None
    return Checked(
        findings=findings,
        row=row,
        signed=_signed(offered) if is_signed else None,
        text=offered.instruction if rules.duplicates.nearest_of(what) is not None else "",
    )


def _findings(
    offered: Offered, filters: Sequence[Applied], place: int, arms: tuple[str, ...], row: Row | None = None
) -> tuple[Finding, ...]:
    """What filters have against it, up to the first that refuses it; ``row`` is what is kept of it then."""
    found: list[Finding] = []
    for applied in filters:
        if (objection := applied.objection(offered)) is None:
            continue
        told = Finding(objection=objection, action="reported", kind=offered.kind, place=place, arms=arms)
        if applied.action == "refuse":
            return (*found, replace(told, action="refused", row=row))
        if applied.action == "report":
            found.append(told)
        elif offered.kind in ("row", "trial"):
            found.append(replace(told, action="redacted"))
    return tuple(found)


def _redacted(row: Row, findings: Sequence[Finding], filters: Sequence[Applied]) -> Row:
    found = {one.objection.filter for one in findings if one.action == "redacted"}
    for applied in filters:
        if applied.redact is not None and applied.filter.name in found:
            row = replace(row, data=with_texts(row.data, applied.redact))
    return row


def _teaches_nothing(pair: Row) -> bool:
    return bool(pair.data["chosen"].strip() == pair.data["rejected"].strip())


def _signed(offered: Offered) -> Signed:
    """An instruction with what it goes with: input, turns before it, tools. Pairs are compared with pairs."""
    sample = offered.sample
    assert sample is not None, "a document is compared as one"
    shape = [f"shape {offered.shape}"] if offered.shape in ("preference", "reward") else []
    tools = [tool.name for tool in sample.tools]
    return signed_instruction(sample.instruction, [*shape, *filter(None, (sample.input, *offered.history)), *tools])


def _signed_claim(claim: Claim) -> Signed:
    return signed_instruction(claim.wording.text, claim.wording.goes_with)


def _notes_of_pairs(outcome: Outcome, filters: Sequence[Applied]) -> dict[int, str]:
    """Star's preference pairs are made of its trials when they are exported: which of these are not to be in one."""
    if not filters or outcome.recipe != STAR:
        return {}
    notes: dict[int, str] = {}
    for place, trial in enumerate(outcome.trials):
        if trial.failure is not None or trial.sample.response is None:
            continue
        against = [
            one for one in _findings(offered_trial(trial.sample), filters, place, ()) if one.action != "reported"
        ]
        if against:
            notes[place] = f"{against[0].objection.filter}: {against[0].objection.reason}"
    return notes
