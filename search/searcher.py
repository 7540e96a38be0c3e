"""What every search is and returns."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from data import Theorem
from lean_env import Reason, Verdict
from search.budget import Budget, Meter


@dataclass
class SearchResult:
    """What a search found and spent."""

    theorem: Theorem
    proof: str | None = None
    verdict: Verdict | None = None  # of the proof
    family: str = ""  # what kind of proof it is
    samples: int = 0
    checks: int = 0
    seconds: float = 0.0
    reasons: Counter[Reason] = field(default_factory=Counter)  # how attempts ended
    problem: str = ""  # why nothing could be tried at all

    @property
    def proved(self) -> bool:
        return self.proof is not None

    def spent(self, meter: Meter) -> None:
        """Take over the meter's readings."""
        self.samples, self.checks, self.seconds = meter.samples, meter.checks, meter.seconds


class Searcher(Protocol):
    """Anything that looks for a proof of one theorem."""

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        """Search until a proof is found or the budget is spent. Raises nothing that the theorem could cause."""
        ...
