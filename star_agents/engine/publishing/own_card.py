"""A card that a person has written, or changed: it goes out as it is, where its head fits what goes out with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from star_agents.errors import UsageError
from star_agents.export.licences import Licence, read_licence

LONGEST = 1 << 20


def read_card(path: Path) -> tuple[str, Mapping[str, Any]]:
    """Text and head of a card. Raises UsageError."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--card {path}: cannot be read: {error}") from None
    if len(text) > LONGEST:
        raise UsageError(f"--card {path}: has more than {LONGEST:,} characters")
    begin, _, rest = text.partition("---\n")
    head, end, _ = rest.partition("\n---")
    if begin.strip() or not end:
        raise UsageError(f"--card {path}: has no head between two lines of ---, as `card` writes it")
    try:
        said = yaml.safe_load(head)
    except yaml.YAMLError as error:
        raise UsageError(f"--card {path}: its head is no YAML: {' '.join(str(error).split())[:300]}") from None
    if not isinstance(said, dict):
        raise UsageError(f"--card {path}: its head is no YAML of keys and values")
    return text, said


def licence_in(path: Path, head: Mapping[str, Any], given: Licence | None) -> Licence | None:
    """The licence of a card's head, which is a person's word as an option is. Raises UsageError where they differ."""
    said = head.get("license")
    if said is None:
        if given is not None:
            raise UsageError(f"--card {path}: names no licence; write `license: {given.id}` into its head")
        return None
    texts = [
        value if isinstance(value, str) else None
        for value in (said, head.get("license_name"), head.get("license_link"))
    ]
    found = read_licence(texts[0] or str(said), texts[1], texts[2])
    if given is not None and given != found:
        raise UsageError(f"--card {path}: its head says license: {said}, and --license says {given.id}")
    return found


def check_configs(path: Path, head: Mapping[str, Any], configs: Collection[str]) -> None:
    """Raises UsageError where a head names other configs than those that go out: nobody could load them."""
    listed = head.get("configs")
    named = {one.get("config_name") for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
    if named != set(configs):
        says = ", ".join(sorted(map(str, named))) or "none"
        raise UsageError(
            f"--card {path}: its head names the configs {says}, and {', '.join(configs)} go out; take `configs` and "
            "`size_categories` from what `card` writes now"
        )
