"""An instruction while AgentInstruct makes it: of what it is, what it needs, what keeps it from the dataset. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from star_agents.recipes.parts.elimination import content_words
from star_agents.recipes.parts.forms import Form, Written, missing_text_flaw, with_options
from star_agents.recipes.parts.skills import Goal, Skill, Type, arm_of
from star_agents.recipes.parts.tool_calls import described
from star_agents.records import Failure, Message, Sample, Trial, Wording

ROLE = "instruction"
"""Of the trials that become of drafts."""
_STEP = re.compile(r"^[a-z]+:\S+: ")
_WORD = re.compile(r"\w+")
NO_VERDICT = ("call", "down", "budget")
"""Kinds of failures that say nothing of an instruction: somebody could not be asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """One instruction of one type."""

    skill: Skill
    kind: Type
    written: Written
    text: str = ""
    """The text that goes with it; empty where none does."""
    transformation: str = ""
    has_tools: bool = False
    """Whether its functions come from the transformation, so that nobody writes them with it."""
    rounds: int = 0
    """Of refinement behind it."""
    goals: tuple[str, ...] = ()
    """What each of them was after."""
    made_of: str = ""
    """The identity of the one that it was refined from; empty for one that was written so."""
    family: str = ""
    """The identity of the one that was written, in however many rounds it was refined; empty for that itself."""
    parts: tuple[str, ...] = ()
    """Who had a part in it, in order: ``transformer``, ``writer``, ``suggester``, ``editor``, ``answerer``."""
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    prompts: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    """Tools that were called on the way and what they gave, of each call that needed any."""
    cost_usd: float | None = 0.0
    """Of the calls that were made for it alone."""
    conversation: tuple[Message, ...] = ()
    """Of the form ``messages``: all turns before the last answer, the text in the first; empty while nobody has
    answered."""
    tool_turns: tuple[Message, ...] = ()
    """Of the form ``tool_calls``: calls and what they gave, before the answer."""
    answer: str | None = None
    failure: Failure | None = None

    @property
    def form(self) -> Form:
        """Form of the answer: `text`, `choice`, `json` and so on."""
        return self.skill.form_of(self.kind)

    @property
    def lacks(self) -> str:
        """What its kind of task with tools is to lack, ``parameter`` or ``function``; empty where it lacks nothing."""
        demand = self.kind.demand
        return "" if demand is None or demand.lacks == "nothing" else demand.lacks

    @property
    def arm(self) -> str:
        """Its type as an arm."""
        return arm_of(self.skill, self.kind)

    @property
    def goals_open(self) -> dict[str, Goal]:
        """By name, what refinement of it may be after: only where there is a text may that be changed."""
        return {one.name: one for one in self.skill.goals if self.text or not one.changes_text}

    @property
    def request(self) -> str:
        """The instruction as somebody is asked it, its options included."""
        written = self.written
        return with_options(written.instruction, written.options) if self.form == "choice" else written.instruction

    @property
    def opening(self) -> str:
        """What its conversation begins with: the request, and the text."""
        return f"{self.request}\n\n{self.text}" if self.text else self.request

    @property
    def sample(self) -> Sample:
        """As a row has it, or, unanswered, the next recipe."""
        if self.conversation:
            *before, last = self.conversation
            return Sample(instruction=last.content, history=tuple(before), response=self.answer)
        return Sample(
            instruction=self.request,
            input=self.text,
            response=self.answer,
            tools=described(self.written.tools),
            tool_turns=self.tool_turns,
        )

    @property
    def identity(self) -> str:
        """The words of it, which two instructions of one document may not have in common."""
        written = self.written
        told = " ".join([written.instruction, *sorted(written.options), *written.turns, self.text])
        return " ".join(_WORD.findall(told.casefold()))

    @property
    def wording(self) -> Wording:
        """What near repetitions of it are found by: its words without the text, which has to be the same."""
        written = self.written
        told = " ".join([written.instruction, *sorted(written.options), *written.turns])
        tools = " ".join(one.name for one in described(written.tools))
        return Wording(text=told, goes_with=(self.text, tools), family=self.family or self.identity)

    def refined(self, goal: str, *, made_of: Draft | None = None) -> Draft:
        """The same one round of refinement later."""
        goals = (*self.goals, goal) if goal else self.goals
        made = made_of.identity if made_of else ""
        return replace(self, rounds=self.rounds + 1, goals=goals, made_of=made, family=self.family or made)

    def failed(self, failure: Failure, part: str = "") -> Draft:
        """The same, which comes to nothing, by whose ``part``, told in place of the call's step."""
        if not part:
            return replace(self, failure=failure)
        told = replace(failure, detail=f"{part}: {_STEP.sub('', failure.detail)}")
        return replace(self, failure=told, parts=(*self.parts, part))

    def trial(self) -> Trial:
        """What is kept of it."""
        is_known = self.failure is None or self.failure.kind not in NO_VERDICT
        words = len(self.written.instruction.split())
        kept = float(self.failure is None) if is_known else None
        return Trial(
            arm=self.arm,
            sample=self.sample,
            role=ROLE,
            failure=self.failure,
            measures={"kept": kept, "rounds": float(self.rounds), "words": float(words) if words else None},
            models=self.models,
            prompts=self.prompts,
            cost_usd=self.cost_usd,
            notes={"trace": "\n\n".join(self.traces)} if self.traces else {},
        )

    def lineage(self) -> dict[str, str]:
        """What a row says of how it came about."""
        return {
            "skill": self.skill.name,
            "transformation": self.transformation,
            "type": self.kind.name,
            **({"type_source": self.kind.source} if self.kind.source == "grown" else {}),
            "form": self.form,
            "rounds": str(self.rounds),
            "goals": " > ".join(self.goals),
            **({"key": self.written.key} if self.written.key else {}),
        }


def instruction_flaw(draft: Draft) -> str:
    """What keeps an instruction from being asked at all; empty where nothing does."""
    if flaw := draft.skill.written_flaw(draft.kind, draft.written):
        return flaw
    if not _WORD.search(draft.written.instruction):
        return "the instruction holds no words"
    if draft.skill.carries_text(draft.kind):
        return ""
    turns = (draft.written.instruction, *draft.written.turns)
    return next(filter(None, map(missing_text_flaw, turns)), "")


def text_flaw(text: str, longest: int) -> str:
    """What keeps a text from being asked about, in words that follow "the text"; empty where nothing does."""
    if len(text) > longest:
        return f"has {len(text):,} characters, and {longest:,} are possible (longest_text)"
    return "" if content_words(text) else "holds no words"


def without_repeats(known: Iterable[Draft], found: Sequence[Draft]) -> list[Draft]:
    """Those found, each that repeats a known one or one before it as a failure."""
    seen = {one.identity for one in known}
    told: list[Draft] = []
    for one in found:
        is_repeat = one.failure is None and one.identity in seen
        told.append(one.failed(_REPEATED) if is_repeat else one)
        seen.add(one.identity)
    return told


_REPEATED = Failure(kind="format", detail="the document has the same instruction already")
