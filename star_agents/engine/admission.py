"""What becomes of an outcome's rows, children and claims to be new: what can be told of each alone was looked at before
(``row_checks``); here earlier ones are looked up, and these kept, in the outcome's own transaction."""

from __future__ import annotations

from dataclasses import replace

from star_agents.admission.filters import evidence
from star_agents.admission.near_duplicates import SCHEME
from star_agents.engine.row_checks import AdmissionRules, Checked, CheckedOutcome, arms_of
from star_agents.engine.target_rows import RowCounts
from star_agents.events import ConfigNoted
from star_agents.records import Outcome, Seed
from star_agents.records.admitted import Judged, admitted
from star_agents.records.claims import Repeat, without_repeats
from star_agents.records.findings import Finding, Objection
from star_agents.records.refusals import with_refusals
from star_agents.scheduling.memory import Vector
from star_agents.storage.known_rows import Known
from star_agents.storage.near_texts import FIRST_ROW, OF_SEED, Earlier
from star_agents.storage.row_vectors import VectorRow
from star_agents.storage.store import Store

DUPLICATES = "duplicates"
"""The filter that looks beside others."""
_SCHEME = "signatures"
"""The fact under which a store keeps what its signatures are made by."""


class Admission:
    """Of one outcome.

    Args:
        outcome: As its recipe gave it.
        checked: As it was looked at.
        rules: In force then.
        refuses: Role of the trials whose failures are refusals; empty for none.
        seed: Of which it is the outcome.

    Attributes:
        outcome: As it is admitted, once it was called; before, as it was given.
        added: What it adds to the rows that are wanted, where a number is.
        is_first: Whether it takes the place of no other.
    """

    def __init__(
        self, outcome: Outcome, checked: CheckedOutcome, rules: AdmissionRules, refuses: str, seed: Seed
    ) -> None:
        of_rows = any(one.kind == "row" for one in outcome.findings)  # Those of a judge, which `checked` has.
        others = tuple(one for one in outcome.findings if one.kind != "row")
        self.outcome = replace(outcome, findings=others) if of_rows else outcome
        self._seed, self.added, self.is_first = seed, RowCounts(), True
        self._checked, self._rules, self._refuses = checked, rules, refuses
        self.vectors: list[VectorRow] = []
        """That were kept; they are to be found once this is committed."""

    def __call__(self, known: Known) -> tuple[Outcome, frozenset[str]]:
        """In the writer's thread: the outcome as it is admitted, and the ids of its children that are not queued."""
        given = self.outcome
        repeats = self._repeats(known)
        stands, refused = without_repeats(given, repeats)
        taken = {given.claims[place].trial for place in repeats}
        judged = [
            *(
                self._judged_row(known, checked, place)
                for place, checked in enumerate(self._checked.rows)
                if not taken & set(given.rows[place].from_trials)
            ),
            *(
                self._judged_child(known, checked, place)
                for place, checked in enumerate(self._checked.children)
                if given.children[place].id not in refused
            ),
        ]
        stands, more = admitted(stands, judged, self._checked.notes, self._refuses)
        self.outcome = with_refusals(stands, self._refuses)
        target, self.is_first = self._rules.target, known.before is None
        if target is not None and (self.is_first or self.outcome.kind != "dropped"):  # Else what was there stands.
            self.outcome, self.added = target.divided(self.outcome, self._seed, known.before)
        return self.outcome, refused | more

    def committed(self) -> None:
        """What was kept is found from now on."""
        for one in self.vectors:
            if self._rules.index is not None:
                self._rules.index.add(one)

    def _repeats(self, known: Known) -> dict[int, Repeat]:
        """Of the claims those that repeat something, by their places; the others are kept."""
        least, repeats = self._rules.duplicates.least_of("instructions"), dict[int, Repeat]()
        if least is None:
            return repeats
        for place, signed in enumerate(self._checked.claims):
            earlier = known.texts.find(signed.sought, least, but_of=self.outcome.seed_id)
            if earlier is None:
                known.texts.add(signed.kept, self.outcome.seed_id, self.outcome.claims[place].trial)
            else:
                repeats[place] = Repeat(
                    seed_id=earlier.seed_id, place=earlier.place, name=earlier.name, similarity=earlier.similarity
                )
        return repeats

    def _judged_row(self, known: Known, checked: Checked, place: int) -> Judged:
        given = self.outcome
        trials = given.rows[place].from_trials
        findings, arms = list(checked.findings), arms_of(given, trials)
        if not checked.is_refused:
            objection = self._same_row(known, checked.digest) or self._near(known, checked, given.seed_id)
            if objection is not None:
                told = Finding(objection=objection, action="refused", kind="row", place=place, arms=arms)
                findings.append(replace(told, row=checked.row))
            else:
                if checked.digest is not None:
                    known.rows.add(checked.digest, given.seed_id, place)
                self._keep(known, checked, given.seed_id, FIRST_ROW - place)
        claim = next((one for one in given.claims if one.trial in trials), None)
        return Judged(
            findings=tuple(findings),
            arms=arms,
            pools=claim.arms if claim else {},
            row=checked.row,
            trials=trials,
            measures_if_refused=claim.measures_if_refused if claim else {},
        )

    def _judged_child(self, known: Known, checked: Checked, place: int) -> Judged:
        given = self.outcome
        child = given.children[place]
        claim = next((one for one in given.claims if one.child == child.id), None)
        trials = (claim.trial,) if claim else ()
        findings, arms = list(checked.findings), arms_of(given, trials)
        if not checked.is_refused:
            objection = self._near(known, checked, child.id)
            if objection is not None:
                told = Finding(objection=objection, action="refused", kind="child", place=place, arms=arms)
                findings.append(replace(told, row=checked.row))
            else:
                self._keep(known, checked, child.id, OF_SEED)
        return Judged(
            findings=tuple(findings),
            arms=arms,
            pools=claim.arms if claim else child.drawn_labels,
            child=child.id,
            trials=trials,
            measures_if_refused=claim.measures_if_refused if claim else {},
        )

    def _same_row(self, known: Known, digest: bytes | None) -> Objection | None:
        if digest is None or (earlier := known.rows.find(digest)) is None:
            return None
        return Objection(
            filter=DUPLICATES,
            reason="it says the same as an earlier row",
            points_at=f"{earlier.seed_id}:row {earlier.place}",
        )

    def _near(self, known: Known, checked: Checked, of: str) -> Objection | None:
        least = self._rules.duplicates.minhash
        if checked.signed is not None and least is not None:
            earlier = known.texts.find(checked.signed.sought, least, but_of=of)
            if earlier is not None:
                return repeats_earlier(earlier)
        return says_the_same(self._rules, checked.vector, of)

    def _keep(self, known: Known, checked: Checked, seed_id: str, place: int) -> None:
        if checked.signed is not None:
            known.texts.add(checked.signed.kept, seed_id, place)
        if checked.vector is not None and self._rules.index is not None:
            vector = checked.vector.tobytes()
            self.vectors.append(known.vectors.add(seed_id, place, self._rules.index.embedder, vector))


