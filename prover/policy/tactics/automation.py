"""Proposes Lean's automation: one tactic, or a short chain of them."""

from collections.abc import Iterator

from prover.policy.tactics.proposal import AUTOMATION, Proposal
from prover.policy.tactics.state import Goal

ONE_LINERS = (
    "rfl",
    "trivial",
    "omega",
    "decide",
    "simp",
    "simp_all",
    "grind",
    "decide +kernel",
    "ac_rfl",
    "simp +arith",
    "simp_all <;> omega",
    "intros; simp_all",
    "intros; omega",
    "norm_cast",
)


def automation(goal: Goal) -> Iterator[Proposal]:
    """Propose each of Lean's automation tactics, as one line."""
    for tactic in ONE_LINERS:
        yield Proposal(tactic, AUTOMATION)
