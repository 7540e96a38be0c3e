"""Errors that are no bug and no user's mistake."""

from __future__ import annotations


class Unavailable(Exception):
    """Something that a run needs and that is not there: Lean, a model. str() says what is missing and what to do."""
