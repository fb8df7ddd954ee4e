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
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from statistics import fmean
from typing import Any, Literal

from star_agents.arena.games import Battle, battles_of, games_of
from star_agents.arena.lessons import Mode, Thresholds, pairings, usefulness
from star_agents.arena.scores import HIGHEST, LOWEST, Scored
from star_agents.config.recipes import Agent, Characters, Count, Points, ReplyTokens, Some, Temperature
from star_agents.errors import RecipeError
from star_agents.recipes.examining_workbench import Examined, ExaminingWorkbench
from star_agents.recipes.parts.battle_rows import JUDGE_EXAM, rows_of
from star_agents.recipes.parts.gathering import gather_within_budget
from star_agents.recipes.parts.history import newest_turns
from star_agents.recipes.parts.scores import Scores
from star_agents.recipes.protocol import Measure, Redecided, Settings, Workbench, done, dropped, recipe
from star_agents.recipes.reads import TEXT, Read
from star_agents.records import Failure, Judgement, Outcome, Reward, Row, Sample, Seed, Trial
from star_agents.text.prompt import Prompt

TARGET, OPPONENT = "target", "opponent"
"""Roles of trials."""
REFUSED = "refused_judges"
"""Note of a trial: judges that failed their exam, and are in no jury."""
_WIDEST = HIGHEST - LOWEST


class Keep(Settings):
    """By how many points a battle must be decided to teach something; `export --set` decides again at no cost."""

    sft: Points = Thresholds().sft
    """Of rows to fine-tune on: the target lost by at least so much. The paper's best: 3 in the first round, then 1."""
    preference: Points = Thresholds().preference
    """Of preference and reward pairs. The paper's best: 2."""
    min_winner: Points = Thresholds().min_winner
    """A winner with fewer points teaches nothing: a 4 that beats a 1 is no example. 0 for the paper, which has no such
    rule."""
    pairs: Count | None = 1
    """Preference pairs of one instruction, the clearest first; `null`: every clear battle."""

    @property
    def thresholds(self) -> Thresholds:
        """As the pure rules take them."""
        return Thresholds(sft=self.sft, preference=self.preference, min_winner=self.min_winner)


class ArenaSettings(Settings):
    """What Arena Learning can be told."""

    target: Agent
    """The model that is to be trained."""
    opponents: Some[Agent]
    """Whom it meets."""
    judges: Some[Agent]
    """Who scores; several are a jury, whose mean decides."""
    mode: Mode = "target"
    """`target`: the target meets each opponent; `round_robin`: everybody meets everybody, as in the paper, which tells
    more of the opponents and teaches the target the same rows."""
    keep: Keep = Keep()
    """From where on a battle teaches something."""
    opponents_per_seed: Count | None = None
    """Draws so many opponents for each instruction, by what they taught the target so far; left out: all of them."""
    history: Characters = 20_000
    """Characters of earlier turns that players and judges are shown, and that rows hold: the newest turns that fit."""
    exam: Literal["refuse", "warn", "off"] = "refuse"
    """The exam that each judge sits first: 30 planted pairs in both orders, paid once per judge and prompt. `refuse`:
    who fails leaves the jury, and with nobody left nothing is judged. `warn`: who fails judges all the same, and every
    row says so. `off`: no exam."""
    judge_temperature: Temperature | None = 0.0
    """Of the judges; `null` leaves it to the provider."""
    judge_max_tokens: ReplyTokens = 1024
    """Longest reply of a judge."""

    @property
    def sampling(self) -> dict[str, Any]:
        """How judges are asked."""
        return {"temperature": self.judge_temperature, "max_tokens": self.judge_max_tokens}

    def mistake(self) -> str:
        """Players and judges are distinct, and as many as are drawn."""
        if self.target in self.opponents:
            return f"the target {self.target} is among its opponents; it cannot meet itself"
        for names, what in ((self.opponents, "opponents"), (self.judges, "judges")):
            if len(set(names)) < len(names):
                return f"{what} name somebody twice"
        if (self.opponents_per_seed or 0) > len(self.opponents):
            return f"opponents_per_seed is more than there are opponents, {len(self.opponents)}"
        return ""


