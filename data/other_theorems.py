"""Theorems of a file that are no declarations of their own: Lean has them, but no proof in the file can be replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OtherTheorem:
    """A field of a structure, a lemma inside of another declaration, or what an attribute or a macro has made.

    how: `field`, `inside` or `made` (driver/declarations.cjs). open: it uses `sorry`.
    """

    name: str
    line: int
    how: str
    open: bool

    @property
    def said(self) -> str:
        """What it is, and what to do, for people."""
        owner = self.name.rpartition(".")[0]
        match self.how:
            case "field":
                return f"it is a field of the structure {owner} (line {self.line}): nothing is to be proved there"
            case "inside":
                return f"it is stated inside of {owner} (line {self.line}): ask for that"
        return f"an attribute or a macro makes it (line {self.line}): to have it proved, write the theorem out"


def other_theorems(commands: Iterable[dict[str, Any]]) -> Iterator[OtherTheorem]:
    """Those that an answer of Lean's tells of."""
    for command in commands:
        for told in command.get("besides", ()):
            yield OtherTheorem(told["name"], told["line"], told["how"], told["sorry"])
