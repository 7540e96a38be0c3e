"""A small model's prompts: of a file it is shown only what a statement speaks of, as it has learnt to see it.

What Lean judges is the theorem as it is; this is what the model reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from data import Theorem
from prover.policy import Prompt
from prover.prompts.completion import NON_COT, Completion
from prover.prompts.request import Request

_COMMENT = re.compile(r"(?s:/-.*?-/)|--[^\n]*")
_MODIFIERS = r"(?:@\[[^\]]*\]\s*)?(?:(?:private|protected|noncomputable|partial|unsafe)\s+)*"
_DEFINES = re.compile(rf"{_MODIFIERS}(?:def|abbrev|inductive|structure|class)\s+([^\s({{\[:]+)")
_COMMAND = re.compile(r"(?m)^(?=[@a-z#])")  # at the first column, where nothing goes on from the line before
_WORD = re.compile(r"[^\W\d][\w'!?]*")
_KEYWORD = re.compile(r"^\s*(?:theorem|lemma)\s+\S+")


@dataclass(frozen=True)
class Bare(Completion):
    """Completion of a theorem without its header, its comments, and the definitions that it does not need."""

    def request(self, prompt: Prompt) -> Request:
        return super().request(replace(prompt, theorem=bare(prompt.theorem)))


def bare(theorem: Theorem) -> Theorem:
    """The same theorem as far as it can be told by its text; nothing but a prompt may rest on it."""
    statement = " ".join(_KEYWORD.sub("theorem claim", _plain(theorem.statement)).split())
    kept, words = list[str](), set(_WORD.findall(statement))
    for piece in reversed(list(_commands(_plain("\n".join(theorem.preamble))))):
        defined = _DEFINES.match(piece)
        if defined and defined[1].split(".")[-1] in words:
            kept.append(piece)
            words.update(_WORD.findall(piece))
    return Theorem("claim", statement, preamble=tuple(reversed(kept)))


def _plain(text: str) -> str:
    """Without comments, and with the letters of core Lean."""
    return _COMMENT.sub("", text).replace("ℕ", "Nat").replace("ℤ", "Int")


def _commands(text: str) -> Iterator[str]:
    return (f"{piece.strip()}\n" for piece in _COMMAND.split(text) if piece.strip())


BARE = Bare("bare", NON_COT.task)
