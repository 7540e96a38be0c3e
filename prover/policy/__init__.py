"""Policies: what proposes proofs. A language model is one; so is a set of tactics."""

from prover.engines.base import PolicyUnavailable, Usage
from prover.policy.base import Params, Policy, Sample
from prover.policy.registry import POLICIES, fallback_policy, open_policy
from prover.policy.tactics.policy import TacticsPolicy
from prover.prompts.prompt import PreviousAttempt, Prompt

__all__ = [
    "POLICIES",
    "Params",
    "Policy",
    "PolicyUnavailable",
    "PreviousAttempt",
    "Prompt",
    "Sample",
    "TacticsPolicy",
    "Usage",
    "fallback_policy",
    "open_policy",
]
