"""APIServer: the application on a socket, with limits on connections and an orderly shutdown."""

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
from search.api.limits import APILimits
from search.api.request_queue import RequestQueue

GRACE = 5  # seconds that running requests may take when the server stops
_MIN_CONNECTIONS = 8  # connections; with fewer a server is of no use
_ACCEPT_BACKLOG = 8  # connections accepted at once; so many more than the limit can be open for a moment
_LISTEN_BACKLOG = 128  # connections that the system keeps until they are accepted
_FILES_PER_PROCESS = 8  # open files of a Lean process, while it is started
_log = logging.getLogger("prover.api.connection")


def max_connections(limits: APILimits, processes: int) -> int:
    """Return how many connections may be open: as configured, and at most half of the free open files.

    The other half is for the server's own connections to a model and other files. processes: Lean processes. Raises
    ValueError if too few are left.
    """
    max_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if max_files == resource.RLIM_INFINITY:
        return limits.connections
    available = (max_files - len(os.listdir("/dev/fd")) - _FILES_PER_PROCESS * processes) // 2
    if available < min(_MIN_CONNECTIONS, limits.connections):
        raise ValueError(
            f"{max_files} open files (`ulimit -n`) are too few for a server with {processes} Lean processes"
        )
    return min(limits.connections, available)


class APIServer(uvicorn.Server):
    """Serves an application made by `app.create_app`. `connections`: the limit on open ones."""

    def __init__(self, app: FastAPI, connections: int | None = None) -> None:
        limits: APILimits = app.state.limits
        self._queue: RequestQueue = app.state.queue
        all_connections = Connections(limits, connections or limits.connections)
        super().__init__(
            uvicorn.Config(
                app,
                http=cast(type[asyncio.Protocol], partial(Connection, all_connections)),
                ws="none",
                lifespan="off",
                log_level="warning",
                proxy_headers=False,
                server_header=False,
                backlog=_ACCEPT_BACKLOG,
                timeout_graceful_shutdown=GRACE + 2,  # what the queue lets go has its answer by then
            )
        )
        logs.install()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, with one-line errors for failed accepts."""
        asyncio.get_running_loop().set_exception_handler(_on_loop_error)
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_LISTEN_BACKLOG)  # asyncio has made it as short as what it accepts at once

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the queue, then the server; running requests may end first."""
        self._queue.close(GRACE)
        await super().shutdown(sockets)
        if self.server_state.tasks:  # cancelled; they may still say so to their clients
            await asyncio.wait(self.server_state.tasks, timeout=1)


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log one line, not a traceback each second, when no open files are left for a connection."""
    if "socket.accept()" in str(context.get("message")):
        _log.warning("no connection can be accepted: %s", context.get("exception"))
    else:
        loop.default_exception_handler(context)
