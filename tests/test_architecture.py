"""The rules of the house (design section 2), read from the imports, so that nobody has to remember them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "star_agents"
ROOMS = {"recipes", "scheduling", "agents", "scoring", "storage", "web", "offline"}
ROOTS = [
    "bounds",
    "visible_text",
    "machine_limits",
    "content_hash",
    "redaction",
    "json_bounds",
    "failures",
    "records",
    "errors",
    "config_base",
    "config_sections",
    "config",
    "config_secrets",
    "events",
    "crash_points",
]
"""Each may import those before it, and nothing else of ours."""
HOMES = {
    "torch": "scoring",
    "transformers": "scoring",
    "sentence_transformers": "scoring",
    "litellm": "agents",
    "openai": "agents",
    "httpx": "agents",
    "tenacity": "agents",
    "jinja2": "agents",
    "hnswlib": "scheduling",
    "sqlite3": "storage",
    "pyarrow": "storage",
    "prometheus_client": "web",
    "aiohttp_sse": "web",
}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def modules() -> dict[str, Path]:
    """Dotted name below `star_agents`, to file."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Every module that a file imports, wherever in the file."""

    def found(tree: ast.AST) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.level == 0, f"{path}: relative import"
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    return frozenset(found(ast.parse(path.read_text(encoding="utf-8"))))


def ours(path: Path) -> set[str]:
    """Our own modules that a file imports."""
    known = modules()
    names = {name.removeprefix("star_agents.") for name in imports_of(path) if name.startswith("star_agents.")}
    return names & known.keys()


def room_of(module: str) -> str | None:
    room = module.partition(".")[0]
    return room if room in ROOMS else None


def test_the_import_graph_has_no_cycle() -> None:
    graph = {name: ours(path) - {name} for name, path in modules().items()}
    assert list(TopologicalSorter(graph).static_order())


def test_the_roots_import_nothing_of_ours_but_each_other_in_order() -> None:
    for position, root in enumerate(ROOTS):
        assert ours(modules()[root]) <= set(ROOTS[:position]), root


def test_a_room_never_imports_another_room() -> None:
    allowed_outside = {*ROOTS}
    offences = [
        f"{name} imports {other}"
        for name, path in modules().items()
        if (room := room_of(name))
        for other in ours(path)
        if room_of(other) != room and other not in allowed_outside
    ]
    assert offences == []


@pytest.mark.parametrize("library", sorted(HOMES))
def test_each_foreign_library_has_one_home(library: str) -> None:
    offences = [
        name
        for name, path in modules().items()
        if any(one == library or one.startswith(f"{library}.") for one in imports_of(path))
        and room_of(name) != HOMES[library]
    ]
    assert offences == []


def test_aiohttp_serves_in_web_and_calls_in_agents() -> None:
    users = {
        room_of(name) for name, path in modules().items() if any(i.split(".")[0] == "aiohttp" for i in imports_of(path))
    }
    assert users <= {"web", "agents"}


def test_recipes_know_no_library_but_anyio() -> None:
    foreign = {
        one.split(".")[0]
        for name, path in modules().items()
        if room_of(name) == "recipes"
        for one in imports_of(path)
        if not one.startswith("star_agents")
    }
    assert foreign - set(sys.stdlib_module_names) <= {"anyio"}


def test_files_and_functions_are_short() -> None:
    offences = []
    for name, path in modules().items():
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MAX_FILE_LINES:
            offences.append(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno
                if length > MAX_FUNCTION_LINES:
                    offences.append(f"{name}.{node.name} ({length} lines)")
    assert offences == []


HEAVY = ["torch", "transformers", "litellm", "openai", "aiohttp", "hnswlib", "pyarrow"]


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_and_the_command_line_loads_nothing_heavy() -> None:
    assert loaded_after("import star_agents, star_agents.cli, star_agents.records, star_agents.config") == set()


def test_building_the_front_ends_loads_neither_torch_nor_litellm() -> None:
    loaded = loaded_after("import star_agents.batch, star_agents.daemon, star_agents.commands.check")
    assert loaded.isdisjoint({"torch", "transformers", "litellm", "openai"})


def test_help_loads_no_verb() -> None:
    statement = (
        "from click.testing import CliRunner; from star_agents.cli import cli; "
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0; "
        "assert not any(name.startswith('star_agents.commands.') for name in sys.modules)"
    )
    assert loaded_after(statement) == set()
