"""What a skill of AgentInstruct is (arXiv 2407.03502): transformations of a document, types of instruction, goals of
their refinement, and the form of what comes out. Pure; ``recipes/skill_files.py`` reads them.

The paper names 17 skills and publishes neither prompts nor all of the types, so that every part says where it comes
from: ``paper`` where the paper names it, ``ours`` where it does not. All texts are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Literal

from star_agents.config.data_files import DataEntry, Passage, Word
from star_agents.config.recipes import Location, Some
from star_agents.recipes.parts.forms import (
    FEWEST_OPTIONS,
    MOST_OPTIONS,
    Form,
    Transformed,
    Written,
    answer_form_flaw,
    form_flaw,
    key_flaw,
)
from star_agents.recipes.parts.tool_calls import results_of
from star_agents.recipes.parts.tool_dialogue import Demand, dialogue_flaw, task_flaw
from star_agents.records import Message, ToolCall
from star_agents.text.content_hash import digest

Source = Literal["paper", "ours", "own", "grown"]
"""Named by the paper; of this package; of a user's own file; or proposed by an agent from what a target lost."""


class Part(DataEntry):
    """A named part of a skill."""

    name: Word
    """Unlike every other of its kind in this skill."""
    source: Source = "own"
    """`paper`: the paper names it; `ours`: it does not, and it is of this package; `grown`: an agent proposed it in a
    run (`grow`); left out: it is your own."""


class Transformation(Part):
    """What a document is turned into before anybody asks about it."""

    write: Passage | None = None
    """What the transformer is to write, as said to it; left out: the document stays as it is, which costs no call."""
    form: Transformed = "text"
    """Form of what it writes: `text`; `json`, an array or an object; `tools`, an array of functions as OpenAI's API
    describes them, which are then the tools of each type of the form `tool_calls`."""


class Called(DataEntry):
    """A call of a function in an example, with what it gives."""

    name: Passage
    arguments: dict[str, Any]
    result: str


class Example(DataEntry):
    """One instruction of a type, to read and to test by; no agent is shown it."""

    instruction: Passage
    text: Passage | None = None
    """The text that it is about, where that is needed to see why it is a good one."""
    options: tuple[Passage, ...] = ()
    """Of the forms `choice` and `label`."""
    key: str = ""
    """The right one of the options, as it stands there."""
    keys: tuple[Passage, ...] = ()
    """Of the form `json`: the keys that the object has."""
    turns: tuple[Passage, ...] = ()
    """Of the form `messages`: what the user says after the instruction."""
    tools: tuple[dict[str, Any], ...] = ()
    """Of the form `tool_calls`: functions as OpenAI's API describes them."""
    lacks: str = ""
    """Of the form `tool_calls`: what keeps the task from being done: `function.parameter`, or a function's name."""
    calls: tuple[Some[Called], ...] = ()
    """Of the form `tool_calls`: the calls of each turn, in order, before the answer."""
    answer: Passage | None = None
    """One of that form, and right; of the form `tool_calls` the last turn."""

    @property
    def written(self) -> Written:
        """The same as what a writer gives."""
        return Written(
            instruction=self.instruction,
            options=self.options,
            key=self.key,
            keys=self.keys,
            turns=self.turns,
            tools=self.tools,
            lacks=self.lacks,
        )

    @property
    def tool_turns(self) -> tuple[Message, ...]:
        """Of the form `tool_calls`: calls and what they gave, before the answer."""
        turns: list[Message] = []
        for step in self.calls:
            calls = [
                ToolCall.of(f"call_{len(turns)}_{place}", one.name, one.arguments) for place, one in enumerate(step)
            ]
            turn = Message(role="assistant", content="", tool_calls=tuple(calls))
            turns += [turn, *results_of(turn, [one.result for one in step])]
        return tuple(turns)


class Type(Part):
    """One kind of instruction; an agent of its own writes a list of them."""

    ask: Passage
    """What the writer is to ask for, as said to it."""
    form: Form | None = None
    """Form of what comes out; left out: that of the skill."""
    options: int | None = None
    """Of the form `choice`: how many options there are, 2 to 26; left out: as many as the writer likes."""
    labels: tuple[Passage, ...] = ()
    """Of the form `label`: the options, in any order; left out: the writer finds them."""
    demand: Demand | None = None
    """Of the form `tool_calls`: what a dialogue of this kind has to do; left out: any will do."""
    needs_text: bool | None = None
    """Whether it can only be answered beside the text; left out: as the skill says."""
    answer: Passage | None = None
    """What the answerer is told for this type, after what the skill says."""
    example: Example | None = None


