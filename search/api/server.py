"""The server: the application on a socket, with limits on connections and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from functools import partial
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from search.api import logs
from search.api.connection import Connection, Connections
from search.api.limits import Limits
from search.api.request_queue import RequestQueue

GRACE = 5  # seconds that requests under way may take when the server is stopped
_FEW = 8  # connections; with fewer a server is of no use
_ACCEPTED = 8  # connections accepted at once; so many more than the limit can be open for a moment
_QUEUE = 128  # connections that the system keeps until they are accepted
_FILES = 8  # open files of a Lean process, while it is started
_log = logging.getLogger("prover.api.connection")


def max_connections(limits: Limits, processes: int) -> int:
    """How many connections may be open: as configured, and at most half of what the limit of open files leaves.

    The other half is for the server's own connections to a model and whatever else it opens. `processes`: of Lean.
    Raises ValueError if too few are left.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return limits.connections
    half = (files - len(os.listdir("/dev/fd")) - _FILES * processes) // 2
    if half < min(_FEW, limits.connections):
        raise ValueError(f"{files} open files (`ulimit -n`) are too few for a server with {processes} Lean processes")
    return min(limits.connections, half)


class Server(uvicorn.Server):
    """Serves an application that `app.create` made. `connections`: the limit on open ones."""

    def __init__(self, app: FastAPI, connections: int | None = None) -> None:
        limits: Limits = app.state.limits
        self._queue: RequestQueue = app.state.queue
        others = Connections(limits, connections or limits.connections)
        super().__init__(
            uvicorn.Config(
                app,
                http=cast(type[asyncio.Protocol], partial(Connection, others)),
                ws="none",
                lifespan="off",
                log_level="warning",
                proxy_headers=False,
                server_header=False,
                backlog=_ACCEPTED,
                timeout_graceful_shutdown=GRACE + 2,  # what the queue lets go has its answer by then
            )
        )
        logs.install()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(_on_loop_error)
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_QUEUE)  # asyncio has made it as short as what it accepts at once

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._queue.close(GRACE)
        await super().shutdown(sockets)
        if self.server_state.tasks:  # cancelled; they may still say so to their clients
            await asyncio.wait(self.server_state.tasks, timeout=1)


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """One line, not a traceback each second, when there are no open files left for a connection."""
    if "socket.accept()" in str(context.get("message")):
        _log.warning("no connection can be accepted: %s", context.get("exception"))
    else:
        loop.default_exception_handler(context)
