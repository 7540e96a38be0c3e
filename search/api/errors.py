"""Error responses: everything that goes wrong reaches the client as a schema.Failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from data.lean_file import FileError
from lean_env import PoolClosed
from lean_env.check import InputError
from lean_env.process import OutOfMemory, OutOfTime, StackOverflow
from prover.policy import PolicyUnavailable
from search.api.schema import ErrorBody, Failure

_INVALID_REQUEST = "the request is not as it should be"
_SHUTTING_DOWN = "the server is shutting down"
RETRY_HEADERS = {"Retry-After": "5"}  # seconds after which a client that was sent away may try again
_MAX_MESSAGES = 100  # messages of one answer
_log = logging.getLogger("prover.api")


class RequestRefused(HTTPException):
    """A request that gets no result: its status, a message, and details for the client."""

    def __init__(
        self, status: int, message: str, messages: Iterable[str] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.messages = tuple(messages)

    def response(self) -> Response:
        """Return the HTTP response."""
        return error_response(self.status_code, str(self.detail), self.messages, self.headers)


def invalid_request(message: str) -> RequestRefused:
    """Return the refusal (422) of a readable request that asks for something impossible."""
    return RequestRefused(422, _INVALID_REQUEST, [message])


def shutting_down() -> RequestRefused:
    """Return the refusal (503) of requests that arrive while the service stops."""
    return RequestRefused(503, _SHUTTING_DOWN, headers=RETRY_HEADERS)


def error_response(
    status: int, message: str, messages: Iterable[str] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the response with a Failure as its body."""
    all_messages = list(messages)
    listed = [
        *all_messages[:_MAX_MESSAGES],
        *([f"… and {len(all_messages) - _MAX_MESSAGES} more"] if len(all_messages) > _MAX_MESSAGES else []),
    ]
    body = Failure(error=ErrorBody(message=_text(message), messages=[_text(m) for m in listed]))
    return JSONResponse(body.model_dump(), status, headers)


def _text(text: str) -> str:
    """Return the text as valid Unicode: a message may quote lone surrogates of a request."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def install(app: FastAPI) -> None:
    """Register the handlers of known errors; UnexpectedErrorMiddleware handles all others."""

    def handle_with(kind: type[Exception], status: int, template: str = "{}") -> None:
        async def handle(_: Request, error: Exception) -> Response:
            messages = map(str, error.messages) if isinstance(error, FileError) else ()
            return error_response(status, template.format(error), messages, RETRY_HEADERS if status == 503 else None)

        app.add_exception_handler(kind, handle)

    handle_with(FileError, 422)
    handle_with(InputError, 422, "Lean cannot read it: {}")
    for death in (OutOfTime, OutOfMemory, StackOverflow):  # what the text asks of Lean while it is read
        handle_with(death, 422, "Lean could not read it: {}")
    handle_with(PolicyUnavailable, 502)
    handle_with(PoolClosed, 503, _SHUTTING_DOWN)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(StarletteHTTPException, _handle_http_exception)


async def _handle_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if isinstance(error, RequestRefused):
        return error.response()
    if error.status_code == 400:  # what json.loads ends with other than its own error: no UTF-8, nested too deep, …
        return error_response(422, "the body is not JSON that can be read")
    return error_response(error.status_code, str(error.detail), headers=error.headers)


async def _handle_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(422, _INVALID_REQUEST, [_field(e) for e in error.errors()])


def _field(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"not JSON at character {error['loc'][-1]}: {error['ctx']['error']}"
    location = ".".join(str(part) for part in error["loc"][1:])
    message = error["msg"].removeprefix("Value error, ")
    return f"{location}: {message}" if location else message


class UnexpectedErrorMiddleware:
    """Logs an unexpected error with an id, and sends the client nothing but the id.

    A request that uvicorn cancels at shutdown, because it takes too long, gets an answer too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response_started = False

        async def tracked_send(message: Message) -> None:
            nonlocal response_started
            response_started = True
            await send(message)

        try:
            await self._app(scope, receive, tracked_send)
        except asyncio.CancelledError:
            if not response_started:
                await shutting_down().response()(scope, receive, send)
        except Exception:
            error_id = uuid4().hex[:12]
            _log.exception("%s %s: error %s", scope.get("method"), scope.get("path"), error_id)
            if response_started:  # half an answer is out: only the server can end the connection
                raise
            response = error_response(500, f"an error of the server's; its log has it as {error_id}")
            await response(scope, receive, send)
