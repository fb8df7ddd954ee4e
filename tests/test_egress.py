"""Calls that another process sends: answers and errors are those of sending here, and a loss is counted and mended."""

from __future__ import annotations

import asyncio
import pickle
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from egress_here import Silent, WorkerHere
from openai_server import Answer, Cut, Fault, Garbage, Hang, Move, OpenAIServer, Raw

from star_agents.agents.client import AgentClient
from star_agents.agents.egress.link import Link
from star_agents.agents.egress.sender import EgressSender
from star_agents.agents.egress.wire import pack_ended, unpack_ended
from star_agents.agents.rate_limit import Sent
from star_agents.agents.replies.body import LARGEST
from star_agents.agents.transports.http import HttpPool, HttpReply, HttpRequest, HttpSender
from star_agents.bench.paid_calls import MOST_LOSSES, PaidCalls
from star_agents.config.models import AgentConfig
from star_agents.errors import AgentError, AgentUnavailable, CallLost
from star_agents.observe.bus import Bus
from star_agents.records import Message, Reply
from star_agents.storage.rows import Counts
from star_agents.storage.store import Store

ASKED = [Message(role="user", content="What is the capital of France?")]
LONG = b'{"choices": [{"message": {"content": "' + b"a" * LARGEST + b'"}}]}'
MOVES: dict[str, Move] = {
    "answer": Answer(text="Paris."),
    "thought": Answer(text="Paris.", extra={"reasoning_content": "It is a city."}),
    "cut": Answer(text="Par", finish_reason="length"),
    "400": Fault(status=400, message="maximum context length is 10 tokens", code="context_length_exceeded"),
    "401": Fault(status=401),
    "429": Fault(status=429, retry_after="70"),
    "500": Fault(status=500),
    "hung up": Cut(),
    "garbage": Garbage(),
    "redirect": Raw(status=302, headers={"Location": "http://elsewhere.example/v1"}),
    "packed as nobody asked": Raw(body=b"x", headers={"Content-Encoding": "br"}),
    "too long": Raw(body=LONG),
}


def client_for(url: str, http: HttpSender | None, **settings: Any) -> AgentClient:
    agent = AgentConfig(model="hosted_vllm/m", api_base=url, **{"retries": 0, "give_up_after_s": 5.0, **settings})
    return AgentClient({"a": agent}, rng=random.Random(0), http=http)


@asynccontextmanager
async def sending_by(*channels: WorkerHere, is_here: bool = True) -> AsyncIterator[tuple[EgressSender, list[str]]]:
    """A sender over these channels, and the names of those it lost with what they had in flight."""
    sender, lost = EgressSender(HttpPool()), list[str]()
    for channel in channels:
        sender.join(channel, is_here=is_here, on_lost=lambda name, _, count: lost.append(f"{name}: {count}"))
    try:
        yield sender, lost
    finally:
        await sender.aclose()
        for channel in channels:
            await channel.die()


async def outcome(client: AgentClient) -> Reply | tuple[str, str, bool, float | None]:
    try:
        return await client.ask("a", ASKED)
    except AgentError as error:
        said = str(error).partition(" (gave up")[0]
        return type(error).__name__, said, error.certainly_unpaid, getattr(error, "retry_after", None)


@pytest.mark.parametrize("name", MOVES)
async def test_whatever_a_server_does_comes_out_as_if_it_was_sent_from_here(name: str) -> None:
    async with OpenAIServer(lambda body: MOVES[name]) as server, sending_by(WorkerHere()) as (sender, _):
        here, there = client_for(server.url, None), client_for(server.url, sender)
        assert await outcome(there) == await outcome(here)
        assert sender.sent_here == 0
        first, *_, last = server.requests
        assert first == replace(last, peer=first.peer)
        await here.aclose()


async def test_a_server_that_is_not_there_is_certainly_not_paid_from_either_side() -> None:
    async with OpenAIServer() as server:
        gone = server.url
    async with sending_by(WorkerHere()) as (sender, _):
        here, there = client_for(gone, None), client_for(gone, sender)
        found = await outcome(there)
        assert found == await outcome(here)
        assert isinstance(found, tuple)
        assert found[2]
        await here.aclose()


