"""The pure arithmetic: the last step of Eq. 4."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from star_agents.scoring.encoding import Reason
from star_agents.scoring.ifd import ifd

losses = st.floats(0.01, 30)


@given(losses, losses)
def test_ifd_is_the_ratio_of_the_perplexities(conditional: float, alone: float) -> None:
    found = ifd("perplexity_ratio", conditional, alone)
    assert isinstance(found, float)
    assert math.isclose(found, math.exp(conditional) / math.exp(alone), rel_tol=1e-12)


def test_ifd_does_not_overflow_where_the_perplexities_would() -> None:
    assert ifd("perplexity_ratio", 1000.0, 1000.0) == 1.0


def test_cherry_is_the_ratio_of_the_losses_and_so_another_number() -> None:
    assert ifd("cherry", 2.0, 4.0) == 0.5
    assert ifd("superfiltering", 2.0, 4.0) == math.exp(-2.0)


def test_what_is_not_a_finite_number_becomes_a_reason() -> None:
    for conditional, alone in ((math.nan, 1.0), (1.0, math.inf), (math.inf, 1.0), (2000.0, 1.0)):
        assert isinstance(ifd("perplexity_ratio", conditional, alone), Reason), (conditional, alone)
    assert isinstance(ifd("cherry", 1.0, 0.0), Reason)
