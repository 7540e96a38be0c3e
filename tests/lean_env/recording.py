"""What REPL processes are asked, noted in a file, wherever they are asked from: here, or in a Ray actor."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lean_env.process import ReplProcess

request = ReplProcess.request


def record(path: str | Path) -> None:
    """Note, from now on, whatever this Python asks a REPL process."""

    async def noted(process: ReplProcess, what: dict[str, Any], timeout: float) -> dict[str, Any]:
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(file, json.dumps([process.pid, what]).encode() + b"\n")
        os.close(file)
        return await request(process, what, timeout)

    ReplProcess.request = noted  # type: ignore[method-assign]


class Asked:
    """(process, request) of everything that any process is asked from now on."""

    def __init__(self, path: Path) -> None:
        self._path, self._start = path, path.stat().st_size

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with self._path.open("rb") as file:
            file.seek(self._start)
            for line in file:
                pid, what = json.loads(line)
                yield pid, what
