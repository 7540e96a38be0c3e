"""What a request must have before anything is done for it: the key, a media type that we read, not too large a body."""

from __future__ import annotations

import hmac

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prover.cli.api.errors import Refused

OPEN = frozenset({"/health", "/docs", "/openapi.json"})
"""Paths that need no key: they say nothing of what the server has been asked."""


class Gate:
    """Middleware. It looks at the headers before a byte of the body is read; the body is counted as it comes in."""

    def __init__(self, app: ASGIApp, *, key: str | None, largest: int) -> None:
        self._app = app
        self._key = None if key is None else key.encode()
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            headers = dict(scope["headers"])
            self._admit(scope, headers)
        except Refused as refused:
            return await refused.response()(scope, receive, send)
        size = 0

        async def receiving() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._largest:
                raise self._too_large()
            return message

        await self._app(scope, receiving, send)

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        if self._key is not None and scope["path"] not in OPEN:
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._key):
                wrong = ', error="invalid_token"' if token else ""
                told = {"WWW-Authenticate": f'Bearer realm="prover"{wrong}'}
                raise Refused(401, "a key is needed: `Authorization: Bearer KEY`", headers=told)
        if scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            return
        # A web page cannot send this type to another site without asking, and we do not let it. (A page whose own name
        # has been made to lead here is no other site: against that there is the key.)
        media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if media != b"application/json":
            raise Refused(415, "the body must be JSON: `Content-Type: application/json`")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._largest:
            raise self._too_large()

    def _too_large(self) -> Refused:
        return Refused(413, f"the body is too large: at most {self._largest} bytes")
