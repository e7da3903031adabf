"""Looks at where a database's file lies: may it be written, is there room, and will it last."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from settled.records import Finding

LOW_DISK_BYTES = 256 * 1_048_576
NETWORK = re.compile(
    r"(nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|gfs2|glusterfs|lustre|ocfs2|fuse\.(sshfs|s3fs|rclone|glusterfs|ceph))\Z"
)
MEMORY = frozenset({"tmpfs", "ramfs"})


def findings(path: Path) -> list[Finding]:
    """Say what is found of the file's permissions, its disk and its file system."""
    return [_permissions(path), _room(path), _file_system(path)]


def kind_of_file_system(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds ``path``, from the text of proc(5)'s mountinfo; "" if unknown."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        if not rest or len(fields.split()) < 5:
            continue
        point = re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), fields.split()[4])
        if path.is_relative_to(point) and len(point) >= len(best):  # of two at one point the later covers the earlier
            best, kind = point, rest.split()[0]
    return kind


def _permissions(path: Path) -> Finding:
    closed = [str(place) for place in (path, path.parent) if not os.access(place, os.W_OK)]
    if closed:
        return Finding(
            "broken",
            "permissions",
            f"{' and '.join(closed)} cannot be written by this user, and SQLite writes both. Change the permissions.",
        )
    return Finding("ok", "permissions", f"{path} and its folder are writable.")


def _room(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    said = f"{free / 1_048_576:,.0f} MiB are free on the disk of {path.parent}."
    if free < LOW_DISK_BYTES:
        return Finding(
            "warning", "disk", f"{said} When it is full nothing can be settled in writing. Free some room, or prune."
        )
    return Finding("ok", "disk", said)


def _file_system(path: Path) -> Finding:
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "replace")
    except OSError:
        return Finding("ok", "file system", "What kind it is cannot be told on this system.")
    kind = kind_of_file_system(path.resolve(), mounts)
    if NETWORK.match(kind):
        return Finding(
            "warning", "file system",
            f"{path} lies on {kind}, a network file system, not safe for SQLite's write-ahead log. Use a local disk.",
        )  # fmt: skip
    if kind in MEMORY:
        return Finding(
            "warning", "file system", f"{path} lies on {kind}, in memory: a reboot loses every task. Use a disk."
        )
    return Finding("ok", "file system", f"{kind or 'unknown'}, local.")
