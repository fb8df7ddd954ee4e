"""The HTTP door, through real sockets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import pytest

from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.web.app import serve_http


class Shelf:
    """A backend that keeps rows in a list; a row without an instruction is a bad one."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []
        self.ready = True

    async def add_rows(self, rows: Sequence[Mapping[str, Any]], source: str) -> Mapping[str, Any]:
        bad = [number for number, row in enumerate(rows, 1) if "instruction" not in row]
        if bad:
            raise SeedFileError(
                [Problem(where=f"{source}:{n}", field="instruction", message="is missing") for n in bad]
            )
        self.rows.extend(rows)
        return {"new": len(rows), "duplicates": 0}

    async def status(self) -> Mapping[str, Any]:
        return {"seeds": len(self.rows)}

    async def readiness(self) -> Mapping[str, bool]:
        return {"store": self.ready}


async def call(
    shelf: Shelf, method: str, path: str, *, token: str = "", hosts: Sequence[str] = (), **request: Any
) -> tuple[int, Any]:
    async with (
        serve_http(shelf, host="127.0.0.1", port=0, token=token, allowed_hosts=hosts) as url,
        aiohttp.ClientSession() as session,
        session.request(method, url + path, **request) as response,
    ):
        return response.status, await response.json(content_type=None)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"json": {"instruction": "a"}}, 1),
        ({"json": [{"instruction": "a"}, {"instruction": "b"}]}, 2),
        ({"json": {"seeds": [{"instruction": "a"}]}}, 1),
        (
            {
                "data": '{"instruction":"a"}\n\n{"instruction":"b"}\n',
                "headers": {"Content-Type": "application/x-ndjson"},
            },
            2,
        ),
    ],
)
async def test_seeds_are_taken_one_by_one_as_a_list_and_as_lines(body: dict[str, Any], count: int) -> None:
    shelf = Shelf()
    assert await call(shelf, "POST", "/v1/seeds", **body) == (202, {"new": count, "duplicates": 0})
    assert len(shelf.rows) == count


async def test_a_bad_row_is_named_and_nothing_is_taken() -> None:
    shelf = Shelf()
    status, body = await call(shelf, "POST", "/v1/seeds?source=mine", json=[{"instruction": "a"}, {"x": 1}])
    assert status == 400
    assert body["problems"] == [{"where": "mine:2", "field": "instruction", "message": "is missing", "fix": ""}]
    assert shelf.rows == []


@pytest.mark.parametrize(
    ("data", "hint"),
    [("{", "line 1, column"), ('{"seeds": []}', "no seeds"), ("[3]", "row 1 is not"), ("[" * 100_000, "nested")],
)
async def test_a_malformed_body_is_a_400_that_says_where(data: str, hint: str) -> None:
    status, body = await call(Shelf(), "POST", "/v1/seeds", data=data)
    assert status == 400
    assert hint in body["detail"]


async def test_a_host_that_is_not_ours_is_refused_even_on_loopback() -> None:
    status, _ = await call(Shelf(), "GET", "/v1/status", headers={"Host": "evil.example:8321"})
    assert status == 421
    status, _ = await call(Shelf(), "GET", "/v1/status", headers={"Host": "mine.example"}, hosts=["mine.example"])
    assert status == 200


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}])
async def test_writes_from_other_sites_are_refused(headers: dict[str, str]) -> None:
    status, _ = await call(Shelf(), "POST", "/v1/seeds", json={"instruction": "a"}, headers=headers)
    assert status == 403


async def test_with_a_token_everything_but_health_needs_it() -> None:
    assert (await call(Shelf(), "GET", "/v1/status", token="secret"))[0] == 401
    bearer = {"Authorization": "Bearer secret"}
    assert (await call(Shelf(), "GET", "/v1/status", token="secret", headers=bearer))[0] == 200
    assert (await call(Shelf(), "GET", "/livez", token="secret"))[0] == 200


async def test_beyond_loopback_a_token_is_required() -> None:
    with pytest.raises(UsageError, match=r"server\.token"):
        async with serve_http(Shelf(), host="0.0.0.0", port=0, token="", allowed_hosts=()):
            raise AssertionError("it listened")


async def test_a_port_in_use_is_said_in_one_line() -> None:
    async with serve_http(Shelf(), host="127.0.0.1", port=0, token="", allowed_hosts=()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(UsageError, match="cannot listen on"):
            async with serve_http(Shelf(), host="127.0.0.1", port=port, token="", allowed_hosts=()):
                raise AssertionError("it listened")


async def test_readiness_names_each_condition() -> None:
    shelf = Shelf()
    assert await call(shelf, "GET", "/readyz") == (200, {"store": True})
    shelf.ready = False
    assert await call(shelf, "GET", "/readyz") == (503, {"store": False})


async def test_an_unknown_path_is_a_problem_document() -> None:
    status, body = await call(Shelf(), "GET", "/nowhere")
    assert (status, body["status"]) == (404, 404)
