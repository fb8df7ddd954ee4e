"""Sample agents that answer without any model: they show the line at work, and are no LLMs.

``respond`` is a pure function of an agent's name and the messages it is sent. An agent sees only that text; if it
recognises a question of the closed world it answers with the skill of its profile, any other text it reshapes in its
style. Every agent can answer, rewrite, evolve or rate an instruction, referee and give points; how well is in
``profiles``.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from star_agents.errors import AgentRefused
from star_agents.offline import evolving, grading, instructing, rating, referee, scoring, styles, world
from star_agents.offline.grading_reading import Grading
from star_agents.offline.instructing_reading import Instructing
from star_agents.offline.profiles import PROFILES, Profile
from star_agents.offline.reading import (
    Comparison,
    Equality,
    Evolving,
    Question,
    Rating,
    Request,
    Rewriting,
    Scoring,
    read,
)

SAMPLE_AGENTS: Mapping[str, str] = {name: profile.line for name, profile in PROFILES.items()}
"""Name of each sample agent and what it is, in one line."""
_OWNS_UP = 0.75
"""Share of broken-off replies that end with ``length``, as a provider's do; the rest can only be seen in the text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OfflineReply:
    """What a sample agent said. Tokens are words here."""

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int


def respond(agent: str, messages: Sequence[Mapping[str, str]], max_tokens: int | None = None) -> OfflineReply:
    """Reply as a sample agent: the same agent and messages always give the same reply.

    ``max_tokens`` counts words. Raises ``AgentRefused`` for a name that no sample agent has.
    """
    profile = _profile(agent)
    request = read(messages)
    rng = Random(_digest(agent, messages, request))
    text, broken_off = _reply(profile, request, rng)
    words = text.split()
    if max_tokens is not None and len(words) > max_tokens:
        text, broken_off = " ".join(words[:max_tokens]), True
    return OfflineReply(
        text=text,
        finish_reason="length" if broken_off else "stop",
        prompt_tokens=sum(len(message["content"].split()) for message in messages),
        completion_tokens=len(text.split()),
    )


def kind_of(agent: str, messages: Sequence[Mapping[str, str]]) -> world.Kind | None:
    """The kind of response that ``respond`` gives to these messages; ``None`` if they hold no question of the world.

    Raises ``AgentRefused`` for a name that no sample agent has.
    """
    profile, request = _profile(agent), read(messages)
    task = _task(request.text) if isinstance(request, Question) else None
    return profile.kind_for(task.family, Random(_digest(agent, messages, request))) if task else None


def _profile(agent: str) -> Profile:
    if agent not in PROFILES:
        near = difflib.get_close_matches(agent, PROFILES, n=1)
        hint = f"did you mean offline/{near[0]}?" if near else f"there are: {', '.join(PROFILES)}"
        raise AgentRefused(f"no sample agent is called offline/{agent}; {hint}")
    return PROFILES[agent]


def _digest(agent: str, messages: Sequence[Mapping[str, str]], request: Request) -> bytes:
    """A hash of all that the agent sees, less the referee's nonce, which differs from call to call."""
    seen = "\0".join([agent, *(f"{message['role']}\0{message['content']}" for message in messages)])
    if isinstance(request, (Comparison, Scoring, Rating, Instructing)) and request.code:
        seen = seen.replace(request.code, "")
    return hashlib.sha256(seen.encode("utf-8", "surrogatepass")).digest()


def _reply(profile: Profile, request: Request, rng: Random) -> tuple[str, bool]:
    """Text, and whether the agent owns up to having broken off."""
    if isinstance(request, Comparison):
        return referee.judge(request, profile.referees, rng), False
    if isinstance(request, Scoring):
        return scoring.score(request, profile.referees, rng), False
    if isinstance(request, Grading):
        return grading.check(request) if profile.checks else grading.grade(request, profile.referees, rng), False
    if isinstance(request, Rating):
        return rating.rate(request.instruction, profile.referees, rng), False
    if isinstance(request, Instructing):
        return instructing.reply(request, profile, rng), False
    if isinstance(request, Rewriting):
        return _rewrite(profile, request, rng), False
    if isinstance(request, Evolving):
        return evolving.evolve(request.operator, request.instruction, profile.evolves, rng), False
    if isinstance(request, Equality):
        return evolving.judge_equality(request.parent, request.evolved, profile.referees, rng), False
    if said := evolving.broken_reply(request.text):
        return said, False
    task = _task(request.text)
    if task is None:
        text = styles.reshape(profile.style, request.text, request.reference, rng)
        return text, profile.flaw == "cut" and rng.random() < _OWNS_UP
    kind = profile.kind_for(task.family, rng)
    return world.write(task, kind, rng), kind == "cut" and rng.random() < _OWNS_UP


def _task(text: str) -> world.Task | None:
    """The task that a text asks for, as it stands or evolved."""
    evolved = evolving.read_evolved(text)
    return evolved.task if evolved else None


def _rewrite(profile: Profile, request: Rewriting, rng: Random) -> str:
    question = f"{request.instruction}\n\n{request.input}" if request.input else request.instruction
    task = world.solve(question)
    stretches = profile.rewrites == "stretch" and not request.input
    if task is None:
        return (styles.stretch_any if stretches else styles.reword_any)(request.instruction, rng)
    return (world.stretch if stretches else world.reword)(task, rng).instruction
