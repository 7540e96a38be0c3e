"""Connection: a client's connection with time limits, and the limit on the number of connections.

uvicorn has no time limit for a request's head and none for fetching an answer; a body's is in middleware.py.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from search.api.errors import error_response
from search.api.limits import APILimits

_PROBE_SECONDS = 0.5  # seconds between probes of a half-closed connection
_CLOSE_SECONDS = 1.0  # seconds that a client has to fetch the last response
_log = logging.getLogger("prover.api.connection")


def mark_admitted(state: dict[str, Any]) -> None:
    """Mark a request as admitted, in the `state` of its scope: its connection is not closed to make room."""
    state["admitted"] = True


class Connections:
    """All open connections, and the limit on their number.

    A new connection beyond the limit replaces the one that has been without an admitted request for longest, so clients
    that send nothing do not keep others out. If all have requests, the new one is refused.
    """

    def __init__(self, limits: APILimits, limit: int) -> None:
        self.limits, self.limit = limits, limit
        self._open: dict[Connection, None] = {}  # the one whose phase has lasted longest is the first

    def admit(self, new: Connection) -> bool:
        """Return whether a new connection may stay."""
        if len(self._open) >= self.limit:
            oldest = next((connection for connection in self._open if not connection.protected), None)
            if oldest is None:
                _log.warning("a connection was refused: there are %d, the limit, and all are at work", self.limit)
                return False
            _log.warning("a connection without a request was closed: there were %d, the limit", self.limit)
            oldest.transport.abort()
            self.remove(oldest)
        self._open[new] = None
        return True

    def touch(self, connection: Connection) -> None:
        """Note that a connection starts a new phase."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def remove(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)


class _Phase(Enum):
    """The event that a connection waits for."""

    NEW = "not yet looked at"
    HEAD = "a request's head; the client may still fetch the last answer, or send the rest of a refused body"
    WORK = "the request's body or its answer"
    SENDING = "the client to fetch an answer that is larger than the buffers"


class Connection(H11Protocol):
    """uvicorn's protocol with time limits; a client that half-closes its connection still gets its answer."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._connections, self._limits = connections, connections.limits
        self._phase, self._since = _Phase.NEW, 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._half_closed = False

    @property
    def protected(self) -> bool:
        """Whether an admitted request is running."""
        return self._busy and bool(self.scope["state"].get("admitted"))

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    # ---- what asyncio and uvicorn call ----

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Admit or refuse a new connection."""
        super().connection_made(transport)
        if self._connections.admit(self):
            self._update_phase()
        else:
            self._refuse(503, f"too many connections: at most {self._connections.limit}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection and its timers."""
        self._connections.remove(self)
        for timer in (self._timer, self._probe):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data; the phase may change."""
        super().data_received(data)
        self._update_phase()

    def pause_writing(self) -> None:
        """Stop writing; the phase may change."""
        super().pause_writing()
        self._update_phase()

    def on_response_complete(self) -> None:
        """Start the next phase after a response."""
        super().on_response_complete()  # starts the next request, if it has arrived
        self._phase = _Phase.NEW
        self._update_phase()
        if self._half_closed and not self._busy:
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn returns nothing, which closes the connection
        """Keep the connection open for the answer. (An HTTP/1.0 client cannot be probed: its end is the end.)"""
        whole = self.conn.their_state in (h11.DONE, h11.MUST_CLOSE)
        self._half_closed = self._busy and whole and self.scope["http_version"] == "1.1"
        if self._half_closed and self._probe is None:
            self._probe = self.loop.call_later(_PROBE_SECONDS, self._probe_client)
        return self._half_closed

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: uvicorn advises to install a library that nobody needs here."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(400, "this is not HTTP/1.1 that can be read")

    # ---- limits ----

    def _update_phase(self) -> None:
        """Start a new phase if the state of the connection has changed."""
        phase = _Phase.HEAD if not self._busy else _Phase.SENDING if self.flow.write_paused else _Phase.WORK
        if phase is self._phase or (self._phase, phase) == (_Phase.SENDING, _Phase.WORK):
            return
        self._phase, self._since = phase, self.loop.time()
        self._connections.touch(self)
        self._check_deadline()

    def _check_deadline(self) -> None:
        """Close the connection if the time of its phase is over; otherwise check again when it will be."""
        if self._timer is not None:
            self._timer.cancel()
        if self._phase is _Phase.WORK:
            return
        fetching = self._phase is _Phase.SENDING or self.transport.get_write_buffer_size() > 0
        seconds = self._limits.body_seconds if fetching else self._limits.head_seconds
        remaining = self._since + seconds - self.loop.time()
        if remaining > 0:
            self._timer = self.loop.call_later(remaining, self._check_deadline)
        elif self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            _log.warning("a connection was closed: the request's head did not arrive within %g s", seconds)
            self._refuse(408, f"the request's head did not arrive within {seconds:g} s")
        else:
            self.transport.abort()

    def _refuse(self, status: int, message: str) -> None:
        """Send an error response, if one can still be sent, and close."""
        response = error_response(status, message)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in (
                h11.Response(status_code=status, headers=[*response.raw_headers, (b"connection", b"close")]),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        if self._busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
        self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)

    # ---- half-closed connections ----

    def _probe_client(self) -> None:
        """Check whether the client of a half-closed connection is still there.

        Half-closed and closed connections look alike until something is sent. Clients skip an interim response; a
        closed connection answers it with a reset, so that the next one fails.
        """
        if self._busy and not self.cycle.response_started and not self.transport.is_closing():
            interim = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self.transport.write(self.conn.send(interim) or b"")
            self._probe = self.loop.call_later(_PROBE_SECONDS, self._probe_client)
