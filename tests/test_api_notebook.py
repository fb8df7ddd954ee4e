"""The Python API in a notebook's kernel: an event loop runs there already, and Ctrl-C is the kernel's interrupt."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from openai_server import OpenAIServer
from test_api_async import Held, calls_in, config

import star_agents as sa

TESTS = Path(__file__).parent
CELLS = [
    "import star_agents as sa\nfrom api_inputs import TUTORED, rows\nresult = sa.run(TUTORED, rows(12), out='out')",
    "result",
    "len(result.rows())",
    "(await sa.arun(TUTORED, rows(15), out='out', progress=False)).summary['counts']['done']",
    "seen = [outcome.seed_id async for outcome in sa.stream(TUTORED, rows(20), out='out')]\nlen(seen)",
    "result.to_pandas().shape[0]",
]


def notebook(*cells: str) -> Any:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def client(book: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> NotebookClient:
    """Runs it in ``folder``, with a kernel of this Python."""
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}:{TESTS.parent}")
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    return NotebookClient(book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}})


def shown(cell: Any) -> str:
    return "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell["outputs"])


async def test_a_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = notebook(*CELLS)
    await client(book, tmp_path, monkeypatch).async_execute()
    progress, told, count, done, streamed, frame = map(shown, book.cells)
    assert "12/12 seeds" in progress
    assert {output["output_type"] for output in book.cells[0]["outputs"]} == {"stream"}, "lines, and no widget"
    assert "<star_agents run in out: " in told
    assert (count, done, streamed, frame) == ("12", "15", "5", "20")


@pytest.mark.parametrize(
    "cell",
    [
        "sa.run(given, rows(6), out='out')",
        "await sa.arun(given, rows(6), out='out')",
        "async for _ in sa.stream(given, rows(6), out='out', progress=True):\n    pass",
    ],
    ids=["run", "arun", "stream"],
)
async def test_interrupting_the_kernel_finishes_what_is_in_hand(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    async with OpenAIServer(held) as server:
        (tmp_path / "agents.yaml").write_text(yaml.safe_dump(config(server)))
        monkeypatch.setenv("LINE_TEST_KEY", "sk-line-test")
        book = notebook(f"import star_agents as sa\nfrom api_inputs import rows\ngiven = 'agents.yaml'\n{cell}")
        running = client(book, tmp_path, monkeypatch)
        task = asyncio.create_task(running.async_execute())
        await server.until(lambda s: s.in_flight == 2, timeout=120)
        assert running.km is not None
        await running.km.interrupt_kernel()
        async with asyncio.timeout(120):
            while "finishing 2 seeds" not in shown(book.cells[0]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        held.release.set()
        with pytest.raises(CellExecutionError, match=r"KeyboardInterrupt|CancelledError"):
            await task
    assert calls_in(tmp_path / "out")["pending"] == 0
    assert 0 < len(sa.Folder(tmp_path / "out").rows()) < 6
