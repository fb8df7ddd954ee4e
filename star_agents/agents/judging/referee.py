"""The referee: is the candidate better than the base sample? (Eq. 6)

Each referee judges both orders; orders that disagree are a tie, as in FastChat, which takes position bias out. Several
referees make a jury: the side that more than half of *all* of them name wins, anything else is a tie.

A reply that cannot be read is no verdict, and a tie is one: where half of the jury or more said nothing that can be
read, or did not answer, there is no verdict at all, and nothing may win by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import anyio

from star_agents.agents.judging.verdicts import Side, read_paper_verdict, read_verdict
from star_agents.agents.prompts import Prompts, question
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.errors import AgentError, AgentRateLimited, AgentUnavailable, BudgetExhausted
from star_agents.records import Message, Reply, Sample, Verdict, Vote

Order = Literal["ab", "ba"]
_ORDERS: dict[Literal["both", "one"], tuple[Order, ...]] = {"both": ("ab", "ba"), "one": ("ab",)}
_VALUES: dict[tuple[Order, Side], float] = {("ab", "A"): 1.0, ("ab", "B"): 0.0, ("ba", "A"): 0.0, ("ba", "B"): 1.0}
_TIE = 0.5
_TRIES = 2
"""An unreadable reply is asked for once more."""
_REASON_LETTERS = 600
"""Three sentences, for servers that can bound a string: a small model would else go on until its tokens are spent."""


class Ask(Protocol):
    """One journaled call: ``step`` names it within this verdict (order and try, ``ab:0``)."""

    async def __call__(self, agent: str, step: str, messages: Sequence[Message], form: ReplyForm | None) -> Reply:
        """Return the agent's reply, bound to ``form`` where the server can do that, or raise ``AgentError``."""


async def judge(
    ask: Ask,
    *,
    candidate: Sample,
    base: Sample,
    referees: Sequence[str],
    prompt: Literal["default", "paper"] = "default",
    orders: Literal["both", "one"] = "both",
    nonce: Callable[[str], str],
    prompts: Prompts,
) -> Verdict:
    """Judge a candidate against the base sample; equal samples are a tie and ask nobody.

    Args:
        ask: Makes one call.
        candidate: With its response; judged by its own instruction where that was rewritten.
        base: With its response.
        referees: Agents that judge.
        prompt: Our rubric, or the paper's.
        orders: Both, or candidate first only: half the cost, open to position bias and to texts that name a winner.
        nonce: Code for a step, unknown to whoever wrote the answers; the same step gets the same code on a second run.
        prompts: The templates.

    Raises:
        AgentError: No referee could be asked; or what is wrong with one passes (it is down, its budget is spent), and
            without its vote there is no verdict. Else a referee that fails beside others abstains.
        BudgetExhausted: Everybody's budget is spent; then nobody abstains, the verdict has to wait.
    """
    if candidate == base:
        return Verdict(value=_TIE)
    jury = tuple(dict.fromkeys(referees))
    bench = _Bench(ask, candidate, base, prompt, nonce, prompts)
    heard = await _all([(referee, order) for referee in jury for order in _ORDERS[orders]], bench)
    votes: list[Vote] = []
    failures: list[AgentError] = []
    for referee in jury:
        said = [heard[referee, order] for order in _ORDERS[orders]]
        failed = [value for value in said if isinstance(value, AgentError)]
        failures += failed
        if not failed:
            votes.append(_vote(referee, [value for value in said if not isinstance(value, AgentError)]))
    if failures and not votes:
        raise failures[0]
    value = _majority(votes, len(jury))
    if value is None and (passing := next(filter(_passes, failures), None)) is not None:
        raise passing  # Votes that are there are journaled; settled now, the seed would have lost them for good.
    return Verdict(value=value, votes=tuple(votes))


async def compare(
    ask: Ask,
    *,
    first: Sample,
    second: Sample,
    referee: str,
    prompt: Literal["default", "paper"] = "default",
    nonce: Callable[[str], str],
    prompts: Prompts,
) -> tuple[float | None, float | None]:
    """One referee on two samples, without a jury: what it says with ``first`` shown first, and shown second.

    1 stands for ``first``, 0 for ``second``, 0.5 for a tie, ``None`` for a reply that cannot be read. The exam counts
    these. Raises ``AgentError`` where the referee does not answer.
    """
    heard = await _all([(referee, "ab"), (referee, "ba")], _Bench(ask, first, second, prompt, nonce, prompts))
    ahead, behind = heard[referee, "ab"], heard[referee, "ba"]
    if isinstance(ahead, AgentError):
        raise ahead
    if isinstance(behind, AgentError):
        raise behind
    return ahead, behind


