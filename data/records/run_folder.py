"""The folder of a long run: `run.json` (what it is), `run.log`, and files of JSON lines that only grow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.records.files import write_file
from data.records.jsonl import JsonlWriter
from data.records.lock import lock
from data.records.parsing import parse_json


class RunError(Exception):
    """A folder cannot be used as a run's; str() says why."""


class BaseRunFolder:
    """The base of all run folders: `run.json`, `run.log`, and a lock, so that one process at a time writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of `run.json`: `config`, `identity` (all that its results follow from), `problems` (how many),
        `versions`, `started`.

        Raises RunError.
        """
        try:
            head = parse_json((self.path / "run.json").read_bytes())
            return dict(head)
        except OSError:
            raise RunError(f"{self.path}: there is no run") from None
        except (ValueError, TypeError):
            raise RunError(f"{self.path / 'run.json'}: damaged: not JSON") from None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the run's lock until the end of the block. Raises RunError if another process has it."""
        with (self.path / "run.lock").open("a") as file:
            if not lock(file):
                raise RunError(f"{self.path}: another process is at work on this run")
            yield

    def write_manifest(self, head: dict[str, Any]) -> None:
        write_file(self.path / "run.json", f"{json.dumps(head, indent=1)}\n".encode("ascii"))

    def log(self, text: str) -> None:
        """Append a line with the time to `run.log`."""
        with (self.path / "run.log").open("a", encoding="utf-8") as log:
            log.write(f"{now()} {text}\n")

    def require_same_run(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The manifest of the run in this folder. Raises RunError unless its identity is `asked`."""
        before, have = self.manifest, self.manifest["identity"]
        if differing := sorted(_differing(have, asked), key=lambda field: field[0]):
            rows = [f"  {key}: there {json.dumps(there)}, now {json.dumps(now)}" for key, there, now in differing]
            raise RunError("\n".join([f"{self.path} is another run; give this one a folder of its own:", *rows]))
        return before


def _differing(there: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The fields, at any depth, that are not the same: (path, value there, value now)."""
    if isinstance(there, dict) and isinstance(now, dict):
        for name in {*there, *now}:
            yield from _differing(there.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif there != now:
        yield key, there, now


class AsyncJsonlWriter:
    """Appends rows from many asyncio tasks; rows that come while the disk is busy are written together."""

    def __init__(self, lines: JsonlWriter) -> None:
        self._lines = lines
        self._rows: list[dict[str, Any]] = []  # for the next turn
        self._turn: asyncio.Task[None] | None = None

    async def write(self, row: dict[str, Any]) -> None:
        """Returns when the line is on the disk. Raises OSError."""
        self._rows.append(row)
        if len(self._rows) == 1:
            self._turn = asyncio.create_task(self._write(self._turn))
        assert self._turn is not None
        await asyncio.shield(self._turn)  # whoever gives up waiting must not take the others' lines along

    async def _write(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        rows, self._rows = self._rows, []
        await asyncio.to_thread(self._lines.append, rows)

    async def close(self) -> None:
        try:
            if self._turn is not None:
                await self._turn
        finally:
            self._lines.close()


def now() -> str:
    """The time as in ISO 8601, in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
