"""What AgentInstruct can be told: its section of agents.yaml, and the files of skills that it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from star_agents.config.recipes import Agents, Count, Misnamed, Repeats, Some
from star_agents.config.yaml_core import Plain
from star_agents.errors import RecipeError
from star_agents.recipes.parts.fan_out import FanOut, fan_out
from star_agents.recipes.parts.skills import Skill, arm_of
from star_agents.recipes.protocol import Settings
from star_agents.recipes.skill_files import built_in_skill, is_path, read_skill

Role = Literal["transformer", "writer", "suggester", "editor", "answerer"]
ROLES: tuple[Role, ...] = ("transformer", "writer", "suggester", "editor", "answerer")
"""Who has a part in it, in order."""


class Refine(Settings):
    """How instructions are made better once they are written."""

    rounds: Repeats | Literal["auto"] = 1
    """Rounds, each of what the one before it made; 0: none. The paper tells no number. `auto`: drawn for each type, by
    what its instructions earn at each level of difficulty; they are kept at the level that was drawn, each made of one
    that was written, so that `suggestions` and `keep` have no say."""
    most_rounds: Repeats = 2
    """The highest level that `auto` draws."""
    suggestions: Count = 2
    """Ways that the suggester proposes for each instruction in a round, each of which the editor carries out."""
    keep: Literal["add", "replace"] = "add"
    """`add`: refined ones are added to those that they were made of; `replace`: they take their place."""

    @property
    def levels(self) -> range:
        """Rounds that are drawn from; empty where they are fixed."""
        return range(self.most_rounds + 1 if self.rounds == "auto" else 0)


class AgentInstructSettings(Settings):
    """What AgentInstruct can be told."""

    derived = ("skill_files",)

    writer: Agents
    """Writes the instructions. A list of agents, here and below, is drawn from by what came of each one's work."""
    transformer: Agents | None = None
    """Turns documents into other texts; left out: the writers."""
    suggester: Agents | None = None
    """Proposes what would make an instruction better; left out: the writers."""
    editor: Agents | None = None
    """Carries out what is proposed; left out: the writers."""
    answerer: Agents | None = None
    """Answers, where no other recipe follows; left out: the writers."""
    skills: Some[str] = ("reading_comprehension",)
    """By name (`star-agents skills` lists them), or as files of your own: `./mine.yaml`."""
    skills_per_document: Count = 1
    """Skills that are drawn for each document."""
    types_per_document: Count = 4
    """Types of instruction that are drawn for each document, in all skills together."""
    instructions_per_document: Count = 12
    """Instructions in the end, refined ones included: so many are asked for first that these have room."""
    refine: Refine = Refine()
    """How they are made better."""
    longest_text: Count = 24_000
    """Characters of a document, or of a text that it was turned into: a longer one is dropped with that reason."""
    skill_files: tuple[Skill, ...] = ()
    """Not written by anybody: what was read from the files that `skills` names, in their order."""

    @classmethod
    def with_files(cls, section: Mapping[str, Plain], beside: Path | None) -> Mapping[str, Plain]:
        """With the skills that stand in files."""
        named = section.get("skills")
        if not isinstance(named, list):
            return section
        found: list[Plain] = []
        for place, name in enumerate(named):
            if isinstance(name, str) and is_path(name):
                found.append(_in_file(name, beside, place).model_dump(mode="json"))
            elif isinstance(name, str):
                _check_built_in(name, place)
        return {**section, "skill_files": found}

    @property
    def skill_set(self) -> tuple[Skill, ...]:
        """The skills, in their order. Raises RecipeError where one is not there."""
        files = iter(self.skill_files)
        return tuple(next(files) if is_path(name) else built_in_skill(name) for name in self.skills)

    @property
    def fan_out(self) -> FanOut:
        """What one document is asked for."""
        refine = self.refine
        return fan_out(
            most=self.instructions_per_document,
            types=self.types_per_document,
            rounds=refine.most_rounds if refine.rounds == "auto" else refine.rounds,
            suggestions=1 if refine.rounds == "auto" else refine.suggestions,
            keep="replace" if refine.rounds == "auto" else refine.keep,
        )

    def agents_of(self, role: Role) -> tuple[str, ...]:
        """Who may play a part."""
        named: tuple[str, ...] | None = getattr(self, role)
        return self.writer if named is None else named

    def drawn_agents(self, role: Role) -> tuple[str, ...]:
        """Those that are drawn from: none where there is one alone."""
        names = self.agents_of(role)
        return names if len(names) > 1 else ()

    def mistake(self) -> str:
        """Nobody plays a part twice, and skills have names of their own."""
        for role in ROLES:
            if len(set(self.agents_of(role))) < len(self.agents_of(role)):
                return f"{role} names somebody twice"
        if len(self.skill_files) != sum(map(is_path, self.skills)):
            return "the files of skills were not read; give agents.yaml as a file, or skills by name"
        names = Counter(one.name for one in self.skill_set)
        if twice := [name for name, count in names.items() if count > 1]:
            return f"skills name {twice[0]} twice"
        if self.skills_per_document > len(names):
            return f"skills_per_document is more than there are skills, {len(names)}"
        return ""


def skill_arms(settings: AgentInstructSettings) -> list[str]:
    """The skills as arms: none where there is one alone."""
    names = [one.name for one in settings.skill_set]
    return names if len(names) > 1 else []


def transformation_arms(settings: AgentInstructSettings) -> list[str]:
    """The transformations of every skill."""
    return [arm_of(skill, one) for skill in settings.skill_set for one in skill.transformations]


def type_arms(settings: AgentInstructSettings) -> list[str]:
    """The types of every skill."""
    return [arm_of(skill, one) for skill in settings.skill_set for one in skill.types]


def level_arm(arm: str, rounds: int) -> str:
    """A type at a level of difficulty, as an arm."""
    return f"{arm}@{rounds}"


def level_arms(settings: AgentInstructSettings) -> list[str]:
    """Every type at every level; none where the rounds are fixed."""
    return [level_arm(arm, rounds) for arm in type_arms(settings) for rounds in settings.refine.levels]


def _in_file(name: str, beside: Path | None, place: int) -> Skill:
    if beside is None:
        raise Misnamed(("skills", place), f"{name} cannot be read here: there is no folder to look in")
    if not (beside / name).is_file():
        raise Misnamed(("skills", place), f"{name}: no such file", "the path begins beside this file")
    return read_skill(beside / name)


def _check_built_in(name: str, place: int) -> None:
    try:
        built_in_skill(name)
    except RecipeError as error:
        message, _, fix = str(error).partition(" (")
        raise Misnamed(("skills", place), message, fix.removesuffix(")")) from None
