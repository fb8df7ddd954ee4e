"""The process that calls a function of the user's own: `python function_child.py`, by ``functions``.

It reads the file, the function's name and its arguments from standard input, and writes what came of it as one JSON
object. What the function prints goes nowhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Call one function, and end."""
    asked = json.loads(sys.stdin.buffer.read())
    told = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for printed in (1, 2):
        os.dup2(nowhere, printed)
    answer = json.dumps(_called(asked))
    told.write(answer.encode("utf-8", "replace"))
    told.flush()
    os._exit(0)  # Threads that it has left behind do not keep the caller waiting.


def _called(asked: dict[str, Any]) -> dict[str, str]:
    path = Path(asked["path"])
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != asked["digest"]:
            return {"error": f"{path.name} was edited since the start; start again to use it as it is now"}
        function = _function(path, asked["name"])
        given = function(**asked["arguments"])
        result = asyncio.run(given) if inspect.iscoroutine(given) else given
        return {"result": result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _function(path: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location("_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_tool"] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


if __name__ == "__main__":
    main()
