"""Arena Learning (arXiv 2407.10627): a target model learns from the battles that it lost.

Target and opponents answer one instruction, or the last message of a conversation whose earlier turns stay as the data
have them. Judges give both answers of a battle points from 1 to 10, in both orders. Where the target clearly lost, the
best winner's answer is a row to fine-tune on; the clearest battle is a preference pair and, with its margin, one for a
reward model. The paper's own judge prompt and the join of the two games are not public: ours are the mean of both
orders and of all judges (``arena/games.py``), and rows as ``arena/lessons.py`` decides them.

Which battles are fought depends on ``mode`` and on equal answers alone, never on how others ended, else ratings would
be biased; opponents that are drawn are drawn by what earlier instructions told of them. Equal answers are a tie that
costs nothing. A game whose reply cannot be read, though it was asked once more, is none, and neither is the battle for
that judge: position would decide it.

Without a target nobody learns, and battles do nothing but rate: a test set teaches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from star_agents.arena.games import Battle, battles_of, games_of
from star_agents.arena.lessons import pairings
from star_agents.arena.scores import HIGHEST, LOWEST
from star_agents.errors import RecipeError, WorkBlocked
from star_agents.recipes.arena_jury import examine, fight, put_on_scale
from star_agents.recipes.arena_settings import ArenaSettings
from star_agents.recipes.parts.battle_points import (
    OPPONENT,
    POOL,
    TARGET,
    against_target,
    earned,
    unanswered_rewards,
    with_points,
    worth_of,
)
from star_agents.recipes.parts.battle_rows import JUDGE_EXAM, rows_of
from star_agents.recipes.parts.gathering import gather_within_budget
from star_agents.recipes.parts.history import newest_turns
from star_agents.recipes.protocol import CatchUp, Measure, Redecided, Workbench, done, dropped, recipe
from star_agents.recipes.reads import TEXT, Read
from star_agents.records import Failure, Judgement, Outcome, Reward, Row, Sample, Seed, Trial, is_reward_model

REFUSED = "refused_judges"
"""Note of a trial: judges that failed their exam, and are in no jury."""
_WIDEST = HIGHEST - LOWEST


def redecide(outcome: Outcome, settings: ArenaSettings) -> Redecided:
    """The rows that battles teach under these settings, and how many calls of theirs were never made."""
    if settings.target is None:
        return Redecided(())
    trials = outcome.trials
    if any(one.failure is None and one.sample.response is None for one in trials):
        raise RecipeError(
            f"the answers of seed {outcome.seed_id} were cleared (retention_days): no row can be made of them"
        )
    places = {one.arm: place for place, one in enumerate(trials)}
    met = (settings.target, *(settings.opponents if settings.opponents_per_seed is None else places))
    players = [one for one in met if one in {settings.target, *settings.opponents}]
    newcomers = {one for one in players if one not in places}
    said = {one.arm: one.sample.response or "" for one in trials if one.failure is None}
    games = {(one.judge, said[trials[one.left].arm], said[trials[one.right].arm]): one for one in outcome.judgements}
    refused = trials[0].notes.get(REFUSED, "").split(", ") if trials else []
    judges = [judge for judge in settings.judges if judge not in refused]
    missing: set[tuple[str, ...]] = {(one,) for one in newcomers}
    found: list[Judgement] = []
    for pair in pairings([one for one in players if one in said or one in newcomers], settings.target, settings.mode):
        for judge, (first, second) in product(judges, (pair, pair[::-1])):
            game = judge, said.get(first, first), said.get(second, second)
            if game[1] == game[2]:
                continue  # Equal answers, which nobody judges.
            if game in games:
                found.append(replace(games[game], left=places[first], right=places[second]))
            elif not is_reward_model(judge):
                missing.add(game)
            elif (judge, game[2], game[1]) not in games:  # What is measured knows no order.
                missing.add((judge, *sorted(game[1:])))
    if {one.judge for one in outcome.judgements if one.judge} not in ({*judges}, set()):
        # Its rewards stand for points of the jury that it sat in.
        missing |= {("scale of", one.judge) for one in found if one.rewards}
    return Redecided(_rows(trials, _battles(trials, found), settings), len(missing))


def lacks(outcome: Outcome, settings: ArenaSettings) -> int | str:
    """Calls for the answers and games of opponents that came later; or why they cannot meet the others."""
    trials, places = outcome.trials, {one.arm for one in outcome.trials}
    if outcome.drawn:
        return "their opponents were drawn"
    if settings.target is not None and (not trials or (trials[0].arm, trials[0].role) != (settings.target, TARGET)):
        return "another target fought there"
    newcomers = {one for one in settings.players if one not in places}
    players = [*newcomers, *(one.arm for one in trials if one.failure is None)]
    met = pairings(players, settings.target or "", settings.mode)
    asked = [one for one in settings.judges if not is_reward_model(one)]
    return len(newcomers) + 2 * len(asked) * sum(bool(newcomers & {*pair}) for pair in met)


async def catch_up(seed: Seed, bench: Workbench, settings: ArenaSettings, so_far: Outcome) -> Outcome:
    """Opponents that came later answer and fight; everything else stays as it was fought."""
    jury, notes = await _jury(bench, settings)
    first = len(so_far.trials)
    there = {one.arm for one in so_far.trials}
    newcomers = [one for one in settings.players if one not in there]
    asked = replace(so_far.trials[0].sample, response=None)
    answers = await _answers(asked, newcomers, settings.target, bench)
    trials = (*so_far.trials, *(replace(one, notes=notes) for one in answers))
    pairs = [pair for pair in _pairs(trials, settings) if max(pair) >= first]
    shared = {pair: _shared(pair, trials, so_far.judgements) for pair in pairs}
    fought, prompts = await fight(trials, [pair for pair in pairs if not shared[pair]], jury, bench, settings)
    fought = await put_on_scale(trials, fought, jury, bench, settings)
    judgements = (*so_far.judgements, *(one for pair in pairs for one in shared[pair]), *fought)
    prompts = tuple(sorted({*so_far.trials[0].prompts, *prompts}))
    return _concluded(seed, trials, judgements, prompts, settings)


def _shared(pair: tuple[int, int], trials: Sequence[Trial], judgements: Sequence[Judgement]) -> list[Judgement]:
    """The games of others who said the same, which are these two's as well and cost nothing."""
    said = [one.sample.response for one in trials]
    return [
        replace(game, left=left, right=right, cost_usd=0.0)
        for left, right in (pair, pair[::-1])
        for game in {
            (one.judge, one.left, one.right): one
            for one in reversed(judgements)
            if one.judge and (said[one.left], said[one.right]) == (said[left], said[right])
        }.values()
    ]


