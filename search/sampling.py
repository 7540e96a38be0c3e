"""Whole-proof sampling: request proofs from the policy, let Lean judge each, stop at the first accepted one.

Requests and checks run side by side: proofs are requested while others are judged, but no faster than Lean judges.
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
from search.searcher import (
    CHECK_TIMEOUTS,
    GRACE_SECONDS,
    SearchResult,
    cancel_tasks,
    goal_premises,
    initial_goal,
    run_until,
)

_RETRY_AFTER = 32  # proofs judged before one that reached its timeout is judged again
_MAX_REQUEST = 4  # samples of one request: a model reads the prompt once for all of them
_MAX_FAILED_REQUESTS = 4  # requests in a row that bring only errors, before the search gives up


class SamplingSearch:
    """Judges sampled proofs in the order in which they arrive, on all workers of the pool.

    timeouts: seconds for one check, ascending, so that one bad proof does not use up the budget. A proof that reaches
    one is judged again with the next after some other proofs, or when no others are left.
    """

    name = "sampling"

    def __init__(
        self,
        pool: LeanPool,
        policy: Policy,
        *,
        seed: int = 0,
        timeouts: tuple[float, ...] = CHECK_TIMEOUTS,
        progress: Callable[[Meter], None] | None = None,
    ) -> None:
        self.pool = pool
        self.policy = policy
        self.seed = seed
        self.timeouts = timeouts
        self.progress = progress

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        """Sample proofs until one is accepted or the budget is spent."""
        meter, result = Meter(budget), SearchResult(theorem)
        result.trace = trace.Trace(self.name, theorem.name, theorem.statement)
        goal = await initial_goal(self.pool, theorem, result)
        if goal is not None:
            result.trace.nodes.append(trace.TraceNode(None, "", goal))
            premises = await goal_premises(self.pool, self.policy, theorem)
            await _SamplingRun(self, Prompt(theorem, goal, premises=premises), meter, result).run()
        result.record_meter(meter)
        return result


class _SamplingRun:
    """The state of one search."""

    def __init__(self, search: SamplingSearch, prompt: Prompt, meter: Meter, result: SearchResult) -> None:
        self.search, self.prompt, self.meter, self.result = search, prompt, meter, result
        self.queue: deque[Sample] = deque()
        # Each with the index of its next timeout, and the number of checks after which it is due.
        self.timed_out: deque[tuple[Sample, int, int]] = deque()
        self.checks_done = self.checks_running = 0
        self.repeats_in_a_row = 0  # received proofs that were known
        self.samples_requested = self.samples_pending = 0
        self.failed_requests_in_a_row = 0  # requests that brought only errors
        self.occurrences: Counter[str] = Counter()  # of each proof; it is judged once
        self.reasons: dict[str, Reason] = {}  # of the judged proofs
        self.policy_has_more = True
        self.is_requesting = True  # samples may still arrive
        self.change_event = asyncio.Event()

    async def run(self) -> None:
        """Sample and judge until the search is over."""
        requesting = asyncio.create_task(self._request_samples())
        judging = [asyncio.create_task(self._judge_queue()) for _ in range(self.search.pool.size)]
        try:
            await run_until(lambda: self.result.proved, judging, self.meter)
        finally:
            self._notify()  # waiting tasks see that the search is over
            await cancel_tasks([requesting])
            await cancel_tasks(judging, GRACE_SECONDS)
        if not requesting.cancelled() and not self.result.proved:
            requesting.result()

    def _notify(self) -> None:
        self.change_event.set()
        self.change_event = asyncio.Event()

    async def _request_samples(self) -> None:
        """Keep as many samples pending as the policy likes, until it has no more or Lean has enough to judge."""
        requests: set[asyncio.Task[None]] = set()
        try:
            while self.policy_has_more and not self._is_over:
                room = self.search.policy.window - self.samples_pending
                count = self.meter.samples_left(min(room, _MAX_REQUEST))
                if room > 0 and not count:
                    break
                if not count or self._lean_is_busy:
                    await self.change_event.wait()
                else:
                    params = SampleRequest(self.samples_requested, self.search.seed)
                    self.samples_requested += count
                    self.meter.samples += count
                    self.samples_pending += count
                    requests.add(asyncio.create_task(self._request(count, params)))
                    await asyncio.sleep(0)
                for request in [r for r in requests if r.done()]:
                    requests.remove(request)
                    request.result()
            await asyncio.gather(*requests)
        finally:
            await cancel_tasks(requests)
            self.is_requesting = False
            self._notify()

    async def _request(self, count: int, params: SampleRequest) -> None:
        missing, any_proof = count, False
        try:
            samples = self.search.policy.sample(self.prompt, count, params, self.meter.usage)
            async with aclosing(samples):
                async for sample in samples:
                    missing -= 1
                    self.samples_pending -= 1
                    any_proof |= not sample.is_error
                    self._receive(sample)
                    self._notify()
            self.failed_requests_in_a_row = 0 if any_proof else self.failed_requests_in_a_row + 1
            self.policy_has_more &= missing == 0 and self.failed_requests_in_a_row < _MAX_FAILED_REQUESTS
        finally:
            self.samples_pending -= missing
            self.meter.samples -= missing
            self._notify()

    @property
    def _lean_is_busy(self) -> bool:
        """Whether Lean has enough proofs to judge. If only known proofs arrive, more of them can wait for verdicts."""
        repeats_only = self.repeats_in_a_row >= self.search.policy.window and self.checks_running > 0
        return repeats_only or len(self.queue) >= 2 * self.search.pool.size

    def _receive(self, sample: Sample) -> None:
        self.occurrences[sample.proof] += 1
        if sample.failure:
            self._record(sample, Verdict(Reason.ANSWER, sample.failure))
        elif self.occurrences[sample.proof] == 1:
            self.repeats_in_a_row = 0
            self.queue.append(sample)
        else:
            self.repeats_in_a_row += 1
            if sample.proof in self.reasons:
                self.result.reasons[self.reasons[sample.proof]] += 1

    async def _judge_queue(self) -> None:
        """Judge queued samples until none is left and none can arrive."""
        while not self._is_over:
            entry = self._next_sample()
            if entry is not None:
                self.checks_running += 1
                self.meter.checks += 1
                self._notify()
                await self._check(*entry)
                self.checks_done, self.repeats_in_a_row = self.checks_done + 1, 0
                self.checks_running -= 1
                self._notify()
            elif self.is_requesting or self.checks_running:
                await self.change_event.wait()
            else:
                return

    @property
    def _is_over(self) -> bool:
        return self.meter.exhausted or self.result.proved

    def _next_sample(self) -> tuple[Sample, int] | None:
        """Return the sample to judge next, and the index of its timeout; None if none is queued."""
        if self.timed_out and (not self.queue or self.checks_done >= self.timed_out[0][2]):
            sample, index, _ = self.timed_out.popleft()
            return sample, index
        return (self.queue.popleft(), 0) if self.queue else None

    async def _check(self, sample: Sample, index: int) -> None:
        timeout = self.meter.check_timeout(self.search.timeouts[index])
        verdict = await self.search.pool.judge(self.prompt.theorem.claim(sample.proof), timeout=timeout)
        if verdict.reason is Reason.TIMEOUT and index + 1 < len(self.search.timeouts):
            self.timed_out.append((sample, index + 1, self.checks_done + _RETRY_AFTER))
        else:
            self._record(sample, verdict)

    def _record(self, sample: Sample, verdict: Verdict) -> None:
        self.result.record_verdict(sample, verdict)
        if not sample.failure:
            self.result.reasons[verdict.reason] += self.occurrences[sample.proof] - 1
            self.reasons[sample.proof] = verdict.reason
        self.search.policy.learn(sample, verdict.proved)
        if self.search.progress:
            self.search.progress(self.meter)
