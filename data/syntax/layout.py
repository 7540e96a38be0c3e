"""Proofs moved to column 0, with the places of their lines to each other kept."""

from __future__ import annotations

import re

from data.syntax.lexer import tokens

_INDENT = re.compile(r"[ \t]*")


def lines_left(text: str, columns: int) -> str:
    """Every line moved to the left; a line that stands further left goes to column 0, an empty one loses its blanks."""
    return "\n".join(_line_left(line, columns) for line in text.split("\n"))


def lines_right(text: str, columns: int) -> str:
    """Every line that is not empty, moved to the right."""
    return "\n".join(" " * columns + line if line.strip() else "" for line in text.split("\n"))


def at_zero(text: str, column: int = 0, outside: int = 0) -> str:
    """A block of tactics (or a term) whose first line is moved to column 0.

    column: where the text's first character stands, if its first line is what follows something else.
    outside: the column of what the text is a part of; the further lines of a block's only tactic keep their distance
        from it.
    """
    code = list(tokens(text, column))
    if not code:
        return ""
    first, above = code[0], text[: code[0].start]
    head, _, rest = text.partition("\n")
    if "\n" in above:  # what stands in front of it is a comment, or nothing
        moved = lines_left(rest, first.column)
        return trimmed(f"{head.strip()}\n{moved}" if head.strip() else moved)
    further = [t.column for t in code if t.breaks and t is not first and t.depth == first.depth]
    block = column == 0 or (further and min(further) >= first.column)
    return trimmed(f"{head.lstrip()}\n{lines_left(rest, first.column if block else outside)}")


def trimmed(text: str) -> str:
    """Without the empty lines around it and the blanks at its end."""
    return re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip()


def _line_left(line: str, columns: int) -> str:
    indent = _INDENT.match(line)
    assert indent is not None
    return "" if indent.end() == len(line) else line[min(columns, indent.end()) :]
