"""Who may do what, tried in every combination: Host, Origin, Sec-Fetch-Site and credentials; paths that climb; sizes.

What is expected is worked out here from the rules of the house (design section 5), not asked of the code.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from shelf import CANARY, Shelf

from star_agents.web.app import serve_http
from star_agents.web.page_files import PAGE

TOKEN = "right-" + "t" * 43


class Asked(NamedTuple):
    """A request of the matrix."""

    method: str
    path: str
    good: int
    """Status where it may come in."""
    is_open: bool = False

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")


ASKED = [
    Asked("GET", "/v1/status", 200),
    Asked("HEAD", "/v1/dataset", 200),
    Asked("GET", "/metrics", 200),
    Asked("POST", "/v1/seeds", 202),
    Asked("POST", "/v1/pause", 200),
    Asked("POST", "/v1/quarantine/release", 200),
    Asked("DELETE", "/v1/session", 204),
    Asked("GET", "/", 200, is_open=True),
    Asked("GET", "/assets/index.html", 200, is_open=True),
    Asked("GET", "/livez", 200, is_open=True),
    Asked("GET", "/v1/nothing/here", 404),
]
OUR_HOSTS = ["127.0.0.1:{port}", "localhost:{port}", "LocalHost", "[::1]:{port}", "mine.example", "mine.example:80"]
OTHER_HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example",
    "127.0.0.1.evil.example:{port}",
    "evil@localhost",
    "localhost@evil.example",
    "localhost:{port}, evil.example",
    "localhost/evil.example",
    "localhost:{port}:1",
    "localhost:port",
    "[::1",
    "[::1].evil.example",
    "[127.0.0.1]",
    "127.1",
    "0x7f000001",
    "2130706433",
    "127.0.0.2",
    "0.0.0.0",
    "localhost.",
    "",
]
OUR_ORIGINS = [None, "http://127.0.0.1:{port}"]
OTHER_ORIGINS = [
    "null",
    "",
    "http://evil.example",
    "http://127.0.0.1:1",
    "http://127.0.0.1:{port}.evil.example",
    "http://evil.example#http://127.0.0.1:{port}",
    "127.0.0.1:{port}",
]
OUR_SITES = [None, "same-origin", "none"]
OTHER_SITES = ["cross-site", "same-site", "Same-Origin", "", "same-origin, cross-site"]
CREDENTIALS = ["none", "bearer", "cookie", "wrong bearer", "token as cookie", "old cookie", "query", "basic"]
GOOD_CREDENTIALS = ("bearer", "cookie")


class Door(NamedTuple):
    """A served shelf and a client that keeps a connection to it."""

    shelf: Shelf
    client: aiohttp.ClientSession
    port: int
    session: str
    """A cookie's value, as it was given for the token."""

    async def ask(self, asked: Asked, credential: str, headers: dict[str, str | None]) -> tuple[int, bytes]:
        sent = {name: value.format(port=self.port) for name, value in headers.items() if value is not None}
        path = asked.path + (f"?token={TOKEN}&access_token={TOKEN}" if credential == "query" else "")
        sent |= self._credential(credential)
        body = b'{"instruction": "a"}' if asked.path == "/v1/seeds" else b'{"all": true}' if asked.writes else None
        async with self.client.request(asked.method, path, headers=sent, data=body) as response:
            return response.status, await response.read()

    def _credential(self, credential: str) -> dict[str, str]:
        ends, _, signature = self.session.partition(".")
        return {
            "bearer": {"Authorization": f"Bearer {TOKEN}"},
            "wrong bearer": {"Authorization": f"Bearer {TOKEN[:-1]}"},
            "basic": {"Authorization": f"Basic {TOKEN}"},
            "cookie": {"Cookie": f"other=1; star_agents_session={self.session}"},
            "token as cookie": {"Cookie": f"star_agents_session={TOKEN}"},
            "old cookie": {"Cookie": f"star_agents_session={int(ends) - 3_000_000}.{signature}"},
        }.get(credential, {})


