"""Negations of theorems, stated by Lean, and refutations: proofs of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from data import Theorem
from data.holes import STAND_IN
from data.syntax.layout import indented
from data.theorem import TheoremInPlace
from lean_env import LeanPool, Verdict

_ATTRIBUTES = ("simp", "grind")  # with which the refuted statement itself would be used in the proofs


@dataclass(frozen=True)
class Refutation:
    """A proof that a theorem does not hold, judged as any other.

    negation: what is proved, `theorem NAME.negation : ¬ (type_of% @NAME)` after the theorem itself. proof: what stands
    after its `:= by`. counterexample: values of the theorem's variables for which it does not hold, by their names;
    empty where it has none, or where the proof names none.
    """

    negation: Theorem
    proof: str
    verdict: Verdict
    counterexample: Mapping[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The counterexample in words."""
        return counterexample_text(self.counterexample) + ("" if self.counterexample else ": its negation is proved")

    @property
    def code(self) -> str:
        """The negation with its proof, to stand after the theorem."""
        return f"{self.negation.statement} := by\n{indented(self.proof)}"


def counterexample_text(values: Mapping[str, str]) -> str:
    """Return in words that a theorem does not hold for values of its variables."""
    listed = ", ".join(f"{name} = {value}" for name, value in values.items())
    return f"it does not hold for {listed}" if listed else "it does not hold"


def can_be_negated(theorem: Theorem) -> bool:
    """Return whether a theorem is a command of its own, without a stand-in axiom beside or before it."""
    return not isinstance(theorem, TheoremInPlace) and not any(STAND_IN in piece for piece in theorem.context)


async def negation(pool: LeanPool, theorem: Theorem) -> Theorem | None:
    """Return the theorem `NAME.negation : ¬ (type_of% @NAME)`, which Lean states from the elaborated statement.

    None if it cannot be stated: the text before it has errors, or section variables stand in the way.

    Universe parameters are 0, or 1 where they are those of a `Sort`: a statement that is false there is not true for
    all of them.
    """
    context = (*theorem.context, theorem.challenge)
    name = f"@_root_.{theorem.name}"
    printed = await pool.check(f"#print {name.removeprefix('@')}", context=context)
    if not printed.ok or not printed.messages:
        return None
    text = printed.messages[0].text
    found = re.search(r"\.\{([^}]*)\} :", text.split("\n", 1)[0])
    universes = found[1].replace(",", " ").split() if found else []
    levels = ["1" if re.search(rf"\bSort {re.escape(u)}(?!\w)", text) else "0" for u in universes]
    type_ = f"type_of% {name}" + (f".{{{', '.join(levels)}}}" if levels else "")
    unused = []
    if "@[" in theorem.challenge or "attribute" in theorem.challenge:
        for attribute in _ATTRIBUTES:
            command = f"attribute [-{attribute}] _root_.{theorem.name}\n"
            if (await pool.check(command, context=context)).ok:
                unused.append(command)
    omitted = ""
    for _ in range(2):
        negated = Theorem(
            name=f"{theorem.name}.negation",
            statement=f"{omitted}theorem _root_.{theorem.name}.negation : ¬ ({type_})",
            header=theorem.header,
            preamble=(*theorem.preamble, f"{theorem.challenge}\n", *unused),
            source=theorem.source,
        )
        stated = await pool.check(negated.challenge, context=negated.context)
        if not stated.ok or not stated.sorries:
            return None
        before, _, _ = stated.sorries[-1].goal.rpartition("⊢")
        if not before.strip():
            return negated
        # Variables that the section includes in every theorem would be hypotheses of the negation.
        names = [name for line in before.splitlines() for name in line.partition(" : ")[0].split() if " : " in line]
        omitted = f"omit {' '.join(names)} in\n"
    return None


def negated_challenge(negated: Theorem) -> str:
    """Return the statement that a theorem made by `negation` negates, with its proof left open."""
    before, _, type_ = negated.statement.partition(" : ¬ ")
    return f"{before.removesuffix('.negation')}.statement : {type_} := by\n  sorry"