def repeats_earlier(earlier: Earlier) -> Objection:
    """What is told of a text that nearly repeats an earlier one."""
    return Objection(
        filter=DUPLICATES,
        reason="it nearly repeats an earlier instruction",
        evidence=evidence(f"{earlier.similarity:.0%} alike: {earlier.name}"),
        points_at=earlier.where,
    )


def says_the_same(rules: AdmissionRules, vector: Vector | None, of: str) -> Objection | None:
    """What is told of an instruction whose vector is near that of another seed's; the caller has the line's turn."""
    least = rules.duplicates.embedding
    if vector is None or rules.index is None or least is None:
        return None
    nearest = rules.index.nearest(vector, but_of=of)
    if nearest is None or nearest[1] < least:
        return None
    return Objection(
        filter=DUPLICATES,
        reason="it says the same as an earlier instruction in other words",
        evidence=evidence(f"similarity {nearest[1]:.3f} by {rules.index.embedder}"),
        points_at=nearest[0],
    )


async def note_on_signatures(store: Store) -> ConfigNoted | None:
    """What a store kept by other means than this release looks up by, or, told once, without any; ``None`` where
    nothing is to be said."""
    is_first, is_old = await store.meta_get(_SCHEME) is None, (await store.counts()).done > 0
    kept = await store.meta_set_default(_SCHEME, SCHEME)
    told = "texts that were taken in by an earlier release are not compared with new ones"
    if kept != SCHEME:
        return ConfigNoted(message=f"{told}, since their signatures are made otherwise ({kept}; now {SCHEME})")
    if is_first and is_old:
        fix = "documents among them are, once they were read again: give them to `run`, `add` or the inbox once more"
        return ConfigNoted(message=f"{told}; {fix}")
    return None
