"""The Star-Agents recipe: one seed from draw to choice (paper, sections 3.1 to 3.3; readings in design section 4)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import anyio

from star_agents.config.models import Config
from star_agents.config.star import JUDGED, SCORED, Reward, Selection, StarConfig
from star_agents.errors import AgentUnavailable, BudgetExhausted, RecipeError, StarAgentsError
from star_agents.recipes.choosing import Contender, Contest, relative_gaps, worths
from star_agents.recipes.pair_workbench import PairWorkbench, draws_pairs
from star_agents.recipes.protocol import Recipe, Settings, Workbench, prompts_beside
from star_agents.recipes.star_records import MEASURES, Assessed, Candidate, star_outcome
from star_agents.records import AgentPair, FailureKind, Outcome, OutcomeKind, Score, Seed, Verdict

TIE = Verdict(value=0.5)


class StarSettings(Settings):
    """What of the config the recipe itself goes by: the switches that make the paper's ablations (Tables 3 and 4) plain
    configuration. By the rest of its section its bench goes."""

    selection: Selection
    """What the choice ranks by."""
    reward: Reward = "judged"
    """Who is rewarded."""
    random_seed: int = 0
    """Of `selection: random`."""
    orders: int = 2
    """In how many orders referees are asked."""

    @classmethod
    def of(cls, config: Config) -> StarSettings:
        """Take the recipe's settings from the config."""
        star = config.star
        orders = 2 if star.referee.orders == "both" else 1
        return cls(selection=star.selection, reward=star.reward, random_seed=config.random_seed, orders=orders)


async def star(seed: Seed, bench: PairWorkbench, settings: StarSettings) -> Outcome:
    """Turn one seed into one outcome.

    Raises:
        AgentError: when the referee cannot be had; a pair that fails is only a candidate less.
        AgentUnavailable: also when so many agents are down that no choice can be made; the seed is not at fault.
        BudgetExhausted: when nobody can be paid without whom no choice can be made.
        ScorerError: when the scorer cannot be had.
    """
    draw = await bench.draw_pairs()
    candidates = await _write_all(bench, draw.base, draw.sampled)
    if outage := _outage(candidates, settings):
        raise AgentUnavailable(outage, is_outage=True)
    if unaffordable := _unaffordable(candidates):
        raise BudgetExhausted(unaffordable, agent=draw.sampled[0].response)
    if reason := _why_dropped(candidates, settings):
        unassessed = [Assessed(candidate=candidate) for candidate in candidates]
        return star_outcome(seed.id, "dropped", unassessed, reason=reason)
    usable = [candidate for candidate in candidates if not candidate.failure]
    failures = [Assessed(candidate=candidate) for candidate in candidates if candidate.failure]

    scores = await bench.score([candidate.sample for candidate in usable]) if settings.selection in SCORED else None
    if settings.selection in ("random", "base"):
        assessed, chosen = _choose_without_scores(seed, usable, settings)
    else:
        assessed, chosen = await _choose_by_contest(bench, usable, scores, settings)
    found = [*assessed, *failures]
    if unjudged := _why_unjudged(assessed, referees_answer=bench.referees_answer):
        return star_outcome(seed.id, "dropped", found, reason=unjudged, orders=settings.orders)
    if chosen is None:
        reason = "no candidate is worth keeping and no base sample is usable"
        return star_outcome(seed.id, "dropped", found, reason=reason, orders=settings.orders)
    rewards = _rewards(draw.sampled, assessed, chosen, settings)
    kind: OutcomeKind = "base" if usable[chosen].is_base else "kept"
    worth = _worth(assessed[chosen]) if seed.labels else None
    return star_outcome(seed.id, kind, found, chosen=chosen, rewards=rewards, orders=settings.orders, worth=worth)


def _worth(winner: Assessed) -> float | None:
    """What a seed is worth to whom it was made by: π of the drawn pair's sample that won, and 0 where no pair found
    anything better than what was there already. Ours; the paper knows no stage before."""
    return 0.0 if winner.candidate.is_base else winner.pi


