"""The page that leads from a dataset file to the hub, command by command as it stands there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_asyncio
from anyio.to_thread import run_sync
from daemons import star_agents
from hub_server import USER, HubServer

import star_agents as sa
from star_agents import offline

PAGE = Path(sa.__file__).parent / "export" / "README.md"
REPO = f"{USER}/mine"


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[HubServer]:
    async with HubServer() as server:
        yield server


def _as_lines(file: Path) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in json.loads(file.read_text("utf-8")))


def commands() -> list[str]:
    """Those of the page."""
    blocks: list[str] = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    return blocks[0].splitlines()


async def walk(folder: Path, hub: HubServer, seeds: int) -> dict[str, str]:
    """What each command says, by its verb."""
    environ = hub.environ(HF_HOME=str(folder / "hub"))

    def run(words: list[str]) -> subprocess.CompletedProcess[str]:
        # The hub's library reads the environment when it is imported, so what asks the hub starts as a user starts it.
        if words[0] == "-m" and (words[2] != "push" or "--dry-run" in words):
            return star_agents(*words[2:], environ=environ, cwd=folder)
        whole = {**os.environ, **environ}
        return subprocess.run(
            [sys.executable, *words], cwd=folder, env=whole, capture_output=True, text=True, check=False
        )

    said = {}
    for line in commands():
        python, *words = shlex.split(line.replace("--rows 500", f"--rows {seeds}"))
        assert python == "python"
        if "datasets" in line and find_spec("datasets") is None:
            continue
        done = await run_sync(run, words)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        said[words[2] if words[0] == "-m" else "load"] = done.stdout
    return said


async def test_every_command_of_the_page_does_what_it_says(hub: HubServer, tmp_path: Path) -> None:
    shutil.copy(offline.seeds_path("offline"), tmp_path / "seeds.jsonl")
    said = await walk(tmp_path, hub, 12)
    assert said["card"].startswith("wrote out/README.md")
    assert f"made {REPO} and pushed 12 sft" in said["push"]
    assert hub.repos[REPO].private
    files = hub.files(REPO)
    assert {"README.md", "sft/train-00000.parquet"} <= set(files)
    assert b"license: cc-by-4.0" in files["README.md"]
    if "load" in said:
        assert "num_rows: 12" in said["load"]


@pytest.mark.slow
@pytest.mark.timeout(1_800)
async def test_500_rows_of_a_real_dataset_reach_the_hub(hub: HubServer, tmp_path: Path, shared_data: Path) -> None:
    (rows,) = (shared_data / "gpteacher").glob("roleplay*.json")
    folder = tmp_path / "work"
    folder.mkdir()
    page = commands()
    assert "-s seeds.jsonl" in page[1]
    (folder / "seeds.jsonl").write_text(_as_lines(rows))
    said = await walk(folder, hub, 500)
    assert f"made {REPO} and pushed 500 sft" in said["push"]
    if "load" in said:
        assert "num_rows: 500" in said["load"]
