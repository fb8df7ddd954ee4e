"""The peers in environments of their own: made from pins, run on the job, offline and without telemetry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from calls_bench.product import MODELS, Form, Place
from calls_bench.provider import FakeProvider
from calls_bench.seeds import seed_rows
from calls_bench.watching import Watched, watch

SCRIPTS = Path(__file__).resolve().parents[1] / "peers"
Peer = Literal["distilabel", "curator"]


def make(peer: Peer, folder: Path) -> Path:
    """The peer's interpreter; its environment is made from the pins where it is not there yet."""
    home, pins = folder / peer, SCRIPTS / f"{peer}.txt"
    python, stamp = home / "bin" / "python", home / ".installed"
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return python
    print(f"setting up {peer} in {home}", file=sys.stderr)
    if not python.exists():
        venv.create(home, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", pins], check=True)
    stamp.write_text(pins.read_text())
    return python


def run(
    peer: Peer,
    provider: FakeProvider,
    place: Place,
    settings: Mapping[str, Any],
    *,
    environments: Path,
    seeds: int,
    name: str,
    batch: int = 250,
    form: Form = "openai",
    pss: bool = False,
) -> Watched:
    """Run a peer on the job ``four``; its folder is ``place.folder / name``."""
    python, folder = make(peer, environments), place.folder / name
    folder.mkdir(parents=True)
    rows = folder / "seeds.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in seed_rows(seeds)), "utf-8")
    url = f"{provider.url}/{peer}{MODELS[form][1]}"
    command = [str(python), str(SCRIPTS / f"{peer}_job.py"), "--url", url, "--form", form]
    command += ["--seeds", str(rows), "--folder", str(folder), "--batch", str(batch)]
    provider.reset(settings)
    env = _environment(python, folder)
    found = watch(command, provider, cwd=folder, folder=folder, env=env, core=place.core, pss=pss)
    if found.returncode or found.out.split()[-1:] != [str(seeds)]:
        sys.exit(f"{name}: exit code {found.returncode}\n{found.out[-2000:]}\n{found.errors[-4000:]}")
    return found


def _environment(python: Path, folder: Path) -> dict[str, str]:
    """Caches in the run's own folder; nothing fetched, nothing reported."""
    own = {
        "HOME": str(folder),
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "CURATOR_CACHE_DIR": str(folder / "curator"),
        "TELEMETRY_ENABLED": "false",
        "BESPOKE_CURATOR_TRACKER_DISABLED": "1",
        "CURATOR_DISABLE_RICH_DISPLAY": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_API_KEY": "bench",
        "ANTHROPIC_API_KEY": "bench",
    }
    # curator counts tokens with tiktoken, which fetches its file at start; LiteLLM ships the same one.
    tokenizers = next(python.parents[1].glob("lib/python*/site-packages/litellm/litellm_core_utils/tokenizers"), None)
    if tokenizers is not None:
        own["TIKTOKEN_CACHE_DIR"] = str(tokenizers)
    return {**os.environ, **own}
