"""The build backend: the chart library comes once, byte for byte the pinned one, or the install says what to do."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest

BACKEND = Path(__file__).resolve().parents[1] / "tools" / "build_backend"
PROJECT = '[project]\nname = "small"\nversion = "1"\n[tool.setuptools]\npackages = ["star_agents"]\n'


@pytest.fixture
def uplot(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BACKEND))
    yield importlib.import_module("uplot")
    del sys.modules["uplot"]


def build(folder: Path, hook: str) -> subprocess.CompletedProcess[str]:
    """Run one hook on a small project that has no chart library and a tarball that is not there."""
    shutil.copytree(BACKEND, folder / "tools" / "build_backend", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "star_agents").mkdir()
    (folder / "star_agents" / "__init__.py").touch()
    (folder / "pyproject.toml").write_text(PROJECT)
    script = f"import sys; sys.path.insert(0, 'tools/build_backend'); import star_agents_build as b; b.{hook}('.')"
    environment = {**os.environ, "STAR_AGENTS_UPLOT": str(folder / "none.tgz")}
    return subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_wheel_without_its_charts_is_not_built_and_says_what_to_do(tmp_path: Path) -> None:
    ended = build(tmp_path, "build_wheel")
    assert ended.returncode == 1
    assert "set STAR_AGENTS_UPLOT to the file and install again" in ended.stderr
    assert not list(tmp_path.glob("*.whl"))


def test_every_template_and_query_of_the_package_is_in_the_wheel(tmp_path: Path) -> None:
    root = BACKEND.parents[1]
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(root / name, tmp_path)
    package = tmp_path / "star_agents"
    shutil.copytree(root / "star_agents", package, ignore=shutil.ignore_patterns("__pycache__", "models", "page"))
    script = "from setuptools import build_meta as b; b.build_wheel('.')"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    needed = {
        path.relative_to(tmp_path).as_posix() for suffix in ("jinja", "sql") for path in package.rglob(f"*.{suffix}")
    }
    assert {"star_agents/report/templates/run.html.jinja", "star_agents/recipes/prompts/judging/judge.jinja"} < needed
    assert needed <= set(ZipFile(wheel).namelist())


def test_an_editable_install_goes_on_with_a_warning(tmp_path: Path) -> None:
    ended = build(tmp_path, "build_editable")
    assert ended.returncode == 0, ended.stderr
    assert "warning: the page's chart library cannot be fetched" in ended.stderr
    assert list(tmp_path.glob("*.whl"))


def test_another_tarball_is_refused_and_nothing_of_it_is_used(
    uplot: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tarball = tmp_path / "uplot.tgz"
    tarball.write_bytes(b"not what was pinned")
    monkeypatch.setenv(uplot.LOCAL_COPY, str(tarball))
    with pytest.raises(uplot.CannotFetch, match="is not uPlot"):
        uplot.put_in_place(tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()


def test_what_is_in_place_is_left_alone_and_what_was_altered_is_not_in_place(
    uplot: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not uplot.is_in_place():
        pytest.skip("the chart library was not fetched when this was installed")
    folder = tmp_path / "vendor"
    shutil.copytree(uplot.FOLDER, folder)
    uplot.put_in_place(folder)  # the network is closed to tests: asking it would fail
    (folder / "LICENSE").write_text("altered")
    assert not uplot.is_in_place(folder)
    monkeypatch.setenv(uplot.LOCAL_COPY, str(tmp_path / "none.tgz"))
    with pytest.raises(uplot.CannotFetch):
        uplot.put_in_place(folder)
