"""Synchronous forms of coroutine functions, for callers without an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def async_to_sync(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """A function that runs a coroutine function and waits for its result, named without the suffix `_async`.

    Where an event loop is running it raises RuntimeError, since it would block that loop.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(function(*args, **kwargs))
        raise RuntimeError(f"an event loop is running here: `await {function.__name__}(…)` instead")

    call.__name__ = call.__qualname__ = function.__name__.removesuffix("_async")
    return call