def redecide(outcome: Outcome, settings: ArenaSettings) -> Redecided:
    """The rows that battles teach under these settings, and how many calls of theirs were never made."""
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
            else:
                missing.add(game)
    return Redecided(_rows(trials, _battles(trials, found), settings), len(missing))


@recipe(
    takes=("sample", "instruction"),
    settings=ArenaSettings,
    pools={"opponents": lambda settings, _: settings.opponents},
    measures=[
        Measure("score", low=LOWEST, high=HIGHEST, what="points of an answer, mean over its battles"),
        Measure("target_score", low=LOWEST, high=HIGHEST, what="points of the target's answer"),
        Measure("best_score", low=LOWEST, high=HIGHEST, better="", what="points of the best opponent's answer"),
        Measure("gap", low=-_WIDEST, high=_WIDEST, better="low", what="how far the best opponent was ahead, in points"),
        Measure("usefulness", what="of the instruction for the target: 0 too easy or too hard, 1 much to learn"),
    ],
    redecide=redecide,
    bench="star_agents.bench.examining:ExaminingBench",
)
async def arena(seed: Seed, bench: Workbench, settings: ArenaSettings) -> Outcome:
    """Arena Learning: target and opponents answer, judges score their battles, and what the target lost teaches it."""
    exams = await _exams(bench, settings)
    jury = [judge for judge in settings.judges if exams[judge].passed or settings.exam == "warn"]
    failed = {judge: one.told for judge, one in exams.items() if not one.passed}
    if not jury:
        told = "; ".join(failed.values())
        return dropped(seed, f"nobody may judge: {told}; name other judges, or go on by `arena: {{exam: warn}}`")
    notes = (
        {JUDGE_EXAM: f"warn: {'; '.join(failed.values())}"} if settings.exam == "warn" else {REFUSED: ", ".join(failed)}
    )
    asked = replace(seed.sample, response=None, history=newest_turns(seed.sample.history, settings.history))
    opponents: Sequence[str] = settings.opponents
    if settings.opponents_per_seed is not None:
        opponents = await bench.draw("opponents", settings.opponents_per_seed)
    answers = await _answers(asked, (settings.target, *opponents), bench)
    trials = tuple(replace(one, notes=notes if failed else {}) for one in answers)
    pairs = _pairs(trials, settings)
    if not pairs:
        told = "; ".join(str(one.failure) for one in trials if one.failure)
        return dropped(seed, f"no two answers that could meet: {told}", trials=trials, earned=_silent(trials, settings))
    judgements, prompts = await _fight(trials, pairs, jury, bench, settings)
    battles = _battles(trials, judgements)
    if not battles:
        reasons = dict.fromkeys(one.reason for one in judgements if not one.readable)
        nothing = dropped(seed, f"no battle could be judged in both orders: {'; '.join(reasons)}", trials=trials)
        return replace(nothing, judgements=judgements)
    useful = _usefulness(battles, settings)
    return done(
        seed,
        rows=_rows(trials, battles, settings),
        trials=[replace(one, prompts=prompts) for one in _measured(trials, battles, settings, useful)],
        judgements=judgements,
        earned=_earned(trials, battles, settings),
        worth=useful,
    )


async def _exams(bench: Workbench, settings: ArenaSettings) -> dict[str, Examined]:
    """How each judge did at its exam, which is asked as games are."""
    if settings.exam == "off":
        return dict.fromkeys(settings.judges, Examined(passed=True, told=""))
    if not isinstance(bench, ExaminingWorkbench):
        raise RecipeError("recipe arena examines its judges, and its bench cannot; set `arena: {exam: off}`")
    nothing = Sample(instruction="", response="")
    version, sampling = _prompt(nothing, nothing, "", bench).version, settings.sampling

    async def give_points(at: Workbench, judge: str, first: Sample, second: Sample, code: str) -> tuple[float, float]:
        prompt = _prompt(first, second, code, at)
        said = (await at.ask(judge, prompt, step=f"exam:{code}", reads=Scores(code), **sampling)).value
        return said.first, said.second

    exams = [bench.examined(one, give_points, prompt=version, sampling=sampling) for one in settings.judges]
    sat = await gather_within_budget(bench, exams)
    return {
        judge: Examined(passed=False, told=f"{judge} could not sit its exam: {one}")
        if isinstance(one, Failure)
        else one
        for judge, one in zip(settings.judges, sat.results, strict=True)
    }


