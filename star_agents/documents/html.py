"""HTML and XHTML: the text of a page without its navigation. The home of trafilatura; only ``child`` reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import trafilatura

from star_agents.documents.extracted import DocumentError, Extracted
from star_agents.documents.markdown import read_markdown

_FURNITURE = "//nav | //footer | //*[@role='navigation'] | //*[@role='contentinfo']"
"""Taken out first: where a page has little text, trafilatura falls back to all of it, navigation included."""


def read_html(path: Path) -> Extracted:
    """Read a page's text as Markdown, with headings, lists, tables and code.

    Raises:
        DocumentError: it has none.
    """
    tree = trafilatura.load_html(path.read_bytes())
    if tree is None:
        raise DocumentError("is no HTML")
    for element in tree.xpath(_FURNITURE):
        element.drop_tree()
    title = " ".join((tree.findtext(".//title") or "").split())
    text = trafilatura.extract(
        tree,
        output_format="markdown",
        include_comments=False,
        include_images=False,
        include_links=False,
        with_metadata=False,
    )
    if not text:
        raise DocumentError("holds no text besides its navigation")
    found = read_markdown(text)
    return replace(found, title=title or found.title)
