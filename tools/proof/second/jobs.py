"""What the commands of the second world work out, section by section. Figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from proof import table as first
from proof.longruns import Case as Replay
from proof.policies import Drift
from proof.pool import SEED_KINDS as FIRST_STYLES
from proof.replacements import DUAL, REFEREE
from proof.second import bandits, lessons, report, rules
from proof.second import table as second
from proof.second.pool import SEED_KINDS
from proof.second.rules import Case, Standing
from proof.second.targets import folder_of
from proof.sections import Section
from proof.table import REFEREES, Table
from proof.variants import Rule
from star_agents.config.sections import ScoreMode

MODE: ScoreMode = "score_eos"
"""As it ships."""
CASES = tuple(Case(style=style, referee=referee, m=m) for style, referee, m in product(SEED_KINDS, REFEREES, (2, 4)))
LENGTHS = ((300, 32), (2_000, 64))
"""Draws, and seeds in flight."""
TURNING = 2_000
DRIFTS: tuple[Drift, ...] = ("turns bad", "turns good")
MAIN = ("mixed", "answers")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How much of each."""

    rows: int
    lesson_rows: int
    seeds: int
    """Random seeds of the replays."""
    lessons: int
    """Random seeds of the training."""
    each: int
    """Examination questions of a family and level."""
    share: float = 1.0
    """Of the steps of the models."""


FULL = Plan(rows=600, lesson_rows=900, seeds=20, lessons=3, each=40)
QUICK = Plan(rows=40, lesson_rows=40, seeds=2, lessons=1, each=2, share=0.01)


def rules_sections(out: Path, plan: Plan) -> Iterator[Section]:
    """Every rule on the first world, and the chosen one on the second."""
    found, tried = _first_world(out, plan)
    title = (
        f"{len(CASES)} cases of {plan.rows:,} seeds: plain and mixed, two referees, M = 2 and 4 uniform draws of "
        f"{rules.DRAWS} random seeds, end scored"
    )
    yield report.rules("world2 rules first", f"The first world, where a rule is chosen: {title}", "first world", found)
    others = {style: _table(out, plan, style) for style in SEED_KINDS}
    name = chosen(found)
    asked = rules.measure(others, CASES, {one: tried[one] for one in (name, DUAL, REFEREE)})
    lead = f"The second world, asked once, about “{name}”"
    yield report.confirmed(
        "world2 rules second", f"{lead}: {title}", "second world", {one: asked[one] for one in (name, DUAL)}
    )


def _first_world(out: Path, plan: Plan) -> tuple[list[Standing], Mapping[str, Rule]]:
    """How every rule stands there, and the rules themselves, those among them that are learned there."""
    tables = {style: first.build(plan.rows, 0, out, style=style, mode=MODE) for style in FIRST_STYLES}
    tried = rules.tried(tables, CASES)
    return rules.standings(rules.measure(tables, CASES, tried)), tried


def chosen(found: Sequence[Standing]) -> str:
    """The rule that holds and has the most usable rows; where none holds, the one that is clearly below in the fewest
    cases."""
    rivals = (DUAL, REFEREE)
    return min(
        (one for one in found if one.name not in rivals),
        key=lambda one: (not one.holds, one.nearly, -one.mean["usable"]),
    ).name


def _table(out: Path, plan: Plan, style: str, mode: ScoreMode = MODE) -> Table:
    return second.build(plan.rows, 0, out, style=style, mode=mode, share=plan.share)


def policies_sections(out: Path, plan: Plan) -> Iterator[Section]:
    """Thompson sampling beside Eq. 8 as it ships."""
    homes = {"first": out, "second": out / "second"}
    found, banked = [], []
    for world, style, referee in product(homes, SEED_KINDS, REFEREES):
        table = _of_world(world, out, plan, style)
        for steps, in_flight in LENGTHS:
            case = Replay(style=style, referee=referee, m=bandits.M, steps=steps, mode=MODE, in_flight=in_flight)
            found.append(bandits.without_bank(world, table, case, plan.seeds, homes[world]))
        once = Replay(style=style, referee=referee, m=bandits.M, steps=2 * plan.rows // 3, mode=MODE)
        banked.append(bandits.with_bank(world, table, once, plan.seeds // 2, homes[world]))
    title = f"M = {bandits.M}, {plan.rows:,} seeds in the table"
    yield report.bandits("world2 policies", f"{title}, {plan.seeds} random seeds", "without a bank", found)
    once_title = f"With the memory bank, no row twice: {title}, {plan.seeds // 2} random seeds"
    yield report.bandits("world2 policies bank", once_title, "with the memory bank", banked)
    style, referee = MAIN
    others = []
    for world, drift in product(homes, DRIFTS):
        case = Replay(style=style, referee=referee, m=bandits.M, steps=TURNING, drift=drift, mode=MODE)
        others.append(
            bandits.without_bank(world, _of_world(world, out, plan, style), case, plan.seeds // 2, homes[world])
        )
    lead = "Where the pair that earns most turns half-way"
    yield report.bandits("world2 policies adverse", f"{lead}: {title}, {plan.seeds // 2} random seeds", lead, others)


def _of_world(world: str, out: Path, plan: Plan, style: str) -> Table:
    if world == "second":
        return _table(out, plan, style)
    return first.build(plan.rows, 0, out, style=style, mode=MODE)


def tune_sections(out: Path, plan: Plan) -> Iterator[Section]:
    """The target trained on each arm's rows, over mixed seeds, judged by the large model's answers."""
    style, referee = MAIN
    table = second.build(plan.lesson_rows, 0, out, style=style, mode=MODE, share=plan.share)
    folder = folder_of("small", out, plan.share)
    standings, tried = _first_world(out, plan)
    rule = chosen(standings)
    file = out / f"second-tuned-{plan.share:g}.jsonl"
    exam = lessons.examination(plan.each)
    found = lessons.teach(table, folder, {rule: tried[rule]}, referee, range(plan.lessons), exam, file)
    right = " and ".join(f"{100 * share:.1f} %" for share in lessons.before(folder, exam).values())
    title = (
        f"{plan.lesson_rows:,} {style} seeds, M = {lessons.M}, referee: {referee}, end scored, "
        f"{len(exam[lessons.LEVELS[0]])} held-out questions of each level, {plan.lessons} runs; right before any "
        f"training, ordinary and hard: {right}"
    )
    yield report.lessons("world2 tuned", title, "second world", found)
