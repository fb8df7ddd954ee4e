"""Who may judge: each referee sits an exam first, once per model and prompt, and one that fails it leaves the jury.

The exam is asked through the journal like any other call: its budget is reserved, and a second run finds its answers.
Until it is decided the line takes no seed. Where nobody is left who may judge, a batch ends, and a daemon waits for an
edit of agents.yaml, or for an agent that was down.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence

import anyio

from star_agents.agents.client import AgentClient
from star_agents.agents.judging.exam import Exam, ExamResult, examine
from star_agents.agents.judging.frame_tests import one_order_note, with_frame_tests
from star_agents.agents.prompts import Prompts
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.agents.throttle import LONGEST_REST_S
from star_agents.bench.exam_pairs import exam_pairs
from star_agents.bench.paid_calls import PaidCalls
from star_agents.config.models import Config
from star_agents.config.star import RefereeConfig
from star_agents.engine.holds import Waiting
from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable, BudgetExhausted
from star_agents.events import JudgeNotExamined, JudgingNoted
from star_agents.observe.bus import Bus
from star_agents.records import Message, Reply
from star_agents.storage.exams import ExamsInForce
from star_agents.storage.store import Store
from star_agents.text.content_hash import digest

EXAM = "exam"
"""Stands in the journal where calls of a seed have its id."""
LOOKS_AGAIN_S = 5.0
"""Seconds until a judge that is down is asked again; one that comes back is asked at once."""
TRIES_IN_A_BATCH = 10
"""Times that a batch asks judges that do not answer, before any of them could be examined."""
_LOOKS_FOR_ANSWERS_S = 0.02
_ADVICE = "name another judge, or go on with this one by `star: {referee: {exam: warn}}`, which every row then says"


class Judges:
    """The jury in force.

    Args:
        store: Keeps the calls and the results.
        client: Asks.
        prompts: As candidates are judged with.
        salt: Secret of the store, for codes that no answer can know.
        bus: Hears of each result.
        now: Seconds since 1970.
        is_paused: Whether somebody paused the line: then nothing is asked until ``look_again``.
        on_settled: Called when seeds may be taken.

    Attributes:
        jury: Agents that judge.
        have_voted: Those that have answered under the config in force, if only in their exam; votes are added to it.
        waiting_for: Why no seed is taken; ``None`` once the jury stands.
    """

    def __init__(
        self,
        *,
        store: Store,
        client: AgentClient,
        prompts: Prompts,
        salt: bytes,
        bus: Bus,
        now: Callable[[], float],
        is_paused: Callable[[], bool],
        on_settled: Callable[[], None],
    ) -> None:
        self.jury: tuple[str, ...] = ()
        self.have_voted: set[str] = set()
        self.waiting_for: Waiting | None = None
        self._store = store
        self._client = client
        self._prompts = prompts
        self._salt = salt
        self._bus = bus
        self._now = now
        self._is_paused = is_paused
        self._on_settled = on_settled
        self._config: Config | None = None
        self._revision = 0
        self._closed = False
        self._settled = anyio.Event()
        self._asked = anyio.Event()
        self._told: dict[str, tuple[ExamResult, str]] = {}
        self._noted = ""
        self._examined: set[str] = set()
        """Who sits an exam at this moment."""
        self._absent = False
        """Whether a referee could not be asked, and may be later."""
        self._in_vain = 0
        """Times in a row that nobody could be asked, though somebody may be later."""

    @property
    def stands(self) -> bool:
        """Whether the jury is decided on, so that seeds may be taken."""
        return self.waiting_for is None

    def put_in_force(self, config: Config, revision: int) -> None:
        """Take over a config; where somebody judges under it, ``keep_examined`` decides who."""
        self._config, self._revision = config, revision
        self.have_voted = set()
        if (note := one_order_note(config)) and note != self._noted:
            self._bus.publish(JudgingNoted(message=note))
        self._noted = note
        needs_exam = config.needs_referee and config.star.referee.exam != "off"
        self.jury = () if needs_exam else config.star.referee.agents
        if needs_exam:
            names = ", ".join(config.star.referee.agents)
            self._hold(Waiting(reason=f"the exam that {names} sits before it judges"))
        else:
            self._let_go()
        self._asked.set()

    def look_again(self) -> None:
        """An agent is up again, or the line goes on: perhaps a referee can sit its exam that could not before."""
        if self._absent or self.waiting_for is not None:
            self._asked.set()

    async def settled(self) -> None:
        """Wait until seeds may be taken."""
        while self.waiting_for is not None:
            await self._settled.wait()

    def close(self) -> None:
        """Hold nobody any more: the line ends."""
        self._closed = True
        self._let_go()

    async def answered(self) -> None:
        """Wait for the calls of an exam that are in flight, which are paid for; nothing further is sent once closed."""
        # Looked for, since no event tells of an answer before it is recorded.
        while any(state.in_flight for name, state in self._client.states().items() if name in self._examined):  # noqa: ASYNC110
            await anyio.sleep(_LOOKS_FOR_ANSWERS_S)

    async def keep_examined(self, give_up: Callable[[str], None] | None) -> None:
        """Examine whoever has yet to be, at the start and after each edit; runs until it is cancelled.

        Args:
            give_up: Called with the reason where nobody may judge and only an edit would help; ``None``: wait for one.
        """
        while True:
            until = self.waiting_for.until if self.waiting_for is not None else None
            with anyio.move_on_after(None if until is None else max(0.0, until - self._now())):
                await self._asked.wait()
            self._asked = anyio.Event()
            config, revision = self._config, self._revision
            if config is not None and not self._is_paused():
                await self._decide(config, revision, give_up)

    async def _decide(self, config: Config, revision: int, give_up: Callable[[str], None] | None) -> None:
        """Examine the referees of a config and let the line go on, or say why it cannot."""
        self._client.budgets.refresh()  # A day may have begun since the exam was refused.
        mode = config.star.referee.exam
        judges = tuple(dict.fromkeys(config.star.referee.agents)) if config.needs_referee else ()
        found = {} if mode == "off" else await self._examine_all(config, revision, judges)
        if config is not self._config:
            return  # Edited meanwhile: the next turn decides.
        results = [one for one in found.values() if isinstance(one, ExamResult)]
        errors = {name: one for name, one in found.items() if isinstance(one, AgentError)}
        standing = ExamsInForce(
            mode=mode if judges else "",
            judges={one.judge: one.described() for one in results},
            not_examined={name: str(error) for name, error in errors.items()},
        )
        await self._store.meta_set(ExamsInForce.key(revision), json.dumps(standing.to_dict()))
        self._absent = any(isinstance(error, AgentUnavailable) for error in errors.values())
        if mode == "off" or not judges:
            return
        jury = tuple(one.judge for one in results if one.passed or mode == "warn")
        if jury:
            self.jury, self._in_vain = jury, 0
            self.have_voted.update(jury)
            self._let_go()
            return
        self._in_vain += 1
        waiting = _why_nobody(results, errors, self._now())
        if give_up is not None and (waiting.until is None or self._is_in_vain(list(errors.values()))):
            again = "" if waiting.until is None else ". Run the same command again once the provider takes calls"
            give_up(f"{waiting.reason}{again}")
        else:
            self._hold(waiting)

    def _is_in_vain(self, errors: Sequence[AgentError]) -> bool:
        """Whether a batch waits for judges no longer: each had its ``give_up_after_s``, or was asked often enough.

        The next day of a budget is waited for; nothing else has an end that is known.
        """
        if any(isinstance(error, BudgetExhausted) and error.resets_at is not None for error in errors):
            return False
        passing = [one for one in errors if isinstance(one, (AgentUnavailable, AgentRateLimited))]
        return self._in_vain >= TRIES_IN_A_BATCH or all(error.is_outage for error in passing)

    async def _examine_all(
        self, config: Config, revision: int, judges: Sequence[str]
    ) -> dict[str, ExamResult | AgentError]:
        """Every referee's result, new or as kept, or why it has none; in order of configuration."""
        found: dict[str, ExamResult | AgentError] = {}

        async def one(judge: str) -> None:
            self._examined.add(judge)
            try:
                found[judge] = await self._result(config, revision, judge)
            except AgentError as error:
                found[judge] = error
                self._bus.publish(JudgeNotExamined(judge=judge, reason=str(error)))
            finally:
                self._examined.discard(judge)

        async with anyio.create_task_group() as tasks:
            for judge in judges:
                tasks.start_soon(one, judge)
        return {judge: found[judge] for judge in judges}

    async def _result(self, config: Config, revision: int, judge: str) -> ExamResult:
        """The result of this judge under this prompt, from the store or by an exam."""
        settings, exam = config.star.referee, exam_for(config, judge)
        parameters = self._client.parameters(judge, temperature=settings.temperature, max_tokens=settings.max_tokens)
        version = self._prompts.judging_version(settings.prompt)
        key = f"{EXAM}:{digest([judge, parameters, version, exam.version])[:32]}"
        kept = await self._store.meta_get(key)
        if kept is None:
            result = await self._sit(judge, parameters["models"][0], exam, settings, revision)
            await self._store.meta_set(key, json.dumps(result.to_dict()))
        else:
            result = ExamResult.from_dict(json.loads(kept))
        self._tell(result, settings, from_store=kept is not None)
        return result

    def _tell(self, result: ExamResult, settings: RefereeConfig, *, from_store: bool) -> None:
        """Tell a result once, and not again with each edit that leaves it as it is."""
        if self._told.get(result.judge) == (result, settings.exam):
            return
        self._told[result.judge] = (result, settings.exam)
        judges, message = result.passed or settings.exam == "warn", exam_sentence(result, settings.exam)
        self._bus.publish(result.event(judges=judges, from_store=from_store, message=message))

    async def _sit(self, judge: str, model: str, exam: Exam, settings: RefereeConfig, revision: int) -> ExamResult:
        calls = PaidCalls(EXAM, revision, self._store, self._bus, time.monotonic, is_over=lambda: self._closed)
        overrides = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}

        async def ask(agent: str, step: str, messages: Sequence[Message], form: ReplyForm | None) -> Reply:
            name = f"{EXAM}:{exam.version}:{step}"
            (reply,) = await calls.ask_many(self._client, agent, messages, name, overrides, 1, form=form)
            return reply

        return await examine(
            ask,
            judge=judge,
            model=model,
            exam=exam,
            prompt=settings.prompt,
            nonce=lambda step: self._nonce(f"{exam.version}:{judge}:{step}"),
            prompts=self._prompts,
        )

    def _nonce(self, step: str) -> str:
        return hmac.new(self._salt, f"{EXAM}:{step}".encode(), hashlib.sha256).hexdigest()[:16]

    def _hold(self, waiting: Waiting) -> None:
        if self._closed:
            return
        if self.waiting_for is None:
            self._settled = anyio.Event()
        self.waiting_for = waiting

    def _let_go(self) -> None:
        if self.waiting_for is not None:
            self.waiting_for = None
            self._settled.set()
            self._on_settled()


