"""The tactic proposals as a Policy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace

from data.syntax.layout import lines_right
from lean_env.premises import Premises
from prover.engines.base import Usage
from prover.policy.base import Sample, SampleRequest
from prover.policy.tactics import Proposal, Ranking, own, proposals, steps
from prover.prompts.prompt import Prompt

_REMEMBERED = 10_000  # goals whose order is kept, so that their samples keep their numbers


class TacticsPolicy:
    """A policy without a model: Lean's automation and templates built from the goal, successful families first."""

    name = "tactics"
    stepwise = True
    window = 4
    uses_premises = True
    last_error = ""

    def __init__(self) -> None:
        self._ranking = Ranking()
        self._orders: OrderedDict[tuple[str, Premises | None, SampleRequest], list[Proposal]] = OrderedDict()

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        """Propose proofs; none for a prompt with rounds, because it corrects nothing."""
        for proposal in [] if prompt.rounds else self._order(prompt, params)[params.start :][:n]:
            yield _sample(proposal, prompt)

    def learn(self, sample: Sample, proved: bool) -> None:
        if proved:
            self._ranking.succeeded(sample.family)

    def fresh(self) -> TacticsPolicy:
        return TacticsPolicy()

    def own(self, premises: Premises) -> Iterator[Proposal]:
        """Proposals from a goal's premises."""
        return own(premises)

    def _order(self, prompt: Prompt, params: SampleRequest) -> list[Proposal]:
        key = (prompt.goal, prompt.premises, replace(params, start=0))
        if key not in self._orders:
            make = steps if params.partial else proposals
            found = make(prompt.goal, self.own(prompt.premises) if prompt.premises else ())
            self._orders[key] = self._ranking.rank(found, params.seed)
            if len(self._orders) > _REMEMBERED:
                self._orders.popitem(last=False)
        return self._orders[key]


def _sample(proposal: Proposal, prompt: Prompt) -> Sample:
    return Sample(lines_right(proposal.text, prompt.column), proposal.family)