@recipe(
    takes=("sample", "instruction"),
    settings=ArenaSettings,
    pools={POOL: lambda settings, _: () if settings.opponents_per_seed is None else settings.opponents},
    measures=[
        Measure("score", low=LOWEST, high=HIGHEST, what="points of an answer, mean over its battles"),
        Measure("target_score", low=LOWEST, high=HIGHEST, what="points of the target's answer"),
        Measure("lost", better="", what="share of its battles over an instruction that the target lost", by_label=True),
        Measure("best_score", low=LOWEST, high=HIGHEST, better="", what="points of the best opponent", by_label=True),
        Measure("gap", low=-_WIDEST, high=_WIDEST, better="low", what="how far the best opponent was ahead, in points"),
        Measure("usefulness", what="of an instruction: 0 too easy or too hard, 1 much to learn", by_label=True),
    ],
    redecide=redecide,
    catch_up=CatchUp(lambda settings: settings.players if settings.catch_up else (), lacks, catch_up),
    bench="star_agents.bench.rewarding:RewardingBench",
)
async def arena(seed: Seed, bench: Workbench, settings: ArenaSettings) -> Outcome:
    """Arena Learning: target and opponents answer, judges score their battles, and what the target lost teaches it."""
    jury, notes = await _jury(bench, settings)
    asked = replace(seed.sample, response=None, history=newest_turns(seed.sample.history, settings.history))
    players: Sequence[str] = settings.players
    if settings.opponents_per_seed is not None:
        players = (*players[:1], *await bench.draw(POOL, settings.opponents_per_seed))
    answers = await _answers(asked, players, settings.target, bench)
    trials = tuple(replace(one, notes=notes) for one in answers)
    pairs = _pairs(trials, settings)
    if not pairs:
        told = "; ".join(str(one.failure) for one in trials if one.failure)
        taught = [] if settings.opponents_per_seed is None else unanswered_rewards(trials)
        return dropped(seed, f"no two answers that could meet: {told}", trials=trials, earned=taught)
    judgements, prompts = await fight(trials, pairs, jury, bench, settings)
    judgements = await put_on_scale(trials, judgements, jury, bench, settings)
    return _concluded(seed, trials, judgements, prompts, settings)


