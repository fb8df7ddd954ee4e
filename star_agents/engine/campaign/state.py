"""What of a campaign is done: one file, written whole or not at all after each phase, and the only truth about it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_agents.engine.campaign.plan import Phase, Step
from star_agents.errors import StoreError, UsageError
from star_agents.storage.connection import STORE_FILE
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.text.plain_data import json_text

STATE_FILE = "rounds.json"
DATA, EXAMS, GRADES, MODELS, ROWS, LOGS = "data", "exam", "benchmark", "models", "rows", "logs"
"""Folders below that of the campaign."""
STORES = (DATA, EXAMS, GRADES)
FORM = 1
"""Of the file; another one is not read."""
MAX_BYTES = 1 << 24
MOST_TROUBLES = 100
Facts = Mapping[str, Any]


@dataclass(kw_only=True, slots=True)
class StepState:
    """What is known of one step."""

    done: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Facts by phase, of the phases that are done."""
    failures: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Trainings of it that failed, oldest first: ``reason``, ``folder``."""
    is_given_up: bool = False
    """It failed, and the campaign went on without it."""


@dataclass(kw_only=True)
class CampaignState:
    """The state of the campaign in a folder."""

    folder: Path
    fixed: dict[str, Any]
    """What must not change while it goes on: target, stages, parts, recipe."""
    rounds: int
    steps: dict[str, StepState] = field(default_factory=dict[str, StepState])
    troubles: list[str] = field(default_factory=list[str])
    """What went wrong and was mended, the newest of it, a sentence each: servers that had to be started again."""
    stopped: str = ""
    """Why it ended before its last step by itself, such as a round that did not pay; empty: it did not."""

    @classmethod
    def opened(cls, folder: Path, fixed: Mapping[str, Any], rounds: int) -> CampaignState:
        """The state of a folder; a new one where there is none.

        Raises:
            UsageError: another campaign stands there: what differs; or a run.
            StoreError: the file cannot be used.
        """
        found = read_state(folder)
        if found is None:
            if (folder / STORE_FILE).is_file():
                raise UsageError(f"{folder} holds a run, and no rounds; name another -o")
            state = cls(folder=folder, fixed=dict(fixed), rounds=rounds)
            state.save()
            return state
        told = [_difference(name, found.fixed.get(name), value) for name, value in fixed.items()]
        if differ := [one for one in told if one]:
            raise UsageError(f"{folder} holds other rounds: {'; '.join(differ)}; name another -o")
        # More rounds go on where fewer ended; whether one paid is judged anew by the settings of now.
        found.rounds, found.stopped = rounds, ""
        return found

    def path_of(self, kept: str) -> str:
        """Where a model lies that is kept by its path within the folder, which may have been moved."""
        return str((self.folder / kept).resolve())

    def of(self, step: Step) -> StepState:
        """What is known of a step."""
        return self.steps.setdefault(step.name, StepState())

    def is_done(self, step: Step, phase: Phase) -> bool:
        """Whether a phase is."""
        return step.name in self.steps and phase in self.steps[step.name].done

    def is_given_up(self, step: Step) -> bool:
        """Whether it failed, and the campaign goes on without it."""
        return step.name in self.steps and self.steps[step.name].is_given_up

    def finish(self, step: Step, phase: Phase, facts: Facts) -> None:
        """Note durably that a phase is done."""
        self.of(step).done[phase] = dict(facts)
        self.save()

    def fail(self, step: Step, reason: str, folder: str, *, go_on: bool) -> None:
        """Note durably that a training failed; the next try begins where its rows are."""
        state = self.of(step)
        state.failures.append({"reason": reason, "folder": folder})
        state.is_given_up = go_on
        for phase in ("model", "ready"):
            state.done.pop(phase, None)
        self.save()

    def trouble(self, sentence: str) -> None:
        """Note durably what went wrong."""
        self.troubles = [*self.troubles, sentence][-MOST_TROUBLES:]
        self.save()

    def stop(self, why: str) -> None:
        """Note durably why it ends early."""
        self.stopped = why
        self.save()

    def save(self) -> None:
        """Write the file."""
        steps = {
            name: {"done": one.done, "failures": one.failures, "given_up": one.is_given_up}
            for name, one in self.steps.items()
        }
        data = {
            "form": FORM,
            "fixed": self.fixed,
            "rounds": self.rounds,
            "steps": steps,
            "troubles": self.troubles,
            "stopped": self.stopped,
        }
        with atomic_file(self.folder / STATE_FILE) as handle:
            handle.write(json_text(data, indent=2).encode("utf-8") + b"\n")


_MEANT = {
    "parts": "its seeds are divided otherwise, as by another number of rounds where agents.yaml has no `parts`",
    "exam": "its exam has other prompts",
}
"""What another value of a digest means."""


def _difference(name: str, before: object, now: object) -> str:
    if before == now:
        return ""
    return _MEANT.get(name) or f"`{name}` was {json_text(before)} there, and is {json_text(now)} now"


def read_state(folder: Path) -> CampaignState | None:
    """The state that a folder holds; ``None`` where no campaign ever began there.

    Raises:
        StoreError: the file is damaged, or of another version.
    """
    path = folder / STATE_FILE
    try:
        if os.stat(path).st_size > MAX_BYTES:
            raise StoreError(f"{path}: is larger than any that is written here")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); restore it, or begin in another folder") from None
    try:
        if data["form"] != FORM:
            raise StoreError(f"{path}: is of form {data['form']!r}, and this version reads form {FORM}")
        return CampaignState(
            folder=folder,
            fixed=dict(data["fixed"]),
            rounds=int(data["rounds"]),
            steps={
                name: StepState(
                    done={phase: dict(facts) for phase, facts in one["done"].items()},
                    failures=[dict(failure) for failure in one["failures"]],
                    is_given_up=bool(one["given_up"]),
                )
                for name, one in data["steps"].items()
            },
            troubles=[str(one) for one in data["troubles"]],
            stopped=str(data["stopped"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        told = f"{path}: is no state of rounds ({type(error).__name__}: {error})"
        raise StoreError(f"{told}; restore it, or begin in another folder") from None
