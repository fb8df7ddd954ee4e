"""Vectors for tests of the memory bank."""

from __future__ import annotations

import numpy as np

from star_agents.scheduling.vector_codes import Vector


def vectors(count: int, dimension: int = 48, seed: int = 1) -> Vector:
    """Unit vectors that differ in twelve dimensions, and one dimension that is large in all of them."""
    chance = np.random.default_rng(seed)
    axes = np.random.default_rng(dimension).standard_normal((12, dimension))
    made = chance.standard_normal((count, 12)) @ axes
    made[:, 0] += 30
    unit: Vector = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit
