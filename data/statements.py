"""A statement that somebody typed, as a Lean file."""

from __future__ import annotations

from data.lean_file import FileError, LeanFile, parse
from lean_env import LeanPool


async def parse_statement(pool: LeanPool, text: str, header: str = "") -> LeanFile:
    """A file of a header and a whole declaration, a declaration without its proof, or a bare proposition.

    Raises FileError, with Lean's errors on the reading that fits best, if it is none of them.
    """
    problem: FileError | None = None
    for source in (text, f"{text} := by sorry", f"example : {text} := by sorry"):
        try:
            file = await parse(pool, f"{header}\n{source}" if header else source, "<statement>")
        except FileError as error:
            problem = error  # the last reading asks the least of the text, so its errors say the most
            continue
        if file.places:
            return file
    raise problem or FileError("<statement>: it states no theorem")
