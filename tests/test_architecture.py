"""The rules of the house (design section 2), read from the imports, so that nobody has to remember them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "star_agents"
ROOMS = {
    *("recipes", "scheduling", "agents", "scoring", "admission", "documents", "storage", "cluster"),
    *("report", "tools", "observe", "process", "web", "offline", "training", "export"),
}
MEETING = {"bench": {"engine", "cli", "api"}, "engine": {"cli", "api"}, "cli": {"api"}, "api": {"cli"}}
"""Where rooms meet, and which of these places each may not know."""
PURE = {"text", "limits", "records", "config", "arena"}
"""Open to every room; each may import the roots and these, and nothing else of ours."""
STATUS = {
    "observe.status",
    "observe.stories",
    "observe.browsing",
    *(f"observe.status.{path.stem}" for path in (PACKAGE / "observe" / "status").glob("[a-z]*.py")),
}
"""The one model of what a folder or a daemon tells of itself: rooms fill it and read it."""
OPEN_MODULES = {"process.crash_points", "process.garbage_collection", "scheduling.win_rates", *STATUS}
"""Open to every room, since they import nothing of ours but roots, pure rooms and each other."""
ROOTS = ["errors", "events"]
"""All that lies loose in the package but its face. Each may import the pure rooms and those before it."""
HOMES = {
    "torch": {"scoring", "training"},
    "transformers": {"scoring", "training"},
    "trl": {"training"},
    "peft": {"training"},
    "accelerate": set(),
    "huggingface_hub": {"export", "training"},
    "sentence_transformers": {"scoring"},
    "litellm": {"agents"},
    "openai": {"agents"},
    "httpx": {"agents", "export"},
    "tenacity": {"agents"},
    "jinja2": {"text", "report", "export"},
    "markupsafe": {"report"},
    "vl_convert": {"report"},
    "hnswlib": {"scheduling"},
    "sqlite3": {"storage"},
    "pyarrow": {"storage"},
    "ray": {"cluster"},
    "prometheus_client": {"web"},
    "aiohttp": {"agents", "web"},
    "aiohttp_sse": {"web"},
    "pandas": {"api"},
    "datasets": {"api", "training"},
    "py3langid": {"admission"},
    "rensa": {"admission"},
    "pypdf": {"documents"},
    "trafilatura": {"documents"},
    "lxml": set(),
}
"""The rooms that import a library; most have one. aiohttp calls and serves, Jinja writes prompts, pages
and cards, httpx is what LiteLLM and the hub's library speak through."""
MARKUP = re.compile(
    r"</?(html|head|body|style|p|div|span|b|a|h[1-6]|table|t[rdh]|[uo]l|li|svg|path|text|figure|section)\b[^<]*>"
)
"""The beginning or end of an element in HTML or SVG."""
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


@cache
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


@cache
def ours(path: Path) -> set[str]:
    """Our own modules that a file imports."""
    known = modules()
    names = {name.removeprefix("star_agents.") for name in imports_of(path) if name.startswith("star_agents.")}
    return names & known.keys()


def room_of(module: str) -> str:
    """The package's folder that a module lies in; empty for the modules that lie loose."""
    return module.partition(".")[0] if "." in module or (PACKAGE / module).is_dir() else ""


def offences(rooms: Collection[str], may_import: Callable[[str, str], bool]) -> list[str]:
    return [
        f"{name} imports {other}"
        for name, path in modules().items()
        if room_of(name) in rooms
        for other in ours(path)
        if room_of(other) != room_of(name)
        and other not in {*ROOTS, *OPEN_MODULES, *PURE}
        and not may_import(name, other)
    ]


def test_the_import_graph_has_no_cycle() -> None:
    graph = {name: ours(path) - {name} for name, path in modules().items()}
    assert list(TopologicalSorter(graph).static_order())


def test_nothing_lies_loose_but_the_roots_and_the_face() -> None:
    loose = {name for name in modules() if not room_of(name)}
    assert loose == {*ROOTS, "__main__", "__init__"}


