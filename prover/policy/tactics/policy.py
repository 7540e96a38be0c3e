"""The proposals as a Policy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from prover.policy.base import Params, Prompt, Sample
from prover.policy.tactics import Proposal, Ranking, proposals

_REMEMBERED = 64  # theorems whose order is kept, so that their samples keep their numbers


class TacticsPolicy:
    """No model: Lean's automation and templates built from the goal, those first that proved other theorems before."""

    name = "tactics"

    def __init__(self) -> None:
        self._ranking = Ranking()
        self._orders: OrderedDict[Prompt, list[Proposal]] = OrderedDict()

    async def sample(self, prompts: Sequence[Prompt], n: int, params: Params) -> list[list[Sample]]:
        return [
            [Sample(p.text, p.family) for p in self._order(prompt)[params.start : params.start + n]]
            for prompt in prompts
        ]

    def learn(self, sample: Sample, proved: bool) -> None:
        if proved:
            self._ranking.succeeded(sample.family)

    def _order(self, prompt: Prompt) -> list[Proposal]:
        if prompt not in self._orders:
            self._orders[prompt] = list(self._ranking.rank(proposals(prompt.goal)))
            if len(self._orders) > _REMEMBERED:
                self._orders.popitem(last=False)
        return self._orders[prompt]
