"""The error for what a run needs and this machine does not have."""

from __future__ import annotations


class Unavailable(Exception):
    """Lean, a model or something else that a run needs is missing; str() says what, and what to do about it."""
