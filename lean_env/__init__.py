"""Lean: install it, run its processes, check code, judge proofs, on one worker or a pool of them."""

from lean_env.check import Check, Ended, Message, Position, Sorry, Step, Steps, Tactic
from lean_env.lean import Lean, LeanUnavailable, embedded
from lean_env.pool import LeanPool, PoolClosed
from lean_env.session import WorkerLimits
from lean_env.verdict import Claim, Reason, Verdict
from lean_env.worker import Worker

__all__ = [
    "Check",
    "Claim",
    "Ended",
    "Lean",
    "LeanPool",
    "LeanUnavailable",
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
    "WorkerLimits",
    "embedded",
]
