"""Evol-Instruct (WizardLM, arXiv 2304.12244): instructions made harder or rarer round by round, and answered.

A round draws one of six operators, lets the writer apply it to the newest good instruction, and the responder answer
what came of it. What is judged equal to its parent, refused, answered without words, or holds words of the prompt is
eliminated with its reason, and the next round goes on from the last good one. The operator earned 1 for what was kept
and 0 for what was eliminated. Published code has no elimination; where ours goes beyond the paper,
``parts/elimination.py`` says so.

Where another recipe follows, what would be rows goes on to it as samples, each with the operators behind it, and what
its outcome is worth is what the operator earned that made it. Where evol follows, a seed is worth the share of its
evolutions that were kept: as much as can be made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from star_agents.config.recipes import Agent, Rounds, Some
from star_agents.errors import AgentError, BudgetExhausted, ReplyUnreadable
from star_agents.recipes.parts.elimination import answer_flaw, instruction_flaw
from star_agents.recipes.protocol import Measure, Settings, Workbench, done, dropped, recipe, sft
from star_agents.recipes.reads import TEXT, Choice, Reads
from star_agents.records import Failure, Message, Outcome, Reward, Row, Sample, Seed, Trial
from star_agents.records.replies import total_usd
from star_agents.text.content_hash import digest
from star_agents.text.prompt import Prompt

T = TypeVar("T")
Operator = Literal["constraints", "deepen", "concretise", "reasoning", "complicate_input", "breadth"]
OPERATORS: tuple[Operator, ...] = ("constraints", "deepen", "concretise", "reasoning", "complicate_input", "breadth")
"""Five in-depth, and one in-breadth."""
SEED = "seed"
"""Stands in the place of an operator for round 0."""
EQUAL, DIFFERENT = "equal", "different"


class EvolSettings(Settings):
    """What Evol-Instruct can be told."""

    writer: Agent
    """Evolves the instructions."""
    responder: Agent | None = None
    """Answers them; left out: the writer."""
    judge: Agent | None = None
    """Says whether an evolved instruction is equal to its parent; left out: the writer."""
    rounds: Rounds = 4
    """Evolutions of each seed, one after another, each of the last good one."""
    operators: Some[Operator] = OPERATORS
    """Those that are drawn from."""
    keep: Literal["last", "every"] = "every"
    """Rows: of every round that was kept and of the seed itself, as in the paper, or of the last good one alone. A seed
    without a response is answered where a row of it is wanted. Where another recipe follows, these are its seeds."""


@recipe(
    takes=("sample", "instruction"),
    gives="sample",
    settings=EvolSettings,
    pools={"operators": lambda settings, _: settings.operators},
    measures=[
        Measure("words", high=500, better="", what="words of the instruction"),
        Measure("round", high=4, better="", what="0 for the seed itself"),
        Measure("kept", what="1 if it was kept, 0 if it was eliminated; none where an agent or the judge failed"),
    ],
)
async def evol(seed: Seed, bench: Workbench, settings: EvolSettings) -> Outcome:
    """Evol-Instruct: instructions evolved round by round by six operators; what comes to nothing is eliminated."""
    if seed.sample.answers_a_tool:
        return dropped(seed, "its last turn is what a tool gave: no instruction that could be evolved")
    trials = [_seed_trial(seed.sample)]
    if settings.keep == "every":
        trials[0] = await _answered(trials[0], bench, settings)
    line = [0]
    for number in range(1, settings.rounds + 1):
        (operator,) = await bench.draw("operators")
        trials.append(await _evolve(trials[line[-1]].sample, operator, number, bench, settings))
        if trials[-1].failure is None:
            line.append(number)
    evolved = trials[1:]
    if all(one.measures["kept"] is None for one in evolved):
        # Kept as it is, it would be settled for good because of a wrong key; dropped, it can be queued again.
        return dropped(seed, f"no evolution came to an end: {_reasons(evolved)}", trials=trials)
    if len(line) == 1:
        trials[0] = await _answered(trials[0], bench, settings)
    wanted = [place for place in (line if settings.keep == "every" else line[-1:]) if trials[place].failure is None]
    lines = [line[: line.index(place) + 1] for place in wanted]
    # Where another recipe follows, it says what the operators earned of whom an instruction goes on.
    going_on = {trials[place].arm for place in wanted if place} if bench.next_recipe else set[str]()
    known = [(one.arm, one.measures["kept"]) for one in evolved if one.measures["kept"] is not None]
    earned = [
        Reward(pool="operators", arm=arm, value=kept or 0.0) for arm, kept in known if not (kept and arm in going_on)
    ]
    if not lines:
        return dropped(seed, f"nothing could be kept: {_reasons(trials)}", trials=trials, earned=earned)
    rows = [] if bench.next_recipe else [_row(seed, trials, one) for one in lines]
    children = [_child(seed, bench, trials, one) for one in lines] if bench.next_recipe else []
    worth = sum(kept or 0.0 for _, kept in known) / len(known)
    outcome = done(seed, rows=rows, children=children, trials=trials, earned=earned, worth=worth)
    return outcome if len(line) > 1 else replace(outcome, kind="base")


async def _evolve(parent: Sample, operator: str, number: int, bench: Workbench, settings: EvolSettings) -> Trial:
    """One round: evolve, look whether anything changed, answer."""
    attempt = _Attempt(bench, Trial(arm=operator, sample=parent, role="evolution"), number)
    try:
        prompt = attempt.prompt(operator, instruction=parent.question, history=list(parent.history))
        text: str = await attempt.ask("writer", settings.writer, prompt, f"evolve:{number}")
        attempt.sample = replace(parent, instruction=text, input="", response=None)
        told = [message.content for message in prompt.messages if message.role == "system"]
        attempt.check(instruction_flaw(text, parent=parent.question, prompt=told))
        await _compare(parent, text, attempt, settings)
        await _respond(attempt, settings)
    except _Failed as failed:
        return attempt.ended(failed)
    return attempt.ended()


async def _compare(parent: Sample, evolved: str, attempt: _Attempt, settings: EvolSettings) -> None:
    prompt = attempt.prompt("equal", parent=parent.question, evolved=evolved)
    judge = settings.judge or settings.writer
    said = await attempt.ask("judge", judge, prompt, f"equal:{attempt.number}", Choice([EQUAL, DIFFERENT]))
    attempt.check("the judge finds the instruction equal to its parent" if said == EQUAL else "")


async def _respond(attempt: _Attempt, settings: EvolSettings) -> None:
    asked = attempt.sample
    responder = settings.responder or settings.writer
    answer: str = await attempt.ask("responder", responder, asked.prompt, f"answer:{attempt.number}")
    attempt.sample = replace(asked, response=answer)
    attempt.check(answer_flaw(answer, instruction=asked.question))


async def _answered(trial: Trial, bench: Workbench, settings: EvolSettings) -> Trial:
    """The seed with a response: its own, or one that is written now."""
    if trial.sample.response is not None or trial.failure is not None:
        return trial
    attempt = _Attempt(bench, trial, 0)
    try:
        await _respond(attempt, settings)
    except _Failed as failed:
        return attempt.ended(failed)
    return attempt.ended()


class _Failed(Exception):
    """Ends an attempt.

    Args:
        failure: Why.
        is_known: Whether it says that what was written is no good; else a call or the judge is to blame.
    """

    def __init__(self, failure: Failure, *, is_known: bool = True) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.is_known = is_known


@dataclass
class _Attempt:
    """A trial while it is made."""

    bench: Workbench
    begun: Trial
    number: int
    """Of the round."""
    sample: Sample = field(init=False)
    models: dict[str, str] = field(default_factory=dict[str, str])
    versions: list[str] = field(default_factory=list[str])
    cost_usd: float | None = 0.0

    def __post_init__(self) -> None:
        self.sample = self.begun.sample

    def prompt(self, template: str, **values: object) -> Prompt:
        """A prompt, whose version is noted."""
        made = self.bench.prompt(template, **values)
        self.versions.append(made.version)
        return made

    async def ask(
        self,
        role: str,
        agent: str,
        prompt: Prompt | Sequence[Message],
        step: str,
        reads: Reads[T] = TEXT,  # type: ignore[assignment]  # a default for the case that T is not asked for
    ) -> T:
        """What an agent says. An outage and a spent budget pass on, as they are nobody's fault: the seed waits."""
        try:
            read = await self.bench.ask(agent, prompt, step=step, reads=reads)
        except ReplyUnreadable as error:
            self.cost_usd = total_usd((self.cost_usd, error.failure.cost_usd))
            failure = replace(error.failure, detail=f"{role} {agent}: {error}")
            raise _Failed(failure, is_known=role != "judge") from error
        except AgentError as error:
            if isinstance(error, BudgetExhausted) or getattr(error, "is_outage", False):
                raise
            raise _Failed(Failure(kind="call", detail=f"{role} {agent}: {error}"), is_known=False) from error
        self.models[role] = read.reply.model
        self.cost_usd = total_usd((self.cost_usd, read.cost_usd))
        return read.value

    def check(self, flaw: str) -> None:
        """Eliminate what has a flaw."""
        if flaw:
            raise _Failed(Failure(kind="format", detail=flaw))

    def ended(self, failed: _Failed | None = None) -> Trial:
        """The trial."""
        kept = 1.0 if failed is None else 0.0 if failed.is_known else None
        is_written = self.number == 0 or self.sample is not self.begun.sample
        return replace(
            self.begun,
            sample=self.sample,
            failure=failed.failure if failed else None,
            measures=_measures(self.sample if is_written else None, self.number, kept),
            models=self.models,
            prompts=tuple(self.versions),
            cost_usd=self.cost_usd,
        )


