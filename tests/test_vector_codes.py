"""What a large memory bank keeps of a vector instead of it."""

from __future__ import annotations

import numpy as np
import pytest
from vector_samples import vectors

from star_agents.scheduling.vector_codes import Query, VectorCoder


@pytest.mark.parametrize("dimension", [3, 128, 384, 2048])
def test_codes_keep_inner_products_whatever_the_dimension(dimension: int) -> None:
    made = vectors(40, dimension)
    coder = VectorCoder.of(made)
    coded, query = coder.code(made), Query(coder, made[0])
    assert np.allclose(query.similarities(coded.codes, coded.scales), made @ made[0], atol=0.005)
    assert np.allclose(np.linalg.norm(coder.rotated(made), axis=1), 1.0, atol=1e-4)


def test_directions_of_sketches_are_orthonormal_and_those_in_which_vectors_differ_most() -> None:
    made = vectors(500, 384)
    axes = VectorCoder.of(made).axes
    centred = made - made.mean(axis=0)
    largest = np.linalg.eigvalsh(centred.T @ centred)[-12:]
    assert np.allclose(axes.T @ axes, np.eye(128), atol=1e-4)
    assert np.allclose(np.linalg.norm(centred @ axes[:, :12], axis=0) ** 2, largest[::-1], rtol=1e-3)
    assert VectorCoder.of(made[:, :20]).axes.shape == (20, 128)


def test_sketches_tell_near_from_far() -> None:
    made = vectors(500, 384)
    coder = VectorCoder.of(made)
    by_sketch = ((coder.code(made).sketches - Query(coder, made[0]).sketch) ** 2).sum(axis=1)
    exact = ((made - made[0]) ** 2).sum(axis=1)
    assert np.corrcoef(by_sketch, exact)[0, 1] > 0.9
    assert set(np.argsort(exact)[:5]) <= set(np.argsort(by_sketch)[:25])
