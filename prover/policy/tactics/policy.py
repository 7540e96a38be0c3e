"""The proposals as a Policy."""

from __future__ import annotations

import textwrap
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import replace

from prover.policy.base import Params, Prompt, Sample, Usage
from prover.policy.tactics import Proposal, Ranking, proposals, steps

_REMEMBERED = 10_000  # goals whose order is kept, so that their samples keep their numbers


class TacticsPolicy:
    """No model: Lean's automation and templates built from the goal, those first that proved other theorems before."""

    name = "tactics"
    stepwise = True
    window = 4
    trouble = ""

    def __init__(self) -> None:
        self._ranking = Ranking()
        self._orders: OrderedDict[tuple[str, Params], list[Proposal]] = OrderedDict()

    async def sample(
        self, prompt: Prompt, n: int, params: Params, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        """Nothing for a prompt with rounds: it cannot correct, and has other proofs to offer without."""
        for proposal in [] if prompt.rounds else self._order(prompt, params)[params.start :][:n]:
            yield _sample(proposal, prompt)

    def learn(self, sample: Sample, proved: bool) -> None:
        if proved:
            self._ranking.succeeded(sample.family)

    def fresh(self) -> TacticsPolicy:
        return TacticsPolicy()

    def _order(self, prompt: Prompt, params: Params) -> list[Proposal]:
        key = (prompt.goal, replace(params, start=0))
        if key not in self._orders:
            found = (steps if params.partial else proposals)(prompt.goal)
            self._orders[key] = self._ranking.rank(found, params.seed)
            if len(self._orders) > _REMEMBERED:
                self._orders.popitem(last=False)
        return self._orders[key]


def _sample(proposal: Proposal, prompt: Prompt) -> Sample:
    return Sample(textwrap.indent(proposal.text, " " * prompt.column), proposal.family)
