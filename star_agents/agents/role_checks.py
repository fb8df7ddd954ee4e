"""Each agent in each of its roles, asked as `run` will ask it: the same prompt, the same parameters, the same reading.

Where a provider refuses the request, the parameters are taken away one by one until it is answered. What is advised has
been tried at that very endpoint, so it holds for an alias behind a gateway as well, whose model nobody can look up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import anyio

from star_agents.agents.client import AgentClient
from star_agents.agents.judging.exam import Exam, ExamResult, examine
from star_agents.agents.prompts import Prompts
from star_agents.agents.provider import Provider
from star_agents.agents.replies.reading import why_unusable
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.agents.translate import REFUSED_REQUEST
from star_agents.config.models import AgentConfig
from star_agents.config.star import RefereeConfig
from star_agents.errors import AgentError, AgentRefused
from star_agents.events import CallEnded
from star_agents.records import Message, Reply, Sample

Role = Literal["instruction", "response", "referee", "embedder"]
SAMPLE = Sample(instruction="Name the colour of a clear sky at noon.", response="Blue.")
"""Short to ask and to answer."""
_FEW_TOKENS = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleCheck:
    """How an agent did in one role."""

    agent: str
    """Of several deployments one, ``qwen/0``."""
    role: Role
    ok: bool
    detail: str
    """What came of it; where it failed, why, and what to write instead."""
    exam: Mapping[str, Any] | None = None
    """The exam's figures, of a referee that sat it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """An agent in a role."""

    agent: str
    config: AgentConfig
    role: Role
    exam: Exam | None = None
    """Of a referee: all of it, or the first pairs."""
    is_sample: bool = False
    """Whether it is one of the shipped samples, some of which are made to write what cannot be used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """Parameters to ask with: the agent's, and what its role puts over them."""

    name: str
    """Of the agent that has them."""
    config: AgentConfig
    overrides: Mapping[str, Any] = field(default_factory=dict)
    advice: str = ""
    """What to write into agents.yaml to have it so; empty for what stands there."""


