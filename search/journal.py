"""The checkpoint of a search: what each expansion came to, in a line, so that a killed search goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Self, TextIO

from data import Theorem


class JournalError(Exception):
    """The file is no journal of this search."""


class Journal:
    """Append-only: the first line says what is searched for and how, then one line an expansion, in their order."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        """Open or begin. Raises JournalError if the file is another search's, OSError if it is of no use."""
        self.path = path
        self.rows: list[dict[str, Any]] = []
        whole = 0
        if path.exists():
            whole = self._read(path, identity)
        self._file: TextIO = path.open("r+" if path.exists() else "w", encoding="utf-8")
        self._file.truncate(whole)  # a line that the kill cut short
        self._file.seek(whole)
        if not whole:
            self.append(identity)

    @classmethod
    def of(cls, folder: Path, theorem: Theorem, **how: Any) -> Self:
        """The journal of a theorem's search, done `how`, in a folder, which is made if need be."""
        identity = {"theorem": theorem.name, "context": theorem.context, "challenge": theorem.challenge, **how}
        identity = json.loads(json.dumps(identity))  # as it will be read
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        readable = re.sub(r"[^\w.-]", "_", theorem.name)[:60]
        return cls(folder / f"{readable}-{digest[:12]}.jsonl", identity)

    def _read(self, path: Path, identity: dict[str, Any]) -> int:
        """Take over the whole lines of a file; how many bytes they are."""
        whole = 0
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True)):
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                row = None
            if row is None:
                break
            if number == 0:
                if row != identity:
                    raise JournalError(f"{path} is not the journal of this search")
            else:
                self.rows.append(row)
            whole += len(line)
        return whole

    def append(self, row: dict[str, Any]) -> None:
        """Write a line; it is on the disk when this returns."""
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
