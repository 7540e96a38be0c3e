"""The metrics of the service, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lean_env import Reason

_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)  # seconds: a check takes some 0.03, a search minutes


class Metrics:
    """Counters in a registry of their own, so that several applications in one process stay apart."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("prover_requests", "Requests answered.", ["path", "status"], registry=registry)
        self.seconds = Histogram(
            "prover_request_seconds",
            "From a request's head to its answer.",
            ["path"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.proofs = Counter("prover_proofs_found", "Proofs that a search found.", registry=registry)
        self.verdicts = Counter("prover_verdicts", "Verdicts given to clients.", ["reason"], registry=registry)
        self.running = Gauge("prover_requests_running", "Requests that Lean works on.", registry=registry)
        self.waiting = Gauge("prover_requests_waiting", "Requests that wait for their turn.", registry=registry)

    def judged(self, reasons: Iterable[Reason | None]) -> None:
        """Count verdicts; None is a theorem without one."""
        for reason in reasons:
            if reason is not None:
                self.verdicts.labels(str(reason)).inc()


class MetricsMiddleware:
    """Counts and times requests. Unknown paths count as one: a client could invent many."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, paths: Collection[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status, start = 500, time.monotonic()

        async def tracked_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, tracked_send)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.monotonic() - start)
