"""Plain text, whose paragraphs are told by blank lines; and source code, whose parts begin at the left margin."""

from __future__ import annotations

from star_agents.documents.extracted import Extracted, Gathering, lines_of


def read_plain(text: str) -> Extracted:
    """Read the paragraphs of a text."""
    found = Gathering()
    for line in lines_of(text):
        if line.is_blank:
            found.close()
        else:
            found.add(line)
    found.close()
    return Extracted(text=text, blocks=tuple(found.blocks))


def read_code(text: str, language: str) -> Extracted:
    """Read the parts of a file of source code: each begins at the left margin, after a blank line."""
    found, after_blank = Gathering(), False
    for line in lines_of(text):
        if line.is_blank:
            after_blank = True
            continue
        if after_blank and line.indent == 0 and line.words[0] not in ")]}":
            found.close("code")
        found.add(line)
        after_blank = False
    found.close("code")
    return Extracted(text=text, blocks=tuple(found.blocks), code_language=language)
