"""A new folder in the place of an old one, at once."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux's renameat2


@contextmanager
def replacing(folder: Path, *patterns: str) -> Iterator[Path]:
    """An empty folder beside `folder`, which takes its place when the block ends well. Raises OSError.

    Files of the old folder whose names fit none of the patterns go on being in it. Whoever looks, and after a kill at
    any time, finds the old files or the new ones. (Where the system cannot exchange two folders at once, as on NFS,
    there is a moment between two renames at which the new ones are in `.NAME.new` and the old ones in `.NAME.old`.)
    """
    folder = folder.resolve()
    new, old = (folder.with_name(f".{folder.name}.{age}") for age in ("new", "old"))
    if old.exists() and not folder.exists():  # killed between the two renames
        old.rename(folder)
    for rest in (new, old):  # of a process that was killed
        shutil.rmtree(rest, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
        for file in new.iterdir():
            _sync(file)
        if not folder.exists():
            new.rename(folder)
            return
        for entry in folder.iterdir():
            if not any(entry.match(pattern) for pattern in patterns):
                _keep(entry, new / entry.name)
        if not _exchange(new, folder):
            folder.rename(old)
            new.rename(folder)
            shutil.rmtree(old)
    finally:
        shutil.rmtree(new, ignore_errors=True)  # now the old one, or what was not finished


def _exchange(one: Path, other: Path) -> bool:
    try:
        rename = ctypes.CDLL(None).renameat2
    except AttributeError:  # not Linux
        return False
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)


def _keep(entry: Path, target: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.copytree(entry, target, copy_function=_link, symlinks=True)
    else:
        _link(entry, target)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # a file system without links
        shutil.copy2(source, target, follow_symlinks=False)


def _sync(file: Path) -> None:
    """Make sure that a crash of the machine does not lose what the folder is renamed for."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
