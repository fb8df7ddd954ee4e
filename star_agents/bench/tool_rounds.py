"""An agent asked until it answers in text: what it calls meanwhile is run, recorded and told to it, in bounds.

Each turn of the model is a call of its own in the journal, and each result is recorded before the model hears of it, so
that a seed that is worked again repeats neither. What a tool did just before a kill, unrecorded, is done again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import NoReturn

from star_agents.agents.replies.finish_reasons import LENGTH
from star_agents.bench.tries import SeedTries
from star_agents.errors import ReplyUnreadable
from star_agents.recipes.parts.json_schema import schema_flaw
from star_agents.recipes.protocol import Plain
from star_agents.records import Failure, Message, Reply, Tool, ToolCall
from star_agents.records.failures import CALLED_BADLY
from star_agents.records.replies import total_usd
from star_agents.text.plain_data import writable
from star_agents.tools.running import RunnableTool, ToolFailed

MOST_CALLS = 8
"""Of one turn that are run; the model is told that the others were not."""
HEAD, TAIL = 6_000, 2_000
"""Characters of a result that is longer than both: so many of its beginning and of its end stay."""
Recorded = Callable[[str, Callable[[], Awaitable[Plain]]], Awaitable[Plain]]
"""What is done once under a name, and recorded."""
_FAILED = "the tool failed"


class ToolRounds:
    """The rounds of one question.

    Args:
        step: Of the question.
        offered: What may be called.
        most: Rounds in which it may be.
        recorded: Records results.
        tries: Hears how each call went.
    """

    def __init__(
        self, step: str, offered: Sequence[RunnableTool], most: int, recorded: Recorded, tries: SeedTries
    ) -> None:
        self._step = step
        self._offered = {one.tool.name: one for one in offered}
        self._most = most
        self._recorded = recorded
        self._tries = tries
        self._rounds = 0
        self.trace: list[Message] = []
        """The calls and their results, in turns."""
        self.tool_turns: list[Message] = []
        """The same without calls that were mistakes, and what was said of them."""
        self.earlier: list[Reply] = []
        """The replies that called."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What is offered."""
        return tuple(one.tool for one in self._offered.values())

    async def until_text(
        self, messages: list[Message], ask: Callable[[Sequence[Message], str], Awaitable[Reply]], first: str
    ) -> Reply:
        """The first reply that calls no tool; calls and results are added to the messages.

        Args:
            messages: What the agent is told.
            ask: Asks it, in a turn of that name.
            first: Name of the first turn; those after a round have names of their own.

        Raises:
            ReplyUnreadable: a call is cut, or tools are called after the last round, too.
        """
        reply = await ask(messages, first)
        while reply.tool_calls and not reply.flaw:
            self.earlier.append(reply)
            if reply.finish_reason == LENGTH:
                self._fail("length", f"{reply.agent} was cut in a call of {_named(reply)}; raise its `max_tokens`")
            if self._rounds == self._most:
                self._fail("format", f"{reply.agent} still calls {_named(reply)} after {self._most} rounds of tools")
            turns, mistaken = await self._answered(reply)
            messages += turns
            self.trace += turns
            self.tool_turns += _without(turns, mistaken)
            reply = await ask(messages, f"tools:{self._rounds}")
        return reply

    async def _answered(self, reply: Reply) -> tuple[list[Message], set[str]]:
        """What a reply asked and what came of it, in turns, and the ids of calls that were mistakes."""
        self._rounds += 1
        turns = [Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls)]
        mistaken: set[str] = set()
        for place, call in enumerate(reply.tool_calls):
            wrong = _why_not(call, self._offered.get(call.name), place)
            if wrong:
                mistaken.add(call.id)
            told = await self._result(call, place, wrong)
            turns.append(Message(role="tool", content=told, tool_call_id=call.id))
        return turns, mistaken

    async def _result(self, call: ToolCall, place: int, wrong: str) -> str:
        tool, name = self._offered.get(call.name), f"tool:{self._step}:{self._rounds}:{place}"

        async def run() -> Plain:
            try:
                assert tool is not None
                return {"result": _bounded(await tool.run(call.read_arguments())), "failure": ""}
            except ToolFailed as failed:
                said = _bounded(str(failed))
                return {"result": f"Error: {said}", "failure": said}

        said = {"result": f"Error: {wrong}", "failure": wrong} if wrong else await self._recorded(name, run)
        assert isinstance(said, dict)
        self._note(tool, name, CALLED_BADLY if wrong else _FAILED, str(said["failure"]))
        return str(said["result"])

    def _note(self, tool: RunnableTool | None, key: str, reason: str, failure: str) -> None:
        """Count a call; what a model calls that there is not has no name of its own."""
        name = tool.tool.name if tool is not None else ""
        if failure:
            self._tries.failed("tool", name, key, reason, failure)
        else:
            self._tries.worked("tool", name, key)

    def _fail(self, kind: str, why: str) -> NoReturn:
        cost = total_usd(one.cost_usd for one in self.earlier)
        failure = Failure(kind="length" if kind == "length" else "format", detail=f"{self._step}: {why}", cost_usd=cost)
        raise ReplyUnreadable(failure)


def _why_not(call: ToolCall, tool: RunnableTool | None, place: int) -> str:
    """Why a call is not run, in words that the model can mend it by; empty where it is."""
    if place >= MOST_CALLS:
        return f"only {MOST_CALLS} calls are run in one turn, and this one was not; call it in the next"
    if tool is None:
        return (
            f"there is no tool {call.name[:60]!r}" if call.name else "the call is no JSON object of name and arguments"
        )
    try:
        arguments = call.read_arguments()
    except (ValueError, RecursionError):
        return f"the arguments of {call.name} are no JSON object"
    return schema_flaw(arguments, tool.tool.parameters, "the object of arguments")


def _without(turns: Sequence[Message], mistaken: Collection[str]) -> list[Message]:
    """A round without its mistakes; nothing, where it was made of them."""
    asked, *told = turns
    calls = tuple(call for call in asked.tool_calls if call.id not in mistaken)
    if not calls:
        return []
    return [replace(asked, tool_calls=calls), *(turn for turn in told if turn.tool_call_id not in mistaken)]


def _named(reply: Reply) -> str:
    return ", ".join(sorted({call.name[:60] or "what is no tool" for call in reply.tool_calls}))


def _bounded(text: str) -> str:
    """A result as it is told and kept: its beginning and its end, and how much between them is left out."""
    plain = writable(text).replace("\0", "\ufffd")
    if len(plain) <= HEAD + TAIL:
        return plain
    return f"{plain[:HEAD]}\n[{len(plain) - HEAD - TAIL:,} characters are left out]\n{plain[-TAIL:]}"
