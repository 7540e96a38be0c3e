"""RunFolder: the files of a run, `run.json` and the append-only `problems.jsonl`, `attempts.jsonl` and `run.log`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from data.records.jsonl import JsonlError, JsonlWriter, read_jsonl
from data.records.run_folder import AsyncJsonlWriter, BaseRunFolder, RunError
from eval.attempts import Attempt, Entry


class RunFolder(BaseRunFolder):
    """The files of a run over a benchmark, finished or not. Reading needs nothing but them."""

    def entries(self) -> Iterator[Entry]:
        """Yield the problems so far, in the benchmark's order. Raises RunError."""
        yield from self._read("problems.jsonl", Entry.from_json)

    def attempts(self) -> Iterator[Attempt]:
        """Yield the finished attempts, in the order in which they finished. Raises RunError."""
        yield from self._read("attempts.jsonl", Attempt.from_json)

    def minimised(self) -> dict[str, str]:
        """Return the shortened proofs, by problem. Raises RunError."""
        return dict(self._read("minimised.jsonl", lambda row: (row["problem"], row["proof"])))

    def _read(self, name: str, parse: Any) -> Iterator[Any]:
        number = 0
        try:
            for row in read_jsonl(self.path / name):
                number += 1
                yield parse(row)
        except (JsonlError, OSError) as error:
            raise RunError(str(error)) from None
        except (TypeError, KeyError, ValueError):
            raise RunError(f"{self.path / name}:{number}: damaged: not what a run writes") from None

    @contextmanager
    def locked(self, head: dict[str, Any]) -> Iterator[None]:
        """Start the run, or continue it, perhaps with more attempts, as the only process.

        Raises RunError if the folder has another run, or another process works on it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self.exclusive():
            if (self.path / "run.json").exists():
                recorded_head = self.require_same_run(head["identity"])
                if head["config"]["attempts"] > recorded_head["config"]["attempts"]:
                    self.write_manifest(recorded_head | {"config": head["config"]})
                self.log("goes on")
            else:
                self.write_manifest(head)
                self.log("begins")
            yield

    @asynccontextmanager
    async def writing(self, name: str) -> AsyncGenerator[AsyncJsonlWriter]:
        """Open one of the files for appending; when the block ends, everything is on the disk."""
        writer = AsyncJsonlWriter(JsonlWriter(self.path / name))
        try:
            yield writer
        finally:
            await writer.close()
