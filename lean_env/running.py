"""Coroutines for callers without an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def blocking(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The form of a coroutine function that waits for the result, for programs without an event loop.

    In a running loop it raises RuntimeError, since it would stop everything else there.
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
