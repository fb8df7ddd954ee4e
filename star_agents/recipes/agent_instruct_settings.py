"""What AgentInstruct can be told: its section of agents.yaml, and the files of skills that it names."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from star_agents.config.models import Config
from star_agents.config.recipes import Added, Agents, Count, Location, Misnamed, Repeats, Some, not_kept
from star_agents.config.yaml_core import Plain
from star_agents.errors import RecipeError
from star_agents.recipes.parts.fan_out import FanOut, fan_out
from star_agents.recipes.parts.skills import Skill, Type, arm_of
from star_agents.recipes.protocol import Settings
from star_agents.recipes.skill_files import built_in_skill, is_path, read_skill
from star_agents.records import GrownArm

Role = Literal["transformer", "writer", "suggester", "editor", "answerer", "grower"]
ROLES: tuple[Role, ...] = ("transformer", "writer", "suggester", "editor", "answerer")
"""Who has a part in every document, in order."""


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

    derived = ("skill_files", "grown_skills", "given_up", "adopted")

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
    grower: Agents | None = None
    """Proposes new types where `grow` asks for any; left out: the writers."""
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
    grow: Added = 0
    """Types that agents may add to skills while it runs, and that are drawn at once; 0: none. From instructions that
    earned something, such as those that a target lost, the grower proposes what the skill's types do not ask for. New
    types start at the floor, and are given up when they earn no more than a type that the skill came with does."""
    grow_after: Count = 10
    """What the types of a skill earn between two proposals for it, in draws whose instructions the target all lost."""
    grow_tries: Count = 10
    """Draws that are kept for each new type, one of a document; then its share and its fate go by what it earned."""
    skill_files: tuple[Skill, ...] = ()
    """Not written by anybody: what was read from the files that `skills` names, in their order."""
    grown_skills: tuple[Skill, ...] = not_kept(())
    """Not written by anybody: all skills, with the types that were added and are drawn."""
    given_up: Mapping[str, tuple[Type, ...]] = not_kept({})
    """Not written by anybody: by skill, the types that were added and are drawn no more."""
    adopted: tuple[str, ...] = not_kept(())
    """Not written by anybody: arms that were added, and whose types the skills have as their own by now."""

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
        """The skills, in their order, with the types that were added. Raises RecipeError where one is not there."""
        return self.grown_skills or self.given_skills

    @property
    def given_skills(self) -> tuple[Skill, ...]:
        """The skills as they came. Raises RecipeError where one is not there."""
        files = iter(self.skill_files)
        return tuple(next(files) if is_path(name) else built_in_skill(name) for name in self.skills)

    def types_of(self, skill: Skill) -> tuple[Type, ...]:
        """The types of a skill with those that it had once: a document under way may have drawn one of them."""
        return skill.with_types(self.given_up.get(skill.name, ())).types

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
        for role in get_args(Role):
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

    def beside(self, config: Config) -> Iterator[tuple[Location, str, str]]:
        """New types come of what instructions earned with another recipe."""
        if not self.grow:
            return
        if not config.feedback:
            fix = "leave out `feedback: off`, or `grow`"
            yield (
                ("grow",),
                "needs feedback: new types are made of what the target lost, and kept by what they earn",
                fix,
            )
        if config.recipe[-1] == "agent_instruct":
            fix = "write `recipe: arena_instruct`, or another chain, or leave out `grow`"
            yield ("grow",), "needs a recipe that takes the instructions: new types are made of what that lost", fix


def with_grown(settings: AgentInstructSettings, grown: Sequence[GrownArm]) -> AgentInstructSettings:
    """Settings with the types in them that were added. One of a skill that is no longer there, or of a name that the
    skill has otherwise by now, is none; with `grow: 0` no added type is drawn."""
    given = set(type_arms(settings.model_copy(update={"grown_skills": ()})))
    drawn: dict[str, list[Type]] = {}
    given_up: dict[str, list[Type]] = {}
    for one in grown:
        if one.pool == "types":
            kind = Type.model_validate_json(json.dumps(one.data["type"]))
            (given_up if one.is_retired or not settings.grow else drawn).setdefault(one.data["skill"], []).append(kind)
    skills = tuple(one.with_types(drawn.get(one.name, ())) for one in settings.given_skills)
    told = {name: tuple(kinds) for name, kinds in given_up.items()}
    adopted = tuple(one.arm for one in grown if one.arm in given and not one.is_retired)
    return settings.model_copy(update={"grown_skills": skills, "given_up": told, "adopted": adopted})


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
