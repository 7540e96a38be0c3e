"""AuthMiddleware: checks a request before any work is done for it: host or token, media type, size of the body."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.api import connection, docs
from search.api.errors import RequestRefused
from search.api.limits import APILimits

PUBLIC_PATHS = frozenset({"/health", *docs.PATHS})
"""Paths that need no token: they reveal nothing of earlier requests."""


class AuthMiddleware:
    """Refuses requests without the token, from other hosts, or with a body that is not JSON or too large.

    The headers are checked before a byte of the body is read; the body is counted as it arrives. Without a token, only
    requests to this machine by a loopback name or address are served: a web page whose own name was made to lead here
    (DNS rebinding) has its own name as `Host`.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, limits: APILimits) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            self._check(scope, dict(scope["headers"]))
        except RequestRefused as refused:
            return await refused.response()(scope, receive, send)
        await self._app(scope, self._limited_receive(scope, receive), send)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Raise RequestRefused for a request that is not admitted."""
        if self._token is None:
            self._check_host(scope, headers)
        elif scope["path"] not in PUBLIC_PATHS:
            self._check_token(self._token, headers)
            connection.mark_admitted(scope["state"])
        if scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            return
        # A web page cannot send this type to another site without asking, and we do not let it.
        media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media != b"application/json":
            raise RequestRefused(415, "the body must be JSON: `Content-Type: application/json`")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            raise self._too_large()

    def _check_host(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        host = host_name(headers.get(b"host", b"").decode("latin-1"))
        if not is_loopback(host) and host != (scope.get("server") or ("",))[0]:
            raise RequestRefused(
                421, "without a token, only requests to a loopback name or address are served: try localhost"
            )

    def _check_token(self, token: bytes, headers: dict[bytes, bytes]) -> None:
        scheme, _, sent_token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(sent_token.strip(), token):
            error_code = ', error="invalid_token"' if sent_token else ""
            challenge = {"WWW-Authenticate": f'Bearer realm="prover"{error_code}'}
            raise RequestRefused(401, "a token is needed: `Authorization: Bearer TOKEN`", headers=challenge)

    def _limited_receive(self, scope: Scope, receive: Receive) -> Receive:
        """Return a `receive` that reads the body within its limits, and then waits for the client to leave."""
        size, is_complete = 0, False
        end = asyncio.get_running_loop().time() + self._limits.body_seconds

        async def limited_receive() -> Message:
            nonlocal size, is_complete
            if is_complete:
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                raise RequestRefused(408, f"the body did not arrive within {self._limits.body_seconds:g} s") from None
            size += len(message.get("body", b""))
            if size > self._limits.body_bytes:
                raise self._too_large()
            is_complete = not message.get("more_body", False)
            if is_complete and self._token is None:
                connection.mark_admitted(scope["state"])
            return message

        return limited_receive

    def _too_large(self) -> RequestRefused:
        return RequestRefused(413, f"the body is too large: at most {self._limits.body_bytes} bytes")


def host_name(header: str) -> str:
    """Return the host of a `Host` header, without its port and the brackets of IPv6."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def is_loopback(host: str) -> bool:
    """Return whether a name or address always leads to the machine that uses it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
