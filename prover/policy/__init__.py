"""Policies: whatever writes proofs. A model is one; so is a set of tactics."""

from collections.abc import Callable

from prover.policy.base import Params, Policy, Prompt, Round, Sample
from prover.policy.tactics.policy import TacticsPolicy

POLICIES: dict[str, Callable[[], Policy]] = {"tactics": TacticsPolicy}
"""The policies by the names that the command line knows."""

__all__ = ["POLICIES", "Params", "Policy", "Prompt", "Round", "Sample", "TacticsPolicy"]