def exam_for(config: Config, judge: str) -> Exam:
    """The pairs for a referee; where it is asked in one order, with some whose worse answer breaks its frame."""
    exam = exam_pairs(config, judge)
    return exam if config.star.referee.orders == "both" else with_frame_tests(exam)


def exam_sentence(result: ExamResult, mode: str) -> str:
    """A result in one sentence, with what follows from it."""
    if result.passed:
        return str(result)
    follows = "it judges all the same (referee.exam is warn)" if mode == "warn" else "it leaves the jury"
    return f"{result}; {result.needs}, so {follows}"


def _why_nobody(results: Sequence[ExamResult], errors: Mapping[str, AgentError], now: float) -> Waiting:
    """Why no judge is left, and until when; ``until`` is ``None`` where only an edit of agents.yaml helps."""
    said = [f"{result} ({result.needs})" for result in results]
    said += [f"judge {name} could not sit its exam: {error}" for name, error in errors.items()]
    advice = f"; {_ADVICE}" if results else ""
    untils = [until for error in errors.values() if (until := _passes_at(error, now)) is not None]
    return Waiting(reason=f"nobody may judge: {'; '.join(said)}{advice}", until=min(untils, default=None))


def _passes_at(error: AgentError, now: float) -> float | None:
    """When to ask again; ``None`` where asking again would not help."""
    if isinstance(error, BudgetExhausted):
        return error.resets_at
    if isinstance(error, AgentRateLimited):
        return now + min(max(LOOKS_AGAIN_S, error.retry_after or 0.0), LONGEST_REST_S)
    return now + LOOKS_AGAIN_S if isinstance(error, AgentUnavailable) else None