async def _jury(bench: Workbench, settings: ArenaSettings) -> tuple[list[str], dict[str, str]]:
    """Who judges, and what each trial says of those that failed their exam.

    Raises:
        WorkBlocked: nobody may judge.
    """
    exams = await examine(bench, settings)
    jury = [judge for judge in settings.judges if exams[judge].passed or settings.exam == "warn"]
    failed = {judge: one.told for judge, one in exams.items() if not one.passed}
    if not jury:
        told = "; ".join(failed.values())
        raise WorkBlocked(f"nobody may judge: {told}; name other judges, or go on by `arena: {{exam: warn}}`")
    if not failed:
        return jury, {}
    is_warned = settings.exam == "warn"
    return jury, {JUDGE_EXAM: f"warn: {'; '.join(failed.values())}"} if is_warned else {REFUSED: ", ".join(failed)}


def _concluded(
    seed: Seed,
    trials: Sequence[Trial],
    judgements: Sequence[Judgement],
    prompts: tuple[str, ...],
    settings: ArenaSettings,
) -> Outcome:
    """What these games come to."""
    battles = _battles(trials, judgements)
    if not battles:
        reasons = dict.fromkeys(one.reason for one in judgements if not one.readable)
        nothing = dropped(seed, f"no battle could be judged in both orders: {'; '.join(reasons)}", trials=trials)
        return replace(nothing, judgements=tuple(judgements))
    target = settings.target or ""
    met = against_target(battles, target, settings.opponents)
    useful = worth_of(battles, target, met, settings.keep.sft or 1.0)
    return done(
        seed,
        rows=_rows(trials, battles, settings),
        trials=[replace(one, prompts=prompts) for one in with_points(trials, battles, met, useful)],
        judgements=judgements,
        earned=_earned(trials, battles, settings),
        worth=useful,
    )


async def _answers(asked: Sample, players: Sequence[str], target: str | None, bench: Workbench) -> tuple[Trial, ...]:
    """Each player's answer, which all of its battles share; the target's first."""
    jobs = [bench.ask(one, asked.prompt, step=f"answer:{one}", reads=TEXT) for one in players]
    answers = await gather_within_budget(bench, jobs)
    return tuple(
        _trial(player, TARGET if player == target else OPPONENT, asked, answer)
        for player, answer in zip(players, answers.results, strict=True)
    )


def _trial(player: str, role: str, asked: Sample, answer: Read[str] | Failure) -> Trial:
    if isinstance(answer, Failure):
        return Trial(arm=player, role=role, sample=asked, failure=answer, cost_usd=answer.cost_usd)
    sample = replace(asked, response=answer.value)
    return Trial(arm=player, role=role, sample=sample, models={role: answer.reply.model}, cost_usd=answer.cost_usd)


def _pairs(trials: Sequence[Trial], settings: ArenaSettings) -> list[tuple[int, int]]:
    """Places of the trials that meet, of those with an answer."""
    places = {one.arm: place for place, one in enumerate(trials) if one.failure is None}
    met = pairings(list(places), settings.target or "", settings.mode)
    return sorted((min(pair), max(pair)) for one, other in met for pair in [(places[one], places[other])])


def _battles(trials: Sequence[Trial], judgements: Sequence[Judgement]) -> tuple[Battle, ...]:
    return battles_of(games_of(trials, judgements)).battles


def _rows(trials: Sequence[Trial], battles: Sequence[Battle], settings: ArenaSettings) -> tuple[Row, ...]:
    if settings.target is None:
        return ()
    keep = settings.keep
    return rows_of(trials, battles, settings.target, keep.thresholds, most_pairs=keep.pairs)


def _earned(trials: Sequence[Trial], battles: Sequence[Battle], settings: ArenaSettings) -> list[Reward]:
    """Of drawn opponents."""
    if settings.target is None or settings.opponents_per_seed is None:
        return []
    keep = settings.keep
    return earned(trials, battles, settings.target, least=keep.sft or 1.0, min_winner=keep.min_winner)
