"""Malformed input: a line that names the place, a code, no traceback, nothing taken in. Cases: chaos_input.py."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chaos_daemon import serving
from chaos_input import GOOD_CONFIG, GOOD_ROW, cases, receive

CASES = 230
"""With the requests and the inbox files below, 300."""


def test_malformed_files_names_and_variables_end_with_a_line_that_helps(tmp_path: Path) -> None:
    report = receive(cases(CASES, random_seed=3), tmp_path)
    assert report.faults == []
    assert report.cases == CASES
    assert report.kinds.keys() == {"yaml", "row", "file", "name", "environment"}


JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}
REQUESTS: list[tuple[str, str, bytes, Mapping[str, str]]] = [
    *(
        ("POST", "/v1/seeds", body.encode(), JSON)
        for body in ("", " ", "{", "[", "nul", "7", '"a"', "[]", "[[]]", "{}")
    ),
    *(("POST", "/v1/seeds", body, JSON) for body in (b"\xff\xfe", b'{"instruction": "\xe9"}', b"\0", b"PAR1", b"<a/>")),
    ("POST", "/v1/seeds", GOOD_ROW.encode("utf-16"), JSON),
    ("POST", "/v1/seeds", b"[" * 200_000, JSON),
    ("POST", "/v1/seeds", b'{"instruction": "a", "n": ' + b"9" * 5000 + b"}", JSON),
    ("POST", "/v1/seeds", GOOD_ROW.encode() + GOOD_ROW.encode(), JSON),
    ("POST", "/v1/seeds", b'{"seeds": []}', JSON),
    ("POST", "/v1/seeds", b'{"seeds": [{"instruction": ""}]}', JSON),
    ("POST", "/v1/seeds", b'{"seeds": {"instruction": "a"}}', JSON),
    ("POST", "/v1/seeds", b"[" + GOOD_ROW.encode() + b', {"instruction": 3}]', JSON),
    ("POST", "/v1/seeds", b"[" + GOOD_ROW.encode() + b", null]", JSON),
    ("POST", "/v1/seeds", b'{"instruction": "a\\ud800"}', JSON),
    ("POST", "/v1/seeds", b'{"\\ud800": "a"}', JSON),
    ("POST", "/v1/seeds", b'{"messages": [{"role": "\\ud800", "content": "a"}]}', JSON),
    ("POST", "/v1/seeds?source=%ff%00%0a", b'{"instruction": ""}', JSON),
    ("POST", "/v1/seeds?source=" + "x" * 5000, b'{"instruction": ""}', JSON),
    ("POST", "/v1/seeds", GOOD_ROW.encode() + b"\n{\n", LINES),
    ("POST", "/v1/seeds", b"\n\n", LINES),
    ("POST", "/v1/seeds", GOOD_ROW.encode(), {**JSON, "Content-Encoding": "gzip"}),
    ("POST", "/v1/seeds", GOOD_ROW.encode(), {**JSON, "Content-Encoding": "deflate"}),
    ("POST", "/v1/seeds", GOOD_ROW.encode(), {**JSON, "Idempotency-Key": ""}),
    ("POST", "/v1/seeds", GOOD_ROW.encode(), {**JSON, "Idempotency-Key": "k" * 201}),
    ("POST", "/v1/seeds", GOOD_ROW.encode(), {**JSON, "Host": "evil.example"}),
    ("POST", "/v1/seeds", GOOD_ROW.encode(), {**JSON, "Origin": "null"}),
    ("POST", "/v1/seeds", GOOD_ROW.encode(), {**JSON, "Sec-Fetch-Site": "cross-site"}),
    ("POST", "/v1/seeds", GOOD_ROW.encode(), {**JSON, "X-Long": "x" * 20_000}),
    ("PUT", "/v1/seeds", GOOD_ROW.encode(), JSON),
    ("DELETE", "/v1/seeds", b"", {}),
    ("BREW", "/v1/seeds", b"", {}),
    ("POST", "/v1/status", b"", {}),
    ("GET", "/v1/seeds", b"", {}),
    ("GET", "/v2/status", b"", {}),
    ("GET", "/../../etc/passwd", b"", {}),
    ("GET", "/%2e%2e/%00", b"", {}),
    ("POST", "/v1/quarantine/release", b"", JSON),
    ("POST", "/v1/quarantine/release", b'{"seeds": "all"}', JSON),
    ("POST", "/v1/quarantine/release", b'{"seeds": ["nobody"]}', JSON),
    ("POST", "/v1/quarantine/release", b'{"all": "yes"}', JSON),
]
NO_HTTP = [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 50, b"A" * 70_000]
INBOX: dict[bytes, bytes] = {
    b"bad.jsonl": b"{",
    b"empty.json": b"",
    b"noise.parquet": b"PAR1",
    b"what.txt": b"x",
    b"none": b"x",
    b"\xff\xfe.jsonl": GOOD_ROW.encode(),
    b"two\nlines.jsonl": b"[]",
    b"n" * 249 + b".jsonl": b"{",
    "é".encode() * 124 + b".jsonl": b"{",
    b"; rm -rf $HOME.csv": b"a\n",
}


def test_malformed_requests_and_inbox_files_are_refused_and_the_daemon_goes_on(tmp_path: Path) -> None:
    config, data = tmp_path / "agents.yaml", tmp_path / "data"
    config.write_text(GOOD_CONFIG + "server: {settle_s: 0.5}\n")
    with serving(config, data) as (daemon, base):
        address = urlsplit(base).netloc
        for method, path, body, headers in REQUESTS:
            status, answer = ask(address, method, path, body, headers)
            assert 400 <= status < 500, (method, path, body[:60], headers, status)
            # What is no HTTP to begin with is answered by the library, in plain text.
            assert not answer.startswith(b"{") or json.loads(answer)["detail"], (method, path, body[:60])
            assert b"Traceback" not in answer
        for noise in NO_HTTP:
            assert not knock(address, noise).startswith(b"HTTP/1.1 2")
        heard = daemon.count("seeds_rejected")
        for name, content in INBOX.items():
            Path(os.fsdecode(os.fsencode(data / "inbox") + b"/" + name)).write_bytes(content)
        daemon.wait_for("seeds_rejected", lambda _: daemon.count("seeds_rejected") == heard + len(INBOX))
        status, answer = ask(address, "GET", "/v1/status", b"", {})
        seeds: dict[str, Any] = json.loads(answer)["seeds"]
        assert (status, sum(seeds.values())) == (200, 0), "no part of anything was taken in"
        assert ask(address, "POST", "/v1/seeds", GOOD_ROW.encode(), JSON)[0] == 202
        assert daemon.end() == 0
    assert daemon.other == []
    moved = sorted(os.listdir(os.fsencode(data / "inbox" / "rejected")))
    assert len(moved) == 2 * len(INBOX), "every file, and beside each what is wrong with it"


def ask(address: str, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    host, _, port = address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def knock(address: str, noise: bytes) -> bytes:
    """Bytes that are no HTTP; what comes back before the daemon hangs up."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as door:
        door.sendall(noise)
        door.shutdown(socket.SHUT_WR)
        try:
            return door.recv(4096)
        except ConnectionResetError:
            return b""
