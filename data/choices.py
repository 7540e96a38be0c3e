"""Names that a user chooses from, and the one message for a name that does not exist."""

from __future__ import annotations

from collections.abc import Collection


def choose(kind: str, name: str, known: Collection[str]) -> str:
    """The name, if it is among the known ones of its kind. Raises ValueError, whose message lists them."""
    if name not in known:
        raise ValueError(f"no {kind} is called {name!r}; there are: {', '.join(known)}")
    return name