def test_every_folder_is_a_room_that_the_rules_know() -> None:
    assert {room_of(name) for name in modules()} - {""} == ROOMS | MEETING.keys() | PURE


def test_the_roots_import_nothing_of_ours_but_each_other_in_order_and_pure_rooms() -> None:
    for position, root in enumerate(ROOTS):
        others = {other for other in ours(modules()[root]) if room_of(other) not in PURE}
        assert others <= set(ROOTS[:position]), root


def test_a_module_that_is_open_to_every_room_imports_only_roots_pure_rooms_and_others_that_are_open() -> None:
    imported = {other for name in OPEN_MODULES for other in ours(modules()[name]) if room_of(other) not in PURE}
    assert imported <= {*ROOTS, *OPEN_MODULES}


def test_a_pure_room_imports_only_roots_and_pure_rooms() -> None:
    assert offences(PURE, lambda _, other: room_of(other) in PURE) == []


def test_a_room_never_imports_another_room() -> None:
    assert offences(ROOMS, lambda _, other: room_of(other) in PURE) == []


@pytest.mark.parametrize("place", sorted(MEETING))
def test_where_rooms_meet_nobody_reaches_up(place: str) -> None:
    assert offences({place}, lambda _, other: room_of(other) not in MEETING[place]) == []


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_foreign_library_is_imported_in_its_home_and_nowhere_else(library: str) -> None:
    users = {
        room_of(name)
        for name, path in modules().items()
        if any(one == library or one.startswith(f"{library}.") for one in imports_of(path))
    }
    assert users <= HOMES[library]


def texts_of(path: Path) -> Iterator[str]:
    """Every text in a file's code, also between the values of one that is formatted; docstrings are not code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


@pytest.mark.parametrize("folder", [PACKAGE, PACKAGE.parent / "tools" / "proof"], ids=["package", "proof"])
def test_markup_is_written_by_templates_and_never_by_code(folder: Path) -> None:
    files = [*folder.rglob("*.py")]
    assert len(files) > 10
    assert [f"{path.name}: {text}" for path in files for text in texts_of(path) if MARKUP.search(text)] == []


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


HEAVY = [
    "torch",
    "transformers",
    "litellm",
    "openai",
    "aiohttp",
    "hnswlib",
    "pyarrow",
    "huggingface_hub",
    "jinja2",
    "pandas",
    "datasets",
    "py3langid",
    "ray",
]


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_and_the_command_line_loads_nothing_heavy() -> None:
    assert (
        loaded_after("import star_agents, star_agents.cli.main, star_agents.records, star_agents.config.models")
        == set()
    )


def test_building_the_front_ends_loads_neither_torch_nor_litellm() -> None:
    loaded = loaded_after("import star_agents.engine.batch, star_agents.engine.daemon, star_agents.cli.check")
    assert loaded.isdisjoint({"torch", "transformers", "litellm", "openai"})


def test_a_run_loads_what_reads_parquet_and_what_asks_the_hub_only_where_a_seed_file_wants_it() -> None:
    loaded = loaded_after("import star_agents.cli.run")
    assert loaded.isdisjoint({"torch", "transformers", "litellm", "openai", "pyarrow", "huggingface_hub", "datasets"})


def test_the_names_of_the_api_load_neither_torch_nor_litellm_and_records_nothing_heavy_at_all() -> None:
    assert loaded_after("import star_agents as sa; sa.Sample, sa.Config, sa.ConfigError, sa.errors") == set()
    loaded = loaded_after("import star_agents as sa; [getattr(sa, name) for name in sa.__all__]")
    assert loaded.isdisjoint({"torch", "transformers", "litellm", "openai", "pandas", "datasets"})


def test_help_loads_no_verb() -> None:
    statement = (
        "from click.testing import CliRunner; from star_agents.cli.main import VERBS, cli; "
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0; "
        "assert not any(f'star_agents.cli.{verb}' in sys.modules for verb in VERBS)"
    )
    assert loaded_after(statement) == set()
