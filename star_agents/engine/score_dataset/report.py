"""The score report: one page of HTML that needs nothing else, to look at and to pass on.

Pure: from what was counted to text. A dataset cannot do anything there but be read (`report.rendering`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from star_agents.engine.score_dataset.tally import RESERVOIR, ScoredPair, Tally, quantile
from star_agents.report.axes import Axis
from star_agents.report.charts import Series, density, histogram, outside
from star_agents.report.rendering import render

REASONS_SHOWN = 30
FORMULAS = {
    "perplexity_ratio": "perplexity of the response given the instruction, over its perplexity alone",
    "score_eos": "ratio of perplexities, the end of the response included",
    "superfiltering": "as Superfiltering computes it",
    "cherry": "as Cherry LLM computes it: a ratio of losses",
}


def report_page(source: str, work: Mapping[str, str | int], tally: Tally) -> str:
    """The whole page.

    Args:
        source: Name of the scored file.
        work: Models, mode and dtypes, as the journal's header has them.
        tally: What was counted; it may hold no score at all.
    """
    mode = str(work["mode"])
    return render(
        "score.html.jinja",
        title=f"IFD scores of {source}",
        work=work,
        formula=f"{mode}: {FORMULAS.get(mode, mode)}",
        dtypes=[(name, value) for name, value in work.items() if name.startswith("dtype of ")],
        tally=tally,
        medians=[quantile(values, 0.5) for values in (sorted(tally.small), sorted(tally.large), tally.gaps)],
        reservoir=RESERVOIR,
        charts=_charts(tally) if tally.scored else None,
        reasons_given=tally.reasons.most_common(REASONS_SHOWN),
        highest=_pairs(tally.highest),
        lowest=_pairs(tally.lowest),
    )


def _charts(tally: Tally) -> Mapping[str, Any]:
    """The three drawings, and how many values lie beyond their ends."""
    small, large, gaps = list(tally.small), list(tally.large), tally.gaps
    ifd_axis, gap_axis = Axis.over([*small, *large]), Axis.over(gaps, also=0.0)
    both = [
        Series(name="small", css="small", values=small),
        Series(name="large", css="large", values=large),
    ]
    return {
        "ifd": histogram("IFD", ifd_axis, both, mark=1.0),
        "ifd_not_drawn": outside(ifd_axis, small) + outside(ifd_axis, large),
        "gap": histogram("gap", gap_axis, [Series(name="rows", css="gap", values=gaps)], mark=0.0),
        "gap_not_drawn": outside(gap_axis, gaps),
        "density": density(ifd_axis, large, small),
    }


def _pairs(pairs: Sequence[ScoredPair]) -> list[Mapping[str, Any]]:
    """Rows to read, with the conversation before each."""
    return [{"pair": one, "earlier": [(turn.role, turn.content) for turn in one.sample.history]} for one in pairs]
