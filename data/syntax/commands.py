"""Where commands begin in Lean text, without Lean."""

from __future__ import annotations

from collections.abc import Sequence

from data.syntax.keywords import COMMANDS, MODIFIERS
from data.syntax.lexer import Token, is_doc

_AHEAD = MODIFIERS | {"in"}  # of a keyword


def begins(code: Sequence[Token], k: int) -> bool:
    """Does a token look like the first of a command: its word, a doc comment, `#check` or `@[simp]`?"""
    return code[k].text in COMMANDS or is_doc(code[k]) or _is_sign(code, k)


def keyword(code: Sequence[Token], k: int) -> int:
    """The keyword of the command that begins at a token; doc comments, attributes and modifiers stand before it."""
    while k < len(code):
        if code[k].text == "@" and _is_sign(code, k):
            depth, k = code[k + 1].depth, k + 2
            while k < len(code) and not (code[k].text == "]" and code[k].depth == depth):
                k += 1
        elif not is_doc(code[k]) and code[k].text not in _AHEAD:
            break
        k += 1
    return k


def _is_sign(code: Sequence[Token], k: int) -> bool:
    following = code[k + 1] if k + 1 < len(code) else None
    if following is None or following.start != code[k].end:
        return False
    return code[k].text == "#" or (code[k].text == "@" and following.text == "[")
