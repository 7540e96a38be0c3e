"""Atomic replacement of a folder by a new one."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # arguments of Linux's renameat2


@contextmanager
def replacing(folder: Path, *patterns: str) -> Iterator[Path]:
    """A new, empty folder to fill, which replaces `folder` atomically when the block ends without an exception.

    patterns: globs of the old folder's files that are dropped; all others are carried over. A reader, at any time and
    also after a kill, finds either all old files or all new ones. (Where the system cannot exchange two folders
    atomically, as on NFS, there is a moment between two renames at which the new ones are in `.NAME.new` and the old
    ones in `.NAME.old`.) Raises OSError.
    """
    folder = folder.resolve()
    new, old = (folder.with_name(f".{folder.name}.{age}") for age in ("new", "old"))
    if old.exists() and not folder.exists():  # killed between the two renames
        old.rename(folder)
    for leftover in (new, old):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        for file in new.iterdir():
            _fsync(file)
        if not folder.exists():
            new.rename(folder)
            return
        for entry in folder.iterdir():
            if not any(entry.match(pattern) for pattern in patterns):
                _carry_over(entry, new / entry.name)
        if not _exchange(new, folder):
            folder.rename(old)
            new.rename(folder)
            shutil.rmtree(old)
    finally:
        shutil.rmtree(new, ignore_errors=True)  # by now the old one, or what was not finished


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders atomically; False where the system cannot."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except AttributeError:  # not Linux
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _carry_over(entry: Path, target: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.copytree(entry, target, copy_function=_link, symlinks=True)
    else:
        _link(entry, target)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without links
        shutil.copy2(source, target, follow_symlinks=False)


def _fsync(file: Path) -> None:
    """Flush a file to the disk, so that a crash of the machine after the rename does not lose it."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
