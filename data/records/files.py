"""Replaces files atomically: a reader finds the old content or the new, never half of it."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def is_stream(path: Path) -> bool:
    """Whether a path is a device or a pipe, to which everything can be written only once."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def require_writable(path: Path) -> None:
    """Raises OSError where `write_file` would: folders, places that are not there, what may not be written to."""
    if path.is_dir():
        raise _error(errno.EISDIR, path)
    if path.exists():
        if not os.access(path, os.W_OK):
            raise _error(errno.EACCES, path)
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OSError(errno.ENOENT, f"there is no folder {folder}", str(path))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _error(errno.EACCES, path)


def write_file(path: Path, content: bytes) -> None:
    """Replace a file's content (see `replacement`)."""
    with replacement(path) as file:
        file.write(content)


@contextmanager
def replacement(path: Path) -> Iterator[BinaryIO]:
    """A file to be written, which takes a path's place at the end of the block, with its mode; not if that fails.

    Where the path is a symbolic link, it takes the place of what that names. Devices, pipes, files with further names
    (hard links) and those in a folder where no other file can be made are written in place. Raises OSError.
    """
    require_writable(path)
    target = path if is_stream(path) else path.resolve()
    mode = _mode(target)
    try:
        made = None if mode is None else tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError:
        if not target.exists():
            raise
        made = None
    if made is None or mode is None:
        with target.open("wb") as file:
            yield file
        return
    name = Path(made[1])
    try:
        with os.fdopen(made[0], "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        name.chmod(mode)
        name.replace(target)
    except BaseException:
        with suppress(OSError):
            name.unlink()
        raise


def _mode(target: Path) -> int | None:
    """The mode of a new file in its place; None where it cannot give way to a new file."""
    try:
        found = target.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 else None


def _error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
