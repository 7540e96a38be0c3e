"""The goals that a file leaves open, as theorems of their own (curriculum of DeepSeek-Prover-V2, arXiv:2504.21801)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from data.holes import Hole
from data.lean_file import Declaration, LeanFile
from lean_env.subgoals import Subgoal

FORMS = ("a", "b")
"""(a): without the facts that earlier `have`s of the proof brought; (b): with them (section 2.1)."""


@dataclass(frozen=True)
class SubgoalTheorem:
    """An open goal of a declaration as a theorem that stands before it.

    form: see FORMS; `a` is made only where it differs from `b`.
    prefix: what stands before the declaration's keyword in its command (`open … in`). statement: up to the `:=`.
    """

    name: str
    form: str
    declaration: Declaration
    hole: Hole
    subgoal: Subgoal
    prefix: str
    statement: str

    def row(self, file: LeanFile) -> dict[str, str]:
        """As a problem in the format of DeepSeek-Prover-V1.5's JSON lines, which every command here reads."""
        start = self.declaration.command[0]
        preamble = file.text[file.header_end : start].strip("\n")
        text = f"{preamble}\n\n{self.prefix}{self.statement} := by\n  sorry\n"
        return {
            "name": self.name,
            "header": file.text[: file.header_end].strip("\n"),
            "formal_statement": text.lstrip("\n"),
            "form": self.form,
            "source": f"{file.path}:{self.hole.line}",
        }


def split_name(name: str) -> tuple[str, str]:
    """The namespace of a full name, and its last part; `N.«a.b»` has the parts `N` and `«a.b»`."""
    last = re.search(r"(?:«[^»]*»|[^.])*$", name)
    assert last is not None  # the empty text matches
    return name[: last.start()].removesuffix("."), last[0]


def subgoal_theorems(file: LeanFile) -> Iterator[SubgoalTheorem | tuple[Hole, str]]:
    """The theorems of each hole that wants a proof, in order; a hole that cannot be stated, with the reason.

    The file must have been parsed with `subgoals`.
    """
    for declaration in file.declarations:
        _, short = split_name(declaration.name)
        prefix = file.text[declaration.command[0] : (declaration.doc or declaration.head)[0]]
        for number, hole in enumerate((hole for hole in declaration.holes if hole.proposition), 1):
            if isinstance(hole.subgoal, str):
                yield hole, hole.subgoal
                continue
            for form in FORMS:
                goal = hole.subgoal if form == "b" else hole.subgoal.without_steps()
                if form == "b" or len(goal.binders) < len(hole.subgoal.binders):
                    name = f"{short.strip('«»')}_subgoal_{number}{'a' if form == 'a' else ''}"
                    name = f"«{name}»" if short.startswith("«") else name
                    yield SubgoalTheorem(name, form, declaration, hole, goal, prefix, goal.theorem(name))
