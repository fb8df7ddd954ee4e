"""The score report: one page of HTML that needs nothing else, to look at and to pass on.

Pure: from what was counted to text. A dataset cannot do anything there but be read (`report.markup`).
"""

from __future__ import annotations

from collections.abc import Mapping

from star_agents.engine.score_dataset.tally import RESERVOIR, ScoredPair, Tally, quantile
from star_agents.report.charts import Axis, Series, density, histogram, outside
from star_agents.report.markup import decimal, earlier_turns, figure, labelled, page, text, tiles

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
    title = f"IFD scores of {source}"
    body = "".join(
        [
            f"<header><h1>{text(title)}</h1>{_lead(work)}</header>",
            _tiles(tally),
            _charts(tally) if tally.scored else '<p class="empty">No row could be scored; the reasons are below.</p>',
            _reasons(tally),
            _ends(tally),
            _facts(work, tally),
        ]
    )
    return page(title, body, STYLE)


def _lead(work: Mapping[str, str | int]) -> str:
    return (
        f'<p><b class="key small">small</b> {text(work["small"])} <span class="quiet">(the target)</span> &nbsp; '
        f'<b class="key large">large</b> {text(work["large"])}</p>'
    )


def _tiles(tally: Tally) -> str:
    """The numbers to know first."""
    middle = quantile(tally.gaps, 0.5)
    facts = [
        (f"{tally.scored:,}", f"of {tally.rows:,} rows scored"),
        (decimal(quantile(sorted(tally.small), 0.5)), "median IFD, small model"),
        (decimal(quantile(sorted(tally.large), 0.5)), "median IFD, large model"),
        (decimal(middle), "median gap"),
        (f"{tally.positive / tally.scored:.0%}" if tally.scored else "–", f"gap above 0: {tally.positive:,} rows"),
    ]
    return tiles(facts)


def _charts(tally: Tally) -> str:
    small, large, gaps = list(tally.small), list(tally.large), tally.gaps
    ifd_axis, gap_axis = Axis.over([*small, *large]), Axis.over(gaps, also=0.0)
    both = [
        Series(name="small", css="small", values=small),
        Series(name="large", css="large", values=large),
    ]
    figures = [
        (
            "How much the instruction helps",
            histogram("IFD", ifd_axis, both, mark=1.0),
            "Low: the instruction gives the response away. At 1, the dashed line: it does not help. Above: it misleads."
            + _left_out(outside(ifd_axis, small) + outside(ifd_axis, large), "values"),
        ),
        (
            "The gap: small minus large",
            histogram("gap", gap_axis, [Series(name="rows", css="gap", values=gaps)], mark=0.0),
            "Right of the dashed 0: hard for the small model and within the large one's reach. "
            "At or left of it: too easy, too hard, or noise." + _left_out(outside(gap_axis, gaps), "rows"),
        ),
        (
            "Both models together",
            density(ifd_axis, large, small),
            "The stronger the colour, the more rows. Above the diagonal the gap is above 0.",
        ),
    ]
    drawn = "".join(figure(head, chart, caption) for head, chart, caption in figures)
    note = ""
    if tally.sampled:
        sample = f"{RESERVOIR:,} of the {tally.scored:,} scored rows, drawn uniformly"
        note = f'<p class="note">Charts and medians are of {sample}; counts and the pairs below are of all.</p>'
    return f'<section class="charts">{drawn}</section>{note}'


def _left_out(count: int, what: str) -> str:
    return f" {count:,} {what} beyond the ends are not drawn." if count else ""


def _reasons(tally: Tally) -> str:
    if not tally.reasons:
        return ""
    rows = "".join(
        f"<tr><td>{count:,}</td><td>{text(reason)}</td></tr>"
        for reason, count in tally.reasons.most_common(REASONS_SHOWN)
    )
    return f"<section><h2>Rows without a score</h2><table>{rows}</table></section>"


def _ends(tally: Tally) -> str:
    """The pairs to read, on both sides."""
    columns = [
        ("Largest gap", "Hard for the small model, within the large one's reach", tally.highest),
        ("Smallest gap", "The large model is helped no more than the small one, or less", tally.lowest),
    ]
    parts = [
        f'<div><h2>{head}</h2><p class="quiet">{meaning}</p>{"".join(map(_pair, pairs))}</div>'
        for head, meaning, pairs in columns
        if pairs
    ]
    return f'<section class="ends">{"".join(parts)}</section>' if parts else ""


def _pair(pair: ScoredPair) -> str:
    sample = pair.sample
    texts = [
        earlier_turns([(turn.role, turn.content) for turn in sample.history]),
        labelled("instruction", sample.instruction),
        labelled("input", sample.input),
        labelled("response", sample.response or ""),
    ]
    numbers = (
        f'<b>gap {decimal(pair.gap)}</b><span class="key small">{decimal(pair.ifd_small)}</span>'
        f'<span class="key large">{decimal(pair.ifd_large)}</span><span class="quiet">row {pair.row:,}</span>'
    )
    return f'<article><p class="numbers">{numbers}</p>{"".join(texts)}</article>'


def _facts(work: Mapping[str, str | int], tally: Tally) -> str:
    mode = str(work["mode"])
    facts = {
        "IFD": f"{mode}: {FORMULAS.get(mode, mode)}",
        "tokens per sequence": f"{work['max_length']:,}" if isinstance(work["max_length"], int) else work["max_length"],
        **{name: value for name, value in work.items() if name.startswith("dtype of ")},
        "input": work.get("input", ""),
        "rows": f"{tally.rows:,}",
    }
    rows = "".join(f"<tr><td>{text(name)}</td><td>{text(value)}</td></tr>" for name, value in facts.items())
    return f'<section class="facts"><h2>How it was scored</h2><table>{rows}</table></section>'


STYLE = """
.key.small{color:var(--small)}.key.large{color:var(--large)}
svg .small{fill:var(--small);stroke:var(--small);fill-opacity:.35}
svg .large{fill:var(--large);stroke:var(--large);fill-opacity:.35}
svg .gap{fill:var(--gap);stroke:var(--gap);fill-opacity:.35}
svg .cell{fill:var(--gap)}
.ends{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:28px}
.ends>div{min-width:0}
.numbers .key::before{content:"IFD ";font-weight:400}
"""
"""Both models keep their colours through the page."""
