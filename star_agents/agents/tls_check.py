"""What the environment says about certificates of https servers, where a person should know of it. Pure.

Both ways of sending read the same variables: LiteLLM by itself, ours in ``transports/http.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from star_agents.agents.transports.http import SKIPS_VERIFICATION


def tls_notes(environ: Mapping[str, str]) -> list[str]:
    """What to tell before anything is sent, a sentence each."""
    return list(_notes(environ))


def _notes(environ: Mapping[str, str]) -> Iterator[str]:
    verify = environ.get("SSL_VERIFY", "")
    if verify.lower() == SKIPS_VERIFICATION:
        yield (
            "SSL_VERIFY=false: no certificate of any https server is checked, so whoever sits on the way can read keys "
            "and texts; to trust a server of your own, name the file of its certificate in SSL_VERIFY instead"
        )
        return
    files = {"SSL_VERIFY": verify, "SSL_CERT_FILE": environ.get("SSL_CERT_FILE", "")}
    if verify.lower() == "true":
        del files["SSL_VERIFY"]
    for name, file in files.items():
        if file and not Path(file).exists():
            yield f"{name}: there is no file {file}, so it is passed over; correct it, or unset it"
