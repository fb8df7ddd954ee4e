"""How the agents of AgentInstruct are asked for one document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from star_agents.recipes.agent_instruct_settings import Role
from star_agents.recipes.parts.drafts import Draft
from star_agents.recipes.parts.elimination import copied_sentence
from star_agents.recipes.parts.skills import Skill
from star_agents.recipes.protocol import Workbench
from star_agents.recipes.reads import TEXT, Read, Reads, Unreadable
from star_agents.records import Message
from star_agents.text.prompt import Prompt, messages_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InOwnWords(Generic[T]):
    """A reply that is none of the prompt's words: small models say these after it, the code of the frames with them,
    and no row may hold either."""

    reads: Reads[T]
    code: str
    prompt: str
    """What is asked for, without the material."""
    material: str
    skills: Sequence[Skill]
    """Their words may be said: an instruction has those of its type that asks for them."""

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """What the reply can be bound to."""
        return self.reads.schema

    @property
    def request(self) -> str:
        """What is said beside the prompt."""
        return self.reads.request

    def read(self, text: str) -> T:
        """The value. Raises ``Unreadable``."""
        value = self.reads.read(text)
        if self.code in text:
            raise Unreadable("it copies the code of the frames, which is no part of what they hold")
        if copied := copied_sentence(text.replace("\\n", " "), prompt=self.prompt, besides=self._besides):
            raise Unreadable(f"it copies what it was asked for: {copied!r}")
        return value

    def _besides(self) -> str:
        return " ".join([self.material, *(one.model_dump_json() for one in self.skills)]).replace("\\n", " ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """Whom to ask, and how material is shown.

    A call's step is named by what the call is about, never by its place in a list: a seed that is worked again asks for
    the same under the same name, whatever else came out otherwise.
    """

    bench: Workbench
    cast: Mapping[Role, str]
    """Who plays each part."""
    code: str
    """Of the frames that hold material: nobody who wrote it can know."""
    skills: Sequence[Skill]
    """That are worked in."""

    def prompt(self, name: str, **values: object) -> Prompt:
        """A template, rendered."""
        return self.bench.prompt(name, code=self.code, **values)

    async def ask(
        self,
        role: Role,
        prompt: Prompt | Sequence[Message],
        step: str,
        reads: Reads[T] = TEXT,  # type: ignore[assignment]  # a default for the case that T is not asked for
        tools: Sequence[str] = (),
    ) -> Read[T]:
        """What whoever plays a part says, having called any of these tools before."""
        messages = messages_of(prompt)
        if role != "suggester":  # Whoever proposes may say the words of the goal.
            asked, material = (
                " ".join(one.content for one in messages if one.role == who) for who in ("system", "user")
            )
            reads = InOwnWords(reads, self.code, asked, material, self.skills)
        return await self.bench.ask(self.cast[role], messages, step=step, reads=reads, tools=tools)

    def tools_for(self, skill: Skill) -> list[str]:
        """What agents may call at work on a skill: what it names, as far as agents.yaml allows it."""
        return [one for one in skill.tools if one in self.bench.tools]


def form_shown(draft: Draft) -> dict[str, object]:
    """What templates are told of the form of an instruction."""
    kind = draft.kind
    form = "given_tools" if draft.has_tools else draft.form
    return {"form": form, "options": kind.options or 0, "labels": list(kind.labels), "lacks": draft.lacks}


def shown(value: Any) -> str:
    """Material as JSON, in which nothing can close the frame around it."""
    return json.dumps(value, ensure_ascii=False)


def with_call(draft: Draft, role: str, read: Read[Any], prompt: Prompt, *, is_shared: bool = False) -> Draft:
    """The draft with one more part in it, whose model, by which prompt, and what it cost if the call is not shared."""
    cost = 0.0 if is_shared else read.cost_usd
    return replace(
        draft,
        parts=(*(one for one in draft.parts if one != role), role),
        models={**draft.models, role: read.reply.model},
        prompts=tuple(dict.fromkeys((*draft.prompts, prompt.version))),
        traces=(*draft.traces, read.trace_text) if read.trace else draft.traces,
        cost_usd=None if cost is None or draft.cost_usd is None else draft.cost_usd + cost,
    )
