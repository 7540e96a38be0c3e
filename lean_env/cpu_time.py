"""Processor time that Lean's processes use: unlike wall time it is the same on a busy machine as on an idle one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")  # a second
_USER, _SYSTEM = 11, 12  # fields of /proc/PID/stat after the command's name (man 5 proc)


@dataclass
class CpuTime:
    """Processor time, in seconds, that Lean's processes spent on the requests of a `measure_cpu_time` block.

    On systems without /proc, and for Ray's workers, it is wall time.
    """

    seconds: float = 0.0


_current: ContextVar[CpuTime | None] = ContextVar("cpu_time", default=None)


def current_cpu_time() -> CpuTime:
    """The count of the innermost `measure_cpu_time` block; outside of any, a new one that counts from now on."""
    count = _current.get()
    if count is None:
        count = CpuTime()
        _current.set(count)
    return count


@contextmanager
def measure_cpu_time() -> Iterator[CpuTime]:
    """Count what is requested in the block, and in the tasks that it makes, in a new CpuTime."""
    token = _current.set(CpuTime())
    try:
        yield current_cpu_time()
    finally:
        _current.reset(token)


def add_cpu_seconds(seconds: float) -> None:
    """Add the processor time of a request to the count of the present task, if it has one."""
    if (count := _current.get()) is not None:
        count.seconds += seconds


class CpuClock:
    """A clock of the processor time (`cpu`) and wall time (`wall`), in seconds, of a process since it was made."""

    def __init__(self, pid: int) -> None:
        self._pid, self._start, self._before = pid, time.monotonic(), process_cpu_seconds(pid)
        self._last = 0.0

    @property
    def wall(self) -> float:
        """Wall time in seconds."""
        return time.monotonic() - self._start

    @property
    def cpu(self) -> float:
        """Processor time in seconds; of a process that has ended, the last value seen; wall time without /proc."""
        if self._before is None:
            return self.wall
        now = process_cpu_seconds(self._pid)
        if now is not None:
            self._last = now - self._before
        return self._last


def process_cpu_seconds(pid: int) -> float | None:
    """Processor time of a process with all of its threads, in seconds; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS
    except (OSError, ValueError, IndexError):
        return None
