"""What of a reproduction is done: one file, written whole after each step, and the only truth about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_agents.engine.reproduction.plan import Step
from star_agents.errors import StoreError, UsageError
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.text.plain_data import json_text

STATE_FILE = "reproduction.json"
FORM = 1
"""Of the file; another one is not read."""
MAX_BYTES = 1 << 24


@dataclass(kw_only=True)
class ReproductionState:
    """The state of the reproduction in a folder."""

    folder: Path
    fixed: Mapping[str, Any]
    """What must not change while it goes on."""
    done: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Facts by the name of the step."""

    @classmethod
    def opened(cls, folder: Path, fixed: Mapping[str, Any]) -> ReproductionState:
        """The state of a folder; a new one where there is none.

        Raises:
            UsageError: another experiment was begun there: what differs.
            StoreError: the file cannot be used.
        """
        found = read_state(folder)
        if found is None:
            state = cls(folder=folder, fixed=dict(fixed))
            state.save()
            return state
        plain = json.loads(json_text(dict(fixed)))
        if differ := [name for name, value in plain.items() if found.fixed.get(name) != value]:
            told = f"{folder} holds a reproduction with other {', '.join(differ)}"
            raise UsageError(f"{told}; take back what was edited there, or name another -o")
        return found

    def is_done(self, step: Step) -> bool:
        """Whether a step is."""
        return step.name in self.done

    def finish(self, step: Step, facts: Mapping[str, Any]) -> None:
        """Note durably that a step is done."""
        self.done[step.name] = dict(facts)
        self.save()

    def save(self) -> None:
        """Write the file."""
        data = {"form": FORM, "fixed": self.fixed, "done": self.done}
        with atomic_file(self.folder / STATE_FILE) as handle:
            handle.write(json_text(data, indent=2).encode("utf-8") + b"\n")


def read_state(folder: Path) -> ReproductionState | None:
    """The state that a folder holds; ``None`` where nothing was begun there.

    Raises:
        StoreError: the file is damaged, or of another version.
    """
    path = folder / STATE_FILE
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise StoreError(f"{path}: is larger than any that is written here")
        data = json.loads(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); restore it, or begin in another folder") from None
    try:
        if data["form"] != FORM:
            raise StoreError(f"{path}: is of form {data['form']!r}, and this version reads form {FORM}")
        done = {str(name): dict(facts) for name, facts in data["done"].items()}
        return ReproductionState(folder=folder, fixed=dict(data["fixed"]), done=done)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{path}: is no state of a reproduction ({type(error).__name__}: {error})"
        raise StoreError(f"{told}; restore it, or begin in another folder") from None
