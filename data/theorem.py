"""The Theorem, the form of a theorem that everything else works on."""

from __future__ import annotations

from dataclasses import dataclass

from data.holes import STAND_IN, laid_out
from data.syntax.layout import indented
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
    constant: its name in Lean's environment, where that is another one (a private theorem's).
    """

    name: str
    statement: str
    header: str = ""
    preamble: tuple[str, ...] = ()
    informal: str = ""
    source: str = ""
    constant: str = ""

    @property
    def context(self) -> tuple[str, ...]:
        """The trusted text before the statement, as lean_env takes it."""
        return tuple(piece for piece in (self.header, *self.preamble) if piece.strip())

    @property
    def exact_text(self) -> tuple[str, ...]:
        """The trusted text and the statement: the same for two theorems only if they are so to the letter.

        Up to what does not matter, statements are compared by data.syntax.normal_form.
        """
        return (*self.context, self.statement)

    @property
    def challenge(self) -> str:
        """The statement with its proof left open."""
        return f"{self.statement} := by\n  sorry"

    def solution(self, proof: str) -> str:
        """The statement with a proof, the text that stands after `:= by`."""
        return f"{self.statement} := by\n{indented(proof)}"

    def claim(self, proof: str) -> Claim:
        """The claim that this proof, and nothing else in it, proves the theorem. A proof that uses the stand-in of open
        theorems (data.holes) is refused."""
        return Claim(self.challenge, self.solution(_own(proof)), self.constant or self.name, self.context, single=True)


@dataclass(frozen=True)
class TheoremInPlace(Theorem):
    """One hole of a declaration as a theorem: its proof stands between two texts, `before` and `after`.

    layout, column: see data.holes. definition: the declaration is no theorem, but a definition with a proof in it.
    """

    before: str = ""
    after: str = ""
    layout: str = "lines"
    column: int = 0
    definition: bool = False

    @property
    def challenge(self) -> str:
        opened = {"value": ":= by sorry", "lines": "sorry", "tactic": "sorry"}
        return f"{self.before}{opened.get(self.layout, '(sorry)')}{self.after}"

    def solution(self, proof: str) -> str:
        return f"{self.before}{laid_out(proof, self.layout, self.column)}{self.after}"

    def claim(self, proof: str) -> Claim:
        """The claim that this proof fills the hole. A proof that uses the stand-in of other holes is refused."""
        solution, name = self.solution(_own(proof)), self.constant or self.name
        return Claim(self.challenge, solution, name, self.context, single=True, definition=self.definition)


def _own(proof: str) -> str:
    """The proof, or one that fails if it names the stand-in."""
    return proof if STAND_IN not in proof else f'fail "{STAND_IN} proves nothing"'


def informal_text(doc: str) -> str:
    """A doc comment without its delimiters."""
    return doc.removeprefix("/--").removesuffix("-/").strip()