def _seed_trial(sample: Sample) -> Trial:
    return Trial(arm=SEED, sample=sample, role=SEED, measures=_measures(sample, 0, 1.0))


def _measures(sample: Sample | None, number: int, kept: float | None) -> dict[str, float | None]:
    return {"words": float(len(sample.question.split())) if sample else None, "round": float(number), "kept": kept}


def _row(seed: Seed, trials: Sequence[Trial], line: Sequence[int]) -> Row:
    """The row of the last trial of a line, in which each was made of the one before it."""
    return sft(trials[line[-1]].sample, labels=_lineage(seed, trials, line), from_trials=line)


def _child(seed: Seed, bench: Workbench, trials: Sequence[Trial], line: Sequence[int]) -> Seed:
    """The same as a seed of the next recipe; the seed itself was made by no operator."""
    trial = trials[line[-1]]
    drawn = {"operators": trial.arm} if line[-1] else {}
    return bench.child(trial.sample, labels=drawn, notes=_lineage(seed, trials, line))


def _lineage(seed: Seed, trials: Sequence[Trial], line: Sequence[int]) -> dict[str, str]:
    return {
        "operator": trials[line[-1]].arm,
        "operators": " > ".join(trials[place].arm for place in line[1:]),
        "round": str(line[-1]),
        "instruction": _identity(seed, trials, line[-1]),
        "evolved_from": _identity(seed, trials, line[-2]) if len(line) > 1 else "",
    }


def _identity(seed: Seed, trials: Sequence[Trial], place: int) -> str:
    """Tells instructions apart: the seed's id for itself, else made of seed, round and words."""
    return seed.id if place == 0 else digest([seed.id, place, trials[place].sample.question])[:32]


def _reasons(trials: Sequence[Trial]) -> str:
    return "; ".join(dict.fromkeys(str(one.failure) for one in trials if one.failure))
