"""Old and new in turns, and what their ratio is, with its interval."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from calls_bench.bench import say
from calls_bench.rows import Row

T_975 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14)
"""Student's t, two-sided 95 %, by degrees of freedom from 1 on."""
MOST = 1.05
"""Upper end of the interval of new over old, where less is better."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Something that is measured of both."""

    key: str
    what: str
    unit: str
    more_is_better: bool = False


def take_turns(
    rounds: int, measure: Mapping[str, Callable[[], Mapping[str, float]]]
) -> dict[str, list[Mapping[str, float]]]:
    """Measure old and new once each round; who begins changes from round to round."""
    found: dict[str, list[Mapping[str, float]]] = {name: [] for name in measure}
    names = list(measure)
    for number in range(rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            found[name].append(measure[name]())
            figures = ", ".join(f"{key} {value:.4g}" for key, value in found[name][-1].items())
            say(f"  round {number + 1} {name}: {figures}")
    return found


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of the ratios of each round with its 95 % interval, by Student's t on their logarithms."""
    logs = [math.log(ratio) for ratio in ratios]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return math.exp(mean), 0.0, math.inf
    half = T_975[min(len(logs) - 2, len(T_975) - 1)] * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def row(figure: Figure, found: Mapping[str, Sequence[Mapping[str, float]]]) -> Row:
    """A line of the table: worse over better, so that 1.05 is 5 % worse whatever the figure."""
    old, new = ([one[figure.key] for one in found[name]] for name in ("old", "new"))
    pairs = zip(old, new, strict=True) if figure.more_is_better else zip(new, old, strict=True)
    mean, low, high = interval([one / other for one, other in pairs])
    return Row(
        key=figure.key,
        what=figure.what + (", old ÷ new" if figure.more_is_better else ", new ÷ old"),
        measured=f"**{mean:.3f}** [{low:.3f}, {high:.3f}]; medians {statistics.median(new):.4g} against "
        f"{statistics.median(old):.4g} {figure.unit}, {len(old)} rounds",
        target=f"upper end ≤ {MOST}",
        holds=high <= MOST,
    )