async def _write_all(bench: PairWorkbench, base: Sequence[AgentPair], sampled: Sequence[AgentPair]) -> list[Candidate]:
    """Eq. 3: let every pair write at once; candidates come back in order, base pairs first."""
    jobs = [(pair, True) for pair in base] + [(pair, False) for pair in sampled]
    written: dict[int, Candidate] = {}
    errors: list[StarAgentsError] = []

    async def write(index: int, pair: AgentPair, is_base: bool) -> None:
        # An error must not cancel the other pairs: their calls are in flight and will be paid for.
        try:
            written[index] = await bench.write(pair, is_base=is_base)
        except StarAgentsError as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        for index, (pair, is_base) in enumerate(jobs):
            tasks.start_soon(write, index, pair, is_base)
    if errors:
        raise errors[0]
    return [written[index] for index in range(len(jobs))]


def _choose_without_scores(
    seed: Seed, usable: Sequence[Candidate], settings: StarSettings
) -> tuple[list[Assessed], int | None]:
    """``base``: the first base sample. ``random``: any usable candidate, base or not (Table 4, Random)."""
    assessed = [Assessed(candidate=candidate) for candidate in usable]
    if settings.selection == "base":
        return assessed, next((index for index, one in enumerate(usable) if one.is_base), None)
    rng = random.Random(f"choice:{settings.random_seed}:{seed.id}")
    return assessed, rng.randrange(len(usable))


async def _choose_by_contest(
    bench: PairWorkbench, usable: Sequence[Candidate], scores: Sequence[Score] | None, settings: StarSettings
) -> tuple[list[Assessed], int | None]:
    gaps = [score.gap for score in scores] if scores else [None] * len(usable)
    small = [score.ifd_small for score in scores] if scores else [None] * len(usable)
    dual = relative_gaps(gaps)
    contenders = [
        Contender(order=order, is_base=candidate.is_base, worth=worth, gap=gap)
        for order, (candidate, worth, gap) in enumerate(
            zip(usable, worths(settings.selection, gaps, small, dual), gaps, strict=True)
        )
    ]
    base = next((index for index, candidate in enumerate(usable) if candidate.is_base), None)
    contest = Contest(contenders, base=base, judged_by_referee=settings.selection in JUDGED)
    verdicts = {} if base is None else await _judge(bench, usable, base, contest, settings)
    pi = contest.pi()
    assessed = [
        Assessed(
            candidate=candidate,
            score=scores[index] if scores else None,
            pi_dual=dual[index] if settings.selection in ("dual", "gap") else None,
            verdict=verdicts.get(index),
            pi=pi.get(index),
        )
        for index, candidate in enumerate(usable)
    ]
    return assessed, contest.winner()


async def _judge(
    bench: PairWorkbench, usable: Sequence[Candidate], base: int, contest: Contest, settings: StarSettings
) -> dict[int, Verdict]:
    """Lazy judging; with ``reward: all`` every candidate of worth is judged."""
    verdicts = {base: TIE} if settings.selection in JUDGED else {}
    while (index := contest.next_to_judge(everybody=settings.reward == "all")) is not None:
        candidate = usable[index]
        # The same words as the base are a tie by definition; nobody needs to be paid to say so.
        is_base_again = candidate.sample == usable[base].sample
        verdict = (
            TIE if is_base_again else await bench.judge(candidate.sample, usable[base].sample, name=candidate.pair.name)
        )
        verdicts[index] = verdict
        contest.settle(index, verdict.value)
    return verdicts


def _rewards(
    sampled: Sequence[AgentPair], assessed: Sequence[Assessed], chosen: int, settings: StarSettings
) -> tuple[tuple[str, float], ...]:
    """Who earned what (Eq. 8), in order of drawing; base pairs stand outside the pool.

    Every drawn pair stands there once, but for those of whom ``reward: judged`` knows nothing, and those on which no
    verdict could be read: nothing is learned from a judge's failure, not even that the pair earned nothing.
    """
    by_pair = {one.candidate.pair: one for one in assessed if not one.candidate.is_base}
    winner = assessed[chosen].candidate.pair
    rewards: list[tuple[str, float]] = []
    for pair in sampled:
        if pair in by_pair and by_pair[pair].is_without_verdict:
            continue
        pi = by_pair[pair].pi if pair in by_pair else 0.0  # a candidate that failed earned nothing
        if settings.reward == "judged" and pi is None:
            continue
        counts = settings.reward != "chosen" or pair == winner
        rewards.append((pair.name, pi or 0.0 if counts else 0.0))
    return tuple(rewards)


