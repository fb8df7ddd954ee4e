"""The process that reads PDF, HTML and Word files: `python -m star_agents.documents.child`.

A file may lead the code that reads it into a loop, into all of the machine's memory, or out of the process altogether.
So it is read here: a request is a line of JSON on standard input, ``{"path", "kind", "cpu_s"}``, its answer a line on
standard output. Whoever asks (``isolation``) ends the process when an answer takes too long, and starts another one.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from star_agents.documents.extracted import DocumentError, Extracted

MEMORY_BYTES = 1 << 30
"""Of address space; what a file needs beyond that is refused to it."""


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogatepass")
    os.dup2(2, 1)  # What a library prints must not stand among the answers.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    for line in sys.stdin:
        asked = json.loads(line)
        _limit_cpu(asked["cpu_s"])
        _answer(answers, _read(Path(os.fsdecode(bytes.fromhex(asked["path"]))), asked["kind"]))


def _limit_cpu(seconds: float) -> None:
    """Let the next file have so much, whether or not the parent is there to end this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _read(path: Path, kind: str) -> Mapping[str, Any]:
    try:
        return _reader(kind)(path).to_dict()
    except DocumentError as error:
        return {"refused": str(error), "fix": error.fix, "is_fault": error.is_fault}
    except MemoryError:
        return {"refused": f"needs more than {MEMORY_BYTES >> 20:,} MiB of memory to be read", "fix": "split it"}
    except RecursionError:
        return {"refused": "is nested too deeply"}
    except Exception as error:  # Whatever a library makes of a file that it was not made for; it is told by its name.
        return {"refused": "cannot be read, and is probably damaged", "fix": f"save it again ({type(error).__name__})"}


def _reader(kind: str) -> Callable[[Path], Extracted]:
    """The reader of a kind; each brings a library that the others do without."""
    match kind:
        case "pdf":
            from star_agents.documents.pdf import read_pdf  # noqa: PLC0415

            return read_pdf
        case "docx":
            from star_agents.documents.docx import read_docx  # noqa: PLC0415

            return read_docx
        case _:
            from star_agents.documents.html import read_html  # noqa: PLC0415

            return read_html


def _answer(answers: TextIO, told: Mapping[str, Any]) -> None:
    answers.write(json.dumps(told) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
