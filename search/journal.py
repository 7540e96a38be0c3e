"""The checkpoint of a search: what each expansion came to, in a line, so that a killed search goes on where it was."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from pathlib import Path
from typing import Any, Self

from data import Theorem
from data.records.jsonl import JsonlError, JsonlWriter, read_jsonl
from data.syntax.declarations import without_proofs

_log = logging.getLogger(__name__)


class JournalError(Exception):
    """The file is no journal of this search, or another process writes to it; str() says which."""


class Journal:
    """Append-only: the first line says what is searched for and how, then one line an expansion, in their order."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        """Open or begin. Raises JournalError if the file is another search's or in use, OSError if it is of no use."""
        self.path = path
        self.rows: list[Any] = []
        try:
            self._lines = JsonlWriter(path)
        except JsonlError as error:
            raise JournalError(str(error)) from None
        try:
            self._read(identity)
        except BaseException:
            self.close()
            raise

    def _read(self, identity: dict[str, Any]) -> None:
        rows, damage = [], ""
        try:
            for row in read_jsonl(self.path):
                rows.append(row)
        except JsonlError as error:
            damage = str(error)
        if rows[:1] != [identity] and (rows or damage):
            raise JournalError(f"{self.path} is not the journal of this search")
        self.rows = rows[1:]
        if damage:
            self.cut(len(self.rows), damage)
        if not rows:
            self.append(identity)

    @classmethod
    def of(cls, folder: Path, theorem: Theorem, **how: Any) -> Self:
        """The journal of a theorem's search, done `how`, in a folder, which is made if need be.

        It is that of the statement and of what stands before it, whatever the proofs there are: they are found anew, or
        made shorter, and do not change what a tactic does here. What the journal calls a proof is judged again.
        """
        context = [without_proofs(piece) for piece in theorem.context]
        identity = {"theorem": theorem.name, "context": context, "challenge": theorem.challenge, **how}
        identity = json.loads(json.dumps(identity))  # as it will be read
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        readable = re.sub(r"[^\w.-]", "_", theorem.name)[:60]
        return cls(folder / f"{readable}-{digest[:12]}.jsonl", identity)

    def append(self, row: dict[str, Any]) -> None:
        """Write a line; it is on the disk when this returns."""
        self._lines.append([row])

    def cut(self, count: int, why: str) -> None:
        """Keep only the first `count` rows, because the next one is of no use; `why` is logged."""
        _log.warning("%s; kept: %d expansions before it", why, count)
        del self.rows[count:]
        self._lines.cut(1 + count)

    def close(self) -> None:
        self._lines.close()
