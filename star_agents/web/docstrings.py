"""The docstrings of a class's fields, read from its source: what the models say of themselves is said once."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise


def docstrings_of(kind: type) -> dict[str, str]:
    """What stands below each field of a class and of those that it extends, on one line, with Markdown's backticks."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[:-1]):
        found |= _own(one)
    return found


def _own(kind: type) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: " ".join(text.value.value.split()).replace("``", "`")
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
