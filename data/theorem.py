"""A theorem to be proved, in the one form that everything else works on."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from lean_env import Claim


@dataclass(frozen=True)
class Theorem:
    """A statement and the text it stands after.

    name: full name, as Lean knows it.
    header: imports, opens and options at the head of the file.
    preamble: what stands between the header and the statement (definitions, earlier theorems), in pieces.
    statement: modifiers, keyword, name and signature, up to (and without) `:=`.
    informal: the doc comment or informal text, without its delimiters.
    source: where it comes from, for people (`file.lean:12`).
    """

    name: str
    statement: str
    header: str = ""
    preamble: tuple[str, ...] = ()
    informal: str = ""
    source: str = ""

    @property
    def context(self) -> tuple[str, ...]:
        """The trusted text before the statement, as lean_env takes it."""
        return tuple(piece for piece in (self.header, *self.preamble) if piece.strip())

    @property
    def challenge(self) -> str:
        """The statement with its proof left open."""
        return f"{self.statement} := by\n  sorry"

    def solution(self, proof: str) -> str:
        """The statement with a proof, the text that stands after `:= by`."""
        return f"{self.statement} := by\n{indented(proof)}"

    def claim(self, proof: str) -> Claim:
        """That this proof, and nothing else that stands in it, proves the theorem."""
        return Claim(self.challenge, self.solution(proof), self.name, self.context, single=True)


def indented(proof: str, columns: int = 2) -> str:
    """A tactic block written at column 0 (or with a common indentation), moved to a column."""
    return textwrap.indent(textwrap.dedent(proof).strip("\n"), " " * columns)


def informal_text(doc: str) -> str:
    """A doc comment without its delimiters."""
    return doc.removeprefix("/--").removesuffix("-/").strip()
