"""AgentInstruct's first two stages: a document is transformed, and instructions of some types are written about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from star_agents.errors import ReplyUnreadable
from star_agents.recipes.agent_instruct_asking import Asking, form_shown, shown, with_call
from star_agents.recipes.parts.drafts import Draft, instruction_flaw, text_flaw
from star_agents.recipes.parts.forms import Written
from star_agents.recipes.parts.skills import Skill, Transformation, Type, arm_of
from star_agents.recipes.parts.tool_calls import tools_in
from star_agents.recipes.parts.writing import Items, Transformed
from star_agents.recipes.reads import Read
from star_agents.records import Document, Failure, Message
from star_agents.text.prompt import Prompt


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """What is asked about."""

    skill: Skill
    transformation: Transformation | None
    text: str
    models: Mapping[str, str]
    prompts: tuple[str, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    """Functions, where it was turned into such."""
    traces: tuple[str, ...] = ()
    """Tools that were called for it, and what they gave."""

    def draft(self, kind: Type) -> Draft:
        """One of a type, which nobody has written yet."""
        has_tools = bool(self.tools) and self.skill.form_of(kind) == "tool_calls"
        return Draft(
            skill=self.skill,
            kind=kind,
            written=Written(instruction="", tools=self.tools if has_tools else ()),
            has_tools=has_tools,
            text=self.text if self.skill.carries_text(kind) else "",
            transformation=self.transformation.name if self.transformation else "",
            parts=tuple(self.models),
            models=self.models,
            prompts=self.prompts,
            traces=self.traces,
        )


async def transform(
    asking: Asking, skill: Skill, transformation: Transformation | None, document: Document, *, longest: int
) -> Material:
    """The text that a document is turned into: itself, where that is what was drawn.

    Raises:
        ReplyUnreadable: what was written is no text, or longer than may be.
    """
    if transformation is None or transformation.write is None:
        text = document.text.strip()
        return Material(skill=skill, transformation=transformation, text=text, models={}, prompts=(skill.version,))
    what, step = transformation.write, f"transform:{arm_of(skill, transformation)}"
    prompt = asking.prompt(
        "transform", document=shown(document.text), title=shown(document.title), what=what, form=transformation.form
    )
    reads, tools = Transformed(transformation.form), asking.tools_for(skill)
    read = await asking.ask("transformer", prompt, step, reads, tools)
    if flaw := text_flaw(read.value, longest):
        raise ReplyUnreadable(Failure(kind="format", detail=f"{step}: the text {flaw}"))
    return Material(
        skill=skill,
        transformation=transformation,
        text=read.value,
        models={"transformer": read.reply.model},
        prompts=(skill.version, prompt.version),
        tools=tuple(tools_in(read.value)) if transformation.form == "tools" else (),
        traces=(read.trace_text,) if read.trace else (),
    )


async def write(asking: Asking, material: Material, kind: Type, count: int) -> list[Draft]:
    """Instructions of one type, as many as were asked for at the most; what is wrong with some of them is mended once,
    and refused where that does not help."""
    blank = material.draft(kind)
    prompt = asking.prompt(
        "write",
        text=shown(material.text),
        about=material.skill.about,
        ask=kind.ask,
        count=count,
        carries_text=material.skill.carries_text(kind),
        **form_shown(blank),
    )
    read = await asking.ask("writer", prompt, f"write:{blank.arm}", Items(blank, count))
    blank = with_call(blank, "writer", read, prompt, is_shared=True)
    drafts = [replace(blank, written=one) for one in read.value]
    flaws = {place: flaw for place, one in enumerate(drafts) if (flaw := instruction_flaw(one))}
    mended = await _mended(asking, blank, prompt, read, flaws) if flaws else []
    for (place, flaw), written in zip(flaws.items(), mended, strict=True):
        draft = drafts[place] if written is None else replace(drafts[place], written=written)
        left = flaw if written is None else instruction_flaw(draft)
        drafts[place] = draft.failed(Failure(kind="format", detail=left)) if left else draft
    return drafts


async def _mended(
    asking: Asking, blank: Draft, prompt: Prompt, read: Read[list[Written]], flaws: Mapping[int, str]
) -> list[Written | None]:
    """The items that have a flaw, once more; ``None`` for one that did not come again."""
    told = "\n".join(f"Item {place + 1}: {flaw}." for place, flaw in flaws.items())
    again = f"Some of these cannot be used.\n{told}\nReply once more with these alone, mended, in the same form."
    said = (Message(role="assistant", content=read.text), Message(role="user", content=again))
    step, reads = f"mend:{blank.arm}", Items(blank, len(flaws))
    try:
        found = (await asking.ask("writer", (*prompt.messages, *said), step, reads)).value
    except ReplyUnreadable:  # Told among what the writer failed; the items keep their flaws.
        found = []
    return [*found, *[None] * (len(flaws) - len(found))]
