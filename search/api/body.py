"""A request's body: JSON, read strictly and within limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from search.api.errors import invalid
from search.api.limits import Limits

_FIELDS = 100  # of one object; no request has so many


def route(limits: Limits) -> type[APIRoute]:
    """A kind of route whose requests are read by `parse`."""

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


def parse(body: bytes, limits: Limits) -> Any:
    """The JSON of a body. Raises ValueError for what is not JSON; Refused for a field given twice or a limit passed."""
    too_deep = invalid(f"nested too deep: at most {limits.json_depth} levels")
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
        raise invalid(f"too many fields: at most {_FIELDS}")
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise invalid(f"{name}: given twice")
        fields[name] = value
    return fields


def _is_deeper(value: Any, depth: int) -> bool:
    """Are arrays and objects nested deeper than that? Level by level: recursion would have a limit of its own."""
    level = [value]
    for _ in range(depth + 1):
        level = [item for item in level if isinstance(item, list | dict)]
        if not level:
            return False
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return True


def _check(name: str, field: Any, limits: Limits) -> None:
    if isinstance(field, list) and len(field) > limits.theorems:
        raise invalid(f"{name}: at most {limits.theorems} items, not {len(field)}")
    for text in field if isinstance(field, list) else [field]:
        if isinstance(text, str) and len(text) > limits.text_length:
            raise invalid(f"{name}: at most {limits.text_length} characters, not {len(text)}")
