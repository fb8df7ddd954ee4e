"""The HTTP door, through real sockets."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import anyio.lowlevel
import pytest
from aiohttp.test_utils import make_mocked_request
from daemons import PATIENCE_S
from shelf import CANARY, Shelf

from star_agents.errors import UsageError
from star_agents.web.app import serve_http
from star_agents.web.backend import NotNow
from star_agents.web.documents import is_deeper
from star_agents.web.guard import HEADERS
from star_agents.web.limits import Limits
from star_agents.web.replies import Curve
from star_agents.web.session import SESSION_S, has_session

LINES = {"Content-Type": "application/x-ndjson"}


def taken(new: int) -> dict[str, Any]:
    """What is answered to so many seeds that nobody knew."""
    return {"new": new, "duplicates": 0, "repeated": 0, "not_read": []}


@asynccontextmanager
async def served(shelf: Shelf, **options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the shelf's server."""
    given = {"host": "127.0.0.1", "port": 0, "token": "", "allowed_hosts": (), **options}
    async with (
        serve_http(shelf, **given) as url,
        aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        yield session


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
    assert await call(shelf, "POST", "/v1/seeds", **body) == (202, taken(count))
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
        (gzip.compress(b'{"instruction": "a"}', mtime=0), "it is gzip: say so with the header Content-Encoding: gzip"),
        ('{"instruction": "a"}'.encode("utf-16"), "it is UTF-16 or UTF-32: send it as UTF-8"),
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
    with pytest.raises(UsageError, match="a token is needed"):
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
    assert first == (202, taken(1))
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
                assert (response.status, await response.json()) == (202, taken(1))

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
    shelf.refuses = NotNow(503, "the daemon drains", 12.3)
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


async def test_a_full_queue_says_when_to_come_again() -> None:
    shelf = Shelf()
    shelf.refuses = NotNow(429, "1,000,000 seeds wait", 60.0)
    async with served(shelf) as client, client.post("/v1/seeds", json={"instruction": "a"}) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "60")
    assert shelf.rows == []


async def test_outcomes_come_page_by_page_both_ways() -> None:
    shelf = Shelf()
    shelf.commit(5)
    status, page = await call(shelf, "GET", "/v1/outcomes?limit=2")
    assert (status, [one["seq"] for one in page["outcomes"]], page["next_before"]) == (200, [5, 4], 4)
    _, page = await call(shelf, "GET", "/v1/outcomes?limit=3&before=4")
    assert ([one["seq"] for one in page["outcomes"]], page["next_before"]) == ([3, 2, 1], 1)
    _, page = await call(shelf, "GET", "/v1/outcomes?limit=3&before=1")
    assert page == {"outcomes": [], "next_before": None}
    _, page = await call(shelf, "GET", "/v1/outcomes?after=3")
    assert ([one["seq"] for one in page["outcomes"]], page["next_after"]) == ([4, 5], 5)
    _, page = await call(shelf, "GET", "/v1/outcomes?after=5")
    assert page == {"outcomes": [], "next_after": 5}
    _, page = await call(shelf, "GET", "/v1/outcomes?kind=kept")
    assert [one["seq"] for one in page["outcomes"]] == [5, 3, 1]


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/outcomes?limit=0", "limit"),
        ("/v1/outcomes?limit=501", "limit"),
        ("/v1/outcomes?limit=ten", "limit"),
        ("/v1/outcomes?before=-1", "before"),
        ("/v1/outcomes?after=9223372036854775808", "after"),
        ("/v1/outcomes?after=1&before=2", "not both"),
        ("/v1/outcomes?kind=best", "kind"),
        ("/v1/outcomes?agent=", "agent"),
        ("/v1/outcomes?agent=a&agent=b", "given more than once: 'agent'"),
        ("/v1/outcomes?agents=a", "'agents' is no parameter"),
        ("/v1/outcomes?pair=" + "x" * 201, "pair"),
        ("/v1/status?verbose", "'verbose' is no parameter"),
        ("/v1/dataset?format=csv", "format"),
        ("/v1/dataset?provenance=perhaps", "provenance"),
        ("/v1/logs?level=loud", "level"),
        ("/v1/events?after=now", "after"),
    ],
)
async def test_a_parameter_that_means_nothing_here_is_named(path: str, hint: str) -> None:
    status, body = await call(Shelf(), "GET", path)
    assert status == 400
    assert hint in body["detail"]


