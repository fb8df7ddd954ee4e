"""An instruction in the words by which it is told from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """What is compared of an instruction."""

    text: str
    """Its words."""
    goes_with: tuple[str, ...] = ()
    """What has to be the same in another one that repeats it: the text that it is about, functions."""
    family: str = ""
    """Those of one family are not compared where they come together: one is made of the other on purpose. Empty: it is
    of none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One instruction of an outcome, which is admitted only where no earlier one is nearly the same."""

    wording: Wording
    trial: int
    """Place of its trial among the outcome's."""
    child: str = ""
    """Id of the child that it is; empty where rows are made of its trial."""
    arms: Mapping[str, str] = field(default_factory=dict[str, str])
    """Pool to arm, of what was drawn for it: where it is refused, they earn so much less."""
    measures_if_refused: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """What is measured of its trial then."""
