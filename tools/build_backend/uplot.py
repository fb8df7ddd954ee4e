"""uPlot, which draws the page's charts: fetched once from npm's registry, held to a pinned checksum, not committed."""

from __future__ import annotations

import hashlib
import io
import os
import ssl
import tarfile
import tempfile
import urllib.request
from pathlib import Path

VERSION = "1.6.32"
URL = f"https://registry.npmjs.org/uplot/-/uplot-{VERSION}.tgz"
TARBALL_SHA512 = (
    "2883159c6ebccefbb95d751b0b82d010f9e1c0ec41b8bc96d401eda66e882935"
    "c89a46cb824332fa369b8cb8122cc6ac36e186cd09bf7a9ded3a4c93c6989023"
)
"""The registry's own `dist.integrity` of that version, in hex."""
FILES = {
    "dist/uPlot.esm.js": "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
    "dist/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
"""What the page needs of the tarball, with the SHA-256 of each."""
LOCAL_COPY = "STAR_AGENTS_UPLOT"
"""Environment variable: a downloaded tarball, for machines that do not reach the registry."""
FOLDER = Path(__file__).resolve().parents[2] / "star_agents" / "web" / "page" / "vendor" / "uplot"
_TIMEOUT_S = 30.0


class CannotFetch(Exception):
    """There is no usable tarball; the message says what to do."""


def put_in_place(folder: Path = FOLDER) -> None:
    """See to it that ``folder`` holds the three files; asks the network only where one is missing or altered.

    Raises:
        CannotFetch: the registry is not reachable, or what came is not what was pinned.
    """
    if is_in_place(folder):
        return
    texts = _unpacked(_tarball())
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        _replace(folder / Path(name).name, text)


def is_in_place(folder: Path = FOLDER) -> bool:
    """Whether every file is there, byte for byte."""
    paths = {folder / Path(name).name: digest for name, digest in FILES.items()}
    return all(
        path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest for path, digest in paths.items()
    )


def _tarball() -> bytes:
    local = os.environ.get(LOCAL_COPY)
    try:
        data = Path(local).read_bytes() if local else _download()
    except OSError as error:
        raise CannotFetch(
            f"the page's chart library cannot be fetched from {local or URL}: {error}. Where there is no network, "
            f"download {URL} elsewhere, set {LOCAL_COPY} to the file and install again"
        ) from error
    if hashlib.sha512(data).hexdigest() != TARBALL_SHA512:
        raise CannotFetch(f"{local or URL} is not uPlot {VERSION}: its SHA-512 is another. Nothing of it was used")
    return data


def _download() -> bytes:
    # The system's authorities, and certifi's for a Python that brings none along.
    import certifi  # noqa: PLC0415

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    with urllib.request.urlopen(URL, timeout=_TIMEOUT_S, context=context) as response:
        data: bytes = response.read()
    return data


def _unpacked(tarball: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        texts = {}
        for name in FILES:
            member = archive.extractfile(f"package/{name}")
            assert member is not None, "the checksum vouches for what the tarball holds"
            texts[name] = member.read()
    return texts


def _replace(path: Path, text: bytes) -> None:
    """Write whole or not at all: an install may be interrupted."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as handle:
        handle.write(text)
    os.chmod(handle.name, 0o644)
    os.replace(handle.name, path)
