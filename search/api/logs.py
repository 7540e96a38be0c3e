"""A log that clients cannot fill."""

from __future__ import annotations

import logging
import time
from collections import Counter

SECONDS = 10.0


class RateLimit(logging.Filter):
    """Lets a warning through once in some seconds, and says how many of its kind were left out. Errors all pass."""

    def __init__(self, seconds: float = SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.WARNING:
            return True
        kind, now = str(record.msg), time.monotonic()
        if now < self._last.get(kind, -self._seconds) + self._seconds:
            self._left_out[kind] += 1
            return False
        self._last[kind] = now
        if left_out := self._left_out.pop(kind, 0):
            record.msg, record.args = f"{record.getMessage()} (and {left_out} times before)", ()
        return True


_rate_limit = RateLimit()


def install() -> None:
    """Have what is said about connections and malformed requests pass that filter."""
    for name in ("uvicorn.error", "prover.api.connection"):
        logging.getLogger(name).addFilter(_rate_limit)  # added twice, it is there once
