"""Readers of answers for tests of the engines, which know no proofs."""

from __future__ import annotations

from collections.abc import Callable

from prover.engines.base import AnswerReader


class Reader:
    """Complete when a function says so of the text so far."""

    def __init__(self, complete: Callable[[str], bool]) -> None:
        self._complete, self._text = complete, ""

    def push(self, text: str) -> bool:
        self._text += text
        return self._complete(self._text)


def to_the_end() -> AnswerReader:
    """No answer is complete before the model ends it."""
    return Reader(lambda text: False)
