"""How much a search may spend, and how much it has spent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lean_env.cpu_time import CpuTime, current_cpu_time
from prover.policy import Usage


@dataclass(frozen=True)
class Budget:
    """Limits on one search; whichever is reached first ends it. None: no limit."""

    samples: int | None = None  # proofs asked of the policy
    checks: int | None = None  # questions to Lean
    tokens: int | None = None  # written by the policy's model; answers under way are not cut off
    seconds: float | None = None  # wall time
    cpu: float | None = None  # seconds of processor time of Lean's processes: the same on a busy machine

    def __post_init__(self) -> None:
        limits = (self.samples, self.checks, self.tokens, self.seconds, self.cpu)
        if any(limit is not None and limit < 0 for limit in limits):
            raise ValueError("a budget cannot be negative")


@dataclass
class Meter:
    """What a search has spent of its budget. The clocks run from its making."""

    budget: Budget
    samples: int = 0
    checks: int = 0
    usage: Usage = field(default_factory=Usage)
    began: float = field(default_factory=time.monotonic)
    work: CpuTime = field(default_factory=current_cpu_time)
    worked_before: float = 0.0

    def __post_init__(self) -> None:
        self.worked_before = self.work.seconds

    @property
    def cpu(self) -> float:
        """Seconds that Lean's processes have worked."""
        return self.work.seconds - self.worked_before

    @property
    def cpu_left(self) -> float:
        return float("inf") if self.budget.cpu is None else self.budget.cpu - self.cpu

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float:
        return float("inf") if self.budget.seconds is None else self.budget.seconds - self.seconds

    @property
    def exhausted(self) -> bool:
        """Is nothing left of checks or time?"""
        checks_spent = self.budget.checks is not None and self.checks >= self.budget.checks
        return self.seconds_left <= 0 or self.cpu_left <= 0 or checks_spent

    def limit(self, seconds: float) -> float:
        """What one check may take that should have some seconds."""
        return min(seconds, max(0.1, self.seconds_left), max(0.1, self.cpu_left))

    def samples_left(self, wanted: int) -> int:
        """How many of the wanted samples may still be asked for."""
        if self.budget.tokens is not None and self.usage.written >= self.budget.tokens:
            return 0
        return wanted if self.budget.samples is None else max(0, min(wanted, self.budget.samples - self.samples))

    def part(self, share: float) -> Budget:
        """A share of what is left, at least one sample, check and second of it."""

        def of(left: int | None) -> int | None:
            return None if left is None else min(max(0, left), max(1, round(share * left)))

        samples = None if self.budget.samples is None else self.budget.samples - self.samples
        checks = None if self.budget.checks is None else self.budget.checks - self.checks
        tokens = None if self.budget.tokens is None else self.budget.tokens - self.usage.written
        left = max(0.0, self.seconds_left)
        seconds = None if self.budget.seconds is None else min(left, max(1.0, share * left))
        cpu_left = max(0.0, self.cpu_left)
        cpu = None if self.budget.cpu is None else min(cpu_left, max(1.0, share * cpu_left))
        return Budget(of(samples), of(checks), of(tokens), seconds, cpu)
