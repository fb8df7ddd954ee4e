"""Credentials that end: who fetches them when, and what calls hear where there are none."""

from __future__ import annotations

import asyncio
import math
import threading
from contextlib import suppress

import pytest
from credential_fetches import fetches_have_ended

from star_agents.agents.translate import translate
from star_agents.agents.transports.credentials import (
    HANGS_S,
    Credentials,
    CredentialsRefused,
    CredentialsUnavailable,
    Fetched,
)
from star_agents.errors import AgentRefused, AgentUnavailable
from star_agents.text.redaction import redactor


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Giver:
    """Gives out tokens one after the other, each when it may; or fails."""

    def __init__(self, lasts_s: float | None = 3_600.0, *, name: str = "token-number") -> None:
        self.lasts_s = lasts_s
        self.name = name
        self.failure: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.given = 0
        self.asked = threading.Semaphore(0)
        """Released whenever somebody asks."""

    def __call__(self) -> Fetched:
        self.given += 1
        number = self.given
        self.asked.release()
        assert self.may_answer.wait(30.0)
        if self.failure is not None:
            raise self.failure
        token = f"{self.name}-{number:04}"
        return Fetched(value=token, lasts_s=self.lasts_s, secrets=(token,))


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_many_calls_at_once_ask_for_credentials_once(clock: Clock) -> None:
    giver = Giver()
    giver.may_answer.clear()
    wanted = Credentials("the giver", giver, clock=clock)
    calls = [asyncio.create_task(wanted.current()) for _ in range(50)]
    assert await asyncio.to_thread(giver.asked.acquire, timeout=30.0)
    giver.may_answer.set()
    assert set(await asyncio.gather(*calls)) == {"token-number-0001"}
    assert giver.given == 1


@pytest.mark.parametrize(("lasts_s", "renewed_at"), [(3_600.0, 3_300.0), (200.0, 100.0), (None, 45.0)])
async def test_they_are_renewed_before_their_end_and_no_call_waits_for_it(
    lasts_s: float | None, renewed_at: float, clock: Clock
) -> None:
    giver = Giver(lasts_s)
    wanted = Credentials("the giver", giver, clock=clock)
    assert await wanted.current() == "token-number-0001"
    clock.now += renewed_at - 1
    assert await wanted.current() == "token-number-0001"
    assert giver.given == 1
    clock.now += 1
    giver.may_answer.clear()
    assert await wanted.current() == "token-number-0001"
    giver.may_answer.set()
    await fetches_have_ended()
    assert giver.given == 2
    assert await wanted.current() == "token-number-0002"


async def test_ended_ones_are_used_by_nobody(clock: Clock) -> None:
    giver = Giver(3_600.0)
    wanted = Credentials("the giver", giver, clock=clock)
    await wanted.current()
    clock.now += 3_575.0  # it would end on the way
    assert await wanted.current() == "token-number-0002"


async def test_a_fetch_that_hangs_holds_one_thread_and_lets_calls_give_up(clock: Clock) -> None:
    giver = Giver()
    giver.may_answer.clear()
    wanted = Credentials("the giver", giver, clock=clock, patience_s=0.05)
    for _ in range(3):
        with pytest.raises(CredentialsUnavailable, match=r"the giver gave no answer within 0\.05 s"):
            await wanted.current()
    assert giver.given == 1
    giver.may_answer.set()
    await fetches_have_ended()
    assert await wanted.current() == "token-number-0001"


async def test_a_renewal_that_fails_is_tried_again_while_the_old_ones_hold(clock: Clock) -> None:
    giver = Giver(3_600.0)
    wanted = Credentials("the giver", giver, clock=clock)
    await wanted.current()
    giver.failure = CredentialsUnavailable("it is asleep")
    clock.now += 3_400.0
    for number in range(2, 5):
        assert await wanted.current() == "token-number-0001"
        await fetches_have_ended()
        assert (giver.given, wanted.failures) == (number, number - 1)
        clock.now += 10.0
    clock.now += 300.0
    with pytest.raises(CredentialsUnavailable, match=r"it is asleep \(4 tries in a row failed\)"):
        await wanted.current()


async def test_within_the_pause_after_a_failure_calls_hear_it_at_once_and_nobody_is_asked(clock: Clock) -> None:
    giver = Giver()
    giver.failure = CredentialsUnavailable("it is asleep")
    wanted = Credentials("the giver", giver, clock=clock)
    for _ in range(20):
        with pytest.raises(CredentialsUnavailable, match="it is asleep"):
            await wanted.current()
    assert giver.given == 1
    giver.failure = None
    clock.now += 1.0
    assert await wanted.current() == "token-number-0002"


