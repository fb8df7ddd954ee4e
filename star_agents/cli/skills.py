"""`skills`: what `agent_instruct` can make of a document, and where each part of it comes from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from star_agents.cli.grown_skills import list_grown, write_grown
from star_agents.cli.tables import print_json
from star_agents.errors import UsageError
from star_agents.recipes.parts.skills import Part, Skill, Transformation, Type
from star_agents.recipes.skill_files import built_in_skill, built_in_skills, is_path, read_skill
from star_agents.text.printing import say


@click.command()
@click.argument("name", default="", metavar="[NAME | FILE.yaml]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--grown-in", type=click.Path(path_type=Path), metavar="FOLDER", help="List the types that were added in a run."
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the skill with these types to FILE.yaml.")
def command(name: str, as_json: bool, grown_in: Path | None, out: Path | None) -> None:
    """List the skills of AgentInstruct, or show one with its transformations, types and goals.

    What the paper names is marked `paper`, what is of this package `ours`. A file of your own is checked, too;
    agents.yaml takes it by `agent_instruct: {skills: [./mine.yaml]}`.

    With --grown-in, the types that agents proposed in a run (`agent_instruct: {grow: 6}`), and with -o a file of the
    skill with those that are still drawn, so that another run begins with them.
    """
    if out is not None and grown_in is None:
        raise UsageError("-o writes what a run added to a skill: name its folder by --grown-in")
    if grown_in is not None:
        if out is None:
            list_grown(grown_in, as_json=as_json)
        else:
            write_grown(grown_in, name, out)
        return
    if name:
        skill = read_skill(Path(name)) if is_path(name) else built_in_skill(name)
        if as_json:
            print_json(_described(skill))
        else:
            _show(skill)
        return
    skills = [built_in_skill(one) for one in built_in_skills()]
    if as_json:
        print_json({"skills": [_described(one) for one in skills]})
        return
    for one in skills:
        _summarise(one)
    say(f"{len(skills)} skills; `star-agents skills NAME` shows one whole")


def _summarise(skill: Skill) -> None:
    forms = Counter(skill.form_of(kind) for kind in skill.types)
    carried = sum(map(skill.carries_text, skill.types))
    text = "the text goes with them" if carried == len(skill.types) else f"{carried} of them with the text"
    say(f"{skill.name}  ({skill.source}; {skill.about})")
    say(f"    {_counted('types', skill.types)}; {text if carried else 'without the text'}")
    say(f"    {_counted('transformations', skill.transformations)}; {_counted('goals', skill.goals)}")
    say(f"    forms: {', '.join(f'{form} {count}' for form, count in forms.most_common())}")


def _counted(what: str, parts: tuple[Part, ...]) -> str:
    """``43 types (14 paper, 29 ours)``."""
    counts = Counter(one.source for one in parts)
    told = ", ".join(f"{counts[source]} {source}" for source in ("paper", "ours", "own", "grown") if counts[source])
    return f"{len(parts)} {what} ({told})" if parts else f"no {what}"


def _show(skill: Skill) -> None:
    say(f"{skill.name}  ({skill.title}; {skill.source}; {skill.version})")
    say(f"    {skill.about}")
    for one in skill.transformations:
        say(f"    transformation  {_named(one)}{_form_of(one)}: {one.write or 'the document as it is, without a call'}")
    for kind in skill.types:
        with_text = ", with the text" if skill.carries_text(kind) else ""
        say(f"    type            {_named(kind)} [{skill.form_of(kind)}{with_text}]: {kind.ask}")
        if kind.example is not None:
            say(f"                    such as: {_example(kind)}")
    for goal in skill.goals:
        say(f"    goal            {_named(goal)}: {goal.suggest}")
    say(f"    answers         {skill.answer}")


def _form_of(one: Transformation) -> str:
    return "" if one.form == "text" else f" [{one.form}]"


def _named(part: Part) -> str:
    return f"{part.name} ({part.source})"


def _example(kind: Type) -> str:
    example = kind.example
    if example is None:
        return ""
    parts = [example.instruction, *example.options, *example.turns]
    return " | ".join(" ".join(part.split()) for part in parts)


def _described(skill: Skill) -> dict[str, Any]:
    data = skill.model_dump(mode="json", exclude_none=True)
    for kind, described in zip(skill.types, data["types"], strict=True):
        described |= {"form": skill.form_of(kind), "needs_text": skill.carries_text(kind)}
    return {**data, "version": skill.version}
