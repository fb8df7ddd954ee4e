"""Bradley-Terry strengths by maximum likelihood, many tables at once.

P(i beats j) = 1 / (1 + exp(s_j − s_i)) (Bradley and Terry 1952). A tie counts half a win for each. A finite maximum is
there exactly where every player can be reached from every other along wins (Ford 1957); who is outside of that has no
strength that data could tell, and gets none: −∞ who never won against those inside, +∞ who never lost, NaN who has no
tie to them at all or both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
TOLERANCE = 1e-10
"""Of the largest step of a strength, in natural-log units: 1e-10 is 2e-8 Elo points."""
LIMIT = 200
"""Most Newton steps; a table takes about eight."""


def reachable(wins: Floats) -> Bools:
    """Who can be reached from whom along wins, oneself included.

    Args:
        wins: (..., players, players): how often the row's player beat the column's.
    """
    size = wins.shape[-1]
    found = (wins > 0) | np.eye(size, dtype=bool)
    steps = 1
    while steps < size:  # each squaring doubles the length of the ways that are known
        found = np.matmul(found.astype(np.float32), found.astype(np.float32)) > 0
        steps *= 2
    return found


def core_of(wins: Floats, anchor: int) -> Bools:
    """(..., players): who is joined to the anchor by wins in both directions, so that the data tell their distance."""
    ways = reachable(wins)
    core: Bools = ways[..., anchor, :] & ways[..., :, anchor]
    return core


def strengths(wins: Floats, anchor: int) -> Floats:
    """Maximum-likelihood strengths relative to the anchor's, natural log units.

    Args:
        wins: (..., players, players) of wins, ties as halves; the diagonal counts for nothing.
        anchor: The player whose strength is 0.

    Returns:
        (..., players): finite for those of the anchor's core, else −inf, +inf or NaN as the module says.
    """
    wins = np.where(np.eye(wins.shape[-1], dtype=bool), 0.0, wins)
    tables = wins.reshape(-1, *wins.shape[-2:])
    core = core_of(tables, anchor)
    inside = np.where(core[:, :, None] & core[:, None, :], tables, 0.0)
    found = np.where(core, _newton(inside, core, anchor), np.nan)
    ways = reachable(tables)
    above = ways[:, :, anchor] & ~core  # a chain of wins leads from them to the anchor, and none back
    below = ways[:, anchor, :] & ~core
    found[above] = np.inf
    found[below] = -np.inf
    return found.reshape(wins.shape[:-1])


def _newton(wins: Floats, core: Bools, anchor: int) -> Floats:
    """Newton's method on the concave log-likelihood, the anchor and all that is outside the core held at 0."""
    games = wins + wins.transpose(0, 2, 1)
    won, lost = wins.sum(2), wins.sum(1)
    free = core.copy()
    free[:, anchor] = False
    fixed = np.eye(wins.shape[-1])[None] * ~free[:, :, None]
    now = np.where(free, np.log(won + 0.5) - np.log(lost + 0.5), 0.0)
    now -= now[:, [anchor]] * free
    level = _log_likelihood(wins, now)
    for _ in range(LIMIT):
        chance = 1 / (1 + np.exp(now[:, None, :] - now[:, :, None]))
        slope = np.where(free, won - (games * chance).sum(2), 0.0)
        bend = games * chance * (1 - chance)
        curvature = np.eye(wins.shape[-1])[None] * bend.sum(2)[:, :, None] - bend
        curvature = curvature * free[:, :, None] * free[:, None, :] + fixed
        step = np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
        if np.abs(step).max(initial=0.0) < TOLERANCE:
            return now + step
        now, level = _climb(wins, now, step, level)
    raise ArithmeticError("the fit of the strengths did not come to an end")


def _climb(wins: Floats, now: Floats, step: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Take each table's step, halved until it no longer leads down."""
    size = np.ones(len(now))
    for _ in range(30):
        tried = now + size[:, None] * step
        reached = _log_likelihood(wins, tried)
        worse = reached < level - 1e-12 * np.abs(level)
        if not worse.any():
            break
        size[worse] /= 2
    return tried, reached


def _log_likelihood(wins: Floats, now: Floats) -> Floats:
    """Of each table."""
    found: Floats = -(wins * np.logaddexp(0.0, now[:, None, :] - now[:, :, None])).sum((1, 2))
    return found
