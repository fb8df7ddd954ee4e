"""How much of a conversation is shown: the newest turns that fit. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from star_agents.records import Message


def newest_turns(history: Sequence[Message], most_characters: int) -> tuple[Message, ...]:
    """The newest turns of a conversation that fit, the oldest left out first.

    A system message that opens it stays, and counts. What is left begins with a turn of the user, so that no answer
    stands without what it answers; no turn is cut in its midst.
    """
    opening = tuple(history[:1]) if history and history[0].role == "system" else ()
    turns = list(history[len(opening) :])
    room = most_characters - sum(len(turn.content) for turn in opening)
    while turns and (sum(len(turn.content) for turn in turns) > room or turns[0].role != "user"):
        del turns[0]
    return (*opening, *turns)
