"""What a run added to the skills of AgentInstruct, listed, or kept as a file of a skill that later runs take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from star_agents.cli.tables import print_json
from star_agents.config.data_files import as_text
from star_agents.config.kept import config_in_sections
from star_agents.engine.stages import settings_with
from star_agents.errors import UsageError
from star_agents.observe.status import Arm, plain
from star_agents.recipes.agent_instruct import agent_instruct
from star_agents.recipes.agent_instruct_settings import AgentInstructSettings
from star_agents.recipes.parts.skills import Skill
from star_agents.recipes.skill_files import is_path, read_skill
from star_agents.records import GrownArm
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.storage.reader import StoreReader
from star_agents.storage.recipe_facts import pool_facts
from star_agents.storage.recipe_tallies import probabilities_in_force
from star_agents.text.printing import say

RECIPE = "agent_instruct"
POOL = f"{RECIPE}.types"


def list_grown(folder: Path, *, as_json: bool) -> None:
    """Print the types that were added, with what they earned, those that were given up included."""
    with StoreReader(folder) as reader:
        tallies = reader.tallies()
        shares = probabilities_in_force(reader.pools(), tallies.recipes)
        pools = pool_facts(shares, tallies.pools, tallies.arm_notes, tallies.grown)
        arms = pools[POOL].arms if POOL in tallies.grown else {}
    added = {name: arm for name, arm in arms.items() if arm.grown is not None}
    if as_json:
        print_json({"types": plain(added)})
        return
    for name, arm in added.items():
        say(f"{name}  ({_fate(arm)})")
        say(f"    {arm.grown.what if arm.grown else ''}")
    if not added:
        say(f"{folder}: no type was added (agents.yaml: `{RECIPE}: {{grow: 6}}`, in a chain such as arena_instruct)")


def write_grown(folder: Path, name: str, out: Path) -> None:
    """Write a skill with the types that were added to it and are drawn.

    Args:
        folder: Of the run.
        name: The skill's; empty for the one to which types were added.
        out: The file, `.yaml`.

    Raises:
        UsageError: there is no such skill in the run, or nothing was added to it.
    """
    if not is_path(out.name):
        raise UsageError(f"{out}: the file of a skill ends with .yaml")
    settings, grown = _of_run(folder)
    names = list(dict.fromkeys(str(one.data["skill"]) for one in grown.values() if not one.is_retired))
    if not name and len(names) > 1:
        raise UsageError(f"{folder}: types were added to {', '.join(names)}; say of which skill to write a file")
    wanted = name or "".join(names)
    if wanted not in names:
        of = f" to {wanted}" if wanted else ""
        raise UsageError(f"{folder}: no type that is drawn was added{of} (`skills --grown-in {folder}` lists them)")
    skills = {one.name: one for one in settings_with(agent_instruct, settings, list(grown.values())).skill_set}
    if wanted not in skills:
        raise UsageError(f"{folder}: its newest agents.yaml has no skill {wanted!r}; it has {', '.join(skills)}")
    _write(skills[wanted], out)
    kinds = skills[wanted].types
    added = sum(one.source == "grown" for one in kinds)
    say(f"wrote {out}: skill {wanted} with {len(kinds)} types, {added} of them added")
    say(f"agents.yaml takes it by `{RECIPE}: {{skills: [./{out.name}]}}`, in place of {wanted}")


def _of_run(folder: Path) -> tuple[AgentInstructSettings, Mapping[str, GrownArm]]:
    with StoreReader(folder) as reader:
        revisions, grown = reader.revisions(), reader.tallies().grown.get(POOL, {})
    section = config_in_sections(revisions[-1].config).get(RECIPE) if revisions else None
    if not isinstance(section, dict):
        raise UsageError(f"{folder}: recipe {RECIPE} is not at work there")
    # An added type is one to be kept, whether or not the newest edit lets it be drawn.
    section = {**section, "grow": max(1, section.get("grow", 0))}
    return AgentInstructSettings.model_validate_json(json.dumps(section)), grown


def _write(skill: Skill, out: Path) -> None:
    """Write the file, and read it as a run would."""
    with atomic_file(out) as handle:
        handle.write(as_text(skill).encode("utf-8"))
    read_skill(out)


def _fate(arm: Arm) -> str:
    assert arm.grown is not None, "of an arm that was added"
    mean = "" if arm.mean_reward is None else f", mean reward {arm.mean_reward:.3f}"
    share = "" if arm.probability is None else f"share {arm.probability:.4f}, "
    retired = f"; given up: {arm.grown.retired}" if arm.grown.retired else ""
    return f"{share}{arm.draws:,} draws{mean}{retired}"
