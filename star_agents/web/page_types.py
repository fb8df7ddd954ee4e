"""The page's types, made from the models that the routes answer with; run as a module, it writes them.

They are JSDoc in a file of comments, which a browser loads in vain and a type checker reads.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from star_agents.text.printing import say
from star_agents.web.browsing.routes import BROWSE_ROUTES
from star_agents.web.openapi import document
from star_agents.web.routes import ROUTES

FILE = Path(__file__).parent / "page" / "types.js"
COMMAND = "python -m star_agents.web.page_types"
_WIDTH = 116
_NOT_READ = frozenset({"ReleaseByName", "ReleaseAll", "GivenReview"})
"""What the page sends."""
_PRIMITIVES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
Schema = Mapping[str, Any]


def page_types() -> str:
    """The text of `types.js`: one typedef for each model, by name."""
    schemas: Mapping[str, Schema] = {
        **document(BROWSE_ROUTES, "")["components"]["schemas"],
        **document(ROUTES, "")["components"]["schemas"],
    }
    head = f"// What the API answers. Made from its models by `{COMMAND}`; not to be edited.\n"
    types = [_typedef(name, schemas[name]) for name in sorted(schemas) if name not in _NOT_READ]
    return "\n".join([head, *types, "export {};\n"])


def _typedef(name: str, schema: Schema) -> str:
    needed = schema.get("required", ())
    return "\n".join(
        [
            "/**",
            *_wrapped(schema.get("description", "")),
            " *",
            f" * @typedef {{Object}} {name}",
            *(
                line
                for key, one in schema["properties"].items()
                for line in _property(key if key in needed else f"[{key}]", one)
            ),
            " */\n",
        ]
    )


def _property(name: str, schema: Schema) -> Iterator[str]:
    text = f" * @property {{{_type(schema)}}} {name} {schema.get('description', '')}".rstrip()
    yield from textwrap.wrap(text, _WIDTH, subsequent_indent=" *   ", break_long_words=False, break_on_hyphens=False)


def _wrapped(text: str) -> list[str]:
    lines = " ".join(text.split()).replace("``", "`")
    return textwrap.wrap(lines, _WIDTH, initial_indent=" * ", subsequent_indent=" * ", break_on_hyphens=False)


def _type(schema: Schema) -> str:
    """A schema as a type of TypeScript, in which JSDoc is written.

    Raises:
        ValueError: it says something that no model of ours has said so far.
    """
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type(one) for one in schema["anyOf"])
    match schema.get("type"):
        case "array":
            return f"{_in_brackets(_type(schema['items']))}[]"
        case "object" if "properties" in schema:
            known = ", ".join(f"{name}: {_type(one)}" for name, one in schema["properties"].items())
            return f"{{{known}}} & Record<string, unknown>"
        case "object":
            values = schema.get("additionalProperties", True)
            return f"Record<string, {'unknown' if values is True else _type(values)}>"
        case str(kind):
            return _PRIMITIVES[kind]
        case None if not schema.keys() - {"title", "description", "default"}:
            return "unknown"
    raise ValueError(f"a schema that has no type yet: {dict(schema)}")


def _in_brackets(kind: str) -> str:
    return f"({kind})" if " " in kind and not kind.startswith("Record<") else kind


if __name__ == "__main__":
    FILE.write_text(page_types(), encoding="utf-8")
    say(f"wrote {FILE}")
