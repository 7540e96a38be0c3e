"""Locks on files, between processes."""

from __future__ import annotations

import fcntl
from typing import IO, Any


def lock(file: IO[Any]) -> bool:
    """Lock an open file until it is closed; False if it is locked already.

    The system frees it however the process ends. Raises OSError if the file system knows no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
