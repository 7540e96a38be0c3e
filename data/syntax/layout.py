"""Moves blocks of Lean text to a column and keeps the places of their lines to each other."""

from __future__ import annotations

import re
import textwrap

from data.syntax.lexer import tokens

INDENT = 2
"""Columns that the proof of a theorem is indented by."""

_BLANKS = " \t"  # all that Lean takes for white space in a line; Python's `strip` knows more


def lines_left(text: str, columns: int) -> str:
    """Every line moved to the left; a line that stands further left goes to column 0, an empty one loses its blanks."""
    return "\n".join(_line_left(line, columns) for line in text.split("\n"))


def lines_right(text: str, columns: int) -> str:
    """Every line moved to the right; an empty one loses its blanks."""
    return "\n".join(" " * columns + line if line.strip(_BLANKS) else "" for line in text.split("\n"))


def indented(proof: str, columns: int = INDENT) -> str:
    """A tactic block written at column 0 (or with a common indentation), moved to a column."""
    return lines_right(textwrap.dedent(proof).strip("\n"), columns)


def block_at(text: str, start: int, end: int, outside: int = 0) -> str:
    """The block of tactics, or the term, in the span [start, end) of a text, with its first line moved to column 0.

    outside: the column of what the block is a part of. Where the first tactic stands beside other code and the lines
        below it do not begin tactics of the block, they keep their distance from this column.
    """
    column = start - (text.rfind("\n", 0, start) + 1)
    text = text[start:end]
    code = list(tokens(text, column))
    if not code:
        return ""
    first, above = code[0], text[: code[0].start]
    head, _, rest = text.partition("\n")
    if "\n" in above:  # what stands in front of it is a comment, or nothing
        moved = lines_left(rest, first.column)
        return _trimmed(f"{head.strip()}\n{moved}" if head.strip() else moved)
    further = [t.column for t in code if t.breaks and t is not first and t.depth == first.depth]
    is_block = column == 0 or (further and min(further) >= first.column)
    return _trimmed(f"{head.lstrip()}\n{lines_left(rest, first.column if is_block else outside)}")


def as_exact(term: str) -> str:
    """A term at column 0 as the tactic `exact`; of several lines, all are moved by the same columns."""
    return "exact\n" + lines_right(term, INDENT) if "\n" in term else f"exact {term}"


def _trimmed(text: str) -> str:
    """Without the empty lines around it and the blanks at its end."""
    return re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip()


def _line_left(line: str, columns: int) -> str:
    margin = len(line) - len(line.lstrip(_BLANKS))
    return "" if margin == len(line) else line[min(columns, margin) :]
