"""An SVG as a file of the kind that its name says: `.svg` as it is, `.png` and `.pdf` by vl-convert (extra `plot`)."""

from __future__ import annotations

from pathlib import Path

from star_agents.errors import UsageError

SUFFIXES = (".svg", ".png", ".pdf")
SCALE = 2.0
"""Dots of a .png for each unit of the drawing."""


def picture_for(path: Path) -> str:
    """The kind of picture that a file is to be.

    Raises:
        UsageError: it is none that can be written here.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: unknown kind of picture {path.suffix!r}; use one of {', '.join(SUFFIXES)}")
    if suffix != ".svg":
        _converter(suffix)
    return suffix


def picture(svg: str, suffix: str) -> bytes:
    """The bytes of a file.

    Raises:
        UsageError: what converts it is not there, or refuses it.
    """
    if suffix == ".svg":
        return svg.encode("utf-8")
    converter = _converter(suffix)
    try:
        made: bytes = converter.svg_to_pdf(svg) if suffix == ".pdf" else converter.svg_to_png(svg, scale=SCALE)
    except ValueError as error:
        raise UsageError(f"the picture cannot be written as {suffix}: {error}") from None
    return made


def _converter(suffix: str):  # type: ignore[no-untyped-def]  # a module
    try:
        import vl_convert  # noqa: PLC0415  # an extra, 88 MB
    except ImportError:
        fix = "pip install 'star-agents[plot]', or write .svg, which needs nothing"
        raise UsageError(f"{suffix} needs vl-convert-python, which is not installed: {fix}") from None
    return vl_convert