async def test_a_call_that_takes_too_long_ends_as_it_does_here_and_its_connection_is_closed_there() -> None:
    async with OpenAIServer(lambda body: Hang(release=asyncio.Event())) as server, sending_by(WorkerHere()) as (one, _):
        here, there = client_for(server.url, None, timeout_s=0.2), client_for(server.url, one, timeout_s=0.2)
        assert await outcome(there) == await outcome(here)
        await server.until(lambda s: s.in_flight == 0)
        await here.aclose()


async def test_whoever_stops_waiting_closes_the_connection_there_and_leaves_the_others_alone() -> None:
    release = asyncio.Event()
    async with OpenAIServer(lambda body: Hang(release=release)) as server, sending_by(WorkerHere()) as (sender, _):
        client = client_for(server.url, sender)
        calls = [asyncio.create_task(client.ask("a", ASKED)) for _ in range(4)]
        await server.until(lambda s: s.in_flight == 4)
        for one in calls[:3]:
            one.cancel()
        await server.until(lambda s: s.in_flight == 1)
        release.set()
        assert (await calls[3]).text == "late"


async def test_many_requests_go_out_in_few_batches_over_every_process_alike() -> None:
    channels, release = [WorkerHere("one"), WorkerHere("two")], asyncio.Event()
    async with OpenAIServer(lambda body: Hang(release=release)) as server, sending_by(*channels) as (sender, _):
        client = client_for(server.url, sender, max_concurrency=100)
        calls = [asyncio.create_task(client.ask("a", ASKED)) for _ in range(100)]
        await server.until(lambda s: s.in_flight == 100)
        release.set()
        await asyncio.gather(*calls)
        assert sorted(link.sent for link in sender.links) == [50, 50]
        assert sum(channel.puts for channel in channels) < 20


async def test_what_means_this_machine_is_sent_from_here_where_no_process_of_it_can() -> None:
    async with OpenAIServer() as server, sending_by(WorkerHere(), is_here=False) as (sender, _):
        client = client_for(server.url, sender)
        await client.ask("a", ASKED)
        assert (sender.sent_here, [link.sent for link in sender.links]) == (1, [0])


async def test_a_lost_process_is_no_fault_of_the_provider_and_the_next_call_goes_another_way() -> None:
    channel, release = WorkerHere(), asyncio.Event()
    async with OpenAIServer(lambda body: Hang(release=release)) as server, sending_by(channel) as (sender, lost):
        client = client_for(server.url, sender, requests_per_minute=5)
        call = asyncio.create_task(client.ask("a", ASKED))
        await server.until(lambda s: s.in_flight == 1)
        await channel.die()
        with pytest.raises(CallLost, match="the process was killed") as caught:
            await call
        assert not caught.value.certainly_unpaid
        (state,) = client.states()["a"].deployments
        assert (state.breaker, state.last_error, lost) == ("closed", None, ["here: 1"])
        release.set()
        assert (await client.ask("a", ASKED)).text == "late"
        assert sender.sent_here == 1


async def test_a_process_that_says_nothing_is_taken_for_lost() -> None:
    channel, lost = Silent(), list[int]()
    link = Link(channel, lambda link, error, in_flight: lost.append(in_flight), silent_s=0.05)
    request = HttpRequest(url="http://127.0.0.1:1/", headers={}, body=b"", timeout_s=9.0)
    with pytest.raises(CallLost):
        await link.send(request)
    assert lost == [1]
    with pytest.raises(CallLost) as caught:
        await link.send(request)
    assert caught.value.certainly_unpaid
    await channel.die()


