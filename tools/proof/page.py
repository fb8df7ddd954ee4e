"""Every kept section on one page of HTML that needs nothing else: findings in prose, then plots and tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt

from proof.plots import draw
from proof.sections import Grid, Section
from star_agents.report import markup


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """What a job asked, and what to look at in its plots."""

    title: str
    look: str


CHAPTERS: dict[str, Chapter] = {
    "tune": Chapter(
        title="What training on each arm's rows is worth",
        look="Share of held-out questions that a small model answers exactly right after training on the rows that an "
        "arm chose. Look for arms to the right of the dashed line of the seeds, and how much of the way to the ceiling "
        "(the oracle, which asks the checker) they go. Where two intervals overlap, read the paired difference in the "
        "table.",
    ),
    "choices": Chapter(
        title="What each arm chooses",
        look="Share of chosen rows that the checker finds sound, before any training. An arm that stands left of the "
        "dashed line of the seeds has made the data worse; no arm can pass the oracle.",
    ),
    "rules": Chapter(
        title="Other rules of choice, and the end of a response scored",
        look="For each rule, a circle without and a diamond with the end of the response scored. Look how far the "
        "diamond lies to the right: what is gained when the score can see that an ending is missing.",
    ),
    "judging": Chapter(
        title="Judging lazily",
        look="Verdicts that lazy judging pays for, of those that judging every candidate would: further left is "
        "cheaper. On how many rows it chose otherwise stands in the table.",
    ),
    "defaults": Chapter(
        title="Other readings than the paper's",
        look="Usable rows over the whole run, as the difference to the same run by the paper's readings. An "
        "interval clear of the dashed line is an improvement or a loss that chance does not explain.",
    ),
    "policies": Chapter(
        title="Evolution over long runs",
        look="Usable rows in the last tenth of a run: uniform draws learn nothing and are the dashed line, and what "
        "lies right of it is what evolution is worth. Then the same along the run: how soon does a policy pull away?",
    ),
    "turns": Chapter(
        title="When an agent turns half-way",
        look="How long a policy goes on as before after the pair that earns most turns bad, or after a bad one turns "
        "into it; and the share of draws on that pair along the run. A good policy is quick both ways.",
    ),
    "figure5": Chapter(
        title="The paper's Figure 5: the probability of each pair",
        look="Coloured lines are the third of the pairs that earns most when drawn alone, the grey ones all others. "
        "Evolution works where the colours rise together; beside each name stands what the checker thinks of it.",
    ),
    "memory": Chapter(
        title="Memory and evolution, each without the other",
        look="Runs in which every row comes once. Usable rows, beside uniform draws without a memory; and of the draws "
        "on specialists, how many fall on one that is good at the seed's own kind of question: a memory can know that, "
        "probabilities alone cannot.",
    ),
    "costs": Chapter(
        title="What a usable row costs",
        look="Calls and tokens that each way pays for a usable row, beside calling every pair for every seed. Further "
        "left is cheaper.",
    ),
    "sweep": Chapter(
        title="Which rate, floor and reward",
        look="The same figure over shorter runs, for many settings of Eq. 8 and for Thompson sampling.",
    ),
}
"""In the order of the page; a job without a chapter comes last, under its own name."""


def page(prose: str, sections: Sequence[Section]) -> str:
    """The whole page; ``prose`` is Markdown and begins with the title."""
    jobs = {section.job: None for section in sections}
    ordered = [job for job in CHAPTERS if job in jobs] + [job for job in jobs if job not in CHAPTERS]
    links = "".join(f'<li><a href="#{markup.text(job)}">{markup.text(_chapter(job).title)}</a></li>' for job in ordered)
    made = "".join(f"<li>{markup.text(one)}</li>" for one in dict.fromkeys(one.made for one in sections if one.made))
    title, end, findings = _html(prose).partition("</h1>")
    body = [
        f'<div class="prose">{title}{end}<nav>Findings in words, then figures:<ul>{links}</ul></nav>{findings}</div>',
        *(_written([one for one in sections if one.job == job], job) for job in ordered),
        f'<footer class="quiet">Made with<ul>{made}</ul></footer>' if made else "",
    ]
    return markup.page("Does it make better data?", "".join(body), STYLE)


def _chapter(job: str) -> Chapter:
    return CHAPTERS.get(job, Chapter(title=job.capitalize(), look=""))


def _written(sections: Sequence[Section], job: str) -> str:
    """A chapter: its plots side by side, then the tables, each folded under its set-up."""
    chapter = _chapter(job)
    plots = [plot for section in sections for plot in section.plots]
    drawn = zip(plots, draw(plots), strict=True)
    figures = "".join(f"<figure><h3>{markup.text(plot.title)}</h3>{svg}</figure>" for plot, svg in drawn)
    tables = "".join(
        f"<details><summary>{markup.text(section.title)}</summary>{''.join(map(_table, section.grids))}</details>"
        for section in sections
    )
    look = f'<p class="look">{markup.text(chapter.look)}</p>'
    head = f"<h2>{markup.text(chapter.title)}</h2>{look}"
    return f'<section id="{markup.text(job)}">{head}<div class="panels">{figures}</div>{tables}</section>'


def _table(grid: Grid) -> str:
    lead = f"<p>{markup.text(grid.lead)}</p>" if grid.lead else ""
    return lead + markup.table(
        [markup.text(one) for one in grid.head], [[markup.text(cell) for cell in row] for row in grid.rows]
    )


def _html(prose: str) -> str:
    """Markdown as markup; what looks like a tag stays text, and a wide table can be scrolled."""
    found: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(prose)
    return found.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")


_LIGHT = ("#0068a8", "#b84e00", "#00795a", "#9b3b78", "#6b5a00", "#4b5563")
_DARK = ("#63b8f0", "#ff9d5c", "#35c79c", "#ec9fcd", "#e8d44d", "#aab4c2")
"""After Okabe and Ito, as dark or as light as text has to be."""
_DASHES = ("none", "8 3", "2 3", "10 3 2 3", "5 5", "1 4")


def _colours(colours: Sequence[str]) -> str:
    return "".join(f"--s{number}:{colour};" for number, colour in enumerate(colours))


STYLE = (
    f":root{{{_colours(_LIGHT)}}}@media(prefers-color-scheme:dark){{:root{{{_colours(_DARK)}}}}}"
    + "".join(
        f"svg .s{n}{{--mine:var(--s{n})}}svg .curve.s{n}{{stroke-dasharray:{dash}}}" for n, dash in enumerate(_DASHES)
    )
    + """
