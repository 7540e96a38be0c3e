"""The FastAPI application: its paths and its middleware."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from lean_env import LeanPool
from prover.policy import Policy
from search.api import body, docs, errors, handlers
from search.api.limits import APILimits
from search.api.metrics import Metrics, MetricsMiddleware
from search.api.middleware import AuthMiddleware
from search.api.request_queue import RequestQueue
from search.api.schema import CheckAnswer, CheckRequest, Failure, Health, ProveAnswer, ProveRequest
from search.prove import Status

__all__ = ["APILimits", "create_app"]

_ABOUT = """\
Proves Lean 4 statements, and decides whether a solution proves what a challenge states.

At most {running} requests are worked on at a time and {waiting} wait; a further one gets 503 at once. A theorem gets at
most {seconds:g} s, and so has Lean to read what was sent; a request as a whole gets at most {request_seconds:g} s.
A request has at most {theorems} theorems, {text_length} characters in each text, {body_bytes} bytes in all, and
{body_seconds:g} s to arrive. Close the connection to end a search.
A found proof has been judged by Lean and again by a second Lean process.
"""
_STATUS = {
    401: "The token is missing or wrong.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    421: "The `Host` is not this machine; without a token, no other is served.",
    422: "The request or its Lean text is wrong.",
    500: "An error of the server's; the message has the id under which its log tells of it.",
    502: "What writes the proofs cannot be reached.",
    503: "Too many requests, or the server is shutting down.",
}
_HEADERS = {401: "WWW-Authenticate", 503: "Retry-After"}


def create_app(pool: LeanPool, policy: Policy, limits: APILimits | None = None, token: str | None = None) -> FastAPI:
    """Return the application.

    The pool stays the caller's, who closes it afterwards. All clients share what the policy learns. token: what clients
    must send as `Authorization: Bearer TOKEN`; None: no token, but only requests to a loopback name or address are
    served. Raises ValueError for an empty token.
    """
    if token is not None and not token.strip():
        raise ValueError("an empty token protects nothing")
    limits, metrics = limits or APILimits(), Metrics()
    queue = RequestQueue(limits.running, limits.waiting, metrics)
    app = FastAPI(title="Prover", description=_ABOUT.format(**limits.model_dump()), docs_url=None, redoc_url=None)
    app.state.limits, app.state.queue = limits, queue
    app.router.route_class = body.route(limits)
    # Only for the schema: the middleware checks the token before the body is read, and dependencies run after that.
    auth_schema = [] if token is None else [Depends(HTTPBearer(auto_error=False))]
    access_statuses = [421] if token is None else [401]
    error_statuses = [*access_statuses, 408, 413, 415, 422, 500, 503]

    @app.get("/health", responses=_failures([421] if token is None else []))
    async def health() -> Health:
        """State of the server: Lean's version and the policy."""
        return Health(status="ok", lean=pool.lean.version if pool.lean else None, policy=policy.name)

    @app.get(
        "/metrics",
        dependencies=auth_schema,
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **_failures(access_statuses)},
    )
    async def read_metrics() -> Response:
        """Metrics for Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.post("/v1/prove", dependencies=auth_schema, responses=_failures([*error_statuses, 502]))
    async def prove(payload: ProveRequest, request: Request) -> ProveAnswer:
        """Find proofs for the theorems that have none, and check the others, in order, each with those before it.

        Without `theorems` all of them are meant."""
        result = await queue.run(request, handlers.prove(pool, policy, limits, payload))
        metrics.judged(row.reason for row in result.theorems)
        metrics.proofs.inc(sum(row.status is Status.PROVED for row in result.theorems))
        return result

    @app.post("/v1/check", dependencies=auth_schema, responses=_failures(error_statuses))
    async def check(payload: CheckRequest, request: Request) -> CheckAnswer:
        """Decide whether the solution proves what the challenge states, whatever the solution looks like.

        Without `theorems` those of the challenge are meant that have a `sorry`, or all where none has one."""
        result = await queue.run(request, handlers.check(pool, limits, payload))
        metrics.judged(row.reason for row in result.theorems)
        return result

    errors.install(app)
    docs.install(app)
    app.add_middleware(AuthMiddleware, token=token, limits=limits)
    app.add_middleware(errors.UnexpectedErrorMiddleware)
    paths = {"/health", "/metrics", "/v1/prove", "/v1/check", *docs.PATHS}
    app.add_middleware(MetricsMiddleware, metrics=metrics, paths=paths)  # added last, so outermost
    return app


def _failures(statuses: list[int]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses for these statuses."""
    return {
        status: {"model": Failure, "description": _STATUS[status]}
        | ({"headers": {_HEADERS[status]: {"schema": {"type": "string"}}}} if status in _HEADERS else {})
        for status in statuses
    }
