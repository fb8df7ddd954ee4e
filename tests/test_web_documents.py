"""Documents that are parsed step by step are what ``json.loads`` makes of them, and nobody waits for them long."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from star_agents.limits.json_structure import TooMuchJson
from star_agents.web.documents import RowLimits, TooDeep, TooLong, parse_rows, parse_value
from star_agents.web.windows import MOST_BLANKS, WINDOW, NotJson, NotUtf8

LIMITS = RowLimits(depth=64, size=2 << 20, members=50_000)
TEXTS = ("", "word ", "é", "日本", "😀", '"', "\\", "\n", "[{,:", "\u2028", "\\u0041")
SCALARS = (0, -1, 1.5e300, 12345678901234567890, True, False, None, -0.0)


async def heard_nothing(row: Any, number: int, begin: int, end: int) -> None:
    """For tests that look at the rows that come back."""


async def rows_of(body: bytes, limits: RowLimits = LIMITS) -> list[Any]:
    return await parse_rows(body, limits, heard_nothing)


def value(draw: random.Random, levels: int) -> Any:
    """Anything, now and then longer than a window."""
    kind = draw.randrange(10 if levels else 5)
    if kind < 2:
        return draw.choice(TEXTS) * (draw.randrange(4) or draw.choice((20, 20, 1000, WINDOW // 3)))
    if kind < 5:
        return draw.choice(SCALARS)
    several = draw.randrange(7)
    if kind < 8:
        return [value(draw, levels - 1) for _ in range(several)]
    return {f"{draw.choice(TEXTS)}{n}": value(draw, levels - 1) for n in range(several)}


def written(draw: random.Random, data: Any) -> str:
    return json.dumps(data, ensure_ascii=draw.random() < 0.3, indent=draw.choice((None, None, 0, 3)))


@pytest.mark.parametrize("seed", range(15))
async def test_a_document_is_what_json_makes_of_it(seed: int) -> None:
    draw = random.Random(seed)
    rows = [{"instruction": value(draw, 0), "x": value(draw, 4)} for _ in range(draw.randrange(1, 30))]
    text = written(draw, rows)
    mark = draw.choice(("", "\ufeff"))
    limits = RowLimits(depth=64, size=1 << 30, members=50_000)
    assert await rows_of((mark + text).encode(), limits) == rows
    assert await rows_of((mark + f'{{"seeds": {text}, "more": 1}}').encode(), limits) == rows
    assert await parse_value(text.encode(), 1, limits) == rows


def json_told(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return f"not valid JSON: {error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"


async def told(text: str, limits: RowLimits) -> Any:
    try:
        return await parse_value(text.encode(), 1, limits)
    except NotJson as error:
        return str(error)


@pytest.mark.parametrize("seed", range(40))
async def test_a_broken_document_is_refused_where_json_refuses_it(seed: int) -> None:
    draw = random.Random(seed)
    text = written(draw, [{"x": value(draw, 3)} for _ in range(draw.randrange(1, 40))])
    at = draw.randrange(len(text))
    broken = draw.choice((text[:at], text[:at] + draw.choice('x"]}{[,:\\\t1') + text[at:], text + draw.choice("]}x,")))
    limits = RowLimits(depth=64, size=1 << 30, members=50_000)
    assert await told(broken, limits) == json_told(broken)


async def test_every_row_is_heard_with_its_place() -> None:
    body = json.dumps([{"n": n, "x": "é" * n} for n in range(400)], ensure_ascii=False).encode()
    heard: list[int] = []

    async def hear(row: Any, number: int, begin: int, end: int) -> None:
        heard.append(number)
        assert json.loads(body[begin:end]) == row

    for text in (body, b'{"seeds": %s}' % body):
        heard.clear()
        body = text
        assert len(await parse_rows(body, LIMITS, hear)) == 400
        assert heard == list(range(1, 401))


@pytest.mark.parametrize(
    ("body", "error", "hint"),
    [
        (b'[{"a": 1}, {"a": "' + b"x" * (2 << 20) + b'"}]', TooLong, "row 2"),
        (b'[{"a": 1}, {"a": ["' + b'x", "'.join([b"x" * 1000] * 2500) + b'"]}]', TooLong, "row 2"),
        (b'{"a": ["' + b'x", "'.join([b"x" * 1000] * 2500) + b'"]}', TooLong, "row 1"),
        (b'[{"a": [' + b"[], " * 200_000 + b"[]]}]", TooMuchJson, "row 1: the JSON has more than 50,000 elements"),
        (b"[" * 1_000_000, TooDeep, "1"),
        (b'[{"a": 1},\n' + b"[" * 64 + b'"' + b"x" * WINDOW + b'"' + b"]" * 64 + b"]", TooDeep, "2"),
        (b"[" + b"1" * 1_000_000 + b"]", NotJson, "digits"),
        (b"[1" + b" " * 2 * MOST_BLANKS + b"]", NotJson, "blanks"),
        (b'[{"a": "' + b"x" * WINDOW + b'"}, {"a": \xe9}]', NotUtf8, f"byte {WINDOW + 18} "),
    ],
    ids=["string", "list", "object", "elements", "depth", "depth far in", "digits", "blanks", "bytes"],
)
async def test_what_is_too_much_is_refused_with_its_place(body: bytes, error: type[Exception], hint: str) -> None:
    with pytest.raises(error) as refused:
        await rows_of(body)
    assert hint in str(refused.value)


async def others_turns(work: Callable[[], Any]) -> int:
    """How many turns somebody else on the event loop has while the work goes on."""
    turns, is_over = 0, False

    async def count() -> None:
        nonlocal turns
        while not is_over:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    try:
        await work()
    finally:
        is_over = True
        await counting
    return turns


async def test_others_have_their_turns_while_a_long_document_is_parsed() -> None:
    rows = [{"instruction": f"{n} {'word ' * 20}"} for n in range(50_000)]
    body = json.dumps(rows).encode()
    assert await others_turns(lambda: rows_of(body)) > 20


async def test_others_have_their_turns_while_one_long_row_is_parsed() -> None:
    body = json.dumps([{"x": [[str(n)] for n in range(20_000)]}]).encode()
    assert await others_turns(lambda: rows_of(body)) > 5
