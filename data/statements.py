"""Parses what a user gives to prove: the text of a Lean file, or a statement alone."""

from __future__ import annotations

from dataclasses import replace

from data.lean_file import FileError, LeanFile, parse, with_header
from lean_env import LeanPool, Message, Position

_BARE = "theorem statement : "  # what stands before a proposition that is typed alone


async def parse_source(pool: LeanPool, text: str, path: str | None, header: str | None = None) -> LeanFile:
    """Parse the text of a file, whose imports `header` replaces; without a `path`, a statement after the header.

    Raises FileError, InputError.
    """
    if path is None:
        return await parse_statement(pool, text, header or "")
    return await parse(pool, text if header is None else await with_header(pool, text, header), path)


async def parse_statement(pool: LeanPool, text: str, header: str = "") -> LeanFile:
    """Parse a declaration, a declaration without its proof, or a bare proposition, after a header.

    Raises FileError, if it is none of them, with Lean's errors on the reading that Lean followed furthest; their
    positions are those in `text`.
    """
    head = f"{header}\n" if header else ""
    problems: list[tuple[tuple[int, int], FileError]] = []
    for before, after in (("", ""), ("", " := by sorry"), (_BARE, " := by sorry")):
        try:
            file = await parse(pool, f"{head}{before}{text}{after}", "<statement>")
        except FileError as error:
            messages = tuple(_moved(m, head.count("\n"), len(before)) for m in error.messages)
            problems.append((_reached(messages, text), FileError(str(error), messages)))
            continue
        if file.theorems:
            return file
    raise max(problems, key=lambda p: p[0])[1] if problems else FileError("<statement>: it states no theorem")


def _moved(message: Message, lines: int, columns: int) -> Message:
    """A message with its position in the user's text."""

    def moved(position: Position | None) -> Position | None:
        if position is None or position.line <= lines:
            return position
        line = position.line - lines
        return Position(line, max(0, position.column - columns) if line == 1 else position.column)

    return replace(message, position=moved(message.position), end=moved(message.end))


def _reached(messages: tuple[Message, ...], text: str) -> tuple[int, int]:
    """The position of the first error in a text, at most its end."""
    rows = text.rstrip().split("\n")
    end = len(rows), len(rows[-1])
    first = min(((m.position.line, m.position.column) for m in messages if m.position), default=(0, 0))
    return min(first, end)
