"""A conversation as providers take it that want sides in turns, and what the system says apart."""

from __future__ import annotations

from collections.abc import Iterable

from star_agents.records import Message


def system_text(turns: Iterable[Message]) -> str:
    """What the system says, in one text."""
    return "\n\n".join(turn.content for turn in turns if turn.role == "system")


def in_turns(turns: Iterable[Message]) -> list[dict[str, str]]:
    """What both sides said, in turns: two texts of one side in a row are one."""
    found: list[dict[str, str]] = []
    for turn in turns:
        if turn.role == "system":
            continue
        if found and found[-1]["role"] == turn.role:
            found[-1]["content"] += f"\n\n{turn.content}"
        else:
            found.append({"role": turn.role, "content": turn.content})
    return found
