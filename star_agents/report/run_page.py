"""The report of a run: curves, tables, costs, gaps, samples to read. Pure: from facts to one page of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from star_agents.report.charts import Axis, Series, histogram, outside
from star_agents.report.curves import COLOURED, DRAWN, LOOKS, curves, rank
from star_agents.report.facts import GAPS, RunFacts
from star_agents.report.markup import figure, page, table, text, tiles
from star_agents.report.stories import stories
from star_agents.scheduling.win_rates import WinRate, win_rate

REASONS_SHOWN = 20
Data = Mapping[str, Any]


def run_page(facts: RunFacts) -> str:
    """The whole page."""
    title = f"Star-Agents: {facts.name}"
    summary = facts.summary
    body = "".join(
        [
            f"<header><h1>{text(title)}</h1><p>{_lead(summary)}</p></header>",
            _tiles(summary),
            _curves(facts),
            _pairs(summary),
            _charts(facts),
            _agents(summary),
            _failures(summary),
            _dropped(summary),
            stories(facts.stories),
            _settings(summary),
        ]
    )
    return page(title, body, STYLE)


def _lead(summary: Data) -> str:
    """The run in two sentences."""
    counts, tied = summary["counts"], summary["referee"]["won_by_tie"]
    by_tie = f" ({tied:,} by a larger gap at a tie)" if tied else ""
    said = (
        f"{_count(counts['done'], 'seed')} done: {counts['kept']:,} improved{by_tie}, "
        f"{counts['base']:,} kept as their base, {counts['dropped']:,} dropped, for {_spent(summary['cost'])}."
    )
    left = [(counts[name], name) for name in ("waiting", "working", "quarantined") if counts[name]]
    if left:
        said += f" {', '.join(f'{count:,} {name}' for count, name in left)}."
    if summary["as_of"]:
        said += f' <span class="quiet">{summary["began_at"]} to {summary["as_of"]}.</span>'
    return said


def _tiles(summary: Data) -> str:
    counts, cost, referee = summary["counts"], summary["cost"], summary["referee"]
    done, tied = counts["done"], referee["won_by_tie"]
    improved = "of the seeds improved"
    if done and tied:
        better = (counts["kept"] - tied) / done
        improved += f": {better:.0%} judged better, {tied / done:.0%} by a larger gap at a tie"
    facts = [
        (f"{counts['kept'] / done:.0%}" if done else "–", improved),
        (_each(cost, "usd_per_sample"), "for each sample of the dataset"),
        (_each(cost, "usd_per_improved"), "for each improved seed"),
        (f"{counts['calls_answered']:,}", "calls answered"),
        (_share(referee["agreement"]), f"both orders agree, of {referee['both_orders']:,} votes"),
        (_share(summary["memory"]["hit_rate"]), f"draws helped by the memory bank, of {summary['memory']['draws']:,}"),
    ]
    return tiles(facts)


def _curves(facts: RunFacts) -> str:
    moments = facts.moments
    if len(moments) < 2:
        return '<p class="empty">The probabilities of the pairs have no history yet.</p>'
    ranked = rank(moments)
    caption = "How likely each pair is to be drawn for the next seed, over the outcomes so far (Eq. 8)."
    if facts.edits:
        caption += f" Dashed across: {_count(len(facts.edits), 'edit')} of agents.yaml; rest a pointer on one."
    if len(ranked) > LOOKS:
        caption += f" The {COLOURED} that lead now have colours; rest a pointer on a grey line for its name."
    if len(ranked) > DRAWN:
        caption += f" {len(ranked) - DRAWN:,} more are not drawn."
    chart = f'<div class="wide curves">{curves(moments, facts.edits)}</div>'
    return f"<section>{figure('Which pairs are trusted', chart, caption)}</section>"


def _pairs(summary: Data) -> str:
    pairs = summary["pairs"]
    if not pairs:
        return ""
    ranked = sorted(pairs.items(), key=lambda item: (-(item[1]["probability_now"] or -1), -item[1]["wins"], item[0]))
    columns = ["pair", "candidates", "failed", "won", "won of them", "mean π", "probability", "at start", "change"]
    money = any(one["cost_usd"] or one["candidates_of_unknown_cost"] for one in pairs.values())
    rows = [[text(name), *_pair(one), *(_pair_money(one) if money else [])] for name, one in ranked]
    head = [*columns, *(["cost", "cost per kept sample"] if money else [])]
    note = (
        "A base pair is always asked and never drawn, so it has no probability. Beside each share of wins stands its "
        "95 % interval (Wilson): pairs whose intervals meet may differ by chance."
    )
    return f'<section><h2>Pairs</h2>{table(head, rows)}<p class="note">{note}</p></section>'


def _pair(one: Data) -> list[str]:
    start, now = one["probability_start"], one["probability_now"]
    return [
        f"{one['candidates']:,}",
        f"{one['failures']:,}",
        f"{one['wins']:,}",
        _won(win_rate(one["wins"], one["candidates"])),
        "–" if one["mean_pi"] is None else f"{one['mean_pi']:.3f}",
        "–" if now is None else f"{now:.2%}",
        "–" if start is None else f"{start:.2%}",
        f"{now / start:.2f}×" if start and now is not None else "–",
    ]


def _won(rate: WinRate) -> str:
    return "–" if rate.rate is None else f"{rate.rate:.0%} ({rate.low:.0%}–{rate.high:.0%})"


def _pair_money(one: Data) -> list[str]:
    unknown = one["candidates_of_unknown_cost"]
    if one["cost_usd"] is None:
        return ["unknown", "unknown"]
    more = f" + {unknown:,} of unknown cost" if unknown else ""
    return [f"{_usd(one['cost_usd'])}{more}", _usd(one["usd_per_win"])]


def _charts(facts: RunFacts) -> str:
    found = _gaps(facts) + _referee(facts.summary["referee"])
    return f'<section class="charts">{found}</section>' if found else ""


def _gaps(facts: RunFacts) -> str:
    chosen, others = facts.gaps_chosen, facts.gaps_others
    if not chosen and not others:
        return ""
    axis = Axis.over([*chosen, *others], also=0.0)
    series = [
        Series(name=name, css=name, values=values)
        for name, values in (("others", others), ("chosen", chosen))
        if values
    ]
    left_out = outside(axis, chosen) + outside(axis, others)
    caption = (
        "IFD of the small model minus IFD of the large one (Eq. 5), as shares of each group. Right of the dashed 0: "
        "hard for the small model and within the large one's reach."
    )
    caption += f" {left_out:,} beyond the ends are not drawn." if left_out else ""
    if max(len(chosen), len(others)) >= GAPS:
        caption += f" Drawn from {GAPS:,} of each group."
    return figure("Gaps of chosen candidates and of the others", histogram("gap", axis, series, mark=0.0), caption)


def _referee(referee: Data) -> str:
    if not referee["verdicts"] and not referee["without_verdict"]:
        return ""
    verdicts = referee["verdicts"]
    rows = [
        (name, f"{referee[key]:,}", _share(referee[key] / max(1, verdicts)))
        for name, key in (("better than the base", "wins"), ("a tie", "ties"), ("worse than the base", "losses"))
    ]
    said = f"{_count(verdicts, 'candidate')} compared with the base."
    if referee["both_orders"]:
        said += (
            f" Of {_count(referee['both_orders'], 'vote')} in both orders {referee['agree']:,} said the same twice; "
            "where they did not, it is a tie (Eq. 6)."
        )
    if referee["unreadable"]:
        said += f" Replies without a verdict: {_count(referee['unreadable'], 'vote')}, which count as none"
        said += f"; on {_count(referee['without_verdict'], 'candidate')} there was no verdict, and nothing won by it."
    return f'<div><h2>The referee</h2>{table(["verdict", "candidates", "share"], rows)}<p class="note">{said}</p></div>'


def _agents(summary: Data) -> str:
    agents = summary["agents"]
    if not agents:
        return ""
    columns = ["agent", "calls", "tokens read", "tokens written", "cost", "candidates", "won", "won of them"]
    rows = [[text(name), *_agent(one)] for name, one in sorted(agents.items())]
    note = "Candidates count for the agent that wrote the instruction and for the one that wrote the response."
    return f'<section><h2>Agents</h2>{table(columns, rows)}<p class="note">{note}</p></section>'


def _agent(one: Data) -> list[str]:
    money = _spent({"known_usd": one.get("cost_usd", 0.0), "calls_of_unknown_price": one.get("unknown_price", 0)})
    return [
        f"{one.get('answered', 0):,}",
        f"{one.get('prompt_tokens', 0):,}",
        f"{one.get('completion_tokens', 0):,}",
        money,
        f"{one.get('candidates', 0):,}",
        f"{one.get('wins', 0):,}",
        _share(one.get("win_rate")),
    ]


def _dropped(summary: Data) -> str:
    reasons = list(summary["dropped_because"].items())
    if not reasons:
        return ""
    rows = "".join(f"<tr><td>{count:,}</td><td>{text(reason)}</td></tr>" for reason, count in reasons[:REASONS_SHOWN])
    return f"<section><h2>Why seeds were dropped</h2><table>{rows}</table></section>"


def _failures(summary: Data) -> str:
    if not summary["failures"]:
        return ""
    items = "".join(f"<li>{text(one['sentence'])}</li>" for one in summary["failures"])
    return f"<section><h2>Failed, and done without</h2><ul>{items}</ul></section>"


def _settings(summary: Data) -> str:
    config, versions = summary["config"], summary["versions"]
    facts = {
        "agents": ", ".join(config["agents"]),
        "base pairs": ", ".join(config["base_pairs"]),
        "pairs": f"{len(config['pairs']):,}, {config['candidates']} of them drawn for each seed",
        "selection": config["selection"],
        "policy": summary["policy"],
        "small scorer": config["small"],
        "large scorer": config["large"],
        "config revision": config["revision"],
        "made by": f"star_agents {versions['star_agents']}, Python {versions['python']}, SQLite {versions['sqlite']}",
    }
    rows = "".join(f"<tr><td>{name}</td><td>{text(value)}</td></tr>" for name, value in facts.items() if value)
    return f'<section class="facts"><h2>How it was made</h2><table>{rows}</table></section>'


def _spent(cost: Data) -> str:
    unknown = cost["calls_of_unknown_price"]
    if cost["known_usd"] is None:
        return "an unknown cost"
    return _usd(cost["known_usd"]) + (f" and {unknown:,} calls of unknown price" if unknown else "")


def _each(cost: Data, name: str) -> str:
    return "unknown" if cost["known_usd"] is None else _usd(cost[name])


def _usd(value: float | None) -> str:
    if value is None:
        return "–"
    return f"${value:,.4f}" if value >= 0.01 else f"${value:.2g}" if value else "$0"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


_COLOURS = {
    # Those of the daemon's page (web/page/base.css), in the same order: a pair looks the same here and there.
    "light": [
        "#1561b8",
        "#c2590c",
        "#23803f",
        "#8145c4",
        "#b32c63",
        "#0e7f86",
        "#7d6a00",
        "#8c3b2a",
        "#3d4650",
        "#5d8a00",
    ],
    "dark": [
        "#72b1f5",
        "#f0a05a",
        "#67c887",
        "#bf9cf5",
        "#f088af",
        "#4fc9cf",
        "#d6bf4a",
        "#e38f7b",
        "#cfd6dd",
        "#a9d65c",
    ],
}


def _colours(mode: str) -> str:
    return "".join(f"--c{number}:{colour};" for number, colour in enumerate(_COLOURS[mode]))


STYLE = (
    f":root{{{_colours('light')}}}@media(prefers-color-scheme:dark){{:root{{{_colours('dark')}}}}}"
    + "".join(f"svg .c{n}{{stroke:var(--c{n})}}svg text.c{n}{{fill:var(--c{n});stroke:none}}" for n in range(COLOURED))
    + """
