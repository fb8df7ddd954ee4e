"""The newest target, to be asked: a command of the user's serves it, and is watched; or it answers by Transformers."""

from __future__ import annotations

import re
import shlex
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from star_agents.config.rounds import TargetSettings
from star_agents.engine.campaign.configs import Target
from star_agents.errors import AgentUnavailable, UsageError
from star_agents.process.guarded import GuardedCommand, guarded

LOOK_S = 0.25
"""Seconds between two looks at whether a server is ready."""
ANSWER_S = 5.0
"""Seconds that it may take to say so."""
AGAIN_S = 2.0
"""Seconds before a server that ended is started again."""
Tell = Callable[[str], None]
_NAME = re.compile(r"\{([a-z_]+)\}")


class NotServed(AgentUnavailable):
    """The command that serves the target does not: it ended, or was never ready."""

    what = "the target is not served"


@asynccontextmanager
async def served(settings: TargetSettings, target: Target, *, log: Path, tell: Tell) -> AsyncIterator[Target]:
    """Serve a target while the block runs, and no longer.

    A server that ends by itself is started again at the same address, up to `restarts` times; then the block is
    cancelled, and ``NotServed`` is raised in its place.

    Args:
        settings: How.
        target: Which.
        log: What the server writes.
        tell: Hears, in a sentence, of what happens to it.

    Yields:
        The target with its address.

    Raises:
        NotServed: it was not ready in time, or keeps ending.
        UsageError: the command cannot be read.
    """
    if settings.serve is None:
        yield target
        return
    port = _free_port()
    placed = target._replace(address=f"http://127.0.0.1:{port}", served_as=_served_as(settings.serve, target))
    command = command_of(settings.serve, {"model": target.model, "port": str(port), "name": target.name})
    broken: list[NotServed] = []
    async with anyio.create_task_group() as tasks:
        ready = anyio.Event()

        async def keep_up() -> None:
            try:
                await _keep_up(command, settings, placed, log, tell, ready)
            except NotServed as error:
                broken.append(error)
                tasks.cancel_scope.cancel()

        tasks.start_soon(keep_up)
        await ready.wait()
        yield placed
        tasks.cancel_scope.cancel()
    if broken:
        raise broken[0]


def command_of(template: str, values: dict[str, str]) -> list[str]:
    """Program and arguments, each ``{name}`` replaced, once, after the words are told apart. Raises UsageError."""
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise UsageError(f"agents.yaml: rounds: the command {template!r} cannot be read: {error}") from None
    if not words:
        raise UsageError(f"agents.yaml: rounds: the command {template!r} names no program")
    return [_NAME.sub(lambda found: values.get(found[1], found[0]), word) for word in words]


def _served_as(template: str, target: Target) -> str:
    """A server calls a model by the name that it is told, or else as it was given."""
    return target.name if "{name}" in template else target.model


async def _keep_up(
    command: list[str], settings: TargetSettings, target: Target, log: Path, tell: Tell, ready: anyio.Event
) -> None:
    """Raises NotServed."""
    for start in range(settings.restarts + 1):
        if start:
            await anyio.sleep(AGAIN_S)
        async with guarded(command, log=log, stop_s=settings.stop_s) as running:
            try:
                await _until_ready(running, settings, target)
            except NotServed as error:
                told = f"{error}; all of it: {log}"
                if not ready.is_set():  # It never was: another start would be no better.
                    raise NotServed(told) from None
            else:
                if start:
                    tell(f"{target.name} is served again")
                ready.set()
                code = await running.wait()
                told = f"the server of {target.name} ended {_how(code)}{_said(running)}; all of it: {log}"
        if left := settings.restarts - start:
            tell(f"{told}; it is started again, {left} more times at the most")
    raise NotServed(f"{told}; `rounds.target.restarts` ({settings.restarts}) are used up")


async def _until_ready(running: GuardedCommand, settings: TargetSettings, target: Target) -> None:
    """Raises NotServed."""
    address = f"{target.address}{settings.ready}"
    with anyio.move_on_after(settings.ready_timeout_s):
        while running.returncode is None:
            if await anyio.to_thread.run_sync(_answers, address):
                return
            await anyio.sleep(LOOK_S)
    if running.returncode is None:
        told = f"was not ready after {settings.ready_timeout_s:g} s (`rounds.target.ready_timeout_s`): {address}"
    else:
        told = f"ended {_how(running.returncode)} before it was ready"
    raise NotServed(f"the server of {target.name} {told}{_said(running)}")


def _answers(address: str) -> bool:
    """Whether a server says that it is ready."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # It listens here, behind no proxy.
    try:
        with direct.open(address, timeout=ANSWER_S) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _free_port() -> int:
    """A port that nobody listens on; another program may still take it before the server does, which then is told."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number


def _how(code: int) -> str:
    return f"with exit code {code}" if code >= 0 else f"by signal {-code}"


def _said(running: GuardedCommand) -> str:
    return f", and said last: {running.last_words[-600:]}" if running.last_words else ""
