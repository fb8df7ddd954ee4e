"""Sends long POSTs back to back until its standard input ends, in a process of its own; prints what was answered."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import sys
import threading
from collections import Counter
from urllib.parse import urlsplit

from hostile_bodies import Body

from posts_bench.bodies import KINDS

PATIENCE_S = 120.0


def send(netloc: str, body: Body) -> int:
    """One POST on a connection of its own; the status. A daemon that refuses early hangs up, which may cut the rest."""
    connection = http.client.HTTPConnection(netloc, timeout=PATIENCE_S)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", "/v1/seeds", body[1], {"Content-Type": body[0]})
        response = connection.getresponse()
        response.read()
        return response.status
    except ConnectionResetError:
        return 0
    finally:
        connection.close()


def main() -> None:
    """Send and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--kind", required=True, choices=KINDS)
    given = parser.parse_args()
    bodies, over = KINDS[given.kind](), threading.Event()
    answers: Counter[int] = Counter()
    body = next(bodies)
    print("made", flush=True)
    sys.stdin.readline()
    threading.Thread(target=_wait_for_end, args=(over,), daemon=True).start()
    while not over.is_set():
        answers[send(urlsplit(given.url).netloc, body)] += 1
        body = next(bodies)
    print(json.dumps(answers))


def _wait_for_end(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


if __name__ == "__main__":
    main()
