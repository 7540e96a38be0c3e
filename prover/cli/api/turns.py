"""How many requests are worked on at a time, and for how long: no longer than somebody waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request

from prover.cli.api.errors import Refused
from prover.cli.api.metrics import Metrics
from search.searcher import stop

T = TypeVar("T")
_RETRY = 5  # seconds after which a client that was sent away may try again
_CLOSED = 499  # what nginx writes into its log for a client that is gone; nobody receives it


class Turns:
    """A few requests have their turn, a few more wait for it in order, and the others are sent away at once."""

    def __init__(self, running: int, waiting: int, metrics: Metrics) -> None:
        self._places = asyncio.Semaphore(running)
        self._limit, self._waiting = waiting, 0
        self._metrics = metrics

    async def run(self, request: Request, work: Coroutine[Any, Any, T]) -> T:
        """Do a request's work when its turn comes; given up when the client is gone.

        Raises Refused if too many wait already, and what the work raises.
        """
        task, gone = asyncio.create_task(self._in_turn(work)), asyncio.create_task(_gone(request))
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Refused(_CLOSED, "the client is gone")
            return task.result()
        finally:
            await stop((task, gone))
            work.close()  # it may not have begun

    async def _in_turn(self, work: Coroutine[Any, Any, T]) -> T:
        async with self._turn():
            return await work

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._places.locked() and self._waiting >= self._limit:
            raise Refused(503, "too many requests wait already", headers={"Retry-After": str(_RETRY)})
        self._waiting += 1
        try:
            with self._metrics.waiting.track_inprogress():
                await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            with self._metrics.running.track_inprogress():
                yield
        finally:
            self._places.release()


async def _gone(request: Request) -> None:
    """Until the client is gone. (Its request has been read to the end.)"""
    while (await request.receive())["type"] != "http.disconnect":
        pass
