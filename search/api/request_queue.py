"""How many requests are worked on at a time, and for how long: no longer than somebody waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request

from search.api.errors import RETRY, Refused, shutting_down
from search.api.metrics import Metrics
from search.searcher import stop

T = TypeVar("T")
_CLOSED = 499  # what nginx writes into its log for a client that is gone; nobody receives it


class RequestQueue:
    """Requests in order: a few are worked on, a few more wait, and the others are refused at once."""

    def __init__(self, running: int, waiting: int, metrics: Metrics) -> None:
        self._places = asyncio.Semaphore(running)
        self._most = f"at most {running} requests are worked on at a time, and {waiting} wait"
        self._limit = waiting
        self._tasks: set[asyncio.Task[Any]] = set()  # of all requests
        self._waiting: set[asyncio.Task[Any] | None] = set()  # of those without a turn yet
        self._closed = False
        self._metrics = metrics

    async def run(self, request: Request, work: Coroutine[Any, Any, T]) -> T:
        """Do a request's work when its turn comes; given up when the client is gone.

        Raises Refused if too many wait already or the server shuts down, and what the work raises.
        """
        task, gone = asyncio.create_task(self._in_turn(work)), asyncio.create_task(_gone(request))
        self._tasks.add(task)
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if task.cancelled():
                raise shutting_down()
            if not task.done():
                raise Refused(_CLOSED, "the client is gone")
            return task.result()
        finally:
            self._tasks.discard(task)
            await stop((task, gone))
            work.close()  # it may not have begun

    def close(self, grace: float) -> None:
        """Let the requests that have their turn go on for some seconds; all others get 503 from now on."""
        self._closed = True
        for task in self._tasks & self._waiting:
            task.cancel()
        asyncio.get_running_loop().call_later(grace, self._end)

    def _end(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _in_turn(self, work: Coroutine[Any, Any, T]) -> T:
        async with self._turn():
            return await work

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._closed:
            raise shutting_down()
        if self._places.locked() and len(self._waiting) >= self._limit:
            raise Refused(503, f"too many requests: {self._most}", headers=RETRY)
        task = asyncio.current_task()
        self._waiting.add(task)
        try:
            with self._metrics.waiting.track_inprogress():
                await self._places.acquire()
        finally:
            self._waiting.discard(task)
        try:
            with self._metrics.running.track_inprogress():
                yield
        finally:
            self._places.release()


async def _gone(request: Request) -> None:
    """Until the client is gone. (Its request has been read to the end.)"""
    while (await request.receive())["type"] != "http.disconnect":
        pass
