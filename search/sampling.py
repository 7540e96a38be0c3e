"""Whole-proof sampling: ask the policy for proofs, let Lean judge each, stop at the first that holds.

Writing and judging go on side by side: proofs are asked for while others are judged, but no faster than they can be.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import aclosing

from data import Theorem
from lean_env import LeanPool, Reason, Verdict
from prover.policy import Policy, Prompt, Sample, SampleRequest
from search import trace
from search.budget import Budget, Meter
from search.searcher import LIMITS, PATIENCE, SearchResult, first_goal, goal_premises, stop, until

_OTHERS = 32  # proofs that are judged before one that was cut off has another turn
_GROUP = 4  # proofs of one request at most: a model reads the prompt once for all of them
_ERRORS = 4  # requests in a row that bring nothing but errors: it would go on like this


class Sampling:
    """Proofs are judged in the order in which they come in, on all of the pool's workers.

    Every check has a short limit, so that one bad proposal does not eat the budget; proposals that reach it are tried
    again with the next longer limit when some others, or all that there are, have had their turn.
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
            premises = await goal_premises(self.pool, self.policy, theorem)
            await _Run(self, Prompt(theorem, goal, premises=premises), meter, result).run()
        result.spent(meter)
        return result


class _Run:
    """One search under way."""

    def __init__(self, search: Sampling, prompt: Prompt, meter: Meter, result: SearchResult) -> None:
        self.search, self.prompt, self.meter, self.result = search, prompt, meter, result
        self.fresh: deque[Sample] = deque()
        self.cut: deque[tuple[Sample, int, int]] = deque()  # cut off: index of the next limit, and when it is due
        self.judged = self.trying = 0  # checks: done, under way
        self.repeats = 0  # proofs in a row that had come in before
        self.requested = self.coming = 0  # samples: ever, and under way
        self.errors = 0  # requests in a row that brought nothing but errors
        self.times: Counter[str] = Counter()  # how often a proof came in; it is judged once
        self.reasons: dict[str, Reason] = {}  # what became of those that have been judged
        self.more = True  # does the policy have further proofs?
        self.asking = True  # may anything more come in?
        self.change = asyncio.Event()

    async def run(self) -> None:
        asking = asyncio.create_task(self._ask())
        judging = [asyncio.create_task(self._judge()) for _ in range(self.search.pool.size)]
        try:
            await until(lambda: self.result.proved, judging, self.meter)
        finally:
            self._changed()  # those that wait for a proof see that it is over
            await stop([asking])
            await stop(judging, PATIENCE)
        if not asking.cancelled() and not self.result.proved:
            asking.result()

    def _changed(self) -> None:
        self.change.set()
        self.change = asyncio.Event()

    async def _ask(self) -> None:
        """Keep as many proofs on their way as the policy likes, until there are no more, or Lean has enough of them."""
        requests: set[asyncio.Task[None]] = set()
        try:
            while self.more and not self._over:
                room = self.search.policy.window - self.coming
                wanted = self.meter.samples_left(min(room, _GROUP))
                if room > 0 and not wanted:
                    break
                if not wanted or self._enough:
                    await self.change.wait()
                else:
                    params = SampleRequest(self.requested, self.search.seed)
                    self.requested += wanted
                    self.meter.samples += wanted
                    self.coming += wanted
                    requests.add(asyncio.create_task(self._request(wanted, params)))
                    await asyncio.sleep(0)
                for request in [r for r in requests if r.done()]:
                    requests.remove(request)
                    request.result()
            await asyncio.gather(*requests)
        finally:
            await stop(requests)
            self.asking = False
            self._changed()

    async def _request(self, wanted: int, params: SampleRequest) -> None:
        left, written = wanted, False
        try:
            samples = self.search.policy.sample(self.prompt, wanted, params, self.meter.usage)
            async with aclosing(samples):
                async for sample in samples:
                    left -= 1
                    self.coming -= 1
                    written |= not sample.is_error
                    self._take(sample)
                    self._changed()
            self.errors = 0 if written else self.errors + 1
            self.more &= left == 0 and self.errors < _ERRORS
        finally:
            self.coming -= left
            self.meter.samples -= left
            self._changed()

    @property
    def _enough(self) -> bool:
        """Has Lean enough to do? Where nothing new comes in, more of the same can wait for what it says."""
        repeats_only = self.repeats >= self.search.policy.window and self.trying > 0
        return repeats_only or len(self.fresh) >= 2 * self.search.pool.size

    def _take(self, sample: Sample) -> None:
        self.times[sample.proof] += 1
        if sample.failure:
            self._record(sample, Verdict(Reason.ANSWER, sample.failure))
        elif self.times[sample.proof] == 1:
            self.repeats = 0
            self.fresh.append(sample)
        else:
            self.repeats += 1
            if sample.proof in self.reasons:
                self.result.reasons[self.reasons[sample.proof]] += 1

    async def _judge(self) -> None:
        """Judge what is waiting until there is nothing more, and nobody who could bring it."""
        while not self._over:
            turn = self._next()
            if turn is not None:
                self.trying += 1
                self.meter.checks += 1
                self._changed()
                await self._try(*turn)
                self.judged, self.repeats = self.judged + 1, 0
                self.trying -= 1
                self._changed()
            elif self.asking or self.trying:
                await self.change.wait()
            else:
                return

    @property
    def _over(self) -> bool:
        return self.meter.exhausted or self.result.proved

    def _next(self) -> tuple[Sample, int] | None:
        """What to judge now, and the index of its limit."""
        if self.cut and (not self.fresh or self.judged >= self.cut[0][2]):
            sample, index, _ = self.cut.popleft()
            return sample, index
        return (self.fresh.popleft(), 0) if self.fresh else None

    async def _try(self, sample: Sample, index: int) -> None:
        limit = self.meter.limit(self.search.limits[index])
        verdict = await self.search.pool.judge(self.prompt.theorem.claim(sample.proof), timeout=limit)
        if verdict.reason is Reason.TIMEOUT and index + 1 < len(self.search.limits):
            self.cut.append((sample, index + 1, self.judged + _OTHERS))
        else:
            self._record(sample, verdict)

    def _record(self, sample: Sample, verdict: Verdict) -> None:
        self.result.add(sample, verdict)
        if not sample.failure:
            self.result.reasons[verdict.reason] += self.times[sample.proof] - 1
            self.reasons[sample.proof] = verdict.reason
        self.search.policy.learn(sample, verdict.proved)
        if self.search.progress:
            self.search.progress(self.meter)
