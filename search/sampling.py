"""Whole-proof sampling: ask the policy for proofs, let Lean judge each, stop at the first that holds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from data import Theorem
from lean_env import LeanPool, Reason, Verdict
from prover.policy import Params, Policy, Prompt, Sample
from search.budget import Budget, Meter
from search.searcher import SearchResult

LIMITS = (1.0, 4.0, 15.0)  # seconds for one check: what is cut off by one limit waits for the next
_BATCH = 16  # proofs asked for at once
_PATIENCE = 1.0  # seconds that checks under way may take when they are no longer needed, before they are killed


class Sampling:
    """Proofs are judged in the order the policy gives them, on all of the pool's workers.

    Every check has a short limit, so that one bad proposal does not eat the budget; proposals that reach it are tried
    again with the next longer limit when all others have had their turn.
    """

    def __init__(
        self,
        pool: LeanPool,
        policy: Policy,
        limits: tuple[float, ...] = LIMITS,
        progress: Callable[[Meter], None] | None = None,
    ) -> None:
        self.pool = pool
        self.policy = policy
        self.limits = limits
        self.progress = progress

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        meter, result = Meter(budget), SearchResult(theorem)
        goal = await self._goal(theorem, result)
        if goal is not None:
            await _Run(self, Prompt(theorem, goal), meter, result).run()
        result.spent(meter)
        return result

    async def _goal(self, theorem: Theorem, result: SearchResult) -> str | None:
        """The tactic state at the start of the proof; None, with the problem in the result, if there is none."""
        check = await self.pool.check(theorem.challenge, context=theorem.context)
        if check.ok and check.sorries:
            return check.sorries[0].goal
        said = check.errors or check.messages
        result.problem = str(said[0]) if said else check.detail or "the statement leaves no goal"
        return None


class _Run:
    """One search under way."""

    def __init__(self, search: Sampling, prompt: Prompt, meter: Meter, result: SearchResult) -> None:
        self.search, self.prompt, self.meter, self.result = search, prompt, meter, result
        self.waiting: list[deque[Sample]] = [deque() for _ in search.limits]  # by the limit they will be tried with
        self.more = True  # does the policy have further proofs?

    async def run(self) -> None:
        running: set[asyncio.Task[None]] = set()
        try:
            while not self.result.proved and not self.meter.exhausted:
                while len(running) < self.search.pool.size and not self.meter.exhausted:
                    turn = await self._next()
                    if turn is None:
                        break
                    self.meter.checks += 1
                    running.add(asyncio.create_task(self._try(*turn)))
                if not running:
                    return
                left = None if self.meter.budget.seconds is None else max(0.0, self.meter.seconds_left)
                done, running = await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if self.search.progress:
                    self.search.progress(self.meter)
        finally:
            if running:
                await asyncio.wait(running, timeout=_PATIENCE)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _next(self) -> tuple[Sample, int] | None:
        """The next proof to try and the index of its limit."""
        if not self.waiting[0] and self.more:
            wanted = self.meter.samples_left(_BATCH)
            params = Params(start=self.meter.samples)
            samples = (await self.search.policy.sample([self.prompt], wanted, params))[0] if wanted else []
            self.more = len(samples) == wanted > 0
            self.meter.samples += len(samples)
            self.waiting[0].extend(samples)
        for index, queue in enumerate(self.waiting):
            if queue:
                return queue.popleft(), index
        return None

    async def _try(self, sample: Sample, index: int) -> None:
        limit = min(self.search.limits[index], max(0.1, self.meter.seconds_left))
        verdict = await self.search.pool.judge(self.prompt.theorem.claim(sample.proof), timeout=limit)
        if verdict.reason is Reason.TIMEOUT and index + 1 < len(self.waiting):
            self.waiting[index + 1].append(sample)
            return
        self._record(sample, verdict)

    def _record(self, sample: Sample, verdict: Verdict) -> None:
        self.result.reasons[verdict.reason] += 1
        self.search.policy.learn(sample, verdict.proved)
        if verdict.proved and not self.result.proved:
            self.result.proof, self.result.verdict, self.result.family = sample.proof, verdict, sample.family
