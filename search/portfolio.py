"""Portfolio: several searches on one theorem, cheap ones first, each with a share of the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data import Theorem
from search.budget import Budget, Meter
from search.searcher import Searcher, SearchResult


@dataclass(frozen=True)
class Phase:
    """A search and the share of the remaining budget that it may spend; the last phase gets all of the rest."""

    searcher: Searcher
    share: float


class Portfolio:
    """Runs phases one after the other until one finds a proof. What a phase does not spend is left to the next."""

    name = "auto"

    def __init__(self, phases: Sequence[Phase]) -> None:
        self.phases = phases

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        """Run the phases until a proof is found or the budget is spent."""
        meter, result = Meter(budget), SearchResult(theorem)
        reasons, lost_samples = result.reasons, 0
        for number, phase in enumerate(self.phases):
            if number and meter.exhausted:
                break
            share = phase.share if number + 1 < len(self.phases) else 1.0
            result = await phase.searcher.prove(theorem, meter.fraction(share))
            meter.add(result.samples, result.checks, result.usage)
            lost_samples += result.lost_samples
            reasons += result.reasons
            if result.proved or result.problem:
                break
        result.reasons, result.lost_samples = reasons, lost_samples
        result.record_meter(meter)
        return result
