"""Strict reading of request bodies: JSON within limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from search.api.errors import invalid_request
from search.api.limits import APILimits

_FIELDS = 100  # of one object; no request has so many


def route(limits: APILimits) -> type[APIRoute]:
    """Return a route class that reads requests with `parse`."""

    class StrictRequest(Request):
        async def json(self) -> Any:
            return parse(await self.body(), limits)

    class StrictRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def strictly(request: Request) -> Response:
                return await handle(StrictRequest(request.scope, request.receive))

            return strictly

    return StrictRoute


def parse(body: bytes, limits: APILimits) -> Any:
    """Return the JSON of a body.

    Raises ValueError for invalid JSON, RequestRefused for a repeated field or a broken limit.
    """
    too_deep = invalid_request(f"nested too deep: at most {limits.json_depth} levels")
    try:
        value = json.loads(body, object_pairs_hook=_object)
    except RecursionError:
        raise too_deep from None
    if _is_deeper(value, limits.json_depth):
        raise too_deep
    if isinstance(value, dict):
        for name, field in value.items():
            _check(name, field, limits)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > _FIELDS:
        raise invalid_request(f"too many fields: at most {_FIELDS}")
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise invalid_request(f"{name}: given twice")
        fields[name] = value
    return fields


def _is_deeper(value: Any, depth: int) -> bool:
    """Return whether arrays and objects are nested deeper than `depth`. Works by levels, not by recursion."""
    level = [value]
    for _ in range(depth + 1):
        level = [item for item in level if isinstance(item, list | dict)]
        if not level:
            return False
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return True


def _check(name: str, field: Any, limits: APILimits) -> None:
    if isinstance(field, list) and len(field) > limits.theorems:
        raise invalid_request(f"{name}: at most {limits.theorems} items, not {len(field)}")
    for text in field if isinstance(field, list) else [field]:
        if isinstance(text, str) and len(text) > limits.text_length:
            raise invalid_request(f"{name}: at most {limits.text_length} characters, not {len(text)}")