async def _answers(asked: Sample, players: Sequence[str], bench: Workbench) -> tuple[Trial, ...]:
    """Each player's answer, which all of its battles share; the target's first."""
    jobs = [bench.ask(one, asked.prompt, step=f"answer:{one}", reads=TEXT) for one in players]
    answers = await gather_within_budget(bench, jobs)
    return tuple(
        _trial(player, OPPONENT if number else TARGET, asked, answer)
        for number, (player, answer) in enumerate(zip(players, answers.results, strict=True))
    )


def _trial(player: str, role: str, asked: Sample, answer: Read[str] | Failure) -> Trial:
    if isinstance(answer, Failure):
        return Trial(arm=player, role=role, sample=asked, failure=answer, cost_usd=None)
    reply = answer.reply
    sample = replace(asked, response=answer.value)
    return Trial(arm=player, role=role, sample=sample, models={role: reply.model}, cost_usd=reply.cost_usd)


async def _fight(
    trials: Sequence[Trial],
    pairs: Sequence[tuple[int, int]],
    jury: Sequence[str],
    bench: Workbench,
    settings: ArenaSettings,
) -> tuple[tuple[Judgement, ...], tuple[str, ...]]:
    """Every game of these pairs, each judge in both orders, and the versions of its prompts.

    Players of one answer share its games.
    """
    code = str(await bench.once("code", lambda: secrets.token_hex(8)))
    first_to_say = {one.sample.response: place for place, one in reversed(list(enumerate(trials)))}
    speaker = [first_to_say[one.sample.response] for one in trials]
    shown = sorted({(min(met), max(met)) for pair in pairs if len(met := {speaker[place] for place in pair}) == 2})
    orders = [order for pair in shown for order in (pair, pair[::-1])]
    shown_in = {(one, other): _prompt(trials[one].sample, trials[other].sample, code, bench) for one, other in orders}
    games = [(judge, *order) for order in orders for judge in jury]
    jobs = [_game(trials, game, shown_in[game[1:]], code, bench, settings) for game in games]
    said = await gather_within_budget(bench, jobs)
    heard: dict[tuple[str, int, int], Read[Scored] | Failure] = dict(zip(games, said.results, strict=True))
    judgements: list[Judgement] = []
    for pair in pairs:
        one, other = (speaker[place] for place in pair)
        if one == other:
            judgements.append(Judgement(judge="", left=pair[0], right=pair[1], value=0.5))
            continue
        for judge in jury:
            judgements.append(_judgement(judge, pair, heard[judge, one, other], is_paid_here=pair == (one, other)))
            judgements.append(
                _judgement(judge, pair[::-1], heard[judge, other, one], is_paid_here=pair == (one, other))
            )
    return tuple(judgements), tuple(sorted({one.version for one in shown_in.values()}))


async def _game(
    trials: Sequence[Trial],
    game: tuple[str, int, int],
    prompt: Prompt,
    code: str,
    bench: Workbench,
    settings: ArenaSettings,
) -> Read[Scored]:
    """What a judge says of two answers in one order."""
    judge, first, second = game
    step = f"judge:{judge}:{trials[first].arm}:{trials[second].arm}"
    return await bench.ask(judge, prompt, step=step, reads=Scores(code), **settings.sampling)


def _prompt(first: Sample, second: Sample, code: str, bench: Workbench) -> Prompt:
    """What a judge is shown: two answers to one message."""
    conversation = [turn.to_dict() for turn in first.history]
    return bench.prompt(
        "judge",
        code=code,
        conversation=_quoted(conversation) if conversation else "",
        message=_quoted(first.question),
        first=_quoted(first.response),
        second=_quoted(second.response),
    )


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _judgement(judge: str, pair: tuple[int, int], heard: Read[Scored] | Failure, *, is_paid_here: bool) -> Judgement:
    """One game, left being shown first; what a game that several battles share cost stands at the first."""
    left, right = pair
    if isinstance(heard, Failure):
        return Judgement(
            judge=judge, left=left, right=right, readable=False, orders=1, reason=str(heard), cost_usd=None
        )
    said = heard.value
    return Judgement(
        judge=judge,
        left=left,
        right=right,
        scores=(said.first, said.second),
        value=(_sign(said.first - said.second) + 1) / 2,
        orders=1,
        reason=f"1: {said.first_reason}\n2: {said.second_reason}",
        cost_usd=heard.reply.cost_usd if is_paid_here else 0.0,
    )


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)