async def test_a_seed_and_an_outcome_tell_the_same_story_or_are_not_there() -> None:
    shelf = Shelf()
    shelf.commit(2)
    _, story = await call(shelf, "GET", "/v1/outcomes/2")
    assert story["seed"]["id"] == shelf.committed[1].seed_id
    assert await call(shelf, "GET", f"/v1/seeds/{story['seed']['id']}") == (200, story)
    for path in ("/v1/outcomes/3", "/v1/outcomes/9999999999999999999", "/v1/outcomes/x", "/v1/seeds/none"):
        assert (await call(shelf, "GET", path))[0] == 404, path


async def test_agents_pairs_and_the_curve_are_parts_of_what_is_known() -> None:
    shelf = Shelf()
    assert (await call(shelf, "GET", "/v1/agents"))[1]["agents"].keys() == {"a"}
    _, body = await call(shelf, "GET", "/v1/pairs")
    assert body["pairs"]["keep/a"]["probability"] == 1.0
    assert body["pairs"]["keep/a"]["candidates"] == 0
    assert (body["pairs"]["keep/seed"]["probability"], body["pairs"]["keep/seed"]["wins"]) == (None, 1)
    _, body = await call(shelf, "GET", "/v1/pairs/curve")
    assert body["points"][0]["probabilities"] == {"keep/a": 1.0}


async def test_every_pool_has_its_curve_and_one_that_there_never_was_has_none() -> None:
    status, body = await call(Shelf(), "GET", "/v1/pools/mine.style/curve")
    assert (status, body.keys()) == (200, {"points", "marks"})
    for name in ("mine.colour", "..%2f..", "%00", "x" * 3000):
        status, body = await call(Shelf(), "GET", f"/v1/pools/{name}/curve")
        assert status in (400, 404), name
    assert "GET /v1/status lists them" in (await call(Shelf(), "GET", "/v1/pools/mine.colour/curve"))[1]["detail"]


async def test_pausing_is_a_switch_that_a_draining_daemon_does_not_have() -> None:
    shelf = Shelf()
    assert await call(shelf, "POST", "/v1/pause") == (200, {"state": "paused"})
    assert await call(shelf, "POST", "/v1/resume") == (200, {"state": "ready"})
    shelf.state = "draining"
    status, body = await call(shelf, "POST", "/v1/resume")
    assert (status, body["detail"]) == (409, "the daemon is draining")


async def test_the_log_is_read_by_event_agent_seed_and_level() -> None:
    shelf = Shelf()
    for number, (level, event) in enumerate([(10, "call_answered"), (30, "call_failed"), (20, "state_changed")]):
        line = {"level": {10: "debug", 20: "info", 30: "warning"}[level], "event": event, "agent": f"a{number}"}
        shelf.log.append(level, json.dumps(line).encode())

    async def events(query: str) -> list[str]:
        _, body = await call(shelf, "GET", f"/v1/logs{query}")
        return [line["event"] for line in body["lines"]]

    assert await events("") == ["call_answered", "call_failed", "state_changed"]
    assert await events("?level=info") == ["call_failed", "state_changed"]
    assert await events("?agent=a0") == ["call_answered"]
    assert await events("?event=call_failed&limit=1") == ["call_failed"]


async def test_readiness_can_be_read_by_people() -> None:
    shelf = Shelf()
    shelf.ready = False
    async with served(shelf) as client, client.get("/readyz?verbose") as response:
        assert (response.status, response.content_type) == (503, "text/plain")
        assert await response.text() == "[-]store failed\nreadyz check failed\n"


async def test_metrics_are_what_the_daemon_counts() -> None:
    async with served(Shelf()) as client, client.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert (await response.text()).startswith("star_agents_up 1")


# Downloads


async def test_the_dataset_comes_as_a_file_with_a_name() -> None:
    async with served(Shelf()) as client:
        async with client.get("/v1/dataset?format=alpaca") as response:
            assert response.content_type == "application/x-ndjson"
            assert response.headers["Content-Disposition"] == 'attachment; filename="star_agents-alpaca.jsonl"'
            assert await response.read() == b'{"n":1}\n{"n":2}\n'
        async with client.head("/v1/dataset?which=rejected&file=parquet") as response:
            assert response.headers["Content-Disposition"] == 'attachment; filename="star_agents-rejected.parquet"'