async def test_a_link_that_is_left_ends_when_its_last_call_has_its_answer() -> None:
    release, channel = asyncio.Event(), WorkerHere()
    async with OpenAIServer(lambda body: Hang(release=release)) as server, sending_by(channel) as (sender, lost):
        (link,) = sender.links
        client = client_for(server.url, sender)
        call = asyncio.create_task(client.ask("a", ASKED))
        await server.until(lambda s: s.in_flight == 1)
        leaving = asyncio.create_task(sender.leave(link))
        release.set()
        assert (await call).text == "late"
        await leaving
        assert (link.is_open, lost) == (False, [])


# What the journal keeps of it.


@asynccontextmanager
async def ending(channels: list[WorkerHere]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for channel in channels:
            await channel.die()


async def ask_through(out: Path, channels: list[WorkerHere], kills: int) -> tuple[Reply | AgentError, Counts, int]:
    """One call of a seed, whose process dies with it so many times; what came, the counts, and who arrived."""
    async with sending_by() as (sender, _), ending(channels):

        async def respond(body: object) -> Move:
            if len(server.requests) <= kills:
                sender.join(channels[len(server.requests)], is_here=True, on_lost=lambda *_: None)
                await channels[len(server.requests) - 1].die()
            return Answer(text="Paris.")

        async with OpenAIServer(respond) as server, await Store.open(out) as store:
            sender.join(channels[0], is_here=True, on_lost=lambda *_: None)
            client = client_for(server.url, sender, requests_per_minute=9)
            calls = PaidCalls("seed", await store.add_revision("r", "{}"), store, Bus(), lambda: 0.0)
            try:
                (found,) = await calls.ask_many(client, "a", ASKED, "think", {}, 1)
            except AgentError as error:
                return error, await store.counts(), len(server.requests)
            return found, await store.counts(), len(server.requests)


@pytest.mark.parametrize("kills", range(MOST_LOSSES))
async def test_a_call_lost_with_its_process_is_sent_again_and_each_time_counts_as_maybe_paid_twice(
    tmp_path: Path, kills: int
) -> None:
    found, counts, arrived = await ask_through(tmp_path, [WorkerHere() for _ in range(kills + 1)], kills)
    assert isinstance(found, Reply)
    assert (found.text, arrived) == ("Paris.", kills + 1)
    assert (counts.calls_answered, counts.calls_pending, counts.calls_maybe_paid) == (1, 0, kills)


async def test_a_call_that_ends_everybody_who_sends_it_is_given_up(tmp_path: Path) -> None:
    found, counts, arrived = await ask_through(tmp_path, [WorkerHere() for _ in range(5)], 5)
    assert isinstance(found, AgentUnavailable)
    assert "so it went 3 times" in str(found)
    assert arrived == MOST_LOSSES
    assert (counts.calls_answered, counts.calls_pending, counts.calls_maybe_paid) == (0, 1, MOST_LOSSES - 1)


async def test_a_lost_call_counts_in_the_minute_of_its_agent() -> None:
    channel = WorkerHere()
    async with OpenAIServer(lambda body: Hang(release=asyncio.Event())) as server, sending_by(channel) as (sender, _):
        client = client_for(server.url, sender, requests_per_minute=2)
        client.restore_rates({"a": [Sent(ago_s=1.0, tokens=1)]})
        call = asyncio.create_task(client.ask("a", ASKED))
        await server.until(lambda s: s.in_flight == 1)
        await channel.die()
        with pytest.raises(CallLost):
            await call
        waiting = asyncio.create_task(client.ask("a", ASKED))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert client.states()["a"].queued == 1
        waiting.cancel()


# What passes between the processes.


def test_what_comes_back_is_plain_data_and_an_object_in_it_is_refused() -> None:
    reply = HttpReply(status=200, headers={"Retry-After": "1"}, body=b"{}")
    ((number, found),) = unpack_ended(pack_ended([(3, reply)]))
    assert number == 3
    assert isinstance(found, HttpReply)
    assert (found.headers["retry-after"], found.body) == ("1", b"{}")
    for bad in (pickle.dumps([(3, "reply", 200, [], Path())]), b"", b"\x80", pickle.dumps([3]), pickle.dumps([(1, 2)])):
        with pytest.raises(ValueError, match=r"no |packed"):
            unpack_ended(bad)
