"""Theorems of a file that are no declarations of their own, so that no proof in the file can be replaced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OtherTheorem:
    """A theorem that is a structure's field, stands inside another declaration, or is made by an attribute or a macro.

    how: `field`, `inside` or `made` (driver/declarations.cjs). open: it uses `sorry`.
    """

    name: str
    line: int
    how: str
    open: bool

    @property
    def said(self) -> str:
        """A message that says what it is and what to do."""
        owner = self.name.rpartition(".")[0]
        match self.how:
            case "field":
                return f"it is a field of the structure {owner} (line {self.line}): nothing is to be proved there"
            case "inside":
                return f"it is stated inside of {owner} (line {self.line}): ask for that"
        return f"an attribute or a macro makes it (line {self.line}): to have it proved, write the theorem out"


def other_theorems(commands: Iterable[dict[str, Any]]) -> Iterator[OtherTheorem]:
    """The other theorems in an answer of Lean's."""
    for command in commands:
        for told in command.get("besides", ()):
            yield OtherTheorem(told["name"], told["line"], told["how"], told["sorry"])
