"""Which theorems are held out from training: by what they state, not by where they stand."""

from __future__ import annotations

from data.syntax.normal_form import digest
from data.theorem import Theorem


def held_out(theorem: Theorem, share: float, salt: str = "") -> bool:
    """Is it one of a share (0 to 1) of all statements that is kept from training?

    It depends on the normalised statement alone, so that other data or another order change nothing, and copies with
    other names are on the same side. A larger share holds out the same ones, and more. Another salt, another split.
    """
    return int.from_bytes(digest(theorem, salt)[:8], "big") < share * 2**64