.prose{max-width:78ch}
.prose h1{margin-bottom:10px}
.prose nav ul{margin:2px 0 16px;padding-left:20px}
.prose nav li{margin:1px 0}
.prose h2{margin:26px 0 6px;font-size:1.2rem}
.prose p,.prose ul,.prose ol,.prose pre,.prose .wide{margin:8px 0}
.prose li{margin:4px 0}
.prose code{font-size:.88em;background:var(--card);padding:1px 4px;border-radius:4px}
.prose pre{background:var(--card);border-radius:8px;padding:10px 12px;overflow-x:auto}
.prose pre code{padding:0}
.prose th{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid var(--quiet);vertical-align:bottom}
.prose td{overflow-wrap:break-word}
.prose td:first-child{white-space:normal;width:auto;min-width:13ch;color:var(--ink)}
.wide{overflow-x:auto}
nav{font-size:.9rem;color:var(--quiet)}
a{color:var(--s0)}
section{margin-top:44px}
section h2{font-size:1.3rem}
.look{max-width:78ch;color:var(--quiet);margin-bottom:14px}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:26px 28px;
margin-bottom:12px}
figure h3{font-size:.92rem;letter-spacing:0;text-transform:none;color:var(--ink)}
svg{max-width:480px}
svg text{font-size:12.5px;paint-order:stroke;stroke:var(--paper);stroke-width:5px;stroke-linejoin:round}
svg .figure{fill:var(--ink);font-variant-numeric:tabular-nums}
svg .tick{fill:var(--quiet)}
svg .interval{stroke:var(--mine);stroke-width:1.6;fill:none}
svg .dot{fill:var(--mine);stroke:var(--paper);stroke-width:1}
svg .curve{fill:none;stroke:var(--mine);stroke-width:2.2;stroke-linejoin:round}
svg .curve.grey{stroke:var(--quiet);stroke-width:1;stroke-opacity:.4}
details{border-top:1px solid var(--line);padding:6px 0}
details .wide{margin:8px 0}
summary{font-size:.9rem;color:var(--ink)}
.columns{font-size:.82rem}
.columns th{padding:4px 12px 4px 0;border-bottom:1px solid var(--quiet);text-align:right;vertical-align:bottom;
color:var(--quiet);font-weight:600;min-width:8ch}
.columns td{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.columns th:first-child,.columns td:first-child{text-align:left;width:auto}
.columns td:first-child{color:var(--ink)}
footer{margin-top:44px;font-size:.85rem}
footer ul{margin:4px 0;padding-left:20px}
@media print{body{font-size:12px}figure,tr{break-inside:avoid}main{max-width:none;padding:0}}
"""
)
"""Over the style that every report has: series by colour, dash and shape, so that no colour has to be told apart."""
