"""What becomes of an outcome's claims to be new: signed before, looked up and kept in the outcome's own transaction."""

from __future__ import annotations

from star_agents.admission.near_duplicates import SCHEME, Signed, signed_instruction
from star_agents.events import ConfigNoted
from star_agents.records import Outcome
from star_agents.records.claims import Repeat, without_repeats
from star_agents.records.refusals import with_refusals
from star_agents.storage.near_texts import NearTexts
from star_agents.storage.store import Store

_SCHEME = "signatures"
"""The fact under which a store keeps what its signatures are made by."""


class Admission:
    """Of one outcome.

    Args:
        outcome: As its recipe gave it.
        least: Similarity from which an instruction repeats another one; ``None``: all are admitted.
        refuses: Role of the trials whose failures are refusals; empty for none.

    Attributes:
        outcome: As it is admitted, once it was called; before, as it was given.
    """

    def __init__(self, outcome: Outcome, least: float | None, refuses: str) -> None:
        self.outcome = outcome
        self._least, self._refuses = least, refuses
        self._signed = [] if least is None else [_signed(place, outcome) for place in range(len(outcome.claims))]

    def __call__(self, texts: NearTexts) -> tuple[Outcome, frozenset[str]]:
        """In the writer's thread: the outcome as it is admitted, and the ids of its children that are not queued."""
        given, repeats = self.outcome, dict[int, Repeat]()
        if self._least is not None:
            for place, signed in enumerate(self._signed):
                earlier = texts.find(signed.sought, self._least, but_of=given.seed_id)
                if earlier is None:
                    texts.add(signed.kept, given.seed_id, given.claims[place].trial)
                else:
                    repeats[place] = Repeat(
                        seed_id=earlier.seed_id, place=earlier.place, name=earlier.name, similarity=earlier.similarity
                    )
        admitted, refused = without_repeats(given, repeats)
        self.outcome = with_refusals(admitted, self._refuses)
        return self.outcome, refused


def _signed(place: int, outcome: Outcome) -> Signed:
    wording = outcome.claims[place].wording
    return signed_instruction(wording.text, wording.goes_with)


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
