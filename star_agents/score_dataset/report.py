"""The score report: one page of HTML that needs nothing else, to look at and to pass on.

Pure: from what was counted to text. No script, nothing to load; texts of rows and models are escaped and the page's
own policy lets nothing run, so a dataset cannot do anything here but be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from star_agents.score_dataset.charts import Axis, Series, density, histogram, outside
from star_agents.score_dataset.tally import RESERVOIR, ScoredPair, Tally, quantile
from star_agents.storage.plain_data import writable

FOLD_AFTER, FOLD_AFTER_LINES = 480, 8
"""Characters and lines of a text that stand open; the rest is folded."""
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
            f"<header><h1>{_text(title)}</h1>{_lead(work)}</header>",
            _tiles(tally),
            _charts(tally) if tally.scored else '<p class="empty">No row could be scored; the reasons are below.</p>',
            _reasons(tally),
            _ends(tally),
            _facts(work, tally),
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _lead(work: Mapping[str, str | int]) -> str:
    return (
        f'<p><b class="key small">small</b> {_text(work["small"])} <span class="quiet">(the target)</span> &nbsp; '
        f'<b class="key large">large</b> {_text(work["large"])}</p>'
    )


def _tiles(tally: Tally) -> str:
    """The numbers to know first."""
    middle = quantile(tally.gaps, 0.5)
    tiles = [
        (f"{tally.scored:,}", f"of {tally.rows:,} rows scored"),
        (_decimal(quantile(sorted(tally.small), 0.5)), "median IFD, small model"),
        (_decimal(quantile(sorted(tally.large), 0.5)), "median IFD, large model"),
        (_decimal(middle), "median gap"),
        (f"{tally.positive / tally.scored:.0%}" if tally.scored else "–", f"gap above 0: {tally.positive:,} rows"),
    ]
    return f'<section class="tiles">{"".join(f"<p><b>{big}</b>{small}</p>" for big, small in tiles)}</section>'


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
    drawn = "".join(
        f"<figure><h2>{head}</h2>{chart}<figcaption>{caption}</figcaption></figure>" for head, chart, caption in figures
    )
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
        f"<tr><td>{count:,}</td><td>{_text(reason)}</td></tr>"
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
        _folded_history([(turn.role, turn.content) for turn in sample.history]),
        _labelled("instruction", sample.instruction),
        _labelled("input", sample.input),
        _labelled("response", sample.response or ""),
    ]
    numbers = (
        f'<b>gap {_decimal(pair.gap)}</b><span class="key small">{_decimal(pair.ifd_small)}</span>'
        f'<span class="key large">{_decimal(pair.ifd_large)}</span><span class="quiet">row {pair.row:,}</span>'
    )
    return f'<article><p class="numbers">{numbers}</p>{"".join(texts)}</article>'


def _folded_history(turns: Sequence[tuple[str, str]]) -> str:
    if not turns:
        return ""
    inner = "".join(_labelled(role, content) for role, content in turns)
    return f"<details><summary>{len(turns)} earlier turns</summary>{inner}</details>"


def _labelled(label: str, text: str) -> str:
    """A text under its name; a long one is folded after its beginning."""
    if not text:
        return ""
    shown = _fold_at(text)
    body = f'<div class="text" dir="auto">{_text(text[:shown])}</div>'
    if rest := text[shown:]:
        body += (
            f"<details><summary>{len(rest):,} characters more</summary>"
            f'<div class="text" dir="auto">{_text(rest)}</div></details>'
        )
    return f"<h3>{_text(label)}</h3>{body}"


def _fold_at(text: str) -> int:
    """Where what stands open ends: between words, after so many characters or lines; its length for a short text."""
    lines = text.split("\n", FOLD_AFTER_LINES)
    open_part = text if len(lines) <= FOLD_AFTER_LINES else text[: -len(lines[-1])]
    if len(open_part) > FOLD_AFTER:
        word_end = open_part.rfind(" ", FOLD_AFTER // 2, FOLD_AFTER)
        open_part = open_part[: word_end + 1 or FOLD_AFTER]
    hidden = len(text) - len(open_part)
    return len(open_part) if hidden > FOLD_AFTER // 4 else len(text)  # a fold that hides a line only annoys


def _facts(work: Mapping[str, str | int], tally: Tally) -> str:
    mode = str(work["mode"])
    facts = {
        "IFD": f"{mode}: {FORMULAS.get(mode, mode)}",
        "tokens per sequence": f"{work['max_length']:,}" if isinstance(work["max_length"], int) else work["max_length"],
        **{name: value for name, value in work.items() if name.startswith("dtype of ")},
        "input": work.get("input", ""),
        "rows": f"{tally.rows:,}",
    }
    rows = "".join(f"<tr><td>{_text(name)}</td><td>{_text(value)}</td></tr>" for name, value in facts.items())
    return f'<section class="facts"><h2>How it was scored</h2><table>{rows}</table></section>'


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}".replace("-", "−")


def _text(value: object) -> str:
    return escape(writable(str(value)))


STYLE = """
:root{--ink:#1c2430;--quiet:#5d6878;--paper:#fff;--card:#f5f7fa;--line:#dde3ea;--small:#2563eb;--large:#d9730d;--gap:#0d8a6a}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9f0;--quiet:#97a3b4;--paper:#12161c;--card:#1b212a;--line:#313a47;
--small:#7aa5ff;--large:#f5a65b;--gap:#43c59e}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1180px;margin:0 auto;padding:20px 16px 48px}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:0 0 4px}
h3{font-size:.72rem;letter-spacing:.05em;text-transform:uppercase;color:var(--quiet);margin:10px 0 2px;font-weight:600}
p{margin:0}
header p{overflow-wrap:anywhere}
section{margin-top:28px}
.quiet,.note,figcaption{color:var(--quiet)}
.note{font-size:.85rem;margin-top:12px}
.key{font-weight:600;font-variant-numeric:tabular-nums}
.key.small{color:var(--small)}.key.large{color:var(--large)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin-top:18px}
.tiles p{background:var(--card);border-radius:8px;padding:10px 12px;
color:var(--quiet);font-size:.85rem;line-height:1.35}
.tiles b{display:block;font-size:1.35rem;color:var(--ink);font-variant-numeric:tabular-nums}
@media(max-width:560px){.tiles{grid-template-columns:1fr 1fr}.tiles p:first-child{grid-column:span 2}}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:24px}
figure{margin:0}
figcaption{font-size:.85rem;line-height:1.4}
svg{display:block;width:100%;height:auto;margin:4px 0}
svg text{font-size:11px;fill:var(--quiet)}
svg .name{fill:var(--ink)}
svg .grid{stroke:var(--line);fill:none}
svg .axis{stroke:var(--quiet);fill:none}
svg .mark{stroke:var(--ink);stroke-dasharray:4 3;fill:none}
svg .small{fill:var(--small);stroke:var(--small);fill-opacity:.35}
svg .large{fill:var(--large);stroke:var(--large);fill-opacity:.35}
svg .gap{fill:var(--gap);stroke:var(--gap);fill-opacity:.35}
svg .cell{fill:var(--gap)}
svg .hover{fill:transparent}
svg .hover:hover{fill:var(--ink);fill-opacity:.08}
table{border-collapse:collapse;font-size:.9rem;width:100%}
td{padding:4px 12px 4px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td:first-child{white-space:nowrap;color:var(--quiet);width:1%;font-variant-numeric:tabular-nums}
.ends{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:28px}
.ends>div{min-width:0}
article{background:var(--card);border-radius:8px;padding:12px 14px;margin-top:12px}
.numbers{display:flex;flex-wrap:wrap;gap:4px 14px;font-variant-numeric:tabular-nums}
.numbers .key::before{content:"IFD ";font-weight:400}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
details{margin-top:2px}
summary{cursor:pointer;color:var(--quiet);font-size:.85rem}
.empty{margin-top:28px}
"""
"""Light and dark by the reader's own setting; charts and columns stack on a narrow screen."""
