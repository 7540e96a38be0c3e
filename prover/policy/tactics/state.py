"""Parses a printed tactic state into hypotheses and a target."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from prover.policy.tactics.terms import Term, parse

NAT = ("ℕ", "Nat")
INT = ("ℤ", "Int")


@dataclass(frozen=True)
class Hypothesis:
    """A local declaration: a variable (`n : Nat`) or a proof (`h : n < 2`); `term` is its type where it parses.

    value: what it stands for, where it is a `let` (`z : Nat := 3`) and Lean shows it.
    """

    name: str
    type: str
    term: Term | None
    value: str = ""


@dataclass(frozen=True)
class Goal:
    """One goal. `prefix` holds tactic lines that lead from the printed goal to this one."""

    hypotheses: tuple[Hypothesis, ...]
    target: str
    term: Term | None
    prefix: tuple[str, ...] = field(default=())

    def of_type(self, *types: str) -> list[str]:
        return [h.name for h in self.hypotheses if h.type in types]

    @property
    def naturals(self) -> list[str]:
        return self.of_type(*NAT)

    @property
    def integers(self) -> list[str]:
        return self.of_type(*INT)

    @property
    def facts(self) -> list[Hypothesis]:
        """Hypotheses that look like propositions and parse."""
        return [h for h in self.hypotheses if h.term is not None and is_proposition(h.term)]

    @property
    def terms(self) -> list[Term]:
        """The target and all facts."""
        return ([self.term] if self.term else []) + [h.term for h in self.facts if h.term]

    def subterms(self) -> Iterator[Term]:
        for term in self.terms:
            yield from term.walk()


PROPOSITION_HEADS = {"=", "≠", "<", "≤", ">", "≥", "∣", "∧", "∨", "¬", "↔", "∃", "∈", "∉", "True", "False"}


def is_proposition(term: Term) -> bool:
    """Whether a type as printed is that of a proof."""
    if term.head in ("∀", "→"):
        return is_proposition(term.args[-1])
    return term.head in PROPOSITION_HEADS


def read_goals(text: str) -> list[Goal]:
    """The goals of a printed state, in order. Inaccessible names (`h✝`) stay as printed; see `normalise.accessible`."""
    return [goal for block in re.split(r"\n\s*\n", text.strip()) if (goal := _read_goal(block))]


def _read_goal(block: str) -> Goal | None:
    entries: list[str] = []
    for line in block.splitlines():
        if line.startswith("case ") and not entries:
            continue
        if line[:1].isspace() and entries:  # a long entry goes on, indented
            entries[-1] += " " + line.strip()
        elif line.strip():
            entries.append(line.strip())
    if not entries or not entries[-1].startswith("⊢"):
        return None
    target = entries[-1][1:].strip()
    hypotheses: list[Hypothesis] = []
    for entry in entries[:-1]:
        names, colon, type_ = entry.partition(" : ")
        if colon:
            type_, _, value = type_.partition(" := ")
            type_ = type_.strip()
            hypotheses += [Hypothesis(name, type_, parse(type_), value.strip()) for name in names.split()]
    return Goal(tuple(hypotheses), target, parse(target))
