"""The Prompt: a theorem, and how far its proof has come."""

from __future__ import annotations

from dataclasses import dataclass

from data import Theorem
from lean_env.premises import Premises


@dataclass(frozen=True)
class PreviousAttempt:
    """An earlier proof of the policy's that Lean refused. feedback: Lean's errors, shortened."""

    proof: str
    feedback: str


@dataclass(frozen=True)
class Prompt:
    """A theorem and the beginning of its proof, which a policy is to continue.

    goal: the tactic state to go on from, as Lean prints it.
    prefix: the tactics that lead there from the statement, first column 0; empty at the start of a proof.
    column: where the tactic block stands that is to be continued (more than 0 inside a block of the prefix).
    rounds: earlier answers that failed, oldest first, to be corrected.
    premises: the definitions, variables and lemmas that have to do with the goal, for a policy that uses them.
    """

    theorem: Theorem
    goal: str = ""
    prefix: str = ""
    column: int = 0
    rounds: tuple[PreviousAttempt, ...] = ()
    premises: Premises | None = None
