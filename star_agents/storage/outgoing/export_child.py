"""The process that makes a piece of an export: `python -m star_agents.storage.outgoing.export_child`.

Who starts it (``export_processes``) gives it a ``Job`` on standard input and an open file, and gets an ``Answer`` on
standard output. It ends with whoever started it: once standard input is closed.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading

from star_agents.errors import StarAgentsError, UsageError
from star_agents.limits.machine import limit_met
from star_agents.storage.outgoing.export_piece import Answer, Job


def main() -> None:
    """Work the one job."""
    job: Job = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with os.fdopen(job.descriptor, "wb", buffering=1 << 18) as file:
            answer = Answer(job.piece.write(file))
    except StarAgentsError as error:
        answer = Answer(None, error)
    except OSError as error:
        why = limit_met(error) or error.strerror or error
        answer = Answer(None, UsageError(f"{job.path}: cannot be written: {why}"))
    sys.stdout.buffer.write(pickle.dumps(answer))
    sys.stdout.buffer.flush()


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
