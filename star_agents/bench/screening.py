"""What a bench says of instructions before money is spent on them: their language, and whether they repeat another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio

from star_agents.admission.language import UNKNOWN, language_of
from star_agents.admission.near_duplicates import Signed, signed_instruction
from star_agents.bench.rooms import Rooms
from star_agents.recipes.protocol import Plain
from star_agents.records import Wording
from star_agents.records.claims import REPEATS_IN_DOCUMENT, Repeat
from star_agents.storage.near_texts import Earlier


def screening(wordings: Sequence[Wording], rooms: Rooms, seed_id: str) -> Callable[[], Awaitable[Plain]] | None:
    """Says why each would not be admitted as things stand, empty where it would (``Workbench.why_refused``); ``None``
    where nothing is looked for."""
    config, store = rooms.config, rooms.store
    least, languages = config.admission.duplicates.least_of("instructions"), config.languages_admitted
    if not wordings or (least is None and not languages):
        return None

    async def look() -> Plain:
        reasons, signed = await anyio.to_thread.run_sync(partial(_looked_at, wordings, languages, least))
        if least is None:
            return [*reasons]
        earlier = await store.near_texts([one.sought for one in signed], least, but_of=seed_id)
        return [_repeat(one) if one and not reason else reason for one, reason in zip(earlier, reasons, strict=True)]

    return look


def _repeat(one: Earlier) -> str:
    return Repeat(seed_id=one.seed_id, place=one.place, name=one.name, similarity=one.similarity).reason


def _looked_at(
    wordings: Sequence[Wording], languages: Sequence[str], least: float | None
) -> tuple[list[str], list[Signed]]:
    """Why each is refused for what it is, or for another one before it; and by what it is looked up."""
    reasons = [_language_flaw(one.text, languages) if languages else "" for one in wordings]
    if least is None:
        return reasons, []
    signed = [signed_instruction(one.text, one.goes_with) for one in wordings]
    for place, one in enumerate(signed):
        if not reasons[place] and _repeats_one_before(place, one, wordings, signed, reasons, least):
            reasons[place] = REPEATS_IN_DOCUMENT
    return reasons, signed


def _repeats_one_before(
    place: int, one: Signed, wordings: Sequence[Wording], signed: Sequence[Signed], reasons: Sequence[str], least: float
) -> bool:
    family = wordings[place].family
    for before in range(place):
        if reasons[before] or (family and wordings[before].family == family):
            continue
        other = signed[before].kept
        if any(mine.among == other.among and mine.similarities([other.values])[0] >= least for mine in one.sought):
            return True
    return False


def _language_flaw(text: str, wanted: Sequence[str]) -> str:
    language = language_of(text).code
    return "" if language in (*wanted, UNKNOWN) else f"it is in a language that was not asked for ({language})"
