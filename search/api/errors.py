"""Everything that goes wrong comes to the client in one shape: see schema.Failure."""

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

_INVALID = "the request is not as it should be"
_END = "the server is shutting down"
RETRY = {"Retry-After": "5"}  # seconds after which a client that was sent away may try again
_SHOWN = 100  # messages of one answer
_log = logging.getLogger("prover.api")


class Refused(HTTPException):
    """A request that gets no result: the status and what to tell the client."""

    def __init__(
        self, status: int, message: str, messages: Iterable[str] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.messages = tuple(messages)

    def response(self) -> Response:
        return failure(self.status_code, str(self.detail), self.messages, self.headers)


def invalid(message: str) -> Refused:
    """The refusal of a request that can be read but asks for what there is not."""
    return Refused(422, _INVALID, [message])


def shutting_down() -> Refused:
    """The answer to requests that come while the service ends."""
    return Refused(503, _END, headers=RETRY)


def failure(
    status: int, message: str, messages: Iterable[str] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer for the client."""
    listed = list(messages)
    shown = [*listed[:_SHOWN], *([f"… and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else [])]
    body = Failure(error=ErrorBody(message=_text(message), messages=[_text(m) for m in shown]))
    return JSONResponse(body.model_dump(), status, headers)


def _text(said: str) -> str:
    """Text that is Unicode: a message may quote the lone surrogates of a request."""
    return said.encode("utf-8", "backslashreplace").decode("utf-8")


def install(app: FastAPI) -> None:
    """Have the application answer in this way. Whatever is not named here is for Unexpected."""

    def on(kind: type[Exception], status: int, say: str = "{}") -> None:
        async def handle(_: Request, error: Exception) -> Response:
            messages = map(str, error.messages) if isinstance(error, FileError) else ()
            return failure(status, say.format(error), messages, RETRY if status == 503 else None)

        app.add_exception_handler(kind, handle)

    on(FileError, 422)
    on(InputError, 422, "Lean cannot read it: {}")
    for death in (OutOfTime, OutOfMemory, StackOverflow):  # what the text asks of Lean while it is read
        on(death, 422, "Lean could not read it: {}")
    on(PolicyUnavailable, 502)
    on(PoolClosed, 503, _END)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StarletteHTTPException, _refused)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if isinstance(error, Refused):
        return error.response()
    if error.status_code == 400:  # what json.loads ends with other than its own error: no UTF-8, nested too deep, …
        return failure(422, "the body is not JSON that can be read")
    return failure(error.status_code, str(error.detail), headers=error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return failure(422, _INVALID, [_field(e) for e in error.errors()])


def _field(error: Mapping[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return f"not JSON at character {error['loc'][-1]}: {error['ctx']['error']}"
    place = ".".join(str(part) for part in error["loc"][1:])
    said = error["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said


class Unexpected:
    """Middleware: an error that nobody foresaw is logged with an id, and the client gets the id and nothing else.

    A request that is cancelled, as uvicorn does at its end with what takes too long, is answered, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            if not begun:
                await shutting_down().response()(scope, receive, send)
        except Exception:
            number = uuid4().hex[:12]
            _log.exception("%s %s: error %s", scope.get("method"), scope.get("path"), number)
            if begun:  # half an answer is out: only the server can end the connection
                raise
            answer = failure(500, f"an error of the server's; its log has it as {number}")
            await answer(scope, receive, send)
