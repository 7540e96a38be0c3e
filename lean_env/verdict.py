"""The Verdict: what counts as proved. Reward, evaluation and the command line use it and nothing else.

A claim is proved if and only if Lean elaborates the solution without an error, the solution contains nothing but
allowed additions (rules.py), and in the resulting environment the theorem is there, states what the challenge states
(the elaborated statement and every definition it rests on), uses no `sorry`, and rests on no axiom beyond Lean's three
and the challenge's own. All of it is read off the syntax trees and the environment; of Lean's messages it only counts
whether they are errors.

Of the process that has elaborated the solution nothing of this is believed. It exports what the solution adds; a second
process, which has seen the challenge alone, gives that to Lean's kernel and compares the statement again; and a third
one, our own kernel (kernel/), checks all of it once more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lean_env import rules
from lean_env.check import Check, Ended


class Reason(StrEnum):
    """Why a claim is or is not proved. Where several hold, the first in this order is given."""

    PROVED = "proved"
    INPUT = "input"  # the solution is not text that Lean can read
    CHALLENGE = "challenge"  # the challenge itself has errors or does not declare the theorem
    FORBIDDEN = "forbidden"  # the solution contains what an addition must not contain
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    ERROR = "error"  # Lean reports an error
    MISSING = "missing"  # the solution declares nothing of that name
    STATEMENT = "statement"  # it declares it, but with another meaning
    SORRY = "sorry"  # the theorem rests on `sorry`, or one stands in its proof
    AXIOM = "axiom"  # it rests on an axiom that is not permitted
    KERNEL = "kernel"  # Lean's kernel, or ours, does not accept what the first process took for a proof
    UNCONFIRMED = "unconfirmed"  # the second process did not come to the same verdict
    ANSWER = "answer"  # there is no solution: what a policy answered holds no proof


@dataclass(frozen=True)
class Claim:
    """A claim: `solution` proves the theorem `theorem` (full name) of `challenge`, both after the trusted `context`.

    single: the solution must be one command, since others will be judged after it.
    definition: it is no theorem but a definition, of which the type counts, and that it rests on no `sorry`.
    """

    challenge: str
    solution: str
    theorem: str
    context: tuple[str, ...] = ()
    single: bool = False
    definition: bool = False


@dataclass(frozen=True)
class Verdict:
    """The conclusion about a claim. `axioms` are those it rests on; `seconds` is wall time.

    `kernels` are those that accept the proof: LEAN and OWN; or LEAN alone where ours met a limit of its own, which
    `detail` then tells.
    """

    reason: Reason
    detail: str = ""
    check: Check = field(default_factory=Check)
    axioms: tuple[str, ...] = ()
    seconds: float = 0.0
    kernels: tuple[str, ...] = ()

    @property
    def proved(self) -> bool:
        """Is the claim proved?"""
        return self.reason is Reason.PROVED

    @property
    def one_kernel(self) -> bool:
        """Is the claim proved by Lean's kernel alone?"""
        return self.proved and OWN not in self.kernels


LEAN = "lean"  # kernels, as a Verdict names them
OWN = "open-prover"

_REASONS = {
    Ended.TIMEOUT: Reason.TIMEOUT,
    Ended.MEMORY: Reason.MEMORY,
    Ended.CRASH: Reason.CRASH,
    Ended.INPUT: Reason.INPUT,
    Ended.FORBIDDEN: Reason.FORBIDDEN,
}


def stopped_verdict(check: Check) -> Verdict:
    """The Verdict of a check that did not complete."""
    return Verdict(_REASONS[check.ended], check.detail, check)


def error_verdict(check: Check) -> Verdict | None:
    """The Verdict of a guarded solution's check that failed; None if it has no error, and environments must tell."""
    if check.ended is not Ended.COMPLETED:
        return stopped_verdict(check)
    if check.errors:
        return Verdict(Reason.ERROR, str(check.errors[0]), check)
    return None


def conclude(fact: dict[str, Any], claim: Claim, check: Check | None = None, holes: bool = False) -> Verdict:
    """The Verdict of a claim, from comparing the environments of challenge and solution.

    fact: the REPL's comparison (protocol.ComparisonJson). holes: the solution's text has a `sorry` somewhere.
    """
    check, theorem = check or Check(), claim.theorem
    axioms = tuple(a["name"] for a in fact["axioms"])
    if fact["challenge"] != "theorem" and not (claim.definition and fact["challenge"] in ("def", "opaque")):
        what = "declares no theorem" if fact["challenge"] is None else f"declares a {fact['challenge']}, not a theorem,"
        return Verdict(Reason.CHALLENGE, f"the challenge {what} named {theorem}", check)
    if fact["solution"] is None:
        return Verdict(Reason.MISSING, f"the solution declares nothing named {theorem}", check)
    if fact["differs"]:
        first = fact["differs"][0]
        return Verdict(Reason.STATEMENT, f"{first['name']} differs from the challenge's: {first['how']}", check)
    if "sorryAx" in axioms or (holes and claim.single):
        own = not fact["sorries"] or theorem in fact["sorries"]
        unproved = ", ".join(fact["sorries"])
        detail = f"`sorry` is used in {theorem}" if own else f"it rests on what is left open: {unproved}"
        return Verdict(Reason.SORRY, detail, check, axioms)
    wrong = [a["name"] for a in fact["axioms"] if a["name"] not in rules.AXIOMS and not a["challenge"]]
    if wrong:
        return Verdict(Reason.AXIOM, f"rests on {', '.join(wrong)}", check, axioms)
    if fact["computedSort"] is not None:
        why = "whose sort is computed: this Lean's kernel cannot be trusted with it"
        return Verdict(Reason.FORBIDDEN, f"rests on the inductive type {fact['computedSort']}, {why}", check, axioms)
    return Verdict(Reason.PROVED, "", check, axioms)
