"""The HTTP door, through real sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import anyio
import anyio.lowlevel
import pytest

from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.web.app import serve_http


class Shelf:
    """A backend that keeps rows in a list; a row without an instruction is a bad one."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []
        self.ready = True
        self.drains_for: float | None = None
        self.aside = ["s1", "s2", "s3"]
        self._requests: dict[str, tuple[str, str]] = {}

    async def add_rows(
        self, rows: Sequence[Mapping[str, Any]], source: str, request: tuple[str, str] | None
    ) -> Mapping[str, Any]:
        bad = [number for number, row in enumerate(rows, 1) if "instruction" not in row]
        if bad:
            raise SeedFileError(
                [Problem(where=f"{source}:{n}", field="instruction", message="is missing") for n in bad]
            )
        await anyio.lowlevel.checkpoint()
        self.rows.extend(rows)
        answer = {"new": len(rows), "duplicates": 0}
        if request is not None:
            assert request[0] not in self._requests, "a key is recorded once"
            self._requests[request[0]] = (request[1], json.dumps(answer))
        return answer

    async def recall_request(self, key: str) -> tuple[str, str] | None:
        await anyio.lowlevel.checkpoint()
        return self._requests.get(key)

    def retry_after(self) -> float | None:
        return self.drains_for

    async def quarantine(self, limit: int) -> Sequence[Mapping[str, Any]]:
        return [{"id": one, "deaths": 3, "source": "s:1"} for one in self.aside[:limit]]

    async def release_quarantined(self, seed_ids: Sequence[str] | None) -> int:
        released = self.aside if seed_ids is None else seed_ids
        if unknown := set(released) - set(self.aside):
            raise UsageError(f"seed {unknown.pop()} is not in quarantine; nothing was released")
        self.aside = [one for one in self.aside if one not in released]
        return len(released)

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
    [
        ("{", "line 1, column"),
        ('{"seeds": []}', "no seeds"),
        ("[3]", "row 1 is not"),
        ("[" * 100_000, "nested"),
        (b'{"instruction": "caf\xe9"}', "not UTF-8: byte 20"),
        ('{"instruction": "a", "n": ' + "9" * 5000 + "}", "not usable JSON"),
    ],
)
async def test_a_malformed_body_is_a_400_that_says_where(data: str | bytes, hint: str) -> None:
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


async def test_lines_end_at_newlines_alone() -> None:
    shelf = Shelf()
    data = '{"instruction": "one\u2028two\x85three"}\r\n{"instruction": "b"}\n'
    headers = {"Content-Type": "application/x-ndjson; charset=nonsense"}
    assert (await call(shelf, "POST", "/v1/seeds", data=data.encode(), headers=headers))[0] == 202
    assert [row["instruction"] for row in shelf.rows] == ["one\u2028two\x85three", "b"]


async def test_a_request_that_comes_again_with_its_key_gets_the_recorded_answer() -> None:
    shelf = Shelf()
    keyed = {"Idempotency-Key": "monday-1"}
    first = await call(shelf, "POST", "/v1/seeds", json={"instruction": "a"}, headers=keyed)
    assert first == (202, {"new": 1, "duplicates": 0})
    assert await call(shelf, "POST", "/v1/seeds", json={"instruction": "a"}, headers=keyed) == first
    assert len(shelf.rows) == 1

    status, body = await call(shelf, "POST", "/v1/seeds", json={"instruction": "b"}, headers=keyed)
    assert status == 422
    assert "monday-1" in body["detail"]
    status, _ = await call(shelf, "POST", "/v1/seeds?source=other", json={"instruction": "a"}, headers=keyed)
    assert status == 422
    assert len(shelf.rows) == 1


async def test_the_same_request_twice_at_once_is_taken_in_once() -> None:
    shelf = Shelf()
    async with (
        serve_http(shelf, host="127.0.0.1", port=0, token="", allowed_hosts=()) as url,
        aiohttp.ClientSession(headers={"Idempotency-Key": "k"}) as session,
        anyio.create_task_group() as senders,
    ):

        async def send() -> None:
            async with session.post(f"{url}/v1/seeds", json={"instruction": "a"}) as response:
                assert (response.status, await response.json()) == (202, {"new": 1, "duplicates": 0})

        for _ in range(5):
            senders.start_soon(send)
    assert len(shelf.rows) == 1


async def test_a_request_that_was_refused_may_come_again_mended_under_its_key() -> None:
    shelf = Shelf()
    keyed = {"Idempotency-Key": "k"}
    assert (await call(shelf, "POST", "/v1/seeds", json={"x": 1}, headers=keyed))[0] == 400
    assert (await call(shelf, "POST", "/v1/seeds", json={"instruction": "a"}, headers=keyed))[0] == 202


@pytest.mark.parametrize("key", ["", " ", "k" * 201, "clé"])
async def test_a_key_is_short_printable_text(key: str) -> None:
    status, body = await call(Shelf(), "POST", "/v1/seeds", json={"instruction": "a"}, headers={"Idempotency-Key": key})
    assert status == 400
    assert "Idempotency-Key" in body["detail"]


async def test_while_draining_seeds_are_to_be_sent_again_later() -> None:
    shelf = Shelf()
    shelf.drains_for = 12.3
    async with (
        serve_http(shelf, host="127.0.0.1", port=0, token="", allowed_hosts=()) as url,
        aiohttp.ClientSession() as session,
    ):
        async with session.post(f"{url}/v1/seeds", json={"instruction": "a"}) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "13")
            assert "drains" in (await response.json(content_type=None))["detail"]
        async with session.get(f"{url}/v1/status") as response:
            assert response.status == 200
    assert shelf.rows == []


async def test_quarantined_seeds_are_listed_and_released_by_name_or_all() -> None:
    shelf = Shelf()
    _, listed = await call(shelf, "GET", "/v1/quarantine")
    assert [row["id"] for row in listed["seeds"]] == ["s1", "s2", "s3"]
    release = "/v1/quarantine/release"
    assert await call(shelf, "POST", release, json={"seeds": ["s2"]}) == (200, {"released": 1})
    status, body = await call(shelf, "POST", release, json={"seeds": ["s2"]})
    assert (status, body["detail"]) == (400, "seed s2 is not in quarantine; nothing was released")
    assert await call(shelf, "POST", release, json={"all": True}) == (200, {"released": 2})


@pytest.mark.parametrize(
    "asked", [3, [], {}, {"all": False}, {"seeds": []}, {"seeds": [1]}, {"seeds": ["s1"], "all": True}]
)
async def test_a_release_that_names_nobody_releases_nobody(asked: object) -> None:
    shelf = Shelf()
    status, body = await call(shelf, "POST", "/v1/quarantine/release", json=asked)
    assert status == 400
    assert "seeds" in body["detail"]
    assert len(shelf.aside) == 3


async def test_a_method_that_is_not_served_is_told_which_is() -> None:
    async with (
        serve_http(Shelf(), host="127.0.0.1", port=0, token="", allowed_hosts=()) as url,
        aiohttp.ClientSession() as session,
        session.put(f"{url}/v1/seeds") as response,
    ):
        assert (response.status, response.headers["Allow"]) == (405, "POST")
