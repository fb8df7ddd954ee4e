"""Pages of HTML by Jinja templates (``templates/*.html.jinja``): one file that needs nothing else.

No script, nothing to load. Every value is escaped and the page's own policy lets nothing run, so a dataset cannot do
anything here but be read. A name that a template misspells is an error.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from star_agents.text.plain_data import writable

TEMPLATES = Path(__file__).with_name("templates")
FOLD_AFTER, FOLD_AFTER_LINES = 480, 8
"""Characters and lines of a text that stand open; the rest is folded."""


def render(template: str, /, *, beside: Path = TEMPLATES, **values: object) -> str:
    """What a template makes of plain values; it is looked for in the folder ``beside``, and then in ours."""
    return _environment(beside).get_template(template).render(values)


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_as_text,
    )
    environment.filters.update(amount=amount, counted=counted, decimal=decimal, folded=folded, percent=percent, usd=usd)
    return environment


def _as_text(value: object) -> object:
    """Any value as text that UTF-8 can hold; what a template wrote stays as it is."""
    return value if isinstance(value, Markup) else writable(str(value))


def amount(value: int) -> str:
    """A whole number."""
    return f"{value:,}"


def counted(count: int, what: str) -> str:
    """So many of something: "1 seed", "1,200 seeds"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def decimal(value: float | None, digits: int = 4) -> str:
    """So many digits, or a dash where there is no value."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def percent(value: float | None, digits: int = 0) -> str:
    """A share, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}%}"


def usd(value: float | None) -> str:
    """US dollars, or a dash where there is no value."""
    if value is None:
        return "–"
    return f"${value:,.4f}" if value >= 0.01 else f"${value:.2g}" if value else "$0"


def folded(content: str) -> tuple[str, str]:
    """What of a text stands open, and the rest: cut between words, after so many characters or lines."""
    lines = content.split("\n", FOLD_AFTER_LINES)
    shown = content if len(lines) <= FOLD_AFTER_LINES else content[: -len(lines[-1])]
    if len(shown) > FOLD_AFTER:
        word_end = shown.rfind(" ", FOLD_AFTER // 2, FOLD_AFTER)
        shown = shown[: word_end + 1 or FOLD_AFTER]
    hidden = len(content) - len(shown)
    # A fold that hides a line only annoys.
    return (shown, content[len(shown) :]) if hidden > FOLD_AFTER // 4 else (content, "")
