"""RequestQueue: limits how many requests are worked on at once, and drops those whose client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request

from search.api.errors import RETRY_HEADERS, RequestRefused, shutting_down
from search.api.metrics import Metrics
from search.searcher import cancel_tasks

T = TypeVar("T")
_CLIENT_CLOSED = 499  # nginx's status for a client that is gone; nobody receives it


class RequestQueue:
    """Runs a few requests at once, lets a few more wait in order, and refuses the rest immediately."""

    def __init__(self, running: int, waiting: int, metrics: Metrics) -> None:
        self._slots = asyncio.Semaphore(running)
        self._limits_text = f"at most {running} requests are worked on at a time, and {waiting} wait"
        self._max_waiting = waiting
        self._tasks: set[asyncio.Task[Any]] = set()  # of all requests
        self._waiting: set[asyncio.Task[Any] | None] = set()  # of those that have no slot yet
        self._closed = False
        self._metrics = metrics

    async def run(self, request: Request, work: Coroutine[Any, Any, T]) -> T:
        """Run the work of a request when its turn comes; cancel it when the client is gone.

        Raises RequestRefused if too many requests wait or the server shuts down, and the errors of the work.
        """
        task, gone = asyncio.create_task(self._run_in_turn(work)), asyncio.create_task(_client_gone(request))
        self._tasks.add(task)
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if task.cancelled():
                raise shutting_down()
            if not task.done():
                raise RequestRefused(_CLIENT_CLOSED, "the client is gone")
            return task.result()
        finally:
            self._tasks.discard(task)
            await cancel_tasks((task, gone))
            work.close()  # it may not have started

    def close(self, grace: float) -> None:
        """Let running requests continue for `grace` seconds; all others get 503 from now on."""
        self._closed = True
        for task in self._tasks & self._waiting:
            task.cancel()
        asyncio.get_running_loop().call_later(grace, self._cancel_all)

    def _cancel_all(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _run_in_turn(self, work: Coroutine[Any, Any, T]) -> T:
        async with self._turn():
            return await work

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._closed:
            raise shutting_down()
        if self._slots.locked() and len(self._waiting) >= self._max_waiting:
            raise RequestRefused(503, f"too many requests: {self._limits_text}", headers=RETRY_HEADERS)
        task = asyncio.current_task()
        self._waiting.add(task)
        try:
            with self._metrics.waiting.track_inprogress():
                await self._slots.acquire()
        finally:
            self._waiting.discard(task)
        try:
            with self._metrics.running.track_inprogress():
                yield
        finally:
            self._slots.release()


async def _client_gone(request: Request) -> None:
    """Wait until the client is gone. (Its request has been read to the end.)"""
    while (await request.receive())["type"] != "http.disconnect":
        pass
