"""Several searches on one theorem: the cheap ones first, each for a share of the budget, until one succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data import Theorem
from search.budget import Budget, Meter
from search.searcher import Searcher, SearchResult


@dataclass(frozen=True)
class Turn:
    """A search and the share of what is left of the budget that it may spend; the last turn has all that is left."""

    searcher: Searcher
    share: float


class Portfolio:
    """Turn after turn. One that gives up early (it has nothing more to try) leaves the rest to the next."""

    name = "auto"

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = turns

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        meter, last = Meter(budget), SearchResult(theorem)
        reasons, lost = last.reasons, 0
        for number, turn in enumerate(self.turns):
            if number and meter.exhausted:
                break
            share = turn.share if number + 1 < len(self.turns) else 1.0
            last = await turn.searcher.prove(theorem, meter.part(share))
            meter.samples += last.samples
            meter.checks += last.checks
            meter.usage.add(last.usage)
            lost += last.lost
            reasons += last.reasons
            if last.proved or last.problem:
                break
        last.reasons, last.lost = reasons, lost
        last.spent(meter)
        return last
