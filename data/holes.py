"""The `sorry`s of a Lean file, and how proofs replace them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from data.syntax.layout import INDENT, indented
from lean_env.subgoals import Subgoal

STAND_IN = "_left_open"
LEFT_OPEN = f"axiom {STAND_IN}.{{u}} {{α : Sort u}} (hole : Nat) : α\n"
"""Declares the term that fills the other holes while one is worked on: no `sorry`, so that only this hole is judged."""


@dataclass(frozen=True)
class Hole:
    """A `sorry` (or `admit`, `stop`) that stands in a declaration.

    layout: how a proof takes its place (see `laid_out`); empty where none can, as in a statement.
    replaced: the span [start, end) in code points that gives way to a proof. column: where it stands in its line.
    reached: Lean came to it (not to the last one of `first | rfl | sorry`, if `rfl` works).
    goal: what is wanted there, as Lean prints it. proposition: it is a proof that is wanted, not data.
    subgoal: the goal as a lemma of its own, where that was asked for; or why it cannot be one, as text.
    """

    line: int
    column: int
    span: tuple[int, int]
    replaced: tuple[int, int]
    layout: str
    reached: bool
    goal: str
    proposition: bool
    subgoal: Subgoal | str = ""

    @property
    def provable(self) -> bool:
        return self.proposition and bool(self.layout)


@dataclass(frozen=True)
class Edit:
    """A span [start, end) of a text that gives way to another text; with a layout, to a proof (see `laid_out`).

    indentation: of the lines of a proof that is a declaration's whole value.
    """

    start: int
    end: int
    text: str
    layout: str = ""
    indentation: int = INDENT

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.end


def laid_out(proof: str, layout: str, column: int) -> str:
    """Lay out a tactic block from column 0 for a place that begins at a column.

    "value": a declaration's whole value; its lines are indented by `column`. "lines": where tactics may stand one below
    the other. "tactic": one tactic. "end": a term that is the last thing in what it stands in. "term": any other.
    """

    def block(column: int) -> str:
        return indented(proof, column)[column:]

    match layout:
        case "value":
            return f":= by\n{indented(proof, column)}"
        case "lines":
            return block(column)
        case "tactic":
            return f"({block(column + 1)})"
        case "end":
            return f"by {block(column + 3)}"
        case "term":
            return f"(by {block(column + 4)})"
    raise ValueError(f"no layout is called {layout!r}")


def left_open(hole: Hole, text: str, number: int) -> Edit:
    """The hole of a text (the `number`-th of its declaration) closed by LEFT_OPEN."""
    term = f"_root_.{STAND_IN} {number}"
    if hole.layout in ("lines", "tactic"):
        every = "repeat " if text[slice(*hole.span)].startswith("stop") else ""  # it closes all goals
        return Edit(*hole.replaced, f"({every}exact {term})")
    return Edit(*hole.replaced, f":= {term}" if hole.layout == "value" else f"({term})")


def spliced(text: str, start: int, end: int, edits: Iterable[Edit]) -> str:
    """The part [start, end) of a text with edits made; those that are not all within it are left out.

    Where a proof stands in its line is counted in what is written: earlier edits may have moved it.
    """
    pieces, at = [], start
    line = text.rfind("\n", 0, start) + 1
    written = text[line:start]  # of the line that is being written
    for edit in sorted(edits, key=lambda e: e.span):
        if edit.start < at or edit.end > end:
            continue
        pieces.append(text[at : edit.start])
        written = _last_line(written + pieces[-1])
        column = edit.indentation if edit.layout == "value" else len(written)
        pieces.append(laid_out(edit.text, edit.layout, column) if edit.layout else edit.text)
        written = _last_line(written + pieces[-1])
        at = edit.end
    return "".join([*pieces, text[at:end]])


def _last_line(text: str) -> str:
    return text[text.rfind("\n") + 1 :]
