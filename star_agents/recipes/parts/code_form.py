"""Whether the code in an answer parses: Python by its own grammar, JSON as JSON, all else by its brackets. Pure."""

from __future__ import annotations

import ast
import re
import warnings

from star_agents.recipes.parts.json_schema import json_in

LONGEST_CODE = 100_000
"""Characters of one block: a parser's memory grows with it."""
_FENCE = re.compile(r"^```([\w+#.-]*)[^\n]*\n(.*?)^```[ \t]*$", re.DOTALL | re.MULTILINE)
_PYTHON = {"python", "py", "python3"}
_PLAIN = {"", "text", "txt", "console", "output", "plaintext", "markdown", "md"}
_HASH_COMMENTS = {"sh", "bash", "shell", "zsh", "ruby", "rb", "perl", "r", "yaml", "yml", "toml", "make", "julia"}
_DASH_COMMENTS = {"sql", "lua", "haskell", "hs"}
_QUOTES_TEXT = _HASH_COMMENTS | _DASH_COMMENTS | {"js", "javascript", "ts", "typescript", "php", "jsx", "tsx"}
"""Languages in which '...' holds a text and not one character."""
_CLOSES = {")": "(", "]": "[", "}": "{"}


def code_flaw(answer: str) -> str:
    """What is wrong with the code of an answer; an answer without a fenced block has none at all, which is a flaw."""
    if answer.count("```") % 2:
        return "a fenced block of code is not closed"
    blocks = [(found[1].lower(), found[2]) for found in _FENCE.finditer(answer)]
    if not any(language not in _PLAIN or len(blocks) == 1 for language, _ in blocks):
        return "it holds no block of code fenced by ``` with the name of its language"
    return next(filter(None, (_block_flaw(language, code) for language, code in blocks)), "")


def _block_flaw(language: str, code: str) -> str:
    if len(code) > LONGEST_CODE:
        return f"a block of code has {len(code):,} characters, and {LONGEST_CODE:,} are possible"
    if not code.strip():
        return "a block of code is empty"
    if language in _PYTHON:
        return _python_flaw(code)
    if language == "json":
        try:
            json_in(code)
        except ValueError as error:
            return f"a block of JSON does not parse: {error}"
        return ""
    return "" if language in _PLAIN else _bracket_flaw(language, code)


def _python_flaw(code: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of escapes that are deprecated; somebody else's code may have them.
            ast.parse(code)
    except SyntaxError as error:
        return f"the Python code does not parse: {error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"the Python code does not parse: {str(error) or type(error).__name__}"
    return ""


def _bracket_flaw(language: str, code: str) -> str:
    opened: list[str] = []
    for sign in _without_texts(language, code):
        if sign in "([{":
            opened.append(sign)
        elif sign in _CLOSES and (not opened or opened.pop() != _CLOSES[sign]):
            return f"the {language} code closes a {sign!r} that is not open"
    return f"the {language} code leaves a {opened[-1]!r} open" if opened else ""


def _without_texts(language: str, code: str) -> str:
    """Code without comments and quoted texts, in which brackets mean nothing."""
    parts = [r"/\*.*?\*/", r'"(?:\\.|[^"\\\n])*"', r"`(?:\\.|[^`\\])*`", r"//[^\n]*"]
    parts.append(r"'(?:\\.|[^'\\\n])*'" if language in _QUOTES_TEXT else r"'(?:\\[^\n]{1,8}?|[^'\\\n])'")
    if language in _HASH_COMMENTS:
        parts.append(r"(?<![\w$])#[^\n]*")
    if language in _DASH_COMMENTS:
        parts.append(r"--[^\n]*")
    return re.sub("|".join(parts), " ", code, flags=re.DOTALL)
