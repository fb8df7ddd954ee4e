"""What was refused of what came: counted by reason, and by what was drawn for it.

A recipe says by a role which of its trials are offered to the dataset (``refuses``); those of them that failed were
refused. They stand in ``Outcome.tried`` under two parts: ``instructions``, all of a recipe together, for which
`failure_limits` has a limit; and ``arm``, by the arm that each was drawn for.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from star_agents.records.failures import (
    BUDGET_SPENT,
    DOWN,
    FLAWS,
    LONGEST_REASON,
    CountedFailure,
    Tried,
    joined,
    one_line,
    without_numbers,
)
from star_agents.records.findings import ARM_OF
from star_agents.records.outcomes import Outcome
from star_agents.records.trials import Failure

NOT_ASKED = "nobody could be asked for a part of it"
_STEP = re.compile(r"^[a-z]+:\S+: ")
_QUOTED = re.compile(r"""(?<!\w)(['"`“]).*?(['"`”])(?!\w)""")
_PART = re.compile(r"[a-z]+: ")
"""Whose fault it was, before what it is."""
_OWN = re.compile(r" \(|[;:] ")
"""Before what is said of this one alone."""
_LETTER = re.compile(r"\b[A-Z]\b")


def refusal_reason(failure: Failure) -> str:
    """Why something was refused, in words of which there are few: without what is this one's own."""
    match failure.kind:
        case "budget":
            return BUDGET_SPENT
        case "down":
            return DOWN
        case "call":
            return NOT_ASKED
        case "empty" | "length":
            return FLAWS[failure.kind]
        case "format":
            told = _QUOTED.sub("…", _STEP.sub("", failure.detail))
            part = found[0] if (found := _PART.match(told)) else ""
            said = _OWN.split(told.removeprefix(part), maxsplit=1)[0]
            return one_line(without_numbers(part + _LETTER.sub("X", said)), LONGEST_REASON) or FLAWS["format"]


def with_refusals(outcome: Outcome, role: str) -> Outcome:
    """The outcome with what of its trials of a role was refused among what was tried; an empty role: as it is. Pure."""
    offered = [trial for trial in outcome.trials if role and trial.role == role]
    if not offered:
        return outcome
    tries = Counter(trial.arm for trial in offered)
    refused = {
        arm: [
            CountedFailure(reason=refusal_reason(one.failure), example=one_line(f"{arm}: {one.failure.detail}"))
            for one in offered
            if one.arm == arm and one.failure is not None
        ]
        for arm in tries
    }
    everything = joined(one for some in refused.values() for one in some)
    told = [
        Tried(part="instructions", name=outcome.recipe, tries=len(offered), failures=everything),
        *(
            Tried(part="arm", name=f"{outcome.recipe}{ARM_OF}{arm}", tries=n, failures=joined(refused[arm]))
            for arm, n in sorted(tries.items())
        ),
    ]
    return replace(outcome, tried=(*outcome.tried, *told))