class _Bench:
    """One comparison: what is shown to a referee in each order, and how its reply is read."""

    def __init__(
        self,
        ask: Ask,
        candidate: Sample,
        base: Sample,
        prompt: Literal["default", "paper"],
        nonce: Callable[[str], str],
        prompts: Prompts,
    ) -> None:
        self._ask = ask
        self._shown = {"ab": (candidate, base), "ba": (base, candidate)}
        self._prompt = prompt
        self._nonce = nonce
        self._prompts = prompts

    async def hear(self, referee: str, order: Order) -> float | None:
        """1 for the candidate, 0 for the base, 0.5 for a tie; ``None`` where no try could be read."""
        for attempt in range(_TRIES):
            step = f"{order}:{attempt}"
            nonce = self._nonce(step)
            reply = await self._ask(referee, step, self._messages(order, nonce), self._form(nonce, attempt))
            side = self._read(reply, nonce)
            if side is not None:
                return _VALUES.get((order, side), _TIE)
        return None

    def _read(self, reply: Reply, nonce: str) -> Side | None:
        shown = [text for sample in self._shown["ab"] for text in (question(sample), sample.response or "")]
        if self._prompt == "paper":
            return read_paper_verdict(reply.text, shown)
        return read_verdict(reply.text, nonce, shown, is_whole=reply.finish_reason == "stop" and not reply.flaw)

    def _form(self, nonce: str, attempt: int) -> ReplyForm | None:
        """Our prompt's reply as an object. The paper's prompt is quoted verbatim and asks for no object."""
        if self._prompt == "paper":
            return None
        with_reason = attempt == 0
        return verdict_form(nonce, self._prompts.judge_form(nonce, with_reason=with_reason), with_reason=with_reason)

    def _messages(self, order: Order, nonce: str) -> list[Message]:
        first, second = self._shown[order]
        shown = (question(first), first.response or "", question(second), second.response or "")
        return self._prompts.judge_paper(*shown) if self._prompt == "paper" else self._prompts.judge(*shown, nonce)


def verdict_form(nonce: str, request: str, *, with_reason: bool) -> ReplyForm:
    """The object that a verdict is: the code, the reasons where there is room for them, the verdict last."""
    reason: dict[str, Any] = {"reason": {"type": "string", "maxLength": _REASON_LETTERS}} if with_reason else {}
    properties = {
        "code": {"type": "string", "enum": [nonce]},
        **reason,
        "verdict": {"type": "string", "enum": ["A", "B", "tie"]},
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return ReplyForm(schema=schema, request=request)


_Heard = dict[tuple[str, Order], float | AgentError | None]


async def _all(calls: Sequence[tuple[str, Order]], bench: _Bench) -> _Heard:
    """Hear every referee in every order at once. Failures come back as values, so that one never cancels the others."""
    heard: _Heard = {}
    broken: list[Exception] = []

    async def hear(referee: str, order: Order) -> None:
        try:
            heard[referee, order] = await bench.hear(referee, order)
        except Exception as error:
            if isinstance(error, AgentError) and not _concerns_everybody(error):
                heard[referee, order] = error
            else:
                # Not this referee's failure: raised below, by itself and not as a group.
                broken.append(error)

    if len(calls) == 1:
        await hear(*calls[0])  # Nobody is to be heard beside it, and a task would be one for nothing.
    else:
        async with anyio.create_task_group() as group:
            for referee, order in calls:
                group.start_soon(hear, referee, order)
    if broken:
        raise broken[0]
    return heard


def _concerns_everybody(error: AgentError) -> bool:
    return isinstance(error, BudgetExhausted) and error.agent is None


def _passes(error: AgentError) -> bool:
    """Whether a referee can vote later: it is down, or out of budget."""
    is_down = isinstance(error, (AgentUnavailable, AgentRateLimited)) and error.is_outage
    return is_down or isinstance(error, BudgetExhausted)


def _vote(referee: str, said: Sequence[float | None]) -> Vote:
    """Join the orders of one referee; where one of them could not be read, it has not voted."""
    if None in said:
        return Vote(referee=referee, value=None, agreed=False, readable=False)
    agreed = len(set(said)) == 1
    return Vote(referee=referee, value=said[0] if agreed else _TIE, agreed=agreed)


def _majority(votes: Sequence[Vote], referees: int) -> float | None:
    """1 or 0 where more than half of the referees say so, those that abstain included in the count; else a tie.

    ``None`` where no more than half of them have voted: then no side could have had a majority, nor was it a tie.
    """
    values = [vote.value for vote in votes if vote.value is not None]
    if 2 * len(values) <= referees:
        return None
    for value in (1.0, 0.0):
        if 2 * values.count(value) > referees:
            return value
    return _TIE