class Goal(Part):
    """A direction in which an instruction may be made better."""

    suggest: Passage
    """What the suggester may propose, as said to it."""
    changes_text: bool = False
    """Whether the editor may change the text that the instruction is about."""


class Skill(DataEntry):
    """One skill: a file of `recipes/skills/`, or one of a user's own that `agent_instruct: {skills: [...]}` names."""

    name: Word
    title: Passage
    source: Source = "own"
    about: Passage
    """What it trains, in a sentence."""
    form: Form = "text"
    """Form of what comes out, for every type that has none of its own."""
    needs_text: bool = False
    """Whether its instructions can only be answered beside the text that they are about; that text then goes with them.
    Without it, an instruction that speaks of a text it does not carry is refused."""
    transformations: tuple[Transformation, ...] = ()
    """One of them is drawn for each document; none: the document stays as it is."""
    types: Some[Type]
    """Some of them are drawn for each document."""
    goals: tuple[Goal, ...] = ()
    """What refinement is after; none: nothing is refined."""
    tools: tuple[Word, ...] = ()
    """Tools that its agents may use, where agents.yaml allows any."""
    answer: Passage
    """What the answerer is told."""

    @cached_property
    def version(self) -> str:
        """``skill/reading_comprehension:5f2c9a10``: changes whenever anything in it does."""
        return f"skill/{self.name}:{digest(self.model_dump(mode='json'))[:8]}"

    def with_types(self, added: Iterable[Type]) -> Skill:
        """The same with further types; one of a name that it has is left out."""
        names = {one.name for one in self.types}
        new = tuple(one for one in added if one.name not in names)
        # Made anew, since a copy would keep the version.
        return Skill.model_construct(**{**dict(self), "types": (*self.types, *new)}) if new else self

    def form_of(self, kind: Type) -> Form:
        """The form of a type."""
        return kind.form or self.form

    def carries_text(self, kind: Type) -> bool:
        """Whether the text goes with the instructions of a type."""
        return self.needs_text if kind.needs_text is None else kind.needs_text

    def written_flaw(self, kind: Type, written: Written) -> str:
        """What keeps an instruction from being one of a type: its form, the number of its options, its labels, what
        it lacks where a task with tools is to lack something."""
        if flaw := form_flaw(written, self.form_of(kind)):
            return flaw
        if kind.options is not None and len(written.options) != kind.options:
            return f"it has {len(written.options)} options, and {kind.options} are asked for"
        if kind.labels and set(written.options) != set(kind.labels):
            return f"its options are not the labels: {', '.join(kind.labels)}"
        return task_flaw(written, kind.demand) if kind.demand else ""

    def mistakes(self) -> Iterator[tuple[Location, str]]:
        """Parts of a kind have names of their own, goals that change a text have one, and examples have their form."""
        for what in ("transformations", "types", "goals"):
            names = [one.name for one in getattr(self, what)]
            for place, name in enumerate(names):
                if name in names[:place]:
                    yield (what, place, "name"), f"is the name of another one of the {what}: {name}"
        carries = any(map(self.carries_text, self.types))
        for place, goal in enumerate(self.goals):
            if goal.changes_text and not carries:
                yield ("goals", place, "changes_text"), "there is no text to change: no type has `needs_text: true`"
        for place, kind in enumerate(self.types):
            yield from ((("types", place, *where), message) for where, message in self._of_type(kind))

    def _of_type(self, kind: Type) -> Iterator[tuple[Location, str]]:
        form = self.form_of(kind)
        for name, belongs_to in (("options", "choice"), ("labels", "label"), ("demand", "tool_calls")):
            if getattr(kind, name) not in (None, ()) and form != belongs_to:
                yield (name,), f"belongs to the form {belongs_to!r}, and this type has the form {form!r}"
        if kind.options is not None and not FEWEST_OPTIONS <= kind.options <= MOST_OPTIONS:
            yield ("options",), f"is {kind.options}, and {FEWEST_OPTIONS} to {MOST_OPTIONS} are possible"
        if kind.example is not None and (flaw := self._example_flaw(kind, kind.example)):
            yield ("example",), f"has not the form {form!r}: {flaw}"

    def _example_flaw(self, kind: Type, example: Example) -> str:
        written = example.written
        if flaw := self.written_flaw(kind, written):
            return flaw
        if not example.answer:
            return ""
        form = self.form_of(kind)
        if form == "tool_calls":
            turns = (*example.tool_turns, Message(role="assistant", content=example.answer))
            return dialogue_flaw(turns, written, kind.demand)
        return answer_form_flaw(example.answer, written, form) or key_flaw(example.answer, written, form)


def arm_of(skill: Skill, part: Part) -> str:
    """What a transformation or a type is called in its pool, where those of every skill are arms."""
    return f"{skill.name}/{part.name}"
