"""The newest target, to be asked: a command of the user's serves it, and is watched; or it answers by Transformers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from star_agents.config.rounds import TargetSettings
from star_agents.engine.campaign.configs import Target
from star_agents.errors import AgentUnavailable, UsageError
from star_agents.process.server import Server, ServerGone, ServerOrder, What, free_port
from star_agents.text.command_words import command_words

AGAIN_S = 2.0
"""Seconds before a server that ended is started again."""
Tell = Callable[[str], None]


class NotServed(AgentUnavailable):
    """The command that serves the target does not: it ended, or was never ready."""

    what = "the target is not served"


@asynccontextmanager
async def served(settings: TargetSettings, target: Target, *, log: Path, tell: Tell) -> AsyncIterator[Target]:
    """Serve a target while the block runs, and no longer.

    A server that ends by itself is started again at the same address, up to `restarts` times; then the block is
    cancelled, and ``NotServed`` is raised in its place.

    Args:
        settings: The command, and how long it may take.
        target: The model to serve.
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
    port = free_port()
    placed = target._replace(address=f"http://127.0.0.1:{port}", served_as=_served_as(settings.serve, target))

    def hear(what: What, message: str) -> None:
        if what == "ended":
            tell(message)
        elif what == "ready" and server.restarts:
            tell(f"{target.name} is served again")

    server = Server(_order(settings, settings.serve, placed, port, log), tell=hear)
    broken: list[ServerGone] = []
    async with anyio.create_task_group() as tasks:

        async def keep_up() -> None:
            try:
                await server.keep()
            except ServerGone as error:
                broken.append(error)
                tasks.cancel_scope.cancel()

        tasks.start_soon(keep_up)
        await server.is_ready.wait()
        yield placed
        tasks.cancel_scope.cancel()
    if broken:
        raise NotServed(str(broken[0]))


def command_of(template: str, values: dict[str, str]) -> list[str]:
    """As ``command_words``. Raises UsageError."""
    try:
        return command_words(template, values)
    except ValueError as error:
        raise UsageError(f"agents.yaml: rounds: {error}") from None


def _order(settings: TargetSettings, command: str, target: Target, port: int, log: Path) -> ServerOrder:
    """Raises UsageError."""
    return ServerOrder(
        name=target.name,
        command=command_of(command, {"model": target.model, "port": str(port), "name": target.name}),
        ready=f"{target.address}{settings.ready}",
        log=log,
        restarts=settings.restarts,
        ready_within_s=settings.ready_timeout_s,
        stop_s=settings.stop_s,
        backoff_s=AGAIN_S,
        longest_backoff_s=AGAIN_S,
        has_to_start=True,  # What never was ready would be no better for another start.
        settings="rounds.target.restarts",
        ready_setting="rounds.target.ready_timeout_s",
    )


def _served_as(template: str, target: Target) -> str:
    """A server calls a model by the name that it is told, or else as it was given."""
    return target.name if "{name}" in template else target.model
