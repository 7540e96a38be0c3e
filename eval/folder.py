"""A run's folder: `run.json` (what it is), `problems.jsonl`, `attempts.jsonl`, `run.log`; the last three only grow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.lines import Lines, LinesError, read_lines
from data.lock import lock
from data.parsing import parse_json
from eval.attempts import Attempt, Entry
from search.report.document import put


class RunError(Exception):
    """A folder that cannot be used as a run's; str() says why."""


class Folder:
    """What the folders of all long runs have: `run.json`, `run.log`, and one process at a time that writes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def head(self) -> dict[str, Any]:
        """What the run is: `config`, `identity` (all that its results follow from), `problems` (how many), `versions`,
        `started`.

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
    def alone(self) -> Iterator[None]:
        """As the only process that writes. Raises RunError."""
        with (self.path / "run.lock").open("a") as file:
            if not lock(file):
                raise RunError(f"{self.path}: another process is at work on this run")
            yield

    def put_head(self, head: dict[str, Any]) -> None:
        put(self.path / "run.json", f"{json.dumps(head, indent=1)}\n".encode("ascii"))

    def log(self, text: str) -> None:
        """A line, with the time, for people."""
        with (self.path / "run.log").open("a", encoding="utf-8") as log:
            log.write(f"{now()} {text}\n")

    def same(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The head of the run that is there already. Raises RunError unless its identity is the one asked for."""
        before, have = self.head, self.head["identity"]
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


class RunFolder(Folder):
    """The files of a run over a benchmark, finished or not. Reading needs nothing but them."""

    def entries(self) -> Iterator[Entry]:
        """The problems, in the benchmark's order; some of them, while the run has not seen all. Raises RunError."""
        yield from self._read("problems.jsonl", Entry.from_json)

    def attempts(self) -> Iterator[Attempt]:
        """The attempts that have come to an end, in that order. Raises RunError."""
        yield from self._read("attempts.jsonl", Attempt.from_json)

    def minimised(self) -> dict[str, str]:
        """Shorter proofs than those that were found, by problem. Raises RunError."""
        return dict(self._read("minimised.jsonl", lambda row: (row["problem"], row["proof"])))

    def _read(self, name: str, parse: Any) -> Iterator[Any]:
        number = 0
        try:
            for row in read_lines(self.path / name):
                number += 1
                yield parse(row)
        except (LinesError, OSError) as error:
            raise RunError(str(error)) from None
        except (TypeError, KeyError, ValueError):
            raise RunError(f"{self.path / name}:{number}: damaged: not what a run writes") from None

    @contextmanager
    def locked(self, head: dict[str, Any]) -> Iterator[None]:
        """Begin the run, or go on with it, perhaps with more attempts, as the only process.

        Raises RunError if it is another run, or under way.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self.alone():
            if (self.path / "run.json").exists():
                before = self.same(head["identity"])
                if head["config"]["attempts"] > before["config"]["attempts"]:
                    self.put_head(before | {"config": head["config"]})
                self.log("goes on")
            else:
                self.put_head(head)
                self.log("begins")
            yield

    @asynccontextmanager
    async def writing(self, name: str) -> AsyncGenerator[Writer]:
        """To write to one of the files; at the end of the block everything is on the disk."""
        writer = Writer(Lines(self.path / name))
        try:
            yield writer
        finally:
            await writer.close()


class Writer:
    """Writes lines from many tasks: those that come while the disk is busy share its next turn."""

    def __init__(self, lines: Lines) -> None:
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
