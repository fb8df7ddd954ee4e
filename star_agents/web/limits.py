"""How much, how long and how many: every limit on what comes in, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from star_agents.limits.json_structure import JsonBounds

MIB = 1 << 20

_DOCUMENT = JsonBounds(depth=500_000, containers=500_000, keys=500_000, elements=500_000)
_ROW = JsonBounds(depth=50_000, containers=50_000, keys=50_000, elements=50_000)
_LINES = JsonBounds(depth=2_000_000, containers=2_000_000, keys=2_000_000, elements=2_000_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a client may ask of the server. That a request's line and each of its headers end at 8 KiB is aiohttp's."""

    connections: int = 1024
    """More are hung up on; so many files a process may have open by default."""
    head_s: float = 15.0
    """From connecting to the end of the first request's head."""
    idle_s: float = 75.0
    """Between two requests."""
    piece_s: float = 30.0
    """For the next piece of a body."""
    body_s: float = 600.0
    """For the whole of it."""
    stalled_s: float = 120.0
    """A reader of a download or of events that takes nothing for so long is let go."""
    closing_s: float = 2.0
    """At the end, for answers that are on their way: a client that reads slowly holds up no drain for longer."""
    document_bytes: int = 16 * MIB
    """A JSON document."""
    document: JsonBounds = _DOCUMENT
    """What such a document may hold: bytes do not say what it costs to parse. How deep it is, ``depth`` says."""
    row_bytes: int = 2 * MIB
    """A row, and whatever else is one thing: from here on it goes its way in one piece, and none of its steps, such as
    the hash of its text, may hold the event loop for longer than some milliseconds."""
    row: JsonBounds = _ROW
    """What a row may hold."""
    lines_bytes: int = 64 * MIB
    """A body of JSON lines."""
    blank_lines: int = 500_000
    """Of such a body: stepping over them takes time too."""
    lines: JsonBounds = _LINES
    """What all its lines may hold together: memory."""
    rows: int = 100_000
    """Rows of one request: they are taken in by one transaction."""
    depth: int = 64
    """Levels of JSON within JSON."""
    streams: int = 256
    """Readers of events at once; each takes its share of every turn."""
    downloads: int = 4
    """Downloads at once; each holds a connection to the store."""


LIMITS: web.AppKey[Limits] = web.AppKey("limits", Limits)
