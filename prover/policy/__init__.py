"""Policies: whatever writes proofs. A model is one; so is a set of tactics."""

from prover.policy.base import Params, Policy, PolicyUnavailable, Prompt, Round, Sample, Usage
from prover.policy.policies import POLICIES, companion, opened
from prover.policy.tactics.policy import TacticsPolicy

__all__ = [
    "POLICIES",
    "Params",
    "Policy",
    "PolicyUnavailable",
    "Prompt",
    "Round",
    "Sample",
    "TacticsPolicy",
    "Usage",
    "companion",
    "opened",
]
