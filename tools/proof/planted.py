"""A referee of planted accuracy: it is told the truth and errs at a set rate, blind to style. World.

It is the one place where truth reaches an arm, on purpose and at a stated rate; ``answers`` is the referee without it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def verdicts(usable: NDArray[np.bool_], accuracy: float, seed: int) -> NDArray[np.float64]:
    """π_llm of every candidate against column 0 (Eq. 6), [seeds, 1 + pairs] in {0, 0.5, 1}.

    Each of the two orders gives the true order (right beats not right, else a tie) with probability ``accuracy``, else
    one of the two other verdicts; two orders that disagree are a tie.
    """
    rng = np.random.default_rng([seed, 70])
    true = np.sign(usable.astype(int) - usable[:, :1].astype(int))
    orders = []
    for _ in range(2):
        errs = rng.random(true.shape) >= accuracy
        orders.append(np.where(errs, (true + 1 + rng.integers(1, 3, true.shape)) % 3 - 1, true))
    said = np.where(orders[0] == orders[1], orders[0], 0)
    values: NDArray[np.float64] = 0.5 + 0.5 * said
    values[:, 0] = 0.5
    return values
