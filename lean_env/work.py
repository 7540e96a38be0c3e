"""What Lean's processes work for somebody: processor time, which is the same on a busy machine and on an idle one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12  # fields of /proc/PID/stat after the command's name


@dataclass
class Work:
    """Seconds of processor time that Lean's processes have spent on what was asked in a `counted` block.

    Where a system does not tell (it is no Linux), and of Ray's workers, they are seconds of wall time.
    """

    seconds: float = 0.0


_current: ContextVar[Work | None] = ContextVar("work", default=None)


def current() -> Work:
    """The account of the innermost `counted` block; a new one where there is none."""
    work = _current.get()
    if work is None:
        work = Work()
        _current.set(work)
    return work


@contextmanager
def counted() -> Iterator[Work]:
    """Everything that is asked in the block, and in the tasks that it makes, counts for one new account."""
    token = _current.set(Work())
    try:
        yield current()
    finally:
        _current.reset(token)


def add(seconds: float) -> None:
    """Seconds that were spent on what the present task has asked."""
    if (work := _current.get()) is not None:
        work.seconds += seconds


class Clock:
    """How long a process has worked since the clock was made: `wall` and `worked`, in seconds."""

    def __init__(self, pid: int) -> None:
        self._pid, self._start, self._before = pid, time.monotonic(), processor_time(pid)
        self._last = 0.0

    @property
    def wall(self) -> float:
        return time.monotonic() - self._start

    @property
    def worked(self) -> float:
        """Of a process that has ended, what was seen last; wall time where the system does not tell."""
        if self._before is None:
            return self.wall
        now = processor_time(self._pid)
        if now is not None:
            self._last = now - self._before
        return self._last


def processor_time(pid: int) -> float | None:
    """Seconds of processor time of a process, all of its threads; None where that is not known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS
    except (OSError, ValueError, IndexError):
        return None
