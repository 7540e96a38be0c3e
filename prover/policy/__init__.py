"""Policies propose proofs: a language model, or tactics without a model."""

from prover.engines.base import PolicyUnavailable, Usage
from prover.policy.base import Policy, Sample, SampleRequest
from prover.policy.registry import POLICIES, PolicyConfig, fallback_policy, open_policy
from prover.policy.tactics.policy import TacticsPolicy
from prover.prompts.prompt import PreviousAttempt, Prompt

__all__ = [
    "POLICIES",
    "Policy",
    "PolicyConfig",
    "PolicyUnavailable",
    "PreviousAttempt",
    "Prompt",
    "Sample",
    "SampleRequest",
    "TacticsPolicy",
    "Usage",
    "fallback_policy",
    "open_policy",
]
