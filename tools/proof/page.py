"""Every kept section on one page of HTML that needs nothing else: findings in prose, then plots and tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from proof.plots import draw
from proof.sections import Section
from star_agents.report.rendering import render

HERE = Path(__file__).parent
MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


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
    "documents": Chapter(
        title="Rows out of documents, and what the target lost",
        look="Share of held-out questions that the target answers exactly right once it was trained on the rows of "
        "each way. The dashed line is the target before; read the paired differences in the table, and below it which "
        "questions each way asked for and which ones it taught.",
    ),
    "world2-tune": Chapter(
        title="A second world: harder questions where the examination is as hard",
        look="Share of held-out questions that a small model answers exactly right, ordinary ones and ones as hard as "
        "those that a coach writes. Compare the arms that rewrite with the same ones that do not.",
    ),
    "world2-policies": Chapter(
        title="A second world: Thompson sampling beside Eq. 8 as it ships",
        look="Usable rows over a run, as the difference of the two in the same case. An interval clear of the dashed "
        "line is a difference that chance does not explain.",
    ),
    "world2-rules": Chapter(
        title="A second world: which rule may stand in the place of Eq. 7",
        look="First every rule in its worst case on the first world, beside the referee alone; then the rule that was "
        "chosen there, case by case on the second world, beside both rivals.",
    ),
    "realtext": Chapter(
        title="Real answers, and what people say of them",
        look="First, how often a measure prefers the answer that people (or GPT-4) prefer: the dashed line is a coin, "
        "and *length* is what a ruler does. Then, whether it tells an answer to its own question from one to another. "
        "Last, what a real small model makes of the rows that each arm takes; left is better for the loss.",
    ),
    "sweep": Chapter(
        title="Which rate, floor and reward",
        look="The same figure over shorter runs, for many settings of Eq. 8 and for Thompson sampling.",
    ),
}
"""In the order of the page; a job without a chapter comes last, under its own name."""


def page(prose: str, sections: Sequence[Section]) -> str:
    """The whole page; ``prose`` is Markdown and its first line is the title. What looks like a tag in it stays text."""
    jobs = {section.job: None for section in sections}
    ordered = [job for job in CHAPTERS if job in jobs] + [job for job in jobs if job not in CHAPTERS]
    head, _, findings = prose.partition("\n")
    return render(
        "proof.html.jinja",
        beside=HERE,
        title="Does it make better data?",
        head=head.removeprefix("# "),
        findings=Markup(MARKDOWN.render(findings)),
        chapters=[_chapter(job, [one for one in sections if one.job == job]) for job in ordered],
        made=list(dict.fromkeys(one.made for one in sections if one.made)),
    )


def _chapter(job: str, sections: Sequence[Section]) -> dict[str, object]:
    """A chapter: its plots side by side, then the tables, each folded under its set-up."""
    plots = [plot for section in sections for plot in section.plots]
    return {
        "job": job,
        "chapter": CHAPTERS.get(job, Chapter(title=job.capitalize(), look="")),
        "figures": list(zip(plots, draw(plots), strict=True)),
        "sections": sections,
    }
