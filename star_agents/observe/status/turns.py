"""What the pools of a chain turned to, and how seeds ended by what was drawn for them or by what they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from star_agents.observe.status.model import view_model


@view_model
class Values:
    """Values of a measure."""

    n: int
    mean: float | None
    """Null before the first."""
    low: float | None
    """Where the 95 % interval of the mean begins (Wilson, with values as seeds: it is too wide for values between 0 and
    1, never too narrow). Null where the measure does not range from 0 to 1."""
    high: float | None
    """Where it ends."""


@view_model
class ByLabel:
    """A measure of the seeds with a label."""

    all: Values
    before: Values | None
    """All but the newest ones; null while there are too few to tell them apart."""
    newest: Values | None
    """The newest 50 to 99."""


@view_model
class Turn:
    """An arm of a pool, or something else that seeds are counted by."""

    name: str
    group: str
    """The folder that its name begins with, or the level that it ends with; empty where it has neither."""
    mark: str
    """What else is said of the arm, such as that it came later."""
    share: float | None
    """Probability with which it is drawn; null for one that is gone, and where nothing is drawn."""
    share_at_start: float | None
    """Likewise when it came."""
    draws: int
    rewards: int
    mean_reward: float | None
    """From 0 to 1; null before the first."""
    outcomes: int
    """Of seeds with it, in the recipe that measures them."""
    dropped: int
    """Those of them that came to nothing."""
    measures: Mapping[str, ByLabel]
    """By name."""


@view_model
class Turns:
    """What a pool turned to, or how seeds ended by what stands in a column."""

    is_pool: bool
    recipe: str
    """Which counted how its seeds ended; empty where none does."""
    all: Turn
    """Everything together."""
    groups: Sequence[Turn]
    """By group, where there is more than one, the most changed first."""
    rows: Sequence[Turn]
    """The most changed first; of a column, what was counted most."""
    rows_left_out: int
    sentences: Sequence[str]
    """What it turned to, what away from, and why, as far as that can be told."""
