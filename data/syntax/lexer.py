"""Lean text as tokens, without Lean: enough to tell code from comments and strings, and to see lines and brackets.

Its time is linear in the text, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LEXEME = re.compile(
    r"""(?P<space>\s+|--[^\n]*)
      | (?P<comment>/-(?![-!]))
      | (?P<doc>/-)
      | (?P<string>r(?P<fence>\#*)"(?:.|\n)*?(?:"(?P=fence)|\Z) | "(?:\\(?:.|\n)|[^"\\])*(?:"|\Z))
      | (?P<char>'(?:\\(?:x..|u....|.)|[^\\'\n])')
      | (?P<word>(?:«[^«»\n]*»|\w)(?:[\w'!?]|«[^«»\n]*»)*)
      | (?P<sign><;>|=>|:=|.)""",
    re.VERBOSE,
)
_COMMENT_SIGN = re.compile(r"/-|-/")
_OPEN, _CLOSE = frozenset("([{⟨⟦‹⌊⌈⦃"), frozenset(")]}⟩⟧›⌋⌉⦄")


@dataclass(frozen=True, slots=True)
class Token:
    """A token of Lean text.

    start, end: offsets in the text.
    column: where it starts in its line, in the code that the text is a part of.
    breaks: does a line break stand before it?
    depth: brackets around it; the same for a bracket and its partner.
    """

    text: str
    start: int
    end: int
    column: int
    breaks: bool
    depth: int


def tokens(text: str, column: int = 0) -> Iterator[Token]:
    """The tokens of a text whose first character stands at a column; comments are none, but doc comments are."""
    at, line, depth, breaks = 0, -column, 0, True
    while at < len(text):
        lexeme = _LEXEME.match(text, at)
        assert lexeme is not None
        kind = lexeme.lastgroup
        end = _comment_end(text, at) if kind in ("comment", "doc") else lexeme.end()
        broken = text.rfind("\n", at, end)
        if kind in ("space", "comment"):
            breaks = breaks or broken >= 0
        else:
            sign = text[at:end]
            depth -= sign in _CLOSE and depth > 0
            yield Token(sign, at, end, at - line, breaks, depth)
            depth += sign in _OPEN
            breaks = False
        line = line if broken < 0 else broken + 1
        at = end


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for sign in _COMMENT_SIGN.finditer(text, start):
        depth += 1 if sign[0] == "/-" else -1
        if depth == 0:
            return sign.end()
    return len(text)


def dotted_name(code: Sequence[Token], k: int) -> tuple[str, int]:
    """The dotted name that begins at a token (empty if none does), and the index of the token after it."""
    start = k
    if k >= len(code) or not is_word(code[k]):
        return "", k
    k += 1
    while k + 1 < len(code) and code[k].text == "." and code[k].start == code[k - 1].end and is_word(code[k + 1]):
        if code[k + 1].start != code[k].end:
            break
        k += 2
    return "".join(t.text for t in code[start:k]), k


def is_word(token: Token) -> bool:
    """Whether a token is a name, a keyword or a number."""
    return (token.text[0] == "«" and len(token.text) > 1) or token.text[0].isalnum() or token.text[0] == "_"


def is_doc(token: Token) -> bool:
    """Whether a token is a doc comment."""
    return token.text.startswith("/-")