@asynccontextmanager
async def door() -> AsyncIterator[Door]:
    shelf = Shelf()
    async with (
        serve_http(shelf, host="127.0.0.1", port=0, token=TOKEN, allowed_hosts=["Mine.example"]) as url,
        aiohttp.ClientSession(url, cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        async with client.post("/v1/session", headers=bearer) as response:
            session = response.cookies["star_agents_session"].value
        yield Door(shelf, client, int(url.rpartition(":")[2]), session)


def expected(asked: Asked, credential: str, host: str, origin: str | None, site: str | None) -> int:
    """The rules, in the order in which they are asked."""
    if host in OTHER_HOSTS:
        return 421
    if origin in OTHER_ORIGINS or site in OTHER_SITES:
        return 200 if asked.is_open else 403
    if asked.is_open:
        return asked.good
    if credential not in GOOD_CREDENTIALS:
        return 401
    if credential == "cookie" and asked.writes and origin is None and site != "same-origin":
        return 403
    return asked.good


def cases() -> Iterator[tuple[str, str | None, str | None]]:
    """Host, Origin, Sec-Fetch-Site."""
    yield from ((host, None, None) for host in (*OUR_HOSTS, *OTHER_HOSTS))
    yield from itertools.product(["127.0.0.1:{port}"], (*OUR_ORIGINS, *OTHER_ORIGINS), (*OUR_SITES, *OTHER_SITES))
    yield from itertools.product(OTHER_HOSTS[:2], OUR_ORIGINS, OUR_SITES)


def test_the_matrix_is_large() -> None:
    assert len(list(cases())) * len(ASKED) * len(CREDENTIALS) > 9000


@pytest.mark.parametrize("credential", CREDENTIALS)
async def test_nobody_comes_in_who_may_not_and_everybody_who_may(credential: str) -> None:
    wrong = []
    async with door() as at:
        for asked, (host, origin, site) in itertools.product(ASKED, cases()):
            rows, aside, at.shelf.state = len(at.shelf.rows), list(at.shelf.aside), "ready"
            headers = {"Host": host, "Origin": origin, "Sec-Fetch-Site": site}
            status, body = await at.ask(asked, credential, headers)
            wanted = expected(asked, credential, host, origin, site)
            changed = (len(at.shelf.rows), at.shelf.aside, at.shelf.state) != (rows, aside, "ready")
            leaked = CANARY.encode() in body
            if status != wanted or (wanted >= 400 and (changed or leaked)):
                wrong.append(f"{asked.method} {asked.path} {headers}: {status}, not {wanted} {changed=} {leaked=}")
            at.shelf.aside = ["s1", "s2", "s3"]
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_link_on_another_site_may_open_the_page_and_nothing_reads_from_there(site: str) -> None:
    async with door() as at:
        there = {"Sec-Fetch-Site": site, "Host": "localhost"}
        assert (await at.ask(ASKED[7], "none", {**there, "Sec-Fetch-Mode": "navigate"}))[0] == 200
        for mode in ("cors", "no-cors", "websocket", None):
            assert (await at.ask(ASKED[0], "bearer", {**there, "Sec-Fetch-Mode": mode}))[0] == 403
        assert (await at.ask(ASKED[3], "bearer", {**there, "Sec-Fetch-Mode": "navigate"}))[0] == 403


# Paths

CLIMBING = [
    "/assets/../guard.py",
    "/assets/..%2fguard.py",
    "/assets/%2e%2e/guard.py",
    "/assets/%2e%2e%2fguard.py",
    "/assets/%252e%252e%252fguard.py",
    "/assets/..%5cguard.py",
    "/assets/..\\guard.py",
    "/assets/....//guard.py",
    "/assets/..;/guard.py",
    "/assets/.%00./guard.py",
    "/assets/%c0%ae%c0%ae/guard.py",
    "/assets/index.html/../../guard.py",
    "/assets/index.html%00.py",
    "/assets/index.html%00.html",
    "/assets//etc/passwd",
    "/assets/%2fetc%2fpasswd",
    "/assets///etc/hosts.txt",
    "/assets/../../../../../../../../etc/passwd",
    "/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/assets/file:///etc/passwd",
    "/assets/~root/.profile",
    "/assets/" + "a/" * 2000 + "x.js",
    "/assets/" + "a" * 5000 + ".js",
    "/assets/.",
    "/assets/..",
    "/assets",
    "//assets/index.html",
    "/../../etc/passwd",
]
AROUND = [
    "/assets/../v1/status",
    "/assets/%2e%2e/v1/status",
    "/livez/../v1/status",
    "/livez/%2e%2e/v1/status",
    "/livez;/v1/status",
    "/livez/v1/status",
    "//v1/status",
    "/./v1/status",
    "/v1//status",
    "/v1/status/",
    "/v1/status?/livez",
    "/v1/status#/livez",
    "/V1/STATUS",
    "/v1%2fstatus",
    "/%761/status",
    "/v1/%73tatus",
    "http://evil.example/v1/status",
    "http://127.0.0.1/v1/status",
    "http://evil.example/livez",
    "evil.example:80",
    "*",
]


async def raw(port: int, head: str) -> tuple[int, bytes]:
    """Send a head as it is written; the status and all that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode("latin-1"))
    answer = await reader.read()
    writer.close()
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return (int(found[1]) if found else 0), answer


def head_of(target: str, *headers: str, host: str = "localhost") -> str:
    return "\r\n".join([f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""])


@pytest.mark.parametrize("bearer", ["", f"Authorization: Bearer {TOKEN}"])
async def test_no_path_leads_out_of_the_page_s_folder(bearer: str) -> None:
    inside = (Path(__file__).parents[1] / "star_agents" / "web" / "guard.py").read_bytes()
    async with door() as at:
        for target in CLIMBING:
            status, answer = await raw(at.port, head_of(target, *filter(None, [bearer])))
            assert status in (400, 401, 404), (target, status)
            assert inside[:60] not in answer, target
            assert b"root:" not in answer, target
            assert b"localhost\n" not in answer, target


async def test_not_even_a_file_of_a_kind_that_is_served_is_reached_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(CANARY)
    way = os.path.relpath(tmp_path / "secret.txt", PAGE)
    assert (PAGE / way).read_text() == CANARY
    async with door() as at:
        encoded = [way.replace("/", "%2f"), way.replace("..", "%2e%2e"), way.replace("../", "%2e%2e%2f")]
        for climbs in (way, *encoded, f"vendor/../{way}", f"{tmp_path}/secret.txt", f"/{tmp_path}/secret.txt"):
            status, answer = await raw(at.port, head_of(f"/assets/{climbs}"))
            assert status in (400, 401, 404), (climbs, status)
            assert CANARY.encode() not in answer, climbs


async def test_no_spelling_of_a_path_leads_around_the_token() -> None:
    async with door() as at:
        for target in AROUND:
            status, answer = await raw(at.port, head_of(target))
            assert status in (400, 401, 404, 421), (target, status)
            assert CANARY.encode() not in answer, target


async def test_a_name_of_another_site_in_the_request_line_is_one_in_the_header() -> None:
    async with door() as at:
        bearer = f"Authorization: Bearer {TOKEN}"
        assert (await raw(at.port, head_of("http://evil.example/v1/status", bearer)))[0] == 421
        assert (await raw(at.port, head_of("http://localhost/v1/status", bearer)))[0] == 200
        assert (await raw(at.port, head_of("http://localhost/v1/status", bearer, host="evil.example")))[0] == 421


@pytest.mark.parametrize(
    "headers",
    [
        ["Host: evil.example"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: -1"],
        ["Content-Length: 1e3"],
        ["X-Long: " + "x" * 9000],
        [f"X-{number}: 1" for number in range(300)],
        ["Bad Name: 1"],
        ["X: a\x00b"],
    ],
    ids=lambda headers: headers[0][:24],
)
async def test_a_head_that_can_be_read_in_two_ways_or_is_too_long_is_refused(headers: list[str]) -> None:
    async with door() as at:
        status, answer = await raw(at.port, head_of("/v1/status", f"Authorization: Bearer {TOKEN}", *headers))
        assert 400 <= status < 500, answer[:200]
        assert CANARY.encode() not in answer


async def test_an_old_request_without_a_host_is_refused() -> None:
    async with door() as at:
        status, answer = await raw(at.port, f"GET /v1/status HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n")
        assert (status, CANARY.encode() in answer) == (421, False)


async def test_a_very_long_address_is_refused() -> None:
    async with door() as at:
        assert (await raw(at.port, head_of("/v1/outcomes?pair=" + "x" * 9000)))[0] in (400, 414)


async def test_without_a_token_on_loopback_the_other_rules_hold_all_the_same() -> None:
    shelf = Shelf()
    async with (
        serve_http(shelf, host="127.0.0.1", port=0, token="", allowed_hosts=()) as url,
        aiohttp.ClientSession(url) as client,
    ):
        rules: list[tuple[dict[str, Any], int]] = [
            ({}, 202),
            ({"Host": "evil.example"}, 421),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
        ]
        for headers, wanted in rules:
            async with client.post("/v1/seeds", json={"instruction": "a"}, headers=headers) as response:
                assert response.status == wanted, headers
        async with client.post("/v1/session") as response:
            assert response.status == 204
            assert "Set-Cookie" not in response.headers
    assert len(shelf.rows) == 1
