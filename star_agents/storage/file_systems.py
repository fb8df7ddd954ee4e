"""On what kind of file system a folder lies: SQLite's log is shared memory, which no network carries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from star_agents.errors import StoreError

MOUNTS = Path("/proc/self/mounts")
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.davfs2", "davfs"}
)
"""Types on which two machines may see one folder."""
_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A mounted file system."""

    point: str
    kind: str
    """``ext4``, ``tmpfs``, ``nfs4``; ``unknown`` where the system does not say."""

    @property
    def is_network(self) -> bool:
        """Whether another machine may write there too."""
        return self.kind in NETWORK


def mount_of(folder: Path, table: str) -> Mount:
    """The mount that a folder lies on, by a table in the form of ``/proc/self/mounts``. Pure but for links."""
    path = folder.resolve()
    found = Mount("/", "unknown")
    for line in table.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = _ESCAPE.sub(lambda code: chr(int(code[1], 8)), parts[1])
        # A later line covers an earlier one of the same place.
        if path.is_relative_to(point) and len(point) >= len(found.point):
            found = Mount(point, parts[2])
    return found


def mounts() -> str:
    """The system's table of mounts; empty where it has none."""
    try:
        return MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def refuse_network_folder(folder: Path, table: str | None = None) -> None:
    """Refuse a folder on a network file system.

    Raises:
        StoreError: naming the mount and what to do.
    """
    mount = mount_of(folder, mounts() if table is None else table)
    if mount.is_network:
        raise StoreError(
            f"{folder}: lies on a network file system ({mount.kind} at {mount.point}), where SQLite loses data; "
            "choose a folder on a disk of this machine"
        )


def make_folder(folder: Path) -> None:
    """Make a folder with those above it. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror} (choose a folder that this user may write to)") from error
