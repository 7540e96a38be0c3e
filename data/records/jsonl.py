"""Files of JSON lines: appended durably, read back without a last line that a kill cut short, or replaced whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from data.records.files import replacement
from data.records.lock import lock
from data.records.parsing import ParseError, parse_json

_BLOCK = 1 << 16


class JsonlError(Exception):
    """A line that is not the last one is damaged, or another process writes to the file; str() says which."""


class JsonlWriter:
    """Appends to a file of JSON lines; only one JsonlWriter of all processes can have it open.

    A last line without its end, which a kill left, is removed on opening.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises JsonlError if it is being written to, OSError."""
        self._file = path.open("ab+")
        if not lock(self._file):
            self._file.close()
            raise JsonlError(f"{path}: another process is writing to it")
        self._file.truncate(_whole(path))

    def append(self, rows: Iterable[Any]) -> None:
        """Append a line for each row; they are on the disk when this returns."""
        self._file.write(b"".join(json.dumps(row).encode("ascii") + b"\n" for row in rows))
        self._file.flush()
        os.fsync(self._file.fileno())

    def cut(self, count: int) -> None:
        """Keep only the first `count` lines."""
        self._file.seek(0)
        for _ in range(count):
            self._file.readline()
        self._file.truncate(self._file.tell())

    def close(self) -> None:
        self._file.close()


def read_jsonl(path: Path) -> Iterator[Any]:
    """Read the rows of a file, one at a time; none if there is no file.

    A last line without its end is left out. Raises JsonlError, OSError.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield parse_json(line)
            except ParseError as error:
                raise JsonlError(f"{path}:{number}: damaged: {error}") from None


def write_jsonl(path: Path, rows: Iterable[Any]) -> int:
    """Replace a file by JSON lines, and count them; it stays as it is if one of them cannot be had. Raises OSError."""
    count = 0
    with replacement(path) as file:
        for count, row in enumerate(rows, start=1):  # noqa: B007
            file.write(json.dumps(row).encode("ascii") + b"\n")
    return count


def _whole(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
