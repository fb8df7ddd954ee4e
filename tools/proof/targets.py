"""The small models whose data is made: the one that ships, and three that differ in what they read. World.

*Noisy* ones read 12 % instruction data in the manner of a noisy forum, as web-trained models have; *clean* ones 4 %,
all of it sound. Each kind twice, from another beginning and over another stream of text (tools/train_offline_models).
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from star_agents.offline import resolve_model

_TRAINER = Path(__file__).resolve().parents[1] / "train_offline_models"
SHIPPED = "noisy-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One small model, as it is before any fine-tuning."""

    recipe: str
    """Name in tools/train_offline_models."""
    seed: int


TARGETS: Mapping[str, Target] = {
    SHIPPED: Target(recipe="small", seed=1),
    "noisy-2": Target(recipe="small", seed=11),
    "clean-1": Target(recipe="small-clean", seed=1),
    "clean-2": Target(recipe="small-clean", seed=11),
}
KINDS: Mapping[str, tuple[str, ...]] = {"noisy": ("noisy-1", "noisy-2"), "clean": ("clean-1", "clean-2")}


def folder_of(name: str, out: Path) -> str:
    """Where the model lies; one that ``out`` does not hold yet is trained, some five minutes of one core.

    Raises:
        subprocess.CalledProcessError: Training failed; what it said is on standard error.
    """
    if name == SHIPPED:
        return resolve_model("offline/small")
    target, home = TARGETS[name], out / "targets" / name
    folder = home / target.recipe
    if not (folder / "tokenizer.json").is_file():  # written last
        command = [str(_TRAINER), "--out", str(home), "--only", target.recipe, "--seed", str(target.seed)]
        subprocess.run(command, check=True)
    return str(folder)
