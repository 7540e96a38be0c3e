"""Whole-proof sampling: ask the policy for proofs, let Lean judge each, stop at the first that holds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from data import Theorem
from lean_env import LeanPool, Reason, Verdict
from prover.policy import Params, Policy, Prompt, Sample
from search import trace
from search.budget import Budget, Meter
from search.searcher import LIMITS, PATIENCE, SearchResult, first_goal, stop

_BATCH = 16  # proofs asked for at once


class Sampling:
    """Proofs are judged in the order the policy gives them, on all of the pool's workers.

    Every check has a short limit, so that one bad proposal does not eat the budget; proposals that reach it are tried
    again with the next longer limit when all others have had their turn.
    """

    name = "sampling"

    def __init__(
        self,
        pool: LeanPool,
        policy: Policy,
        *,
        seed: int = 0,
        limits: tuple[float, ...] = LIMITS,
        progress: Callable[[Meter], None] | None = None,
    ) -> None:
        self.pool = pool
        self.policy = policy
        self.seed = seed
        self.limits = limits
        self.progress = progress

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        meter, result = Meter(budget), SearchResult(theorem)
        result.trace = trace.Trace(self.name, theorem.name, theorem.statement)
        goal = await first_goal(self.pool, theorem, result)
        if goal is not None:
            result.trace.nodes.append(trace.Node(None, "", goal))
            await _Run(self, Prompt(theorem, goal), meter, result).run()
        result.spent(meter)
        return result


class _Run:
    """One search under way."""

    def __init__(self, search: Sampling, prompt: Prompt, meter: Meter, result: SearchResult) -> None:
        self.search, self.prompt, self.meter, self.result = search, prompt, meter, result
        self.waiting: list[deque[Sample]] = [deque() for _ in search.limits]  # by the limit they will be tried with
        self.more = True  # does the policy have further proofs?

    async def run(self) -> None:
        running: set[asyncio.Task[None]] = set()
        try:
            while not self.result.proved and self.meter.seconds_left > 0:
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
            await stop(running, PATIENCE)

    async def _next(self) -> tuple[Sample, int] | None:
        """The next proof to try and the index of its limit."""
        if not self.waiting[0] and self.more:
            wanted = self.meter.samples_left(_BATCH)
            params = Params(self.meter.samples, self.search.seed)
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
        self.result.add(sample, verdict)
        self.search.policy.learn(sample, verdict.proved)
