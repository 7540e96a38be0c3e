"""Proved lemmas on disk, so that a subgoal is proved once: over sketches, over theorems, and over runs."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from data import Theorem
from data.records.jsonl import JsonlError, JsonlWriter, read_jsonl

_log = logging.getLogger(__name__)


class LemmaStore:
    """Stores proofs of lemmas by statement and context. Whoever takes a proof out of it has it judged again.

    Where the file is damaged or another process writes to it, it is read as far as it goes and nothing is added to it.
    """

    def __init__(self, path: Path | None = None) -> None:
        """path: a file of JSON lines, which is begun if need be; None: nothing outlives the process. Raises OSError."""
        self._proofs: dict[str, str] = {}
        self._file: JsonlWriter | None = None
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = JsonlWriter(path)
            for row in read_jsonl(path):
                self._proofs[str(row["key"])] = str(row["proof"])
        except (JsonlError, KeyError, TypeError) as error:
            _log.warning("%s: lemmas are not kept: %s", path, error)
            self.close()

    def get(self, theorem: Theorem, statement: str) -> str | None:
        """Return the proof of a statement in the context of a theorem, or None."""
        return self._proofs.get(_key(theorem, statement))

    def add(self, theorem: Theorem, statement: str, proof: str) -> None:
        """Keep a proof; it is on the disk when this returns, and takes the place of an earlier one. Raises OSError."""
        key = _key(theorem, statement)
        if self._proofs.get(key) != proof:
            self._proofs[key] = proof
            if self._file is not None:
                self._file.append([{"key": key, "statement": statement, "proof": proof}])

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _key(theorem: Theorem, statement: str) -> str:
    return hashlib.sha256(json.dumps([*theorem.context, statement]).encode("ascii")).hexdigest()