def _pairs(trials: Sequence[Trial], settings: ArenaSettings) -> list[tuple[int, int]]:
    """Places of the trials that meet, of those with an answer."""
    places = {one.arm: place for place, one in enumerate(trials) if one.failure is None}
    met = pairings(list(places), settings.target, settings.mode)
    return sorted((min(pair), max(pair)) for one, other in met for pair in [(places[one], places[other])])


def _battles(trials: Sequence[Trial], judgements: Sequence[Judgement]) -> tuple[Battle, ...]:
    return battles_of(games_of(trials, judgements)).battles


def _rows(trials: Sequence[Trial], battles: Sequence[Battle], settings: ArenaSettings) -> tuple[Row, ...]:
    keep = settings.keep
    return rows_of(trials, battles, settings.target, keep.thresholds, most_pairs=keep.pairs)


def _scores(battles: Sequence[Battle], player: str) -> list[float]:
    """A player's points, of each of its battles that has any."""
    own = (one.score_of(player) for one in battles if player in (one.left, one.right))
    return [score for score in own if score is not None]


def _against_target(battles: Sequence[Battle], settings: ArenaSettings) -> dict[str, float]:
    """Points of the target and of each opponent in the target's own battles, which either mode has."""
    own = [one for one in battles if settings.target in (one.left, one.right)]
    found = {player: _scores(own, player) for player in (settings.target, *settings.opponents)}
    return {player: fmean(scores) for player, scores in found.items() if scores}


def _usefulness(battles: Sequence[Battle], settings: ArenaSettings) -> float | None:
    """Of the instruction; ``None`` where the target met nobody whose answer was another."""
    scores = _against_target(battles, settings)
    return usefulness(scores, settings.target, settings.keep.sft or 1.0) if settings.target in scores else None


def _measured(
    trials: Sequence[Trial], battles: Sequence[Battle], settings: ArenaSettings, useful: float | None
) -> tuple[Trial, ...]:
    """The trials with their points."""
    met = _against_target(battles, settings)
    best = max((score for player, score in met.items() if player != settings.target), default=None)
    own = met.get(settings.target)
    gap = None if best is None or own is None else best - own
    of_target = {"target_score": own, "best_score": best, "gap": gap, "usefulness": useful}
    found = []
    for one in trials:
        scores = _scores(battles, one.arm)
        measures = {"score": fmean(scores) if scores else None, **(of_target if one.role == TARGET else {})}
        found.append(replace(one, measures=measures))
    return tuple(found)


def _earned(trials: Sequence[Trial], battles: Sequence[Battle], settings: ArenaSettings) -> list[Reward]:
    """What each drawn opponent taught the target: its margin over K, as far as 1; 0 where it won nothing.

    An opponent whose battle nobody could judge is not spoken of, and neither is one whose call failed.
    """
    if settings.opponents_per_seed is None:
        return []
    target, least = settings.target, settings.keep.sft or 1.0
    earned = _silent(trials, settings)
    for battle in battles:
        if target not in (battle.left, battle.right):
            continue
        opponent = battle.left if battle.right == target else battle.right
        points = battle.score_of(opponent)
        is_lesson = battle.winner == opponent and points is not None and points >= settings.keep.min_winner
        value = min(abs(battle.gap) / least, 1.0) if is_lesson else 0.0
        earned.append(Reward(pool="opponents", arm=opponent, value=value))
    return earned


def _silent(trials: Sequence[Trial], settings: ArenaSettings) -> list[Reward]:
    """Drawn opponents whose reply is no answer taught nothing."""
    if settings.opponents_per_seed is None:
        return []
    silent = [one.arm for one in trials[1:] if one.failure and one.failure.kind in ("length", "empty", "format")]
    return [Reward(pool="opponents", arm=arm, value=0.0) for arm in silent]
