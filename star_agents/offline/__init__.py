"""The embedded default: sample agents, a tiny scorer pair and sample seeds, with nothing to download.

These are samples that show the line at work, not language models worth asking. Importing this package loads none of
them: ``agents``, ``world`` and ``seeds`` are imported by whoever needs them.
"""

from __future__ import annotations

from pathlib import Path

from star_agents.errors import ScorerError

PREFIX = "offline/"
"""What the names of sample agents and sample scorers begin with in agents.yaml."""
SEEDS_PATH = Path(__file__).parent / "seeds.jsonl"
"""300 Alpaca rows of the closed world."""
DOCUMENTS_PATH = Path(__file__).parent / "documents.jsonl"
"""60 documents that state facts of it."""
PAIRS_PATH = Path(__file__).parent / "pairs.jsonl"
"""120 pairs of answers of the closed world, the better one known."""
QUESTIONS_PATH = Path(__file__).parent / "closed_world.jsonl"
"""40 questions of two turns of the closed world, in the form of MT-bench."""
MODELS_PATH = Path(__file__).parent / "models"
"""Folder of the scorer pair: ``small`` and ``large``."""
SCORERS = ("small", "large")


def seeds_path(name: str, *, documents: bool = False) -> Path:
    """The file of that name; the word ``offline`` stands for the sample seeds, or for the sample documents."""
    if name != "offline":
        return Path(name)
    return DOCUMENTS_PATH if documents else SEEDS_PATH


def pairs_path(name: str) -> Path:
    """The file of that name; the word ``offline`` stands for the sample pairs."""
    return PAIRS_PATH if name == "offline" else Path(name)


def benchmark_name(name: str) -> str:
    """A benchmark's name, or the path of its file; the word ``offline`` stands for the sample questions."""
    return str(QUESTIONS_PATH) if name == "offline" else name


def resolve_model(name: str) -> str:
    """The folder of ``offline/small`` or ``offline/large``; every other name is returned as it is.

    Raises ``ScorerError`` for another ``offline/`` name, and where the models are not there.
    """
    if not name.startswith(PREFIX):
        return name
    scorer = name.removeprefix(PREFIX)
    if scorer not in SCORERS:
        raise ScorerError(f"no sample scorer is called {name}; use offline/small and offline/large")
    folder = MODELS_PATH / scorer
    if not (folder / "config.json").is_file():
        raise ScorerError(f"the sample scorer {name} is not in {folder}; make it with tools/train_offline_models")
    return str(folder)
