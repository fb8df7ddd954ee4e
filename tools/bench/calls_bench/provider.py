"""The fake provider as a process of its own, and what it counted."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any, Self

SCRIPT = Path(__file__).resolve().parents[1] / "fake_provider.py"


class FakeProvider:
    """Runs while the context is open.

    Args:
        cores: That it may use.
        tls: A certificate and its key, which whoever asks has to trust: it serves https.
    """

    def __init__(self, cores: Set[int], tls: Path | None = None) -> None:
        self._cores = cores
        self._tls = tls

    def __enter__(self) -> Self:
        command = [sys.executable, str(SCRIPT), "--port", "0", *(["--tls", str(self._tls)] if self._tls else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(self._process.pid, self._cores)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        trusted = ssl.create_default_context(cafile=self._tls) if self._tls else None
        self._admin = (
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=trusted)
            if trusted
            else http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._admin.close()
        self._process.kill()
        self._process.wait()

    @property
    def url(self) -> str:
        """Base of every endpoint; ``{url}/NAME/v1`` is one."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def reset(self, settings: Mapping[str, Any]) -> None:
        """Behave so from now on, and count anew."""
        self._ask("POST", "/admin/reset", json.dumps(settings))

    def stats(self) -> dict[str, Any]:
        """`fake_provider.Stats` so far."""
        found: dict[str, Any] = json.loads(self._ask("GET", "/admin/stats"))
        return found

    def _ask(self, method: str, path: str, body: str = "") -> bytes:
        self._admin.request(method, path, body)
        return self._admin.getresponse().read()