async def test_a_download_that_fails_on_the_way_never_looks_whole() -> None:
    shelf = Shelf()
    shelf.fails_after_the_download = True
    async with served(shelf) as client, client.get("/v1/dataset") as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_download_that_cannot_begin_is_answered_in_words() -> None:
    shelf = Shelf()
    shelf.download, shelf.fails_after_the_download = [], True
    status, body = await call(shelf, "GET", "/v1/dataset")
    assert (status, body["title"]) == (500, "internal error")
    assert "disk" not in str(body), "what went wrong inside stands in the log alone"


async def test_some_downloads_go_on_at_once_and_one_more_has_to_wait() -> None:
    shelf = Shelf()
    shelf.go_on = anyio.Event()
    async with served(shelf, limits=Limits(downloads=2)) as client:
        begun = [await client.get("/v1/dataset") for _ in range(2)]
        async with client.get("/v1/dataset") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "10")
        shelf.go_on.set()
        for one in begun:
            assert await one.read() == b"".join(shelf.download)
        async with client.get("/v1/dataset") as response:
            assert response.status == 200
    assert shelf.downloading == 0


# Limits


FEW = Limits(document_bytes=5000, row_bytes=5000, lines_bytes=20_000, rows=50, blank_lines=100)


def row(length: int) -> bytes:
    """A row of so many bytes."""
    return b'{"instruction": "%s"}' % (b"x" * (length - 19))


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (row(5000), {}, 202),
        (row(5001), {}, 413),
        (row(5000) + b"\n" + row(5000), LINES, 202),
        (row(5002), LINES, 413),
        (b"\n".join([row(4000)] * 4), LINES, 202),
        (b"\n".join([row(4000)] * 6), LINES, 413),
        (gzip.compress(row(5000), mtime=0), {"Content-Encoding": "gzip"}, 202),
        (gzip.compress(row(5_000_000), mtime=0), {"Content-Encoding": "gzip"}, 413),
        (b"[%s]" % b",".join([row(30)] * 50), {}, 202),
        (b"[%s]" % b",".join([row(30)] * 51), {}, 413),
        (b"\n".join([row(30)] * 50), LINES, 202),
        (b"\n".join([row(30)] * 51), LINES, 413),
        (row(30) + b"\n" * 101, LINES, 202),
        (row(30) + b"\n" * 102, LINES, 413),
    ],
)
async def test_a_body_of_any_kind_has_a_limit(data: bytes, headers: dict[str, str], status: int) -> None:
    shelf = Shelf()
    async with served(shelf, limits=FEW) as client, client.post("/v1/seeds", data=data, headers=headers) as response:
        assert response.status == status
    assert bool(shelf.rows) is (status == 202)


async def test_a_body_that_stops_coming_is_not_waited_for() -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b'{"instr'
        await anyio.sleep_forever()

    async def drips() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await anyio.sleep(0.01)

    for body in (stalls(), drips()):
        limits = Limits(piece_s=0.05, body_s=0.2)
        async with served(Shelf(), limits=limits) as client, client.post("/v1/seeds", data=body) as response:
            assert response.status == 408
            assert "0.05 s" in (await response.json(content_type=None))["detail"]


async def test_a_client_that_reads_nothing_holds_up_no_end() -> None:
    shelf = Shelf()
    shelf.download = [b"x" * (1 << 20)] * 64
    async with (
        aiohttp.ClientSession(read_bufsize=1 << 12) as client,
        serve_http(shelf, host="127.0.0.1", port=0, token="", allowed_hosts=(), limits=Limits(closing_s=0.1)) as url,
    ):
        download = await client.get(f"{url}/v1/dataset")
        events = await client.get(f"{url}/v1/events?after=0")
        shelf.commit(3000, "x" * 10_000)
        await events.content.readany()
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE_S, "of the minutes that a reader may take"
    assert shelf.downloading == 0
    download.close()
    events.close()


