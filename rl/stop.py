"""Stopping a run at a point from which it can go on."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_LOOK = 0.2  # seconds between two looks at whether it is to stop
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """A run was asked to stop, and has; str() says from where the same command goes on."""


async def unless(stop: threading.Event, work: Awaitable[T], said: str) -> T:
    """The result of some work. Raises Interrupted(said), and cancels the work, if `stop` is set first."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=_LOOK))[0]:
            if stop.is_set():
                raise Interrupted(said)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@contextmanager
def on_signals(stop: threading.Event, tell: Callable[[int], None]) -> Iterator[None]:
    """In a running event loop: the first SIGINT or SIGTERM sets `stop`; a second one ends the process at once.

    tell: takes the number of the first signal.
    """
    loop = asyncio.get_running_loop()

    def first(number: int) -> None:
        restore(signal.SIG_DFL)
        stop.set()
        tell(number)

    def restore(sigint: signal.Handlers | Callable[..., object]) -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, sigint)

    for number in _SIGNALS:
        loop.add_signal_handler(number, first, number)
    try:
        yield
    finally:
        restore(signal.SIG_DFL if stop.is_set() else signal.default_int_handler)
