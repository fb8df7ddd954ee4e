"""AgentInstruct's last stage: instructions are answered, turn by turn where they converse or call functions."""

from __future__ import annotations

from dataclasses import replace

from star_agents.errors import ReplyUnreadable
from star_agents.recipes.agent_instruct_asking import Asking, shown, with_call
from star_agents.recipes.parts.drafts import Draft
from star_agents.recipes.parts.forms import key_flaw
from star_agents.recipes.parts.tool_calls import calling_turn, calls_in, results_of
from star_agents.recipes.parts.writing import Answered, Results, Turn
from star_agents.recipes.reads import Reads
from star_agents.records import Failure, Message
from star_agents.records.tool_text import as_text
from star_agents.text.content_hash import digest

MOST_CALLING_TURNS = 6
"""Turns of one conversation in which functions are called; who calls further ones comes to no end."""


async def answer(asking: Asking, draft: Draft) -> Draft:
    """The instruction with its answer, and with all turns before that. One that is no answer makes it a failure.

    Raises:
        ReplyUnreadable: an answer has not the form that was asked for, even when asked once more.
    """
    if draft.form == "tool_calls":
        return await _calling(asking, draft)
    if draft.form == "messages":
        return await _ending(asking, await converse(asking, draft))
    return await _ending(asking, draft)


async def converse(asking: Asking, draft: Draft) -> Draft:
    """A conversation up to its last turn of the user, with an answer to each before it; any other stays as it is."""
    if draft.form != "messages":
        return draft
    said = [Message(role="user", content=draft.request)]
    for turn in draft.written.turns:
        draft, text = await _turn(asking, draft, said, Answered(draft))
        said += [Message(role="assistant", content=text), Message(role="user", content=turn)]
    return replace(draft, conversation=(Message(role="user", content=draft.opening), *said[1:]))


async def _ending(asking: Asking, draft: Draft) -> Draft:
    said = [Message(role="user", content=draft.request), *draft.conversation[1:]]
    draft, text = await _turn(asking, draft, said, Answered(draft))
    draft = replace(draft, answer=text)
    flaw = key_flaw(text, draft.written, draft.form)
    return draft.failed(Failure(kind="format", detail=flaw)) if flaw else draft


async def _calling(asking: Asking, draft: Draft) -> Draft:
    """A conversation in which functions are called, whose results an agent makes up, until there is an answer."""
    tools = draft.written.tools
    turns: tuple[Message, ...] = ()
    for _ in range(MOST_CALLING_TURNS):
        said = list(as_text((Message(role="user", content=draft.request), *turns)))
        draft, text = await _turn(asking, draft, said, Turn(draft, turns))
        turn = calling_turn(text, len(turns))
        if not turn.tool_calls:
            return replace(draft, tool_turns=turns, answer=text)
        shown_so_far = shown([one.to_dict() for one in said])
        prompt = asking.prompt("tool", tools=shown(list(tools)), calls=shown(calls_in(text)), conversation=shown_so_far)
        read = await asking.ask("writer", prompt, _step("tool", draft, said), Results(len(turn.tool_calls)))
        draft = with_call(draft, "tool", read, prompt)
        turns = (*turns, turn, *results_of(turn, read.value))
    detail = f"after {MOST_CALLING_TURNS} turns functions are still called"
    raise ReplyUnreadable(Failure(kind="format", detail=detail))


async def _turn(asking: Asking, draft: Draft, said: list[Message], reads: Reads[str]) -> tuple[Draft, str]:
    """The assistant's next turn."""
    *before, last = said
    prompt = asking.prompt(
        "answer",
        text=shown(draft.text),
        conversation=shown([one.to_dict() for one in before]),
        instruction=shown(last.content),
        guidance=[one for one in (draft.skill.answer, draft.kind.answer) if one],
        form=draft.form,
        tools=shown(list(draft.written.tools)),
    )
    # Functions that a dialogue is about are called in its words; tools beside them would be taken for these.
    tools = () if draft.form == "tool_calls" else asking.tools_for(draft.skill)
    read = await asking.ask("answerer", prompt, _step("answer", draft, said), reads, tools)
    return with_call(draft, "answerer", read, prompt), read.value


def _step(stage: str, draft: Draft, said: list[Message]) -> str:
    return f"{stage}:{digest([draft.arm, draft.identity])[:16]}:{len(said)}"
