"""The checkpoint of a search: what each expansion came to, in a line, so that a killed search goes on where it was."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Self

from data import Theorem
from data.lines import Lines, LinesError, read_lines


class JournalError(Exception):
    """The file is no journal of this search."""


class Journal:
    """Append-only: the first line says what is searched for and how, then one line an expansion, in their order."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        """Open or begin. Raises JournalError if the file is another search's, OSError if it is of no use."""
        self.path = path
        try:
            rows = list(read_lines(path))
        except LinesError as error:
            raise JournalError(str(error)) from None
        if rows and rows[0] != identity:
            raise JournalError(f"{path} is not the journal of this search")
        self._lines = Lines(path)
        self.rows: list[dict[str, Any]] = rows[1:]
        if not rows:
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

    def append(self, row: dict[str, Any]) -> None:
        """Write a line; it is on the disk when this returns."""
        self._lines.append([row])

    def close(self) -> None:
        self._lines.close()
