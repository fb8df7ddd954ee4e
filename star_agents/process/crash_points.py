"""Places where a process can be told to die, so that tests can kill it exactly there (design §5).

Armed by the environment: ``STAR_AGENTS_CRASH_AT=answer_recorded`` ends the process the first time it passes that
point, ``answer_recorded:3`` the third time. It ends as kill -9 would end it: no clean-up, no flush. Where nothing is
armed, passing a point costs a look-up.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from functools import cache

from star_agents.errors import UsageError

VARIABLE = "STAR_AGENTS_CRASH_AT"

CRASH_POINTS: dict[str, str] = {
    "draw_recorded": "a seed's draw is durable, nobody was asked yet",
    "intent_recorded": "a call's intent is durable, nothing was sent",
    "answer_received": "a provider answered, and the answer is only in memory",
    "answer_recorded": "an answer is durable, and not yet used",
    "outcome_before_commit": "an outcome is ready, and not yet committed",
    "outcome_committed": "an outcome is durable, and not yet learnt from or published",
    "battles_measured": "what a seed's battles add to a reward model's scale is durable, with the scale if it is made",
    "seeds_added": "seeds are durable, and whoever brought them does not know yet",
    "config_applied": "an edit of agents.yaml is durable as a revision",
    "deaths_counted": "a store is open, and what was in hand when a process died waits again",
    "texts_cleared": "a batch of old texts is cleared",
    "backup_before_rename": "a backup is whole and checked, and has not taken its name",
    "index_before_rename": "the memory bank's index is written beside the old one",
    "index_saved": "the memory bank's index is in its place",
    "calls_gathered": "calls that go by batch are durable, and their seed is still in hand",
    "batch_made": "which calls a batch holds is durable, and the provider has heard nothing of it",
    "batch_uploaded": "the provider has the calls of a batch as a file, and its id is durable",
    "batch_created": "the provider has a batch, and its id is only in memory",
    "batch_submitted": "the id of a batch is durable",
    "results_taken_in": "a part of a batch's results is durable",
    "batch_ended": "all results of a batch are durable, and its files lie at the provider still",
    "batch_deleted": "the provider has deleted the files of a batch, and that is not noted yet",
    "phase_done": "a phase of rounds is done, and that is not noted yet",
    "phase_noted": "a phase of rounds is noted as done",
}
"""Every point, and what is true there."""


@dataclass(slots=True)
class _Armed:
    name: str
    passes_left: int


@cache
def _armed() -> _Armed:
    name, _, count = os.environ.get(VARIABLE, "").partition(":")
    if name and name not in CRASH_POINTS:
        raise UsageError(f"{VARIABLE}: there is no crash point {name!r} (there are {', '.join(CRASH_POINTS)})")
    if count and not count.isdecimal():
        raise UsageError(f"{VARIABLE}: {count!r} is no number of passes (write {name}:3 for the third)")
    return _Armed(name, int(count or 1))


def crash_point(name: str) -> None:
    """Die here if the environment asks for it.

    Raises:
        UsageError: when the environment names a point that does not exist.
    """
    armed = _armed()
    if armed.name != name:
        return
    armed.passes_left -= 1
    if armed.passes_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
