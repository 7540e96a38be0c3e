"""What is counted, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lean_env import Reason

_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)  # seconds: a check takes some 0.03, a search minutes


class Metrics:
    """In a registry of its own: several applications in one process do not add up."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.requests = Counter("prover_requests", "Requests answered.", ["path", "status"], registry=own)
        self.seconds = Histogram(
            "prover_request_seconds", "From a request's head to its answer.", ["path"], buckets=_BUCKETS, registry=own
        )
        self.proofs = Counter("prover_proofs_found", "Proofs that a search found.", registry=own)
        self.verdicts = Counter("prover_verdicts", "Verdicts given to clients.", ["reason"], registry=own)
        self.running = Gauge("prover_requests_running", "Requests that Lean works on.", registry=own)
        self.waiting = Gauge("prover_requests_waiting", "Requests that wait for their turn.", registry=own)

    def judged(self, reasons: Iterable[Reason | None]) -> None:
        """Count verdicts; None is a theorem without one."""
        for reason in reasons:
            if reason is not None:
                self.verdicts.labels(str(reason)).inc()


class MetricsMiddleware:
    """Middleware: counts requests and times them. Paths that are none of ours are one: a client could invent many."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, paths: Collection[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status, start = 500, time.monotonic()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.monotonic() - start)
