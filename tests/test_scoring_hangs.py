"""When a scorer process counts as hung, and what Linux says of a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from star_agents.scoring.hangs import Limits, Pace, Signs, Watch
from star_agents.scoring.proc import signs_of

LIMITS = Limits(look_s=5, request_s=300, slack=10, stopped_s=60, loading_s=1000, lifeless_s=200)


def looks_until_verdict(watch: Watch, signs: Signs, most: int = 1000) -> int:
    for number in range(1, most + 1):
        watch.look(signs)
        if watch.verdict:
            return number
    raise AssertionError("never called hung")


def test_a_request_counts_as_hung_once_its_time_is_over_and_not_a_look_earlier() -> None:
    watch = Watch(LIMITS, allowed_s=300)
    assert looks_until_verdict(watch, Signs(state="R", is_known=True)) == 60
    assert watch.verdict == "it did not answer within 300 s, many times what the work should take"


def test_a_stopped_process_is_told_once_and_counts_as_hung_after_a_minute() -> None:
    watch = Watch(LIMITS, allowed_s=10_000)
    told = 0
    for _ in range(12):
        assert not watch.verdict
        watch.look(Signs(state="T", is_known=True))
        told += watch.has_just_stopped
    assert (told, watch.verdict) == (1, "it was stopped (state T, as by SIGSTOP) for 60 s")


def test_a_process_that_was_let_go_on_is_waited_for_again() -> None:
    watch = Watch(LIMITS, allowed_s=10_000)
    for state in "T" * 11 + "S" + "T" * 11:
        watch.look(Signs(state=state, is_known=True))
    assert not watch.verdict


def test_a_debugger_s_stop_is_no_hang() -> None:
    watch = Watch(LIMITS, allowed_s=301)
    assert looks_until_verdict(watch, Signs(state="t", is_known=True)) == 61


def test_loading_without_any_sign_of_life_is_a_hang_and_a_slow_one_is_not() -> None:
    still = Watch.over_loading(LIMITS)
    assert looks_until_verdict(still, Signs(state="S", is_known=True)) == 41  # the first look says where it stands
    assert still.verdict == "it neither computed nor read for 200 s"
    computing = [Signs(cpu_s=0.1 * number, is_known=True) for number in range(200)]
    reading = [Signs(read=100_000 * number, is_known=True) for number in range(200)]
    for slow in (computing, reading):
        watch = Watch.over_loading(LIMITS)
        for signs in slow:
            assert not watch.verdict
            watch.look(signs)
        assert watch.verdict.startswith("it did not answer within 1,000 s")


def test_where_the_system_says_nothing_only_the_time_counts() -> None:
    assert looks_until_verdict(Watch.over_loading(LIMITS), Signs()) == 200


def test_what_a_request_is_allowed_goes_by_its_tokens_and_the_measured_rate() -> None:
    pace = Pace(LIMITS)
    assert pace.allowed_s(2048, is_on_gpu=False) == 300 + 2048
    assert pace.allowed_s(100_000, is_on_gpu=True) == 300 + 2000
    pace.measured(500, 4.0)
    pace.measured(1500, 6.0)
    assert pace.allowed_s(2048, is_on_gpu=False) == pytest.approx(300 + 10 * 2048 / 200)


def test_proc_tells_a_stopped_process_from_one_that_waits_and_one_that_is_gone() -> None:
    with subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE) as process:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert signs_of(process.pid).state == "T"
        process.kill()
    assert signs_of(process.pid) == Signs()


def test_proc_tells_what_this_process_computed_and_read() -> None:
    before = signs_of(os.getpid())
    with open("/dev/zero", "rb") as zeros:
        zeros.read(1 << 22)
    after = signs_of(os.getpid())
    assert (before.is_known, before.state) == (True, "R")
    assert after.read - before.read >= 1 << 22
    assert after.cpu_s >= before.cpu_s > 0
