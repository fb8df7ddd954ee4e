"""The checker's word on every candidate. World: no module of the method may import this one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proof.candidates import Candidates
from star_agents.offline import world
from star_agents.offline.words import FILLERS


def usable(candidates: Candidates) -> NDArray[np.bool_]:
    """[seeds, 1 + pairs]: whether the response is right and complete for the question that it stands with."""
    return np.array([[world.check(one.question, one.response or "") for one in row] for row in candidates.rows])


def well_put(candidates: Candidates, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[seeds, 1 + pairs]: usable, and a reason with its answer and nothing else: neither terse nor padded."""
    reasoned: NDArray[np.bool_] = np.array(
        [[_is_reasoned(one.response or "") for one in row] for row in candidates.rows]
    )
    return usable & reasoned


def _is_reasoned(response: str) -> bool:
    return " the answer is " in response and not any(remark in response for remark in FILLERS)
