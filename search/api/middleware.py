"""What a request must have before anything is done for it: a host or the token, a media type, a body within limits."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.api import connection, docs
from search.api.errors import Refused
from search.api.limits import Limits

OPEN = frozenset({"/health", *docs.PATHS})
"""Paths that need no token: they say nothing of what the server has been asked."""


class AuthMiddleware:
    """Refuses requests without the token, from other hosts, or with a body that is no JSON or too large.

    It looks at the headers before a byte of the body is read; the body is counted as it comes in. Without a token, only
    requests to this machine by a loopback name or address are served: a web page whose own name has been made to lead
    here (DNS rebinding) has its own name as `Host`.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, limits: Limits) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            self._check(scope, dict(scope["headers"]))
        except Refused as refused:
            return await refused.response()(scope, receive, send)
        await self._app(scope, self._limited(scope, receive), send)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Raises Refused for a request that may not come in."""
        if self._token is None:
            self._check_host(scope, headers)
        elif scope["path"] not in OPEN:
            self._check_token(self._token, headers)
            connection.mark_admitted(scope["state"])
        if scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            return
        # A web page cannot send this type to another site without asking, and we do not let it.
        media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media != b"application/json":
            raise Refused(415, "the body must be JSON: `Content-Type: application/json`")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            raise self._too_large()

    def _check_host(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        host = host_name(headers.get(b"host", b"").decode("latin-1"))
        if not is_loopback(host) and host != (scope.get("server") or ("",))[0]:
            raise Refused(421, "without a token, only requests to a loopback name or address are served: try localhost")

    def _check_token(self, token: bytes, headers: dict[bytes, bytes]) -> None:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), token):
            wrong = ', error="invalid_token"' if given else ""
            told = {"WWW-Authenticate": f'Bearer realm="prover"{wrong}'}
            raise Refused(401, "a token is needed: `Authorization: Bearer TOKEN`", headers=told)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """What receives the request's body, within its limits, and then waits for the client to leave."""
        size, whole = 0, False
        end = asyncio.get_running_loop().time() + self._limits.body_seconds

        async def receiving() -> Message:
            nonlocal size, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                raise Refused(408, f"the body did not arrive within {self._limits.body_seconds:g} s") from None
            size += len(message.get("body", b""))
            if size > self._limits.body_bytes:
                raise self._too_large()
            whole = not message.get("more_body", False)
            if whole and self._token is None:
                connection.mark_admitted(scope["state"])
            return message

        return receiving

    def _too_large(self) -> Refused:
        return Refused(413, f"the body is too large: at most {self._limits.body_bytes} bytes")


def host_name(header: str) -> str:
    """The host of a `Host` header, without its port and the brackets of IPv6."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def is_loopback(host: str) -> bool:
    """Does a name or address always lead to the machine that it is used on?"""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
