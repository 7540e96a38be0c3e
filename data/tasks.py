"""Bounded concurrency over many items."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def map_ordered(work: Callable[[T], Awaitable[R]], items: Iterable[T], at_once: int) -> AsyncGenerator[R]:
    """Yield the results of `work` on the items, in their order; at most `at_once` are under way or wait to be taken."""

    async def one(item: T) -> R:
        return await work(item)

    running: deque[asyncio.Task[R]] = deque()
    try:
        for item in items:
            running.append(asyncio.create_task(one(item)))
            if len(running) >= at_once:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
