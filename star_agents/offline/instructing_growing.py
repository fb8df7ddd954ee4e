"""How sample agents propose new types of instructions: each asks for one kind of question of the closed world, in words
that writers know it by. Which kinds were lost they see by reading the instructions that they are shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from random import Random

from star_agents.offline import facts
from star_agents.offline.facts import Kind
from star_agents.offline.instructing_reading import Instructing

NAMES: Mapping[Kind, str] = {
    "count": "quantity_held",
    "colour": "colour_told",
    "day": "leaving_day",
    "total": "joint_sum",
    "more": "larger_share",
    "after": "later_weekday",
}
"""What the type is called that asks for a kind of question."""


def reply(request: Instructing, rng: Random) -> str:
    """The types that ask for what was lost most and that nobody has named yet; where all are named, one of these."""
    texts = [one for one in request.frames.get("lost", []) if isinstance(one, str)]
    lost = Counter(one.kind for one in map(facts.read_question, texts) if one is not None)
    kinds = sorted(NAMES, key=lambda kind: (-lost[kind], rng.random()))
    new = [kind for kind in kinds if NAMES[kind] not in request.types] or kinds[:1]
    return json.dumps({"types": [_type(kind, rng) for kind in new[: request.count]]})


def _type(kind: Kind, rng: Random) -> dict[str, str]:
    known = facts.read_facts(" ".join(facts.draw_facts(rng)))
    example = facts.draw_question(known, rng, kind=kind)
    told = "" if example is None else facts.standing_alone(example, known)
    return {"name": NAMES[kind], "ask": f"Ask {facts.words_for(kind)}.", "example": told}
