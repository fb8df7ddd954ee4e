"""The reference: LiteLLM's Router as it comes, awaited by as many workers as there may be calls in flight.

Nothing around it: no queue, no journal, no retries of ours. The prompts are those of the product's job ``four``: four
short ones and a judgement for each seed. What it costs is read from outside, as with everything else.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator
from typing import Any

# Else 500 to one host would be in flight, and the rest would wait unseen.
os.environ.setdefault("AIOHTTP_CONNECTOR_LIMIT", "100000")
os.environ.setdefault("AIOHTTP_CONNECTOR_LIMIT_PER_HOST", "100000")

from litellm.router import Router
from peers.common import comparison

from calls_bench.product import MODELS, Form
from calls_bench.seeds import seed_rows

WRITERS = ("base", "a", "b", "c")
ANSWER = "It goes on in this manner for a while, because a measured answer is about as long as an answer is. " * 6


def prompts(seeds: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Model group and messages of each call."""
    for row in seed_rows(seeds):
        for name in WRITERS:
            yield name, [{"role": "user", "content": row["instruction"]}]
        yield "judge", [{"role": "user", "content": comparison(row["instruction"], ANSWER, ANSWER)}]


async def call_all(url: str, seeds: int, in_flight: int, form: Form) -> int:
    """Send everything; returns how many answers had text."""
    model, path = MODELS[form]
    router: Any = Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {"model": model, "api_base": f"{url}/{name}0{path}", "api_key": "bench"},
            }
            for name in (*WRITERS, "judge")
        ]
    )
    waiting, answered = prompts(seeds), 0

    async def work() -> None:
        nonlocal answered
        for name, messages in waiting:
            response = await router.acompletion(model=name, messages=messages, max_tokens=2048)
            answered += bool(response.choices[0].message.content)

    await asyncio.gather(*(work() for _ in range(in_flight)))
    await asyncio.sleep(0.5)  # its background logging belongs to the calls
    return answered


def main() -> None:
    """Call and print how many answers came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--seeds", type=int, required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--form", choices=MODELS, default="openai", help="protocol of the provider")
    given = parser.parse_args()
    print(asyncio.run(call_all(given.url, given.seeds, given.in_flight, given.form)))


if __name__ == "__main__":
    main()
