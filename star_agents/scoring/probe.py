"""A few conversations of our own, encoded: by their digest two scorers tell whether they read samples alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.errors import ScorerError
from star_agents.records import Message, Sample
from star_agents.scoring.encoding import Encoded, Encoder, Reason
from star_agents.text.content_hash import digest

DIGITS = 12
"""Of a digest that people compare by eye."""
_TRIES = 4
_SYSTEM = Message(role="system", content="Answer in one sentence.")
_TURNS = (Message(role="user", content="Hello!"), Message(role="assistant", content="Hello. What shall I do?"))
PROBES = (
    Sample(instruction="Name three colours.", response="Red, green and blue."),
    Sample(instruction="Add the numbers.", input="17 and 25", response="42\n", history=_TURNS),
    Sample(instruction="Why is the sky blue?", response="Air scatters blue light the most.", history=(_SYSTEM,)),
)


@dataclass(frozen=True, slots=True)
class Probe:
    """How a scorer model reads ``PROBES``."""

    prompts: str
    """Digest of the prompts as text: another one means another chat template, or another reading of it."""
    tokens: str
    """Digest of the token ids of both passes: another one means another tokenizer, too."""


def probe(encoder: Encoder) -> Probe:
    """Encode the probes. Raises ScorerError where the same conversation is read otherwise every time."""
    found = {_read(encoder) for _ in range(_TRIES)}
    if len(found) > 1:
        raise ScorerError(
            "its chat template writes the same conversation otherwise each time (a `random` in it?), so that no score "
            "would come out twice: set another chat_template in the model's tokenizer"
        )
    return found.pop()


def _read(encoder: Encoder) -> Probe:
    encoded = [_plain(one) for one in encoder.encode(PROBES)]
    prompts = [str(one) for one in encoder.prompts(PROBES)]
    return Probe(prompts=digest_of(prompts), tokens=digest_of(encoded))


def digest_of(read: Sequence[object]) -> str:
    """Digest of what a model reads of ``PROBES``, or why it reads nothing: of each, plain data."""
    return digest(read)[:DIGITS]


def _plain(one: Encoded | Reason) -> Sequence[object]:
    """What the models would read of it, or why they read nothing."""
    if isinstance(one, Reason):
        return [str(one)]
    return [[passage.start, *passage.ids] for passage in (one.conditional, one.alone)]
