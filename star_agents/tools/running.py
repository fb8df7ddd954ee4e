"""A tool as the bench runs it, and a child process that it may run in: bounded in time and in what it says."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.abc

from star_agents.records import Tool

_PIECE = 1 << 16
_GRACE_S = 5.0


class ToolFailed(Exception):
    """What a tool says in the place of a result, in words that the model can go on from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnableTool:
    """A tool with what it does."""

    tool: Tool
    run: Callable[[Mapping[str, Any]], Awaitable[str]]
    """Its result for arguments that keep to its schema. Raises ToolFailed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a child process ended."""

    code: int
    """Exit code; below 0 the signal that ended it."""
    output: bytes
    errors: bytes
    is_late: bool
    """It was ended, since it took too long."""
    is_long: bool
    """It was ended, since it wrote too much."""


async def run_child(
    command: Sequence[str], given: bytes, *, timeout_s: float, most_bytes: int, environment: Mapping[str, str]
) -> Ended:
    """Run a process on its input to its end, or to one of its bounds; nothing of its session is left behind.

    Args:
        command: Program and arguments.
        given: What it reads from standard input.
        timeout_s: Seconds until it is ended.
        most_bytes: Of each of its two outputs; one that writes more is ended.
        environment: All that it is told of this process's environment.
    """
    process = await anyio.open_process(list(command), env=dict(environment), start_new_session=True)
    written: dict[str, bytearray] = {"output": bytearray(), "errors": bytearray()}
    bounds = {"late": True, "long": False}

    async def take(stream: anyio.abc.ByteReceiveStream, into: bytearray, scope: anyio.CancelScope) -> None:
        with suppress(anyio.EndOfStream):
            while True:
                into += await stream.receive(_PIECE)
                if len(into) > most_bytes:
                    bounds["long"] = True
                    scope.cancel()

    try:
        with anyio.move_on_after(timeout_s):
            async with anyio.create_task_group() as both:
                assert process.stdin is not None
                assert process.stdout is not None
                assert process.stderr is not None
                both.start_soon(take, process.stdout, written["output"], both.cancel_scope)
                both.start_soon(take, process.stderr, written["errors"], both.cancel_scope)
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, BrokenPipeError, ConnectionError):
                    await process.stdin.send(given)
                    await process.stdin.aclose()
            if not bounds["long"]:
                await process.wait()
                bounds["late"] = False
    finally:
        with anyio.CancelScope(shield=True):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with anyio.move_on_after(_GRACE_S):
                await process.wait()
            await process.aclose()
    return Ended(
        code=process.returncode if process.returncode is not None else -signal.SIGKILL,
        output=bytes(written["output"][:most_bytes]),
        errors=bytes(written["errors"][:most_bytes]),
        is_late=bounds["late"] and not bounds["long"],
        is_long=bounds["long"],
    )
