"""A found proof made readable: of `first | a | b`, which a policy writes to ask Lean once, what was needed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import accumulate

from data import Theorem
from lean_env import LeanPool

_FIRST = re.compile(r"\bfirst \| (.+)$", re.MULTILINE)
_SECONDS = 10.0  # for all of it


async def shortened(pool: LeanPool, theorem: Theorem, proof: str) -> str:
    """The proof with each `first | …` that ends a line replaced by its first alternative that does, if Lean agrees."""
    start, end = 0, time.monotonic() + _SECONDS
    while found := _FIRST.search(proof, start):
        start = found.end()
        alone = not proof[: found.start()].rpartition("\n")[2].strip(" ·") or proof[: found.start()].endswith("=> ")
        for alternative in alternatives(found[1]):
            left = end - time.monotonic()
            if left <= 0:
                return proof
            text = _bare(alternative) if alone else alternative
            candidate = proof[: found.start()] + text + proof[found.end() :]
            if (await pool.judge(theorem.claim(candidate), left)).proved:
                proof, start = candidate, found.start() + len(text)
                break
    return proof


def alternatives(text: str) -> Iterator[str]:
    """The parts between the bars of a `first`; bars in brackets belong to what stands there."""
    depth, part = 0, ""
    for sign in text:
        depth += (sign in "([{⟨") - (sign in ")]}⟩")
        if sign == "|" and not depth:
            yield part.strip()
            part = ""
        else:
            part += sign
    yield part.strip()


def _bare(text: str) -> str:
    """Without the parentheses and the `done` that only `first` needed."""
    inside = text[1:-1]
    depths = accumulate((sign == "(") - (sign == ")") for sign in inside)
    if text.startswith("(") and text.endswith(")") and min(depths, default=0) >= 0:
        return inside.removesuffix("; done")
    return text
