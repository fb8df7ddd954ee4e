"""A filter of the user's own: a function `./file.py:function` or `module:function` that takes a row, and returns why it
is refused, or nothing.

    def no_tables(row):
        if "|---" in row["sample"].get("response", ""):
            return "the answer holds a table"

The row is plain data, as the store has it: ``sample`` with ``instruction``, ``input``, ``response``, ``history``; of a
pair ``prompt``, ``chosen``, ``rejected``; and beside these ``shape`` and ``labels``. A function that fails refuses the
row for that: what nobody could check is not in the dataset.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from star_agents.admission.filters import evidence
from star_agents.admission.offered import Offered
from star_agents.errors import FilterError
from star_agents.records.failures import LONGEST_REASON, one_line, without_numbers
from star_agents.records.findings import Objection, OfferedKind
from star_agents.text.redaction import redactor


@dataclass(frozen=True, slots=True)
class OwnFilter:
    """Looks at rows alone."""

    name: str
    """``own`` and the function's name."""
    function: Callable[[dict[str, Any]], object]

    kinds = frozenset[OfferedKind]({"row", "trial"})

    def check(self, one: Offered) -> Objection | None:
        """See ``Filter``; whatever the function raises is an objection."""
        copied: dict[str, Any] = json.loads(json.dumps({**one.data, "shape": one.shape, "labels": dict(one.labels)}))
        try:
            said = self.function(copied)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit, too: it must not end a daemon.
            told = evidence(redactor.text(f"{error} ({_line_of(error)})"))
            return Objection(filter=self.name, reason=f"the filter failed: {type(error).__name__}", evidence=told)
        if said is None:
            return None
        if not isinstance(said, str) or not said.strip():
            reason = f"the filter failed: it gave {type(said).__name__}, and None or a reason is possible"
            return Objection(filter=self.name, reason=reason, evidence=evidence(repr(said)))
        reason = one_line(without_numbers(redactor.text(said)), LONGEST_REASON)
        return Objection(filter=self.name, reason=reason, evidence=evidence(redactor.text(said)))


@dataclass(frozen=True, slots=True)
class TakesTooLong:
    """Stands for a function that was given up on, and refuses what it was shown."""

    own: OwnFilter

    @property
    def name(self) -> str:
        """That of the function."""
        return self.own.name

    @property
    def kinds(self) -> Collection[OfferedKind]:
        """As the function has them."""
        return self.own.kinds

    def check(self, one: Offered) -> Objection | None:
        """See ``Filter``."""
        return Objection(filter=self.name, reason="the filter failed: it took too long")


def kept_own(name: str, folder: Path) -> tuple[str, str]:
    """A function of agents.yaml as it is kept, a file by its absolute path, and the digest of that file; empty for a
    module's.

    Raises:
        FilterError: it cannot be loaded: what, where, and what to do.
    """
    path, _, attribute = name.rpartition(":")
    kept = f"{(folder / path).resolve()}:{attribute}" if path.endswith(".py") else name
    return kept, load_own(kept)[1]


def load_own(name: str) -> tuple[OwnFilter, str]:
    """The filter of a name as it is kept, and the digest of its file, which is read now. Raises FilterError."""
    path, colon, attribute = name.rpartition(":")
    if not colon or not attribute.isidentifier() or not path:
        raise FilterError(f"{name}: is no function; write ./file.py:function or module:function")
    if path.endswith(".py"):
        try:
            source = Path(path).read_bytes()
        except OSError as error:
            raise FilterError(f"{path}: cannot be read: {error.strerror or error}") from None
        digest = hashlib.sha256(source).hexdigest()
        return OwnFilter(f"own {attribute}", _of_file(path, attribute, digest)), digest
    try:
        module = importlib.import_module(path)
    except Exception as error:
        raise FilterError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from None
    return OwnFilter(f"own {attribute}", _function_in(module, attribute, path)), ""


@lru_cache(maxsize=64)
def _of_file(path: str, attribute: str, digest: str) -> Callable[[dict[str, Any]], object]:
    name = f"_filter_{hashlib.sha256(f'{path} {digest}'.encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FilterError(f"{path}: is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, too.
        raise FilterError(f"{path}: cannot be loaded: {type(error).__name__}: {error} ({_line_of(error)})") from None
    return _function_in(module, attribute, path)


def _function_in(module: object, attribute: str, where: str) -> Callable[[dict[str, Any]], object]:
    function = getattr(module, attribute, None)
    if not callable(function):
        raise FilterError(f"{where}: holds no function {attribute!r}")
    found: Callable[[dict[str, Any]], object] = function
    return found


def _line_of(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
