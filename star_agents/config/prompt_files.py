"""Prompts that agents.yaml puts in the place of ours: read, and held to what the prompt is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from star_agents.config.recipes import Declared
from star_agents.config.suggestions import did_you_mean
from star_agents.errors import PromptError

JUDGING = "judging"
_JUDGING_FOLDER = Path(__file__).parents[1] / "recipes" / "prompts" / JUDGING
Finding = tuple[str, str, str]
"""Name of the prompt, what is wrong, what to do."""


def read_prompts(
    paths: Mapping[str, str], declared: Sequence[Declared], beside: Path | None
) -> tuple[dict[str, str], list[Finding]]:
    """The texts of the files, by the names of the prompts, and what is wrong with the others.

    Args:
        paths: Name of a prompt, ``star/respond``, to the path of a template.
        declared: What the recipes at work say of themselves.
        beside: The folder from which a path goes.
    """
    folders = {one.name: one.prompts for one in declared if one.prompts is not None} | {JUDGING: _JUDGING_FOLDER}
    texts: dict[str, str] = {}
    found: list[Finding] = []
    for name, path in paths.items():
        try:
            texts[name] = _read(name, path, folders, beside)
        except _Wrong as wrong:
            found.append((name, wrong.message, wrong.fix))
    return texts, found


class _Wrong(Exception):
    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


def _read(name: str, path: str, folders: Mapping[str, Path], beside: Path | None) -> str:
    # Jinja takes a tenth of a second to load, and few files need it.
    from star_agents.text.prompt_templates import PromptTemplates, read_template  # noqa: PLC0415

    group, _, short = name.partition("/")
    if beside is None:
        raise _Wrong("cannot be read here: there is no folder to look in")
    try:
        ours = PromptTemplates(folders[group]) if group in folders else None
        if ours is None or short not in ours.names:
            raise _Wrong("is no prompt of the recipes in use", did_you_mean(name, list(_known(folders))))
        text = read_template(beside / path)
        theirs = PromptTemplates(folders[group], overrides={short: text})
        if unknown := sorted(theirs.variables(short) - ours.variables(short)):
            given = ", ".join(sorted(ours.variables(short))) or "nothing"
            raise _Wrong(f"{path} uses {', '.join(unknown)}, which it is not given", f"it is given {given}")
        if not theirs.has_messages(short):
            raise _Wrong(f"{path} has no line [system] or [user], where a prompt begins", "put [user] above its text")
    except PromptError as error:
        raise _Wrong(str(error)) from None
    return text


def _known(folders: Mapping[str, Path]) -> Iterator[str]:
    from star_agents.text.prompt_templates import SUFFIX, template_files  # noqa: PLC0415

    for group, folder in folders.items():
        for path in template_files(folder):
            yield f"{group}/{path.name.removesuffix(SUFFIX)}"
