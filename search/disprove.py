"""Refuting a theorem: a counterexample among small values, or a proof of its negation. Alone, or beside a search."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from data import Declaration, LeanFile, Theorem
from lean_env import LeanPool
from lean_env.cpu_time import current_cpu_time, measure_cpu_time
from search.budget import Budget, Meter
from search.counterexamples import counterexample, read_statement
from search.minimise import resolve_alternatives
from search.negation import Refutation, can_be_negated, negation
from search.searcher import GRACE_SECONDS, Searcher, SearchResult, cancel_tasks

REFUTATION_SHARE = 0.2  # of a search's budget that is for the negation
_DELAY_SECONDS = 2.0  # seconds after which that begins: what is proved at once costs no more than before
_DEFAULT_SECONDS = 20.0  # for the negation, where the search itself has no limit of time
_COUNTEREXAMPLE_SHARE = 0.6  # of a budget: for counterexamples; what is left is for proofs of the negation


class Disprover:
    """Refutes theorems: tries small values first, then proves the negation in any way.

    searcher: proves the negation where no small values refute the statement.
    """

    name = "disprove"

    def __init__(self, pool: LeanPool, searcher: Searcher) -> None:
        self.pool, self.searcher = pool, searcher

    async def refute(self, theorem: Theorem, budget: Budget) -> SearchResult:
        """Return a result with a `refutation`, with the `problem` that it cannot be negated, or with neither."""
        meter, result = Meter(budget), SearchResult(theorem)
        negated = await negation(self.pool, theorem) if can_be_negated(theorem) else None
        if negated is None:
            result.problem = "its negation cannot be stated"
        else:
            result.refutation = await self._counterexample(negated, meter)
            if result.refutation is None and not meter.exhausted:
                proved = await self.searcher.prove(negated, meter.fraction(1.0))
                meter.add(proved.samples, proved.checks, proved.usage)
                if proved.proof is not None and proved.verdict is not None:
                    result.refutation = Refutation(negated, proved.proof, proved.verdict)
        result.record_meter(meter)
        return result

    async def _counterexample(self, negated: Theorem, meter: Meter) -> Refutation | None:
        statement = await read_statement(self.pool, negated)
        if statement is None:
            return None
        limited = Meter(meter.fraction(_COUNTEREXAMPLE_SHARE))
        found = await counterexample(self.pool, statement, limited)
        meter.checks += limited.checks
        if found is None:
            return None
        candidate, term = found
        proof = await resolve_alternatives(self.pool, negated, f"exact {term}")
        meter.checks += 1
        verdict = await self.pool.judge(negated.claim(proof))
        return Refutation(negated, proof, verdict, candidate.displayed) if verdict.proved else None

    async def contradictory(self, theorem: Theorem) -> bool:
        """Return whether automation proves that the hypotheses contradict each other: the theorem is vacuous then."""
        steps = await self.pool.steps(theorem.challenge, _CONTRADICTION, context=theorem.context, timeout=5.0)
        return steps.complete


_VACUOUS = "its hypotheses contradict each other: it holds, and says nothing"
_CONTRADICTION = "intros\nexfalso\nfirst | omega | contradiction | (simp_all; done) | grind"


class BothSides:
    """Searches for a proof and, after 2 s and for a share of the budget, for a refutation beside it.

    Whichever is found first ends both (DeepSeek-Prover-V1, arXiv:2405.14333).
    """

    def __init__(self, searcher: Searcher, disprover: Disprover) -> None:
        self.searcher, self.disprover, self.name = searcher, disprover, searcher.name

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        meter = Meter(budget)
        checks = None if budget.checks is None else int(REFUTATION_SHARE * budget.checks)
        if not can_be_negated(theorem) or checks == 0:
            return await self.searcher.prove(theorem, budget)
        share = meter.fraction(REFUTATION_SHARE)
        seconds = _DEFAULT_SECONDS if budget.seconds is None and budget.cpu is None else share.seconds
        refuter_budget = Budget(share.samples, checks, None, seconds, share.cpu)
        checks_left = None if budget.checks is None or checks is None else budget.checks - checks
        prover_budget = Budget(budget.samples, checks_left, budget.tokens, budget.seconds, budget.cpu)
        proving = asyncio.create_task(self.searcher.prove(theorem, prover_budget))
        refuting = asyncio.create_task(self._refute_later(theorem, refuter_budget, proving))
        try:
            await asyncio.wait((proving, refuting), return_when=asyncio.FIRST_COMPLETED)
            if proving.done() and not (proving.result().proved or proving.result().problem):
                await asyncio.wait([refuting], timeout=None if budget.seconds is None else max(0.0, meter.seconds_left))
            if refuting.done() and (refuted := refuting.result()).refutation and not _is_proved(proving):
                await cancel_tasks([proving], GRACE_SECONDS if proving.done() else 0.0)
                if not _is_proved(proving):
                    refuted.seconds, refuted.cpu = meter.seconds, meter.cpu
                    return refuted
            result = await proving
            if refuting.done() and not refuting.cancelled():
                result.checks += refuting.result().checks
            return result
        finally:
            await cancel_tasks([proving, refuting])

    async def _refute_later(
        self, theorem: Theorem, budget: Budget, proving: asyncio.Task[SearchResult]
    ) -> SearchResult:
        """Refute the theorem after the delay, or once the search has ended without a proof.

        Lean's processor time for it is added to the search's when it has ended.
        """
        await asyncio.wait([proving], timeout=_DELAY_SECONDS)
        if _is_proved(proving):
            return SearchResult(theorem)
        outer = current_cpu_time()
        with measure_cpu_time() as own:
            try:
                return await self.disprover.refute(theorem, budget)
            finally:
                outer.seconds += own.seconds


def _is_proved(task: asyncio.Task[SearchResult]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None and task.result().proved


@dataclass(frozen=True)
class Disproof:
    """The outcome of refuting a theorem of a file. contradictory: its hypotheses contradict each other, so it holds."""

    declaration: Declaration
    result: SearchResult
    contradictory: bool = False

    @property
    def refutation(self) -> Refutation | None:
        return self.result.refutation

    @property
    def detail(self) -> str:
        """The counterexample, or why there is none, for people."""
        if self.refutation:
            return self.refutation.summary
        return _VACUOUS if self.contradictory else self.result.problem


def to_disprove(file: LeanFile, names: Collection[str] = ()) -> list[Declaration]:
    """Return the theorems of these names; without names those that are open, or all if none is."""
    left_open = [d for d in file.theorems if d.open] or [*file.theorems]
    return [d for d in (file.theorems if names else left_open) if not names or d.name in names]


async def disprove_file(
    pool: LeanPool, file: LeanFile, disprover: Disprover, budget: Budget, names: Collection[str] = ()
) -> AsyncIterator[Disproof]:
    """Try to refute the theorems of a file (see `to_disprove`), in order; `budget` holds for each of them."""
    for declaration in to_disprove(file, names):
        if declaration.rests_on:
            problem = f"its statement rests on what is left open: {', '.join(declaration.rests_on)}"
            yield Disproof(declaration, SearchResult(file.theorem(declaration, {}), problem=problem))
            continue
        theorem = file.theorem(declaration, {})
        with measure_cpu_time():
            result = await disprover.refute(theorem, budget)
        contradictory = result.refutation is None and await disprover.contradictory(theorem)
        yield Disproof(declaration, result, contradictory)
