"""Looking at Lean's processes from outside (Linux)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path


def alive(pid: int) -> bool:
    """Does it run? One that has ended and only waits for its parent to ask does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def resident(pid: int | str = "self") -> int:
    """Resident memory in bytes; 0 where the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (FileNotFoundError, ProcessLookupError):
        return 0


def parent(pid: int) -> int:
    """The process that it belongs to."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"did not come about within {seconds} s"
        await asyncio.sleep(0.01)


async def gone(pids: Iterable[int], seconds: float) -> None:
    pids = list(pids)
    await until(lambda: not any(map(alive, pids)), seconds)
