"""Real text as sections: what each question came to, in tables and plots of the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proof.bootstrap import Interval
from proof.realtext.halves import Half
from proof.realtext.measures import GAP, LENGTH, LOG_RATIO, MEASURES, MODES
from proof.realtext.ranking import Fitted, Key, Known, Ranked
from proof.realtext.teaching import Taught
from proof.sections import Dots, Grid, Section, percent
from star_agents.config.sections import ScoreMode
from star_agents.records import Sample

JOB = "realtext"
AUC = "pairs in which the preferred answer has the larger value, %"
MAIN: tuple[str, ...] = (
    GAP,
    "IFD of the small model",
    "IFD of the large model",
    LENGTH,
    "log-likelihood per token, large",
    LOG_RATIO,
)
"""What was asked about before anything was looked at."""
FEWEST = 20
"""Pairs below which a stratum is not shown."""
ENDS: Mapping[ScoreMode, str] = {
    "perplexity_ratio": "Without the end of the response (`perplexity_ratio`, the paper's)",
    "score_eos": "With the end of the response (`score_eos`, as shipped)",
}


def shown(one: Interval) -> str:
    """In hundredths."""
    return one.show(1, percent=True)


def preferences(name: str, title: str, panel: str, ranked: Ranked, sums: Sequence[Fitted]) -> Section:
    """How often each measure prefers what is preferred, on the half where things were chosen and on the other."""
    first, second = ranked.half("exploration"), ranked.half("confirmation")
    grids = [_preferences(ENDS[mode], mode, first, second) for mode in reversed(MODES)]
    grids.append(_ends(first, second))
    if sums:
        grids.append(_sums(sums, first, second))
    plot = Dots(
        title=panel,
        axis=AUC,
        rows=tuple((one, tuple(percent(second.auc((one, mode))) for mode in MODES)) for one in MEASURES),
        series=MODES,
        marks=(("chance:", 50.0),),
        also=(40.0, 70.0),
    )
    return Section(job=JOB, name=name, title=title, grids=tuple(grids), plots=(plot,))


def _preferences(lead: str, mode: ScoreMode, first: Ranked, second: Ranked) -> Grid:
    unanimous, similar = second.unanimous, second.of_similar_length
    parts = (first, second, unanimous, similar)
    several = len(unanimous.pairs) < len(second.pairs)
    counts = [f"{len(part.pairs):,} pairs, {len(set(part.questions))} questions" for part in parts]
    names = ("exploration", "confirmation", "confirmation, unanimous", "confirmation, of similar length")
    kept = [at for at in range(4) if several or at != 2]
    head = ("measure", *(f"{names[at]} ({counts[at]})" for at in kept), "confirmation, points over length")
    rows = tuple(
        (
            one,
            *(shown(parts[at].auc((one, mode))) for at in kept),
            "–" if one == LENGTH else shown(second.over((one, mode), (LENGTH, mode))),
        )
        for one in MEASURES
    )
    return Grid(lead=f"{lead}: {AUC}", head=head, rows=rows)


def _ends(first: Ranked, second: Ranked) -> Grid:
    parts = {"exploration": first, "confirmation": second, "confirmation, of similar length": second.of_similar_length}
    rows = tuple(
        (one, *(shown(part.over((one, "perplexity_ratio"), (one, "score_eos"))) for part in parts.values()))
        for one in MAIN
        if one != LENGTH
    )
    return Grid(lead="Without the end less with it, points of the same pairs", head=("measure", *parts), rows=rows)


def _sums(sums: Sequence[Fitted], first: Ranked, second: Ranked) -> Grid:
    head = ("weighted sum", "weights", "exploration, where fitted", "confirmation", "of similar length")
    rows = tuple(
        (
            " + ".join(f"log {name}" if name == LENGTH else name for name, _ in one.keys),
            " ".join(f"{weight:+.2f}" for weight in one.weights),
            *(shown(one.auc(part)) for part in (first, second, second.of_similar_length)),
        )
        for one in sums
    )
    lead = f"Sums with the end scored, weights per standard deviation fitted on the exploration half: {AUC}"
    return Grid(lead=lead, head=head, rows=rows)


def strata(name: str, title: str, parts: Mapping[str, Ranked], mode: ScoreMode = "score_eos") -> Section:
    """The main measures in parts of the pairs of both halves."""
    kept = {label: part for label, part in parts.items() if len(part.pairs) >= FEWEST}
    rows = tuple(
        (
            label,
            f"{len(part.pairs)}",
            f"{len(set(part.questions))}",
            *(shown(part.auc((one, mode))) for one in MAIN),
        )
        for label, part in kept.items()
    )
    grid = Grid(lead=f"End scored: {AUC}", head=("part", "pairs", "questions", *MAIN), rows=rows)
    return Section(job=JOB, name=name, title=title, grids=(grid,))


def misaligned(name: str, title: str, known: Known, halves: Mapping[Half, Sequence[tuple[Sample, Sample]]]) -> Section:
    """Whether a measure tells an answer to its own question from one to another."""
    grids, dots = [], []
    for mode in reversed(MODES):
        rows = []
        for one in MEASURES:
            found = {half: known.tells_aligned(pairs, (one, mode)) for half, pairs in halves.items()}
            rows.append((one, *(shown(each) for half in found.values() for each in half)))
            if mode == "score_eos":
                dots.append((one, tuple(map(percent, found["confirmation"]))))
        head = ("measure", *(f"{half}, {which}" for half in halves for which in ("same question", "any question")))
        grids.append(
            Grid(lead=f"{ENDS[mode]}: right answers that lie above wrong ones, %", head=head, rows=tuple(rows))
        )
    plot = Dots(
        title="End scored, confirmation half",
        axis="right answers that lie above answers to another question, %",
        rows=tuple(dots),
        series=("same question", "any question"),
        marks=(("chance:", 50.0),),
        also=(0.0, 100.0),
    )
    return Section(job=JOB, name=name, title=title, grids=tuple(grids), plots=(plot,))


def taught(name: str, title: str, panel: str, found: Sequence[Taught]) -> Section:
    """What the small model makes of each arm's rows."""
    kinds = tuple(found[0].by_kind)
    head = (
        "trained on",
        "tokens per row",
        "loss on preferred answers, nats per token",
        "over random",
        "instructions obeyed, %",
        "over random, points",
        *(f"{kind}, %" for kind in kinds),
        "words per answer",
        "loss by run",
    )
    rows = tuple(
        (
            one.arm,
            f"{one.tokens:.0f}",
            one.loss.show(3),
            one.loss_over_random.show(3),
            shown(one.passed),
            shown(one.passed_over_random),
            *(f"{100 * one.by_kind[kind]:.0f}" for kind in kinds),
            f"{one.words:.0f}",
            " ".join(f"{value:.3f}" for value in one.by_run),
        )
        for one in found
    )
    random = next(one for one in found if one.arm == "random")
    plots = (
        Dots(
            title=panel,
            axis="loss on held-out answers that people prefer, nats per token (left is better)",
            rows=tuple((one.arm, (one.loss,)) for one in found),
            marks=(("random", random.loss.value),),
            digits=3,
        ),
        Dots(
            title=panel,
            axis="checkable instructions obeyed, %",
            rows=tuple((one.arm, (percent(one.passed),)) for one in found),
            marks=(("random", 100 * random.passed.value),),
        ),
    )
    return Section(job=JOB, name=name, title=title, grids=(Grid(head=head, rows=rows),), plots=plots)


def key(name: str) -> Key:
    """A measure as shipped."""
    return name, "score_eos"
