"""A log filter, so that clients cannot fill the log."""

from __future__ import annotations

import logging
import time
from collections import Counter

SECONDS = 10.0


class RateLimit(logging.Filter):
    """Passes a warning once in `seconds`, with the number of equal ones left out since. Errors always pass."""

    def __init__(self, seconds: float = SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._last: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged."""
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
    """Add the filter to the loggers of connections and malformed requests."""
    for name in ("uvicorn.error", "prover.api.connection"):
        logging.getLogger(name).addFilter(_rate_limit)  # a second addFilter has no effect