def _outage(candidates: Sequence[Candidate], settings: StarSettings) -> str:
    """Which agents are down without which nothing can be chosen; empty where it can, or where waiting would not help.

    Keeping the base without having heard a single pair would settle the seed for good because of an outage.
    """
    base = [candidate for candidate in candidates if candidate.is_base]
    sampled = [candidate for candidate in candidates if not candidate.is_base]
    needs_base = settings.selection in JUDGED or not sampled
    if needs_base and all(candidate.failure for candidate in base) and _any_down(base):
        return f"no base sample could be had: {_failures(base)}"
    if sampled and all(candidate.failure for candidate in sampled) and _any_down(sampled):
        return f"no drawn pair could be reached: {_failures(sampled)}"
    return ""


def _unaffordable(candidates: Sequence[Candidate]) -> str:
    """Whose budgets are spent, where that leaves no drawn pair; empty where one wrote something."""
    sampled = [candidate for candidate in candidates if not candidate.is_base]
    if not sampled or not _all_failed_as("budget", sampled):
        return ""
    return f"no drawn pair could be afforded: {_failures(sampled)}"


def _any_down(candidates: Sequence[Candidate]) -> bool:
    return any(candidate.failure is not None and candidate.failure.kind == "down" for candidate in candidates)


def _all_failed_as(kind: FailureKind, candidates: Sequence[Candidate]) -> bool:
    return all(candidate.failure is not None and candidate.failure.kind == kind for candidate in candidates)


def _why_dropped(candidates: Sequence[Candidate], settings: StarSettings) -> str:
    """Why nothing can be chosen; empty when something can."""
    base = [candidate for candidate in candidates if candidate.is_base]
    sampled = [candidate for candidate in candidates if not candidate.is_base]
    if all(candidate.failure for candidate in candidates):
        return _failures(candidates)
    if settings.selection in JUDGED and all(candidate.failure for candidate in base):
        return f"no base sample to judge against: {_failures(base)}"
    # Kept as its base, it would be settled for good because of a wrong key; dropped, it can be queued again.
    if sampled and _all_failed_as("call", sampled):
        return f"no drawn pair could be reached: {_failures(sampled)}"
    return ""


def _why_unjudged(assessed: Sequence[Assessed], *, referees_answer: bool) -> str:
    """Why no referee answered for any candidate, where that speaks of more than one text; empty otherwise.

    One candidate's text may be at fault, and then it cannot win. Several of them, or one before anybody knows that the
    referees answer at all, speak of the seed or of the referees: kept as its base it would be settled for good, dropped
    it can be queued again.
    """
    verdicts = [one.verdict for one in assessed if one.verdict is not None]
    failures = [verdict.failure for verdict in verdicts if verdict.failure]
    if not failures or any(verdict.votes for verdict in verdicts):
        return ""
    return failures[0] if len(failures) > 1 or not referees_answer else ""


def _failures(candidates: Sequence[Candidate]) -> str:
    return "; ".join(dict.fromkeys(f"{candidate.pair.name}: {candidate.failure}" for candidate in candidates))


async def _work(seed: Seed, bench: Workbench, settings: StarSettings) -> Outcome:
    """Agents in pairs rewrite and answer; two models score and a referee judges; the best sample stays, or the base."""
    if not draws_pairs(bench):
        raise RecipeError("recipe star needs a bench of agent-pairs")
    return await star(seed, bench, settings)


STAR: Recipe[Any] = Recipe(
    name="star",
    work=_work,
    takes=frozenset({"sample", "instruction"}),
    settings=StarConfig,
    settings_from=StarSettings.of,
    pools={},
    measures=MEASURES,
    needs=frozenset({"scorer", "judges"}),
    rows=frozenset({"sft"}),
    prompts=prompts_beside(_work, "star"),
    bench="star_agents.bench.pairs:PairBench",
    own_pool="star_agents.scheduling.scheduler:Scheduler",
)
"""Its pool of agent-pairs, with the memory bank beside it, is drawn by its own bench."""
