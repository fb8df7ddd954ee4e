"""What ``tools/proof/run realtext`` works out, section by section; the real small model has to be set up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from real_model_lib.folder import default_folder

from proof.realtext import checkers, choosing, data, report, teaching
from proof.realtext.data import Pair
from proof.realtext.halves import HALVES, half_of
from proof.realtext.losses import measured
from proof.realtext.measures import GAP, LENGTH, LOG_RATIO
from proof.realtext.ranking import Key, Known, Ranked, fit
from proof.realtext.small import STEPS, Distilled, distilled
from proof.realtext.teaching import Lesson
from proof.sections import Section
from star_agents.records import Sample

SUMS: tuple[tuple[Key, ...], ...] = tuple(
    (report.key(LENGTH), report.key(name)) for name in (GAP, LOG_RATIO, "log-ratio per token")
)
"""The last one was the best on the exploration half of nine that were tried there; the others answer what was asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much of it."""

    steps: int
    """Of the distillation."""
    pairs: int | None
    """Of each source; ``None``: all."""
    pool: int
    taken: int
    """Rows that an arm takes of the pool."""
    seeds: int
    arms: int
    """Of each lesson."""
    checks: int


FULL = Plan(steps=STEPS, pairs=None, pool=data.POOL, taken=64, seeds=3, arms=99, checks=44)
QUICK = Plan(steps=4, pairs=24, pool=24, taken=12, seeds=1, arms=2, checks=4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Where the models lie, and what is asked."""

    large: Path
    small: Path
    models: Distilled
    out: Path
    plan: Plan

    @classmethod
    def at(cls, out: Path, large: Path, plan: Plan) -> Setting:
        """With the small model in ``out``, which is made where it is not there yet."""
        small = out / f"small-{plan.steps}"
        return cls(large=large, small=small, models=distilled(large, small, steps=plan.steps), out=out, plan=plan)

    def people(self) -> list[Pair]:
        """PandaLM's pairs, as many as are asked for."""
        return self.some(data.pandalm())

    def some(self, pairs: Sequence[Pair]) -> list[Pair]:
        """As many as are asked for, from beginning to end."""
        return list(pairs[:: max(1, len(pairs) // (self.plan.pairs or len(pairs)))])

    def known(self, samples: Sequence[Sample]) -> Known:
        """Every measure of each sample, of those kept in ``out`` none anew."""
        unique = list(dict.fromkeys(samples))
        small = measured(unique, "small", self.small, self.small / "losses.jsonl")
        return Known.of(unique, small, measured(unique, "large", self.large, self.out / "losses-large.jsonl"))


def sections(out: Path, *, quick: bool, seeds: int | None = None, part: str | None = None) -> Iterator[Section]:
    """Every section; what ``out`` holds is not worked out again. Ends with a message where something is missing.

    Args:
        out: Where everything is kept.
        quick: Little of all of it.
        seeds: Training runs of each arm; ``None``: as planned.
        part: One of ``PARTS`` alone.
    """
    plan = QUICK if quick else FULL
    folder = default_folder()
    if not folder.is_ready:
        sys.exit(f"realtext needs a real small model in {folder.root}: `tools/real_model setup` fetches it, once")
    try:
        setting = Setting.at(out / "realtext", folder.large, replace(plan, seeds=seeds or plan.seeds))
        for one in [part] if part else PARTS:
            yield from PARTS[one](setting)
    except data.NoData as error:
        sys.exit(f"realtext needs real rows: {error}")


def _people(setting: Setting) -> Iterator[Section]:
    pairs = setting.people()
    ranked = setting.known(_answers(pairs)).ranked(pairs)
    title = (
        f"PandaLM: {len(pairs):,} pairs of answers to {_questions(pairs)} instructions, three people each; "
        f"{_without_preference(pairs)} without a majority for one, {ranked.left_out} more with an answer of no words. "
        f"{describe(setting.models)}"
    )
    first = ranked.half("exploration")
    sums = [fit(first, keys) for keys in SUMS]
    yield report.preferences("realtext pandalm", title, "PandaLM, confirmation half", ranked, sums)
    parts = {
        "all": ranked,
        "with an input": ranked.part([bool(pair.asked.input) for pair in ranked.pairs]),
        "without": ranked.part([not pair.asked.input for pair in ranked.pairs]),
        **_by_length(ranked),
        "the preferred one is longer": ranked.part(_longer(ranked) > 0),
        "the preferred one is shorter": ranked.part(_longer(ranked) < 0),
    }
    yield report.strata("realtext pandalm parts", "PandaLM: parts of the pairs of both halves", parts)


def _misaligned(setting: Setting) -> Iterator[Section]:
    swapped = data.misaligned(choosing.best_answers(setting.people()))
    known = setting.known([sample for pair in swapped for sample in pair])
    halves = {half: [pair for pair in swapped if half_of(pair[0].question) == half] for half in HALVES}
    title = (
        f"Misaligned rows: the preferred answers to {len(swapped)} of PandaLM's instructions, each beside the answer "
        f"of like length to another one ({', '.join(f'{half}: {len(some)}' for half, some in halves.items())})"
    )
    yield report.misaligned("realtext misaligned", title, known, halves)


def _vicuna(setting: Setting) -> Iterator[Section]:
    pairs = setting.some(data.vicuna())
    ranked = setting.known(_answers(pairs)).ranked(pairs)
    title = (
        f"Vicuna-bench: {len(pairs):,} pairs of answers of five models to {_questions(pairs)} questions, compared by "
        f"GPT-4 in one order; {_without_preference(pairs)} ties. Answers are cut at 512 tokens"
    )
    yield report.preferences("realtext vicuna", title, "Vicuna-bench by GPT-4, confirmation half", ranked, ())
    categories = dict.fromkeys(pair.category for pair in ranked.pairs)
    parts = {one: ranked.part([pair.category == one for pair in ranked.pairs]) for one in categories}
    yield report.strata("realtext vicuna categories", "Vicuna-bench by category, both halves", {"all": ranked, **parts})


def _answers_taught(setting: Setting) -> Iterator[Section]:
    """One of several answers to each question."""
    plan, pairs = setting.plan, setting.people()
    asked = [pair for pair in pairs if pair.half == "exploration"]
    values = _values(setting, _answers(asked))
    preferred = _held_out(pairs)
    lesson = Lesson(
        name=f"answers {len(asked)}",
        arms=choosing.ANSWER_ARMS[: plan.arms],
        choose=partial(choosing.answers, asked, values),
        epochs=1,
        seeds=plan.seeds,
        preferred=preferred,
        checks=checkers.checkables()[: plan.checks],
    )
    found = teaching.figures(teaching.teach(lesson, setting.small, setting.small / "answers.jsonl"), lesson.checks)
    count = len(choosing.answers(asked, values, choosing.RANDOM, 0))
    title = (
        f"Trained on one of several answers to each of {count} PandaLM instructions of the exploration half, "
        f"one epoch, {_seeds(plan)}; asked for {len(preferred)} preferred answers of the "
        f"confirmation half, and for {len(lesson.checks)} checkable instructions"
    )
    yield report.taught("realtext answers taught", title, "One of several answers, exploration half", found)


def _rows_taught(setting: Setting) -> Iterator[Section]:
    """So many rows of a pool."""
    plan, pool = setting.plan, data.pool(count=setting.plan.pool)
    values = _values(setting, pool)
    preferred = _held_out(setting.people())
    lesson = Lesson(
        name=f"rows {plan.taken} of {len(pool)}",
        arms=choosing.ROW_ARMS[: plan.arms],
        choose=lambda arm, seed: choosing.rows(values, arm, plan.taken, seed),
        epochs=1,
        seeds=plan.seeds,
        preferred=preferred,
        checks=checkers.checkables()[: plan.checks],
    )
    found = teaching.figures(teaching.teach(lesson, setting.small, setting.small / "rows.jsonl"), lesson.checks)
    title = (
        f"Trained on {plan.taken} of {len(pool)} rows of GPTeacher and of Self-instruct's seed tasks, one epoch, "
        f"{_seeds(plan)}; asked the same"
    )
    yield report.taught("realtext rows taught", title, "Rows of GPTeacher and seed tasks", found)


PARTS: dict[str, Callable[[Setting], Iterator[Section]]] = {
    "people": _people,
    "misaligned": _misaligned,
    "vicuna": _vicuna,
    "answers": _answers_taught,
    "rows": _rows_taught,
}
"""The questions, by the names that ``--part`` takes: what people and GPT-4 prefer, which answers belong to another
question, and what is learned from one of several answers, or from rows of a pool."""


def _values(setting: Setting, samples: Sequence[Sample]) -> dict[str, dict[Sample, float]]:
    known = setting.known(samples)
    return choosing.as_shipped(list(known.place), known.values)


def _held_out(pairs: Sequence[Pair]) -> list[Sample]:
    return choosing.best_answers([pair for pair in pairs if pair.half == "confirmation"])


def _seeds(plan: Plan) -> str:
    return f"{plan.seeds} random seed{'s' if plan.seeds > 1 else ''}"


def describe(models: Distilled) -> str:
    """The two models in words."""
    before, after = models.divergence
    return (
        f"Large: SmolLM2-135M-Instruct. Small: {models.layers} of its {models.layers_of_large} layers "
        f"({models.parameters / 1e6:.0f} M weights), distilled over {models.tokens:,} tokens: KL {before:.2f} → "
        f"{after:.2f} nats per token on held-out text, loss {models.loss[0]:.2f} → {models.loss[1]:.2f} (large: "
        f"{models.loss_of_large:.2f})"
    )


def _answers(pairs: Sequence[Pair]) -> list[Sample]:
    return [pair.sample(place) for pair in pairs for place in (0, 1)]


def _questions(pairs: Sequence[Pair]) -> int:
    return len({pair.asked.question for pair in pairs})


def _without_preference(pairs: Sequence[Pair]) -> int:
    return sum(pair.preferred is None for pair in pairs)


def _longer(ranked: Ranked) -> choosing.Values:
    key: Key = (LENGTH, "perplexity_ratio")
    return ranked.better[key] - ranked.worse[key]


def _by_length(ranked: Ranked) -> dict[str, Ranked]:
    key: Key = (LENGTH, "perplexity_ratio")
    longest = np.maximum(ranked.better[key], ranked.worse[key])
    middle = float(np.median(longest))
    return {
        f"longer answer of at most {middle:.0f} tokens": ranked.part(longest <= middle),
        f"of more than {middle:.0f}": ranked.part(longest > middle),
        "of similar length": ranked.of_similar_length,
    }