async def try_roles(
    subjects: Sequence[Subject],
    referee: RefereeConfig,
    *,
    show_reference: bool = False,
    prompts: Prompts | None = None,
    providers: Mapping[str, Provider] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[list[RoleCheck], list[CallEnded]]:
    """Try every subject, all at once: what came of it in the same order, and the calls that it took.

    Args:
        subjects: Whom, and as what.
        referee: The section of agents.yaml: parameters, prompt, and whether the exam decides.
        show_reference: As in agents.yaml.
        prompts: With those that agents.yaml puts in the place of ours; left out: ours.
        providers: In-process providers by prefix, as for ``AgentClient``.
        environ: Where ``os.environ/NAME`` is looked up.
    """
    found: dict[int, RoleCheck] = {}
    reports: list[CallEnded] = []
    ways = [_ways(subject, referee) for subject in subjects]
    agents = {way.name: way.config for some in ways for way in some}
    client = AgentClient(agents, providers=providers, environ=environ, on_call=reports.append)
    checker = _Checker(client, referee, show_reference, prompts or Prompts())

    async def one(number: int, subject: Subject) -> None:
        found[number] = await checker.check(subject, ways[number])

    try:
        async with anyio.create_task_group() as tasks:
            for number, subject in enumerate(subjects):
                tasks.start_soon(one, number, subject)
    finally:
        await client.aclose()
    return [found[number] for number in range(len(subjects))], reports


class _Checker:
    """What the checks share: one client, so that an agent's requests per minute hold over its roles."""

    def __init__(self, client: AgentClient, referee: RefereeConfig, show_reference: bool, prompts: Prompts) -> None:
        self._client = client
        self._referee = referee
        self._show_reference = show_reference
        self._prompts = prompts

    async def check(self, subject: Subject, ways: Sequence[_Way]) -> RoleCheck:
        """Ask the first way, and where that is refused, find out which other one would not be."""
        try:
            return await self._ask(subject, ways[0])
        except AgentRefused as error:
            remedy = f". Tried: {await self._remedy(subject, ways[1:])}" if error.what == REFUSED_REQUEST else ""
            return self._failed(subject, f"{error}{remedy}")
        except AgentError as error:
            return self._failed(subject, str(error))

    def _failed(self, subject: Subject, detail: str) -> RoleCheck:
        return RoleCheck(agent=subject.agent, role=subject.role, ok=False, detail=detail)

    async def _remedy(self, subject: Subject, ways: Sequence[_Way]) -> str:
        """What to write instead, once it has worked."""
        short = replace(subject, exam=None if subject.exam is None else _first_pair(subject.exam))
        for way in ways:
            try:
                await self._ask(short, way)
            except AgentError:
                continue
            return f"it answers with {way.advice}"
        return "no other parameters were taken either"

    async def _ask(self, subject: Subject, way: _Way) -> RoleCheck:
        if subject.role == "embedder":
            return await self._embed(subject, way)
        if subject.role == "referee":
            return await self._judge(subject, way)
        return await self._write(subject, way)

    async def _embed(self, subject: Subject, way: _Way) -> RoleCheck:
        vectors = (await self._client.embed(way.name, [SAMPLE.question, "Add 2 and 2."])).vectors
        sizes, blank = {len(vector) for vector in vectors}, any(not any(vector) for vector in vectors)
        is_good = len(sizes) == 1 and not blank and vectors[0] != vectors[1]
        said = f"vectors of {min(sizes)} numbers" if is_good else "its vectors are empty, of two sizes, or all the same"
        return RoleCheck(agent=subject.agent, role="embedder", ok=is_good, detail=said)

    async def _write(self, subject: Subject, way: _Way) -> RoleCheck:
        if subject.role == "instruction":
            messages = self._prompts.rewrite(replace(SAMPLE, response=None))
        else:
            reference = SAMPLE.response if self._show_reference else None
            messages = self._prompts.respond(replace(SAMPLE, response=None), reference)
        reply = await self._client.ask(way.name, messages, **way.overrides)
        flaw = why_unusable(reply, subject.role, allow_cut=way.config.allow_cut)
        said = str(flaw) if flaw else f"its {subject.role} can be used"
        if flaw and subject.is_sample:
            said = f"a sample that is made to be bad: {flaw}"
        return RoleCheck(agent=subject.agent, role=subject.role, ok=not flaw or subject.is_sample, detail=said)

    async def _judge(self, subject: Subject, way: _Way) -> RoleCheck:
        assert subject.exam is not None, "a referee has pairs to judge"

        async def ask(agent: str, step: str, messages: Sequence[Message], form: ReplyForm | None) -> Reply:
            return await self._client.ask(way.name, messages, form=form, **way.overrides)

        result = await examine(
            ask,
            judge=subject.agent,
            model=way.config.endpoints[0].model,
            exam=subject.exam,
            prompt=self._referee.prompt,
            nonce=lambda step: f"check{step.replace(':', '')}",
            prompts=self._prompts,
        )
        return self._judged(subject, result)

    def _judged(self, subject: Subject, result: ExamResult) -> RoleCheck:
        is_fine = result.passed or self._referee.exam != "refuse"
        detail = str(result).partition(": ")[2]
        if not result.passed and result.pairs == 1:
            detail += "; the whole exam says more: leave --no-exam out"
        elif not result.passed:
            detail += f"; {result.needs}: "
            detail += "it judges all the same, as `referee.exam` says" if is_fine else "`run` will not let it judge"
        return RoleCheck(agent=subject.agent, role="referee", ok=is_fine, detail=detail, exam=result.described())


def _ways(subject: Subject, referee: RefereeConfig) -> tuple[_Way, ...]:
    """As `run` will ask first, then what else to try; each has a name that no agent of the user's can have."""
    judging = {"temperature": referee.temperature, "max_tokens": referee.max_tokens}
    is_referee = subject.role == "referee"
    first = _Way(name=subject.agent, config=subject.config, overrides=judging if is_referee else {})
    if subject.role == "embedder":
        return (first,)
    others = enumerate(_other_ways(first, is_referee=is_referee))
    return first, *(replace(way, name=f"{subject.agent} ({subject.role}, {number})") for number, way in others)


def _first_pair(exam: Exam) -> Exam:
    return replace(exam, pairs=exam.pairs[:1])


def _other_ways(way: _Way, *, is_referee: bool) -> Iterator[_Way]:
    """The same without one parameter after another, and last without those that OpenAI's reasoning models refuse."""
    longest = way.overrides.get("max_tokens", way.config.longest_reply)
    warm, cold = _without_temperature(way, is_referee=is_referee), way
    if warm is not None:
        yield warm
    if way.config.top_p is not None:
        yield replace(way, config=way.config.model_copy(update={"top_p": None}), advice="`top_p` left out")
    for name in way.config.extra:
        rest = {key: value for key, value in way.config.extra.items() if key != name}
        yield replace(way, config=way.config.model_copy(update={"extra": rest}), advice=f"`extra: {name}` left out")
    if longest is None:
        return
    if "max_completion_tokens" not in way.config.extra:
        for one in (cold, warm):
            if one is not None:
                yield _renamed(one, longest)
    if longest > _FEW_TOKENS:
        yield _shorter(way, is_referee=is_referee)


def _without_temperature(way: _Way, *, is_referee: bool) -> _Way | None:
    if is_referee:
        if way.overrides.get("temperature") is None:
            return None
        return replace(
            way, overrides={**way.overrides, "temperature": None}, advice="`star: {referee: {temperature: null}}`"
        )
    if way.config.temperature is None:
        return None
    return replace(way, config=way.config.model_copy(update={"temperature": None}), advice="`temperature` left out")


def _renamed(way: _Way, longest: int) -> _Way:
    extra = {**way.config.extra, "max_completion_tokens": way.config.longest_reply or longest}
    advice = f"the agent's `extra: {{max_completion_tokens: {extra['max_completion_tokens']}}}`"
    both = f"{way.advice} and {advice}" if way.advice else advice
    return replace(way, config=way.config.model_copy(update={"extra": extra}), advice=both)


def _shorter(way: _Way, *, is_referee: bool) -> _Way:
    if is_referee:
        overrides = {**way.overrides, "max_tokens": _FEW_TOKENS}
        return replace(way, overrides=overrides, advice=f"`star: {{referee: {{max_tokens: {_FEW_TOKENS}}}}}`")
    config = way.config.model_copy(update={"max_tokens": _FEW_TOKENS})
    return replace(way, config=config, advice=f"`max_tokens: {_FEW_TOKENS}`")
