"""Policies: whatever writes proofs. A model is one; so is a set of tactics."""

from prover.policy.base import Params, Policy, Prompt, Sample
from prover.policy.tactics.policy import TacticsPolicy

__all__ = ["Params", "Policy", "Prompt", "Sample", "TacticsPolicy"]
