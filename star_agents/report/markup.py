"""What every report is made of: one page of HTML that needs nothing else, and texts that stay texts.

No script, nothing to load; texts of rows and models are escaped, and the page's own policy lets nothing run, so a
dataset cannot do anything here but be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from star_agents.text.plain_data import writable

FOLD_AFTER, FOLD_AFTER_LINES = 480, 8
"""Characters and lines of a text that stand open; the rest is folded."""


def page(title: str, body: str, style: str = "") -> str:
    """The whole page.

    Args:
        title: Plain text.
        body: Markup of its sections.
        style: CSS besides that of every report.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{text(title)}</title><style>{STYLE}{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def tiles(facts: Iterable[tuple[str, str]]) -> str:
    """The numbers to know first, each with what it is."""
    return f'<section class="tiles">{"".join(f"<p><b>{big}</b>{small}</p>" for big, small in facts)}</section>'


def figure(head: str, chart: str, caption: str) -> str:
    """A chart under its name, with what there is to see in it."""
    return f"<figure><h2>{head}</h2>{chart}<figcaption>{caption}</figcaption></figure>"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of markup; all columns but the first hold numbers."""
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    inner = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table class="columns">{inner}</table></div>'


def earlier_turns(turns: Sequence[tuple[str, str]]) -> str:
    """Roles and texts of a conversation before the part that counts, folded."""
    if not turns:
        return ""
    inner = "".join(labelled(role, content) for role, content in turns)
    return f"<details><summary>{len(turns)} earlier turns</summary>{inner}</details>"


def labelled(label: str, content: str) -> str:
    """A text under its name; a long one is folded after its beginning."""
    if not content:
        return ""
    shown = _fold_at(content)
    body = f'<div class="text" dir="auto">{text(content[:shown])}</div>'
    if rest := content[shown:]:
        body += (
            f"<details><summary>{len(rest):,} characters more</summary>"
            f'<div class="text" dir="auto">{text(rest)}</div></details>'
        )
    return f"<h3>{text(label)}</h3>{body}"


def _fold_at(content: str) -> int:
    """Where what stands open ends: between words, after so many characters or lines; its length for a short text."""
    lines = content.split("\n", FOLD_AFTER_LINES)
    open_part = content if len(lines) <= FOLD_AFTER_LINES else content[: -len(lines[-1])]
    if len(open_part) > FOLD_AFTER:
        word_end = open_part.rfind(" ", FOLD_AFTER // 2, FOLD_AFTER)
        open_part = open_part[: word_end + 1 or FOLD_AFTER]
    hidden = len(content) - len(open_part)
    return len(open_part) if hidden > FOLD_AFTER // 4 else len(content)  # a fold that hides a line only annoys


def decimal(value: float | None) -> str:
    """Four digits, or a dash where there is no value."""
    return "–" if value is None else f"{value:.4f}".replace("-", "−")


def text(value: object) -> str:
    """Any value as text that is no markup."""
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
svg .hover{fill:transparent}
svg .hover:hover{fill:var(--ink);fill-opacity:.08}
table{border-collapse:collapse;font-size:.9rem;width:100%}
td{padding:4px 12px 4px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td:first-child{white-space:nowrap;color:var(--quiet);width:1%;font-variant-numeric:tabular-nums}
article{background:var(--card);border-radius:8px;padding:12px 14px;margin-top:12px}
.numbers{display:flex;flex-wrap:wrap;gap:4px 14px;font-variant-numeric:tabular-nums}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
details{margin-top:2px}
summary{cursor:pointer;color:var(--quiet);font-size:.85rem}
.empty{margin-top:28px}
"""
"""Light and dark by the reader's own setting; charts and columns stack on a narrow screen."""
