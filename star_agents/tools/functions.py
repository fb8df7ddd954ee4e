"""A tool that is a function of the user's own, `./mine.py:fn`: its schema, and its calls in a process of their own.

    def weather(city: str, days: int = 1) -> str:
        '''The forecast for a city.

        days: How many, from today.
        '''

The schema is made of the signature and the docstring: the first paragraph describes the tool, a line that begins with
an argument's name and a colon describes that. Each call runs in a new process, which loads the file: it is ended when
it takes too long, and keeps nothing from one call to the next. It is the user's own code, and is not shut in: it has
this process's environment, files and network.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import json
import os
import re
import sys
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union

import anyio

from star_agents.errors import ToolError
from star_agents.records import Tool
from star_agents.tools.running import RunnableTool, ToolFailed, run_child

TIMEOUT_S = 60.0
MOST_OUTPUT = 1 << 20
"""Bytes."""
AT_ONCE = 8
_CHILD = Path(__file__).with_name("function_child.py")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_KINDS: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def is_function(name: str) -> bool:
    """Whether a tool of agents.yaml is a file with a name in it."""
    path, colon, _ = name.rpartition(":")
    return bool(colon) and path.endswith(".py")


@functools.cache
def load_function(name: str) -> tuple[Tool, str]:
    """The tool that a function is, and the digest of its file, which is read once in the life of a process.

    Args:
        name: ``/absolute/path/mine.py:fn``.

    Raises:
        ToolError: the file or the function cannot be used; what, where, and what to do.
    """
    path, _, attribute = name.rpartition(":")
    source, function = _loaded(Path(path), attribute)
    return _described(function, attribute, name), hashlib.sha256(source).hexdigest()


def function_tool(name: str, *, timeout_s: float = TIMEOUT_S) -> RunnableTool:
    """The tool. Raises ToolError as ``load_function`` does."""
    tool, digest = load_function(name)
    path, _, attribute = name.rpartition(":")
    room = anyio.CapacityLimiter(AT_ONCE)

    async def run(arguments: Mapping[str, Any]) -> str:
        asked = {"path": path, "name": attribute, "digest": digest, "arguments": dict(arguments)}
        async with room:
            ended = await run_child(
                [sys.executable, str(_CHILD)],
                json.dumps(asked).encode(),
                timeout_s=timeout_s,
                most_bytes=MOST_OUTPUT,
                environment=os.environ,
            )
        if ended.is_late:
            raise ToolFailed(f"{tool.name} took longer than {timeout_s:g} s and was ended")
        if ended.is_long:
            raise ToolFailed(f"{tool.name} gave more than {MOST_OUTPUT:,} bytes")
        try:
            told = json.loads(ended.output)
        except ValueError:
            raise ToolFailed(f"{tool.name} ended its process (exit code {ended.code})") from None
        if "error" in told:
            raise ToolFailed(str(told["error"]))
        return str(told["result"])

    return RunnableTool(tool=tool, run=run)


def _loaded(path: Path, attribute: str) -> tuple[bytes, Callable[..., Any]]:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ToolError(f"{path}: cannot be read: {error.strerror or error}") from None
    spec = importlib.util.spec_from_file_location(f"_tool_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}", path)
    if spec is None or spec.loader is None:
        raise ToolError(f"{path}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Its annotations are looked up there.
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too: a file that ends its process must not end a daemon.
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
        line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
        at = f":{line}" if line else ""
        raise ToolError(f"{path}{at}: cannot be loaded: {type(error).__name__}: {error}") from None
    function = getattr(module, attribute, None)
    if not inspect.isfunction(function):
        raise ToolError(f"{path}: holds no function {attribute!r}; a tool is written as ./file.py:function")
    return source, function


def _described(function: Callable[..., Any], attribute: str, name: str) -> Tool:
    if not _NAME.fullmatch(attribute):
        raise ToolError(f"{name}: a tool's name is ASCII letters, digits and _, 64 at the most; rename the function")
    said = inspect.getdoc(function) or ""
    if not said:
        raise ToolError(f"{name}: has no docstring, and a model knows it by that; say in it what the function gives")
    try:
        hints = typing.get_type_hints(function)
    except Exception as error:  # Whatever an annotation raises is the user's own.
        raise ToolError(f"{name}: its annotations cannot be read: {type(error).__name__}: {error}") from None
    properties: dict[str, Any] = {}
    required: list[str] = []
    for argument in inspect.signature(function).parameters.values():
        if argument.kind not in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY):
            raise ToolError(f"{name}: argument {argument.name!r} has no name that a model could give it by")
        if argument.name not in hints:
            raise ToolError(f"{name}: argument {argument.name!r} has no annotation; write {argument.name}: str")
        described = re.search(rf"^[ \t]*{re.escape(argument.name)}[ \t]*:[ \t]*(.+)$", said, re.MULTILINE)
        about = {"description": described[1].strip()} if described else {}
        properties[argument.name] = {**_schema(hints[argument.name], f"{name}: argument {argument.name!r}"), **about}
        if argument.default is argument.empty:
            required.append(argument.name)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Tool.of(attribute, " ".join(said.split("\n\n")[0].split()), schema)


def _schema(hint: Any, what: str) -> dict[str, Any]:
    """The JSON schema of an annotation. Raises ToolError for one that JSON has no value for."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in _KINDS:
        return {"type": _KINDS[hint]}
    if origin is Literal and all(isinstance(one, (str, int)) for one in inner):
        return {"enum": list(inner)}
    if hint is list or origin is list:
        return {"type": "array", **({"items": _schema(inner[0], what)} if inner else {})}
    if hint is dict or (origin is dict and inner[0] is str):
        return {"type": "object"}
    if origin in (Union, types.UnionType) and len(inner) == 2 and type(None) in inner:
        kept = _schema(next(one for one in inner if one is not type(None)), what)
        return {**kept, "type": [kept["type"], "null"]} if "type" in kept else {"enum": [*kept["enum"], None]}
    known = "str, int, float, bool, list[...], dict, Literal[...] of texts, or one of these | None"
    raise ToolError(f"{what} is annotated with {hint!r:.60}; a tool takes {known}")
