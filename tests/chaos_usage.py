"""Providers that count as no provider can: every kind of number, in every field, beside an answer that is good.

What they claim may cost no answer, earn no budget back, count for nothing where something was taken, or leave a store
that cannot add up. Claims that can be so have to be believed to the token.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai_server import Body, Move, OpenAIServer, Raw

from star_agents.agents.budgets import Budgets
from star_agents.agents.client import AgentClient
from star_agents.config.models import AgentConfig
from star_agents.limits.numbers import MOST_TOKENS
from star_agents.records import Message, Reply
from star_agents.storage.rows import Intent
from star_agents.storage.store import Store

USD = 2.0**-20
"""Price of a token."""
LONGEST = 64
PROMPT = [Message(role="user", content="What is two and two?")]
_ROUNDED = 1e-9
"""Dollars: the books keep billionths of a thousandth."""
_PROMPT_AT_MOST = 8_192
"""More tokens than the prompt can have, whatever a provider puts around it."""


@dataclass(slots=True)
class UsageReport:
    """What came of a number of replies."""

    kinds: Counter[str] = field(default_factory=Counter)
    doubted: int = 0
    violations: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Claim:
    kind: str
    usage: str
    """JSON, as sent: also what Python could not write."""
    honest: tuple[int, int] | None = None
    """Prompt and completion, where the claim can be so."""


async def claim(folder: Path, *, rounds: int, seed: int) -> UsageReport:
    """Ask so often, each time with other counts beside the answer."""
    report, draw = UsageReport(), random.Random(seed)
    claims = [_claim_of(draw, number) for number in range(rounds)]
    sent = iter(claims)

    def handler(_: Body) -> Move:
        usage = next(sent).usage
        message = '{"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}], "usage": %s}'
        return Raw(body=(message % usage).encode())

    async with OpenAIServer(handler) as server, await Store.open(folder) as store:
        agent = AgentConfig(
            model="hosted_vllm/m",
            api_base=server.url,
            input_cost_per_token=USD,
            output_cost_per_token=USD,
            max_tokens=LONGEST,
            retries=0,
        )
        client = AgentClient({"a": agent}, budgets=Budgets())
        try:
            for number, one in enumerate(claims):
                report.kinds[one.kind] += 1
                await _ask(client, store, one, number, report)
        finally:
            await client.aclose()
        await _add_up(store, client, report)
    return report


async def _ask(client: AgentClient, store: Store, one: _Claim, number: int, report: UsageReport) -> None:
    said, most = f"{one.kind} {one.usage[:60]}", client.worst_case("a", PROMPT, LONGEST)
    before, tokens = client.budgets.spent("a"), client.budgets.spent("a", "tokens")
    try:
        reply = await client.ask("a", PROMPT)
    except Exception as error:
        report.violations.append(f"an answer was lost for a field beside it ({said}): {type(error).__name__}")
        return
    took, counted = client.budgets.spent("a") - before, client.budgets.spent("a", "tokens") - tokens
    report.doubted += bool(reply.usage_doubt)
    if took < 0 or counted < 0:
        report.violations.append(f"a budget was earned back ({said}): {took} dollars, {counted} tokens")
    elif one.honest and (reply.prompt_tokens, reply.completion_tokens) != one.honest:
        report.violations.append(f"counts that can be so were not believed ({said})")
    elif not one.honest and (abs(took - (most.usd or 0.0)) > _ROUNDED or counted != most.tokens):
        report.violations.append(f"the worst case does not count ({said}): {took} dollars, {counted} tokens")
    await _record(store, f"k{number}", reply, most.usd, most.tokens, report)


async def _record(
    store: Store, key: str, reply: Reply, usd: float | None, tokens: int | None, report: UsageReport
) -> None:
    intent = Intent(
        key=key,
        seed_id="s",
        step="write",
        agent="a",
        revision=1,
        parameters={},
        reserved_usd=usd,
        reserved_tokens=tokens,
    )
    await store.intend([intent])
    try:
        await store.record_answers([(key, reply)])
    except Exception as error:
        report.violations.append(f"an answer was not recorded: {type(error).__name__}")


async def _add_up(store: Store, client: AgentClient, report: UsageReport) -> None:
    """What a restart would restore is what this process knows."""
    try:
        taken = (await store.taken())["a"]
        await store.agent_usage()
    except Exception as error:
        report.violations.append(f"the store cannot add up: {error}")
        return
    known = (client.budgets.spent("a"), client.budgets.spent("a", "tokens"))
    if abs(taken.usd - known[0]) > _ROUNDED * report.kinds.total() or taken.tokens != known[1]:
        report.violations.append(f"the store says {taken}, the budgets say {known}")


def _claim_of(draw: random.Random, number: int) -> _Claim:
    """One reply in eight counts as it should; in the others at least one count cannot be so."""
    prompt, completion = draw.randint(1, 60), draw.randint(1, LONGEST)
    if number % 8 == 0:
        return _Claim("as it should be", json.dumps(_usage(prompt, completion)), (prompt, completion))
    if number % 8 == 1:
        return _Claim("no object", draw.choice(('"many"', "[]", "[5]", "5", "-1", "true", "1e999")))
    kind = draw.choice(list(_NUMBERS))
    wrong = _NUMBERS[kind](draw)
    counts: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    fields = draw.choice((("prompt_tokens",), ("completion_tokens",), tuple(counts)))
    written = ", ".join(f'"{name}": {wrong if name in fields else value}' for name, value in counts.items())
    return _Claim(kind, f"{{{written}}}")


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


_NUMBERS: dict[str, Callable[[random.Random], str]] = {
    "negative": lambda draw: str(-draw.choice((1, 7, 340_000, 2**31, 2**62, 2**63, 10**30))),
    "too many": lambda draw: str(draw.randint(_PROMPT_AT_MOST, MOST_TOKENS)),
    "far too many": lambda draw: str(draw.choice((2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64, 10**30))),
    "of many digits": lambda draw: "9" * draw.choice((40, 400, 4_300, 5_000)),
    "broken": lambda draw: str(draw.randint(0, 50) + 0.5),
    "a huge float": lambda draw: draw.choice(("1e30", "1e308", "1e999", "-1e999", "NaN", "Infinity")),
    "no number": lambda draw: draw.choice(('"many"', '"12"', "true", "[1]", "{}", '""', '"\\u0000"')),
}
"""By kind, as JSON."""
