"""A run: several attempts at every problem of a benchmark; a killed run continues where it was."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

from data.problems import Problem, ProblemError
from data.records.run_folder import AsyncJsonlWriter
from eval.attempts import REFUTED, UNPROVED, Attempt, Entry
from eval.audit import Duplicates
from eval.config import SINGLE, RunConfig
from eval.folder import RunFolder
from eval.problems import screen_problems
from lean_env import LeanPool, Reason, Verdict
from lean_env.cpu_time import measure_cpu_time
from prover.policy import Policy, PolicyUnavailable, Prompt, SampleRequest, Usage, fallback_policy
from search.searcher import SearchResult, cancel_tasks
from search.searches import searcher

_MAX_THEOREMS = 8  # theorems sampled at once: `policy.window` is for one of them
_MAX_FAILED_ROUNDS = 4  # times the concurrency: so many errors in a row end the run
_PREFETCH = 2  # proofs in advance for each worker, so that none waits for the policy
_MAX_FAILURES = 5  # failed proofs recorded of a search
_DEFAULT_SECONDS = 60.0  # for a check, if the budget has no limit
_NO_MORE_PROOFS = Verdict(Reason.ANSWER, "the policy has no further proof")


@dataclass
class EvalProgress:
    """The progress of a stage: `done` of `total`.

    proved: problems with a proof, of those with all attempts (`finished`). last_error: the current error of the policy.
    """

    stage: str = "problems"
    done: int = 0
    total: int = 0
    proved: int = 0
    finished: int = 0
    last_error: str = ""  # of the policy, which keeps it from answering


async def write_problems(
    folder: RunFolder,
    pool: LeanPool,
    problems: Iterable[Problem | ProblemError],
    progress: Callable[[EvalProgress], None],
) -> None:
    """Screen and audit the problems that are not in the folder yet, and append them."""
    state, duplicates = EvalProgress("problems", 0, folder.manifest["problems"]), Duplicates()
    for entry in folder.entries():
        duplicates.flag(entry)
        state.done += 1
    progress(state)
    entries = screen_problems(pool, islice(problems, state.done, None), duplicates)
    async with folder.writing("problems.jsonl") as writer, aclosing(entries):
        async for entry in entries:
            await writer.write(entry.as_json())
            state.done += 1
            progress(state)


def is_complete(folder: RunFolder, config: RunConfig) -> bool:
    """Return whether a run has all its attempts in the folder. Raises RunError."""
    expressible, num_entries = set[str](), 0
    for entry in folder.entries():
        num_entries += 1
        if entry.asked:
            expressible.add(entry.name)
    done = {(a.problem, a.number) for a in folder.attempts() if a.number < config.attempts and a.problem in expressible}
    return num_entries == folder.manifest["problems"] and len(done) == config.attempts * len(expressible)


async def make_attempts(
    folder: RunFolder, pool: LeanPool, policy: Policy, config: RunConfig, progress: Callable[[EvalProgress], None]
) -> None:
    """Make the attempts that are not in the folder yet. Raises PolicyUnavailable, LeanUnavailable, OSError."""
    await _BenchmarkRun(folder, pool, policy, config, progress).run()


class _BenchmarkRun:
    """The state of a run in progress.

    attempt_bits: by problem, the recorded attempts as bits (1,024 of them are 136 bytes). errors_in_a_row: attempts
    that the policy answered only with an error. to_retry: those attempts, made again at the end. retried: those made
    again.
    lost_attempts, lost_reason: attempts that lost their answers then, too, and the last error.
    """

    def __init__(
        self,
        folder: RunFolder,
        pool: LeanPool,
        policy: Policy,
        config: RunConfig,
        progress: Callable[[EvalProgress], None],
    ) -> None:
        self.folder, self.pool, self.policy, self.config, self.progress = folder, pool, policy, config, progress
        self.single = config.search == SINGLE
        self.state = EvalProgress("attempts")
        self.attempt_bits: dict[str, int] = defaultdict(int)
        self.proved: set[str] = set()
        self.concurrency = _MAX_THEOREMS * policy.window if self.single else self.pool.size
        self.policy_slots = asyncio.Semaphore(self.concurrency)
        self.errors_in_a_row = 0
        self.to_retry: deque[tuple[Entry, int]] = deque()
        self.lost_attempts, self.lost_reason = 0, ""
        self.retried: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Make the missing attempts."""
        for attempt in self.folder.attempts():
            self._count_attempt(attempt)
        self.state.total = self.config.attempts * sum(entry.asked for entry in self.folder.entries())
        self.progress(self.state)
        width = self.concurrency + (_PREFETCH * self.pool.size if self.single else 0)
        missing = self._missing_attempts()
        async with self.folder.writing("attempts.jsonl") as writer:
            watch = asyncio.create_task(self._report_last_error())
            tasks = [asyncio.create_task(self._make_attempts(missing, writer)) for _ in range(width)]
            try:
                await asyncio.gather(*tasks)
                await self._make_attempts(self._second_tries(), writer)
                if self.lost_attempts:
                    raise PolicyUnavailable(
                        f"{self.lost_attempts} attempts have no answer, and are not counted: {self.lost_reason}"
                    )
            finally:
                await cancel_tasks([watch, *tasks])

    async def _report_last_error(self) -> None:
        """Report the policy's error while no attempt finishes."""
        while True:
            await asyncio.sleep(1)
            self.state.last_error = self.policy.last_error
            self.progress(self.state)

    def _missing_attempts(self) -> Iterator[tuple[Entry, int]]:
        """Yield the missing attempts, problem by problem, so that a model server reads each prompt once."""
        for entry in self.folder.entries():
            if entry.asked:
                attempt_bits = self.attempt_bits.get(entry.name, 0)
                yield from ((entry, k) for k in range(self.config.attempts) if not attempt_bits >> k & 1)

    def _second_tries(self) -> Iterator[tuple[Entry, int]]:
        while self.to_retry:
            entry, number = self.to_retry.popleft()
            self.retried.add((entry.name, number))
            yield entry, number

    async def _make_attempts(self, missing: Iterator[tuple[Entry, int]], writer: AsyncJsonlWriter) -> None:
        for entry, number in missing:
            attempt = await (
                self._attempt_single(entry, number) if self.single else self._attempt_search(entry, number)
            )
            if attempt is not None:
                await writer.write(attempt.as_json())
                self._count_attempt(attempt)
                self.progress(self.state)

    def _postpone_after_error(self, entry: Entry, number: int, reason: str, lost: bool) -> bool:
        """Return whether to leave out an attempt that the policy answered only with an error, and make it again later.

        lost: the server caused it, not this one request. Raises PolicyUnavailable after many in a row: a server that
        fails must not count as a prover that fails.
        """
        self.errors_in_a_row += 1
        if self.errors_in_a_row >= _MAX_FAILED_ROUNDS * (self.policy.window if self.single else self.pool.size):
            raise PolicyUnavailable(
                f"{self.errors_in_a_row} attempts in a row brought nothing but errors, the last one: {reason}"
            )
        return self._postpone(entry, number, reason, lost)

    def _postpone(self, entry: Entry, number: int, reason: str, lost: bool) -> bool:
        """Put an attempt off: once to the end of this run, and if its answers were lost then, too, to the next start.

        Returns whether the attempt is left out now.
        """
        if (entry.name, number) in self.retried:
            self.lost_attempts += lost
            self.lost_reason = reason if lost else self.lost_reason
            return lost
        self.to_retry.append((entry, number))
        return True

    def _count_attempt(self, attempt: Attempt) -> None:
        if attempt.number >= self.config.attempts:  # from a start with more attempts
            return
        self.attempt_bits[attempt.problem] |= 1 << attempt.number
        if attempt.proved:
            self.proved.add(attempt.problem)
        self.state.done += 1
        if self.attempt_bits[attempt.problem].bit_count() == self.config.attempts:
            self.state.finished += 1
            self.state.proved += attempt.problem in self.proved

    async def _attempt_single(self, entry: Entry, number: int) -> Attempt | None:
        """Sample and judge one whole proof; None if the attempt is postponed."""
        usage, limit = Usage(), self.config.budget.seconds or _DEFAULT_SECONDS
        async with self.policy_slots:
            start = time.monotonic()
            samples = self.policy.sample(
                Prompt(entry.theorem, entry.goal), 1, SampleRequest(number, self.config.seed), usage
            )
            async with aclosing(samples):
                sample = await anext(samples, None)
                async for _ in samples:  # to its end, where a server reports the number of tokens
                    pass
            seconds = time.monotonic() - start
        if sample is not None and sample.is_error:
            if self._postpone_after_error(entry, number, sample.failure, sample.lost):
                return None
        else:
            self.errors_in_a_row = 0
        if sample is None:
            verdict = _NO_MORE_PROOFS
        elif sample.failure:
            verdict = Verdict(Reason.ANSWER, sample.failure)
        else:
            verdict = await self.pool.judge(entry.theorem.claim(sample.proof), limit)
        return Attempt(
            entry.name,
            number,
            verdict.reason,
            verdict.detail,
            sample.text if sample else "",
            sample.family if sample else "",
            samples=int(sample is not None),
            checks=int(sample is not None and not sample.failure),
            tokens=usage.written,
            seconds=round(seconds + verdict.seconds, 3),
            reasons={verdict.reason: 1},
            one_kernel=verdict.one_kernel,
        )

    async def _attempt_search(self, entry: Entry, number: int) -> Attempt | None:
        """Run one search, with a fresh policy and one worker's share of Lean; None if it is postponed."""
        config = self.config
        fallback = fallback_policy(config.policy)
        seed = config.seed + number
        pool, policy = self.pool.share(1), self.policy.fresh()
        search = searcher(config.search, pool, policy, seed=seed, fallback=fallback, refute=config.refute)
        with measure_cpu_time():
            result = await search.prove(entry.theorem, config.budget.budget())
        trace_attempts = result.trace.attempts if result.trace else []
        if not trace_attempts or any(a.text for a in trace_attempts):
            self.errors_in_a_row = 0
        elif self._postpone_after_error(entry, number, trace_attempts[-1].detail, result.lost_samples > 0):
            return None
        if (
            result.lost_samples
            and not result.proved
            and self._postpone(entry, number, f"{result.lost_samples} answers were lost", True)
        ):
            return None
        reasons = {str(reason): count for reason, count in result.reasons.items()}
        if result.proved:
            reasons.setdefault(Reason.PROVED, 1)  # not every search counts the proof itself
        refutation = result.refutation
        return Attempt(
            entry.name,
            number,
            Reason.PROVED if result.proved else REFUTED if refutation else UNPROVED,
            refutation.summary if refutation else result.problem,
            refutation.code if refutation else result.proof or "",
            result.family,
            samples=result.samples,
            checks=result.checks,
            tokens=result.usage.written,
            seconds=round(result.seconds, 3),
            cpu=round(result.cpu, 3),
            reasons=reasons,
            failures=tuple(_failures(result)),
            one_kernel=result.verdict is not None and result.verdict.one_kernel,
        )


def _failures(result: SearchResult) -> Iterator[tuple[str, str, str]]:
    """Return some failed proofs of a search, with distinct reasons."""
    trace_attempts = result.trace.attempts if result.trace else []
    failed = {(str(a.outcome), a.detail): a.text for a in trace_attempts if a.outcome != Reason.PROVED}
    return ((outcome, detail, text) for (outcome, detail), text in islice(failed.items(), _MAX_FAILURES))
