"""Asks for /livez at fixed times, in a process of its own; prints in milliseconds how long each answer took.

It goes on asking while answers are late, so that a stall is seen by everybody who would have asked during it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

import aiohttp


async def ask(url: str, seconds: float, every_s: float) -> list[float]:
    """Milliseconds from each question to its answer."""
    waits: list[float] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as client, asyncio.TaskGroup() as asking:
        began = time.perf_counter()
        for number in range(round(seconds / every_s)):
            await asyncio.sleep(max(0.0, began + number * every_s - time.perf_counter()))
            asking.create_task(_ask(client, waits))
    return waits


async def _ask(client: aiohttp.ClientSession, waits: list[float]) -> None:
    began = time.perf_counter()
    async with client.get("/livez") as answer:
        await answer.read()
    if answer.status != 200:
        sys.exit(f"/livez answered {answer.status}")
    waits.append(1000 * (time.perf_counter() - began))


def main() -> None:
    """Ask and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--every", type=float, default=0.01)
    given = parser.parse_args()
    print(json.dumps(asyncio.run(ask(given.url, given.seconds, given.every))))


if __name__ == "__main__":
    main()
