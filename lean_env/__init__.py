"""Lean: where it comes from, talking to it, what counts as proved, and many workers."""

from lean_env.check import Check, Ended, Message, Position, Sorry, Step, Steps, Tactic
from lean_env.lean import Lean, LeanUnavailable, embedded
from lean_env.pool import LeanPool, PoolClosed
from lean_env.verdict import Claim, Reason, Verdict
from lean_env.worker import Limits, Worker

__all__ = [
    "Check",
    "Claim",
    "Ended",
    "Lean",
    "LeanPool",
    "LeanUnavailable",
    "Limits",
    "Message",
    "PoolClosed",
    "Position",
    "Reason",
    "Sorry",
    "Step",
    "Steps",
    "Tactic",
    "Verdict",
    "Worker",
    "embedded",
]
