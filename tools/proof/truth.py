"""The checker's word on every candidate. World: no module of the method may import this one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from proof.candidates import Candidates
from star_agents.offline import world


def usable(candidates: Candidates) -> NDArray[np.bool_]:
    """[seeds, 1 + pairs]: whether the response is right and complete for the question that it stands with."""
    return np.array([[world.check(one.question, one.response or "") for one in row] for row in candidates.rows])
