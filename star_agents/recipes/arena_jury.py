"""The judges of an arena: the exam that each sits, and the games in which it gives points or measures answers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from star_agents.arena.scores import Scored
from star_agents.errors import RecipeError
from star_agents.recipes.arena_settings import ArenaSettings, JudgeSettings
from star_agents.recipes.examining_workbench import Examined, ExaminingWorkbench, RewardingWorkbench
from star_agents.recipes.parts.gathering import gather_within_budget
from star_agents.recipes.parts.scaled_rewards import measured_battles, scaled
from star_agents.recipes.parts.scores import Scores
from star_agents.recipes.protocol import Workbench
from star_agents.recipes.reads import Read
from star_agents.records import Failure, Judgement, Sample, Trial, is_reward_model
from star_agents.text.prompt import Prompt


async def examine(bench: Workbench, settings: ArenaSettings) -> dict[str, Examined]:
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

    exams = [
        _of_rewards(bench).reward_examined(one)
        if is_reward_model(one)
        else bench.examined(one, give_points, prompt=version, sampling=sampling)
        for one in settings.judges
    ]
    sat = await gather_within_budget(bench, exams)
    return {
        judge: Examined(passed=False, told=f"{judge} could not sit its exam: {one}")
        if isinstance(one, Failure)
        else one
        for judge, one in zip(settings.judges, sat.results, strict=True)
    }


async def fight(
    trials: Sequence[Trial],
    pairs: Sequence[tuple[int, int]],
    jury: Sequence[str],
    bench: Workbench,
    settings: JudgeSettings,
) -> tuple[tuple[Judgement, ...], tuple[str, ...]]:
    """Every game of these pairs, each judge in both orders, and the versions of its prompts.

    Players of one answer share its games. Reward models measure each answer once, for all of its battles.
    """
    asked, measuring = ([one for one in jury if is_reward_model(one) is is_model] for is_model in (False, True))
    code = str(await bench.once("code", lambda: secrets.token_hex(8)))
    first_to_say = {one.sample.response: place for place, one in reversed(list(enumerate(trials)))}
    speaker = [first_to_say[one.sample.response] for one in trials]
    shown = sorted({(min(met), max(met)) for pair in pairs if len(met := {speaker[place] for place in pair}) == 2})
    orders = [order for pair in shown for order in (pair, pair[::-1])]
    shown_in = {(one, other): _prompt(trials[one].sample, trials[other].sample, code, bench) for one, other in orders}
    games = [(judge, *order) for order in orders for judge in asked]
    jobs = [_game(trials, game, shown_in[game[1:]], code, bench, settings) for game in games]
    said = await gather_within_budget(bench, jobs)
    heard: dict[tuple[str, int, int], Read[Scored] | Failure] = dict(zip(games, said.results, strict=True))
    rewards = {judge: await _rewards(judge, trials, sorted({*sum(shown, ())}), bench) for judge in measuring}
    judgements: list[Judgement] = []
    for pair in pairs:
        one, other = (speaker[place] for place in pair)
        if one == other:
            judgements.append(Judgement(judge="", left=pair[0], right=pair[1], value=0.5))
            continue
        judgements += [_measured(judge, pair, rewards[judge][one], rewards[judge][other]) for judge in measuring]
        for judge in asked:
            judgements.append(_judgement(judge, pair, heard[judge, one, other], is_paid_here=pair == (one, other)))
            judgements.append(
                _judgement(judge, pair[::-1], heard[judge, other, one], is_paid_here=pair == (one, other))
            )
    return tuple(judgements), tuple(sorted({one.version for one in shown_in.values()}))


async def put_on_scale(
    trials: Sequence[Trial],
    judgements: Sequence[Judgement],
    jury: Sequence[str],
    bench: Workbench,
    settings: ArenaSettings,
) -> tuple[Judgement, ...]:
    """The judgements with points for what reward models measured, by the scale that is made of the first battles.

    Raises:
        Postponed: reward models alone judge, and the scale is yet to be made.
    """
    if not any(one.rewards for one in judgements):
        return tuple(judgements)
    measured = measured_battles(trials, judgements, jury)
    maps = await _of_rewards(bench).scales(measured, target=settings.target, jury=jury, battles=settings.calibration)
    return scaled(trials, judgements, maps, jury)


def _of_rewards(bench: Workbench) -> RewardingWorkbench:
    if not isinstance(bench, RewardingWorkbench):
        raise RecipeError("a judge of recipe arena is a reward model, and its bench knows none; name agents as judges")
    return bench


async def _rewards(
    judge: str, trials: Sequence[Trial], places: Sequence[int], bench: Workbench
) -> dict[int, float | str]:
    """What a reward model says of these trials' answers, or why it says nothing."""
    if not places:
        return {}
    said = await _of_rewards(bench).rewards(judge, [trials[place].sample for place in places])
    return dict(zip(places, said, strict=True))


def _measured(judge: str, pair: tuple[int, int], one: float | str, other: float | str) -> Judgement:
    """Two answers by what a reward model says of each."""
    left, right = pair
    if isinstance(one, str) or isinstance(other, str):
        reason = "; ".join(dict.fromkeys(why for why in (one, other) if isinstance(why, str)))
        return Judgement(judge=judge, left=left, right=right, readable=False, orders=0, reason=f"no reward: {reason}")
    value = (_sign(one - other) + 1) / 2
    return Judgement(judge=judge, left=left, right=right, value=value, orders=0, rewards=(one, other))


async def _game(
    trials: Sequence[Trial],
    game: tuple[str, int, int],
    prompt: Prompt,
    code: str,
    bench: Workbench,
    settings: JudgeSettings,
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
    cost = heard.cost_usd if is_paid_here else 0.0
    if isinstance(heard, Failure):
        return Judgement(
            judge=judge, left=left, right=right, readable=False, orders=1, reason=str(heard), cost_usd=cost
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
        cost_usd=cost,
    )


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)