async def test_lines_are_read_as_they_come_and_taken_in_when_all_are_there() -> None:
    shelf = Shelf()
    sent = anyio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"instruction": "caf\xc3'
        await anyio.lowlevel.checkpoint()
        yield b'\xa9"}\n\n{"instr'
        assert shelf.rows == []
        yield b'uction": "b"}'
        sent.set()

    status, body = await call(shelf, "POST", "/v1/seeds", data=slowly(), headers=LINES)
    assert (status, body) == (202, taken(2))
    assert [row["instruction"] for row in shelf.rows] == ["café", "b"]
    assert sent.is_set()


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b'{"instruction": "a"}\n{"instruction": \n', "line 2, column"),
        (b'{"instruction": "a"}\n\n[1]\n', "row 3 is not"),
        (b'{"instruction": "a"}\n{"instruction": "caf\xe9"}', "not UTF-8: byte 41"),
        (gzip.compress(b'{"instruction": "a"}', mtime=0), "it is gzip: say so with the header Content-Encoding: gzip"),
        (b'{"instruction": "a"}\n{"instruction": "caf\xc3', "not UTF-8: byte 41"),
        (b"\n\n", "no seeds"),
    ],
)
async def test_a_malformed_line_is_a_400_that_says_where(data: bytes, hint: str) -> None:
    status, body = await call(Shelf(), "POST", "/v1/seeds", data=data, headers=LINES)
    assert (status, hint in body["detail"]) == (400, True), body["detail"]


def test_depth_is_the_number_of_brackets_within_each_other() -> None:
    assert not is_deeper("text", 0)
    assert is_deeper([], 0)
    assert not is_deeper([1, {"a": 2}], 2)
    assert is_deeper([1, {"a": [3]}], 2)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"[" + b"1," * 7_900_000 + b"1]", "elements"),
        (b"[" + b"{}," * 5_000_000 + b"{}]", "lists and objects"),
        (b'[{"instruction": "a", "x": [' + b"[]," * 5_000_000 + b"[]]}]", "lists and objects"),
        (b"{" + b'"":1,' * 3_000_000 + b'"":1}', "keys"),
    ],
    ids=["numbers", "objects", "in a row", "keys"],
)
@pytest.mark.parametrize("headers", [{"Content-Type": "application/json"}, LINES], ids=["document", "line"])
async def test_a_body_that_costs_more_than_it_weighs_is_refused_before_it_is_parsed(
    body: bytes, what: str, headers: Mapping[str, str]
) -> None:
    began = time.process_time()
    status, told = await call(Shelf(), "POST", "/v1/seeds", data=io.BytesIO(body), headers=headers)
    # A line is one row, which has a limit of its own; it is refused as soon as it has passed that.
    hints = ("row 1 has ", "split it into several rows") if headers is LINES else (what, "send several")
    assert (status, *(hint in told["detail"] for hint in hints)) == (413, True, True), told["detail"]
    assert time.process_time() - began < 3  # parsing took fourteen


async def test_a_long_body_of_prose_is_taken() -> None:
    rows = [{"instruction": "a, b: [c] {d} \n" * 100, "n": number} for number in range(5000)]
    shelf = Shelf()
    assert (await call(shelf, "POST", "/v1/seeds", data=io.BytesIO(json.dumps(rows).encode())))[0] == 202
    assert shelf.rows == rows


async def test_json_within_json_within_json_ends_somewhere() -> None:
    def nested(levels: int) -> bytes:
        return b'{"instruction": "a", "n": ' + b"[" * levels + b"]" * levels + b"}"

    assert (await call(Shelf(), "POST", "/v1/seeds", data=nested(Limits().depth - 1)))[0] == 202
    status, body = await call(Shelf(), "POST", "/v1/seeds", data=nested(Limits().depth))
    assert (status, "nested" in body["detail"]) == (400, True)


async def test_a_client_that_connects_and_says_nothing_is_let_go() -> None:
    async with serve_http(
        Shelf(), host="127.0.0.1", port=0, token="", allowed_hosts=(), limits=Limits(head_s=0.05)
    ) as url:
        for said in (b"", b"GET /livez HTTP/1.1\r\nHost: local"):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(said)
            assert await reader.read() == b""
            writer.close()


async def test_beyond_so_many_connections_one_is_hung_up_on_and_the_others_go_on() -> None:
    async with (
        served(Shelf(), limits=Limits(connections=1)) as client,
        aiohttp.ClientSession(client._base_url) as another,
    ):
        async with client.get("/livez") as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientConnectionError):
            await another.get("/livez")
        async with client.get("/livez") as response:
            assert response.status == 200


# Sessions