async def test_pauses_become_longer_up_to_a_minute(clock: Clock) -> None:
    giver = Giver()
    giver.failure = CredentialsUnavailable("it is asleep")
    wanted = Credentials("the giver", giver, clock=clock)
    pauses = []
    for _ in range(9):
        asked, began = giver.given, clock.now
        while giver.given == asked:
            with pytest.raises(CredentialsUnavailable):
                await wanted.current()
            clock.now += 0.5
        pauses.append(clock.now - began)
    assert pauses[1] < pauses[2] < pauses[3]
    assert max(pauses) == 60.0


@pytest.mark.parametrize("lasts_s", [-3_600.0, 0.0, 5.0, float("-inf")])
async def test_what_has_ended_when_it_comes_is_none(lasts_s: float, clock: Clock) -> None:
    wanted = Credentials("the giver", Giver(lasts_s), clock=clock)
    with pytest.raises(CredentialsUnavailable, match="what the giver gave has ended, or ends within seconds"):
        await wanted.current()


async def test_refused_ones_are_fetched_anew_unless_they_were_new(clock: Clock) -> None:
    giver = Giver()
    wanted = Credentials("the giver", giver, clock=clock)
    first = await wanted.current()
    assert not wanted.refused(first)
    clock.now += 61.0
    assert wanted.refused(first)
    assert await wanted.current() == "token-number-0002"
    assert wanted.refused(first), "another call had these, and now there are others"
    assert giver.given == 2


async def test_those_that_never_end_are_asked_for_once_and_refused_for_good(clock: Clock) -> None:
    giver = Giver(math.inf)
    wanted = Credentials("the giver", giver, clock=clock)
    first = await wanted.current()
    clock.now += 10.0**9
    assert await wanted.current() == first
    assert not wanted.refused(first)


async def test_they_are_struck_out_while_they_hold_and_forgotten_later(clock: Clock) -> None:
    giver = Giver(3_600.0, name="token-of-one")  # No other test has its tokens.
    wanted = Credentials("the giver", giver, clock=clock)
    for number in range(1, 4):
        assert await wanted.current() == f"token-of-one-{number:04}"
        assert redactor.text(f"it is token-of-one-{number:04}!") == "it is ***!"
        clock.now += 3_600.0
    assert redactor.known("token-of-one-0002") == "***", "a call may still be on its way with it"
    assert redactor.known("token-of-one-0001") == "token-of-one-0001"


async def test_refused_ones_are_struck_out_of_what_comes_after_the_next_ones(clock: Clock) -> None:
    wanted = Credentials("the giver", Giver(), clock=clock)
    first = await wanted.current()
    clock.now += 61.0
    assert wanted.refused(first)
    assert await wanted.current() == "token-number-0002"
    assert redactor.known(first) == "***", "a call may still be on its way with it"


@pytest.mark.parametrize("told", [CredentialsRefused("no"), CredentialsUnavailable("no"), OSError("no")])
async def test_every_failure_is_ours_and_certainly_unpaid(told: Exception, clock: Clock) -> None:
    giver = Giver()
    giver.failure = told
    with pytest.raises((CredentialsRefused, CredentialsUnavailable)) as caught:
        await Credentials("the giver", giver, clock=clock).current()
    ours = translate(caught.value, agent="it", model="m")
    assert isinstance(ours, AgentRefused if isinstance(told, CredentialsRefused) else AgentUnavailable)
    assert ours.certainly_unpaid
    assert not ours.may_lie_in_the_text


async def test_a_fetch_that_hangs_for_good_does_not_keep_others_from_being_made(clock: Clock) -> None:
    may_end, begun = threading.Event(), list[int]()

    def fetch() -> Fetched:
        number = len(begun)
        begun.append(number)
        if number == 0:
            assert may_end.wait(30.0)
        return Fetched(value=f"token-of-fetch-{number}", lasts_s=3_600.0, secrets=())

    wanted = Credentials("the giver", fetch, clock=clock, patience_s=0.05)
    for _ in range(2):
        with pytest.raises(CredentialsUnavailable, match="gave no answer within"):
            await wanted.current()
    clock.now += HANGS_S
    with suppress(CredentialsUnavailable):  # It takes as long as it takes to begin a thread.
        await wanted.current()
    may_end.set()
    await fetches_have_ended()
    found = await wanted.current()
    assert found == "token-of-fetch-1"
    assert len(begun) == 2, "what came late is older, and not taken"
