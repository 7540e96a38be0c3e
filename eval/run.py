"""A run: every problem of a benchmark, so many attempts at each; killed at any moment, it goes on where it was."""

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
from eval.attempts import UNPROVED, Attempt, Entry
from eval.audit import Duplicates
from eval.config import SINGLE, RunConfig
from eval.folder import RunFolder
from eval.problems import looked_at
from lean_env import LeanPool, Reason, Verdict
from lean_env.cpu_time import measure_cpu_time
from prover.policy import Policy, PolicyUnavailable, Prompt, SampleRequest, Usage, fallback_policy
from search.searcher import SearchResult, stop
from search.searches import searcher

_THEOREMS = 8  # whose samples a policy may have under way at a time: its `window` is for one of them
_ERRORS = 4  # times as many attempts as are made at a time, with nothing but errors: it would go on like this
_AHEAD = 2  # proofs that wait for each worker, so that none waits for the policy
_FAILURES = 5  # failed proofs that are kept of a search
_LIMIT = 60.0  # seconds for a check where the budget has no limit
_EXHAUSTED = Verdict(Reason.ANSWER, "the policy has no further proof")


@dataclass
class Progress:
    """How far a stage has come: `done` of `total`; `proved`: of the problems `finished`, those with a proof."""

    stage: str = "problems"
    done: int = 0
    total: int = 0
    proved: int = 0
    finished: int = 0
    last_error: str = ""  # what keeps the policy from answering


async def screen(
    folder: RunFolder,
    pool: LeanPool,
    problems: Iterable[Problem | ProblemError],
    progress: Callable[[Progress], None],
) -> None:
    """Find out what can be asked, and look for defects; those that are on record already are left as they are."""
    state, duplicates = Progress("problems", 0, folder.manifest["problems"]), Duplicates()
    for entry in folder.entries():
        duplicates.flag(entry)
        state.done += 1
    progress(state)
    entries = looked_at(pool, islice(problems, state.done, None), duplicates)
    async with folder.writing("problems.jsonl") as writer, aclosing(entries):
        async for entry in entries:
            await writer.write(entry.as_json())
            state.done += 1
            progress(state)


def is_done(folder: RunFolder, config: RunConfig) -> bool:
    """Has a run all attempts that it wants on record? Raises RunError."""
    asked, seen = set[str](), 0
    for entry in folder.entries():
        seen += 1
        if entry.asked:
            asked.add(entry.name)
    made = {(a.problem, a.number) for a in folder.attempts() if a.number < config.attempts and a.problem in asked}
    return seen == folder.manifest["problems"] and len(made) == config.attempts * len(asked)


async def attempt(
    folder: RunFolder, pool: LeanPool, policy: Policy, config: RunConfig, progress: Callable[[Progress], None]
) -> None:
    """Make the attempts that are not on record yet. Raises PolicyUnavailable, LeanUnavailable, OSError."""
    await _Run(folder, pool, policy, config, progress).run()