async def test_a_session_is_a_cookie_for_who_has_the_token_and_never_holds_it() -> None:
    token = "t" * 43
    async with served(Shelf(), token=token) as client:
        async with client.post("/v1/session", headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == 204
            cookie = response.headers["Set-Cookie"]
        assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
        assert token not in cookie
        async with client.get("/v1/status") as response:
            assert response.status == 200
        async with client.post("/v1/pause") as response:
            assert response.status == 403, "a browser says where a write comes from; who does not is no page of ours"
        async with client.post("/v1/pause", headers={"Sec-Fetch-Site": "same-origin"}) as response:
            assert response.status == 200
        async with client.delete("/v1/session", headers={"Sec-Fetch-Site": "same-origin"}) as response:
            assert response.status == 204
        async with client.get("/v1/status") as response:
            assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_a_session_outlives_a_restart_and_ends_with_its_token() -> None:
    async def status_with(cookie: str, token: str) -> int:
        return (await call(Shelf(), "GET", "/v1/status", token=token, headers={"Cookie": cookie}))[0]

    bearer = {"Authorization": "Bearer one"}
    async with served(Shelf(), token="one") as client, client.post("/v1/session", headers=bearer) as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    assert await status_with(cookie, "one") == 200
    assert await status_with(cookie, "two") == 401
    name, _, value = cookie.partition("=")
    ends, _, signature = value.partition(".")
    for forged in (
        *(f"{ends}.{signature[:at]}{'0' if signature[at] != '0' else '1'}{signature[at + 1 :]}" for at in (0, 9, 63)),
        *(f"{ends}.{signature[:-1]}", f"{ends}.{signature}0", f"{int(ends) + 1}.{signature}", f"1.{signature}"),
        *(signature, ends, f"{ends}.", "", ".", "one", f"{ends}.\xe9", f"\xb2.{signature}"),
    ):
        assert await status_with(f"{name}={forged}", "one") == 401, forged


async def test_a_session_ends_after_a_month() -> None:
    bearer = {"Authorization": "Bearer one"}
    async with served(Shelf(), token="one") as client, client.post("/v1/session", headers=bearer) as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    request = make_mocked_request("GET", "/", headers={"Cookie": cookie})
    assert has_session(request, "one", time.time() + SESSION_S - 60)
    assert not has_session(request, "one", time.time() + SESSION_S + 60)


async def test_the_cookie_is_only_for_who_brings_the_token() -> None:
    async with served(Shelf(), token="one") as client:
        for headers in ({}, {"Authorization": "Bearer two"}, {"Authorization": "Basic one"}):
            async with client.post("/v1/session", headers=headers) as response:
                assert response.status == 401
                assert "Set-Cookie" not in response.headers


# The page


async def test_every_answer_says_to_browsers_what_they_may_do() -> None:
    async with served(Shelf()) as client:
        for method, path in (
            ("GET", "/"),
            ("GET", "/v1/status"),
            ("GET", "/no"),
            ("PUT", "/v1/seeds"),
            ("HEAD", "/livez"),
        ):
            async with client.request(method, path) as response:
                assert HEADERS.items() <= response.headers.items(), path
                assert "unsafe" not in response.headers["Content-Security-Policy"]
        async with client.get("/v1/events") as response:
            assert HEADERS.items() <= response.headers.items()


async def test_the_page_is_asked_for_again_only_when_it_has_changed() -> None:
    async with served(Shelf(), token="secret") as client:
        async with client.get("/") as response:
            assert (response.status, response.content_type) == (200, "text/html")
            assert response.headers["Cache-Control"] == "no-cache"
            tag = response.headers["ETag"]
        async with client.get("/", headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
        async with client.get("/assets/index.html", headers={"If-None-Match": '"another"'}) as response:
            assert response.status == 200
        for path in ("/assets/", "/assets/none.js", "/assets/vendor"):
            async with client.get(path) as response:
                assert response.status == 404, path


async def test_a_fault_of_ours_is_a_500_that_tells_nothing_and_the_next_request_is_served() -> None:
    class Broken(Shelf):
        async def curve(self, pool: str) -> Curve:
            raise KeyError(CANARY)

    async with served(Broken()) as client:
        async with client.get("/v1/pairs/curve") as response:
            body = await response.text()
            assert response.status == 500
            assert CANARY not in body
            assert "KeyError" not in body
        async with client.get("/v1/status") as response:
            assert response.status == 200