svg .curve{fill:none;stroke-width:1.8;stroke-linejoin:round}
svg path.dashed{stroke-dasharray:6 3}
svg .edit{stroke:var(--quiet);stroke-dasharray:2 4;stroke-width:1.5;fill:none}
svg .grey{stroke:var(--quiet);stroke-width:1;stroke-opacity:.35}
svg .chosen{fill:var(--gap);stroke:var(--gap);fill-opacity:.4}
svg .others{fill:var(--quiet);stroke:var(--quiet);fill-opacity:.2}
.wide{overflow-x:auto}
.columns th{padding:4px 12px 4px 0;border-bottom:1px solid var(--quiet);text-align:right;vertical-align:bottom;
color:var(--quiet);font-weight:600;font-size:.8rem}
.columns td{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.columns th:first-child,.columns td:first-child{text-align:left;width:auto}
.columns td:first-child{color:var(--ink)}
.why{margin:2px 0 6px}
.failed{color:var(--quiet);font-size:.9rem;margin-top:6px;overflow-wrap:anywhere}
article details{margin-top:8px}
summary .numbers{display:inline}
summary .numbers>*{margin-right:14px}
.curves svg{min-width:640px}
@media print{body{font-size:12px}article,figure,tr{break-inside:avoid}main{max-width:none;padding:0}}
"""
)
