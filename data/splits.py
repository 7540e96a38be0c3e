"""Splits theorems into those for training and those held out, by their normal form."""

from __future__ import annotations

from data.syntax.normal_form import normal_form_hash
from data.theorem import Theorem


def is_held_out(theorem: Theorem, share: float, salt: str = "") -> bool:
    """Whether a theorem is among the share (0 to 1) of all statements that is held out from training.

    It depends on the normal form alone, so that other data or another order change nothing, and copies with
    other names are on the same side. A larger share holds out the same ones, and more. Another salt, another split.
    """
    return int.from_bytes(normal_form_hash(theorem, salt)[:8], "big") < share * 2**64