class _Run:
    def __init__(
        self,
        folder: RunFolder,
        pool: LeanPool,
        policy: Policy,
        config: RunConfig,
        progress: Callable[[Progress], None],
    ) -> None:
        self.folder, self.pool, self.policy, self.config, self.progress = folder, pool, policy, config, progress
        self.single = config.search == SINGLE
        self.state = Progress("attempts")
        self.made: dict[str, int] = defaultdict(int)  # attempts on record, as bits: 1,024 of them are 136 bytes
        self.proved: set[str] = set()
        self.width = _THEOREMS * policy.window if self.single else self.pool.size
        self.asking = asyncio.Semaphore(self.width)
        self.errors = 0  # attempts in a row to which the policy had no answer at all
        self.again: deque[tuple[Entry, int]] = deque()  # those attempts; they get a second try
        self.unanswered, self.why = 0, ""  # those that lost their answers then, too, and what was said of the last
        self.last: set[tuple[str, int]] = set()  # those that are at their second try

    async def run(self) -> None:
        for attempt in self.folder.attempts():
            self._count(attempt)
        self.state.total = self.config.attempts * sum(entry.asked for entry in self.folder.entries())
        self.progress(self.state)
        width = self.width + (_AHEAD * self.pool.size if self.single else 0)
        missing = self._missing()
        async with self.folder.writing("attempts.jsonl") as writer:
            watch = asyncio.create_task(self._watch())
            tasks = [asyncio.create_task(self._work(missing, writer)) for _ in range(width)]
            try:
                await asyncio.gather(*tasks)
                await self._work(self._second_tries(), writer)
                if self.unanswered:
                    raise PolicyUnavailable(
                        f"{self.unanswered} attempts have no answer, and are not counted: {self.why}"
                    )
            finally:
                await stop([watch, *tasks])

    async def _watch(self) -> None:
        """What keeps the policy from answering is told while nothing else happens."""
        while True:
            await asyncio.sleep(1)
            self.state.last_error = self.policy.last_error
            self.progress(self.state)

    def _missing(self) -> Iterator[tuple[Entry, int]]:
        """What is still to be done; one problem after the other, so that a model's server reads its prompt once."""
        for entry in self.folder.entries():
            if entry.asked:
                made = self.made.get(entry.name, 0)
                yield from ((entry, k) for k in range(self.config.attempts) if not made >> k & 1)

    def _second_tries(self) -> Iterator[tuple[Entry, int]]:
        while self.again:
            entry, number = self.again.popleft()
            self.last.add((entry.name, number))
            yield entry, number

    async def _work(self, missing: Iterator[tuple[Entry, int]], writer: AsyncJsonlWriter) -> None:
        for entry, number in missing:
            made = await (self._single(entry, number) if self.single else self._search(entry, number))
            if made is not None:
                await writer.write(made.as_json())
                self._count(made)
                self.progress(self.state)

    def _refused(self, entry: Entry, number: int, why: str, lost: bool) -> bool:
        """The policy had no answer at all: is the attempt to be left out, and made again later?

        Raises PolicyUnavailable if it never has one: a server that is ill must not count as a prover that fails.

        lost: by a fault of the server's, and not of this one request.
        """
        self.errors += 1
        if self.errors >= _ERRORS * (self.policy.window if self.single else self.pool.size):
            raise PolicyUnavailable(f"{self.errors} attempts in a row brought nothing but errors, the last one: {why}")
        return self._left_out(entry, number, why, lost)

    def _left_out(self, entry: Entry, number: int, why: str, lost: bool) -> bool:
        """Once it is made again in this run, and what was lost then, too, when the run is started again."""
        if (entry.name, number) in self.last:
            self.unanswered += lost
            self.why = why if lost else self.why
            return lost
        self.again.append((entry, number))
        return True

    def _count(self, attempt: Attempt) -> None:
        if attempt.number >= self.config.attempts:  # of a time when more were wanted
            return
        self.made[attempt.problem] |= 1 << attempt.number
        if attempt.proved:
            self.proved.add(attempt.problem)
        self.state.done += 1
        if self.made[attempt.problem].bit_count() == self.config.attempts:
            self.state.finished += 1
            self.state.proved += attempt.problem in self.proved

    async def _single(self, entry: Entry, number: int) -> Attempt | None:
        """A whole proof of the policy's, judged; None if it has to be asked for again."""
        usage, limit = Usage(), self.config.budget.seconds or _LIMIT
        async with self.asking:
            start = time.monotonic()
            samples = self.policy.sample(
                Prompt(entry.theorem, entry.goal), 1, SampleRequest(number, self.config.seed), usage
            )
            async with aclosing(samples):
                sample = await anext(samples, None)
                async for _ in samples:  # to its end, where a server tells how many tokens it wrote
                    pass
            seconds = time.monotonic() - start
        if sample is not None and sample.is_error:
            if self._refused(entry, number, sample.failure, sample.lost):
                return None
        else:
            self.errors = 0
        if sample is None:
            verdict = _EXHAUSTED
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

    async def _search(self, entry: Entry, number: int) -> Attempt | None:
        """A search, by a policy that knows of no other problem, with one worker's share of Lean; None as above."""
        config = self.config
        fallback = fallback_policy(config.policy)
        seed = config.seed + number
        found = searcher(config.search, self.pool.share(1), self.policy.fresh(), seed=seed, fallback=fallback)
        with measure_cpu_time():
            result = await found.prove(entry.theorem, config.budget.budget())
        tried = result.trace.attempts if result.trace else []
        if not tried or any(a.text for a in tried):
            self.errors = 0
        elif self._refused(entry, number, tried[-1].detail, result.lost > 0):
            return None
        if (
            result.lost
            and not result.proved
            and self._left_out(entry, number, f"{result.lost} answers were lost", True)
        ):
            return None
        reasons = {str(reason): count for reason, count in result.reasons.items()}
        if result.proved:
            reasons.setdefault(Reason.PROVED, 1)  # not every search counts the proof itself
        return Attempt(
            entry.name,
            number,
            Reason.PROVED if result.proved else UNPROVED,
            result.problem,
            result.proof or "",
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
    """Some proofs of a search that failed, each in its own way."""
    tried = result.trace.attempts if result.trace else []
    failed = {(str(a.outcome), a.detail): a.text for a in tried if a.outcome != Reason.PROVED}
    return ((outcome, detail, text) for (outcome, detail), text in islice(failed.items(), _FAILURES))
