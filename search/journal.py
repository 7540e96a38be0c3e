"""Journal: the checkpoint of a tree search, one JSON line per expansion, so that a killed search can continue."""

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
    """The file is not the journal of this search, or another process writes to it; str() says which."""


class Journal:
    """An append-only JSONL file: the first line identifies the search, each further line is an expansion, in order."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        """Open a journal, or start it.

        Raises JournalError if the file belongs to another search or is in use, OSError if it cannot be read or written.
        """
        self.path = path
        self.rows: list[Any] = []
        try:
            self._writer = JsonlWriter(path)
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
            self.truncate(len(self.rows), damage)
        if not rows:
            self.append(identity)

    @classmethod
    def open(cls, folder: Path, theorem: Theorem, **settings: Any) -> Self:
        """Open the journal of a theorem's search in a folder, which is created if needed.

        settings: everything that the search depends on besides the theorem. Proofs in the theorem's context do not
        count: they are found anew, or shortened, and do not change what a tactic does here. A proof in the journal is
        judged again.
        """
        context = [without_proofs(piece) for piece in theorem.context]
        identity = {"theorem": theorem.name, "context": context, "challenge": theorem.challenge, **settings}
        identity = json.loads(json.dumps(identity))  # as it will be read
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        prefix = re.sub(r"[^\w.-]", "_", theorem.name)[:60]
        return cls(folder / f"{prefix}-{digest[:12]}.jsonl", identity)

    def append(self, row: dict[str, Any]) -> None:
        """Write a row; it is on the disk when this returns."""
        self._writer.append([row])

    def truncate(self, count: int, why: str) -> None:
        """Keep only the first `count` rows; `why` the next one is unusable is logged."""
        _log.warning("%s; kept: %d expansions before it", why, count)
        del self.rows[count:]
        self._writer.cut(1 + count)

    def close(self) -> None:
        """Close the file and release its lock."""
        self._writer.close()
