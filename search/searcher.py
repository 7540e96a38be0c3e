"""Searcher and SearchResult, and helpers that all searches share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from data import Theorem
from lean_env import LeanPool, Reason, Verdict
from lean_env.premises import Premises
from prover.policy import Policy, Sample, Usage
from search import trace
from search.budget import Budget, Meter
from search.negation import Refutation
from search.trace import Trace

CHECK_TIMEOUTS = (1.0, 4.0, 15.0)  # seconds for one check: a proof that reaches one is tried again with the next
GRACE_SECONDS = 1.0  # seconds for running checks to end when they are no longer needed, before they are cancelled


@dataclass
class SearchResult:
    """The result of a search, and what it spent."""

    theorem: Theorem
    proof: str | None = None
    verdict: Verdict | None = None  # on the proof
    family: str = ""  # which part of the policy wrote the proof
    samples: int = 0
    checks: int = 0
    usage: Usage = field(default_factory=Usage)  # tokens
    seconds: float = 0.0
    cpu: float = 0.0  # seconds of processor time of Lean's processes
    reasons: Counter[Reason] = field(default_factory=Counter)  # how attempts ended
    lost_samples: int = 0  # samples lost to a server error
    problem: str = ""  # why no proof could be tried at all
    trace: Trace | None = None  # everything that was tried
    refutation: Refutation | None = None  # that the theorem does not hold

    @property
    def proved(self) -> bool:
        """Whether a proof was found."""
        return self.proof is not None

    @property
    def summary(self) -> str:
        """The results of attempts in one line, for people."""
        others = self.samples - sum(self.reasons.values())
        counts = ", ".join(f"{n} {reason}" for reason, n in self.reasons.most_common())
        if counts and others > 0:
            counts += f", {others} repeated, steps on the way, or not judged in time"
        return f"{self.samples} proofs tried: {counts}" if counts else "no proof could be tried in this time"

    def record_verdict(self, sample: Sample, verdict: Verdict) -> None:
        """Record the verdict on a whole proof as an attempt at node 0 of the trace."""
        self.reasons[verdict.reason] += 1
        self.lost_samples += sample.lost
        assert self.trace is not None
        if verdict.proved and not self.proved:
            self.proof, self.verdict, self.family = sample.proof, verdict, sample.family
            self.trace.found, self.trace.completed = (0,), len(self.trace.attempts)
        self.trace.attempts.append(
            trace.TraceAttempt(0, sample.text, verdict.reason, verdict.detail, family=sample.family)
        )

    def record_meter(self, meter: Meter) -> None:
        """Copy the meter's readings into the result and its trace, at the end of the search."""
        self.samples, self.checks, self.seconds = meter.samples, meter.checks, meter.seconds
        self.usage, self.cpu = meter.usage, meter.cpu
        if self.trace is not None:
            self.trace.proof, self.trace.problem = self.proof, self.problem
            self.trace.checks, self.trace.seconds = self.checks, self.seconds


class Searcher(Protocol):
    """Interface of a search for a proof of one theorem."""

    name: str

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        """Search until a proof is found or the budget is spent. Raises nothing that the theorem could cause."""
        ...


async def run_until(is_over: Callable[[], bool], tasks: Collection[asyncio.Task[None]], meter: Meter) -> None:
    """Let tasks run until all have ended, `is_over()` is true, or the time is up.

    Raises the first error of a task once all others have ended, unless `is_over()` is true by then.
    """
    running, errors = set(tasks), []
    while running and not is_over() and meter.seconds_left > 0:
        timeout = None if meter.budget.seconds is None else meter.seconds_left
        done, running = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        errors += [error for task in done if (error := task.exception())]
    if errors and not is_over():
        raise errors[0]


async def cancel_tasks(tasks: Collection[asyncio.Task[Any]], grace: float = 0.0) -> None:
    """Cancel tasks that are no longer needed, after `grace` seconds in which they may end by themselves."""
    if tasks and grace:
        await asyncio.wait(tasks, timeout=grace)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def goal_premises(pool: LeanPool, policy: Policy, theorem: Theorem, after: str = "") -> Premises | None:
    """Return the premises of the goal that the tactics `after` leave.

    None if the policy uses no premises, or no text stands before the theorem that could contain some.
    """
    if not policy.uses_premises or not theorem.preamble:
        return None
    return await pool.premises(theorem.challenge, after=after, context=theorem.context)


async def initial_goal(pool: LeanPool, theorem: Theorem, result: SearchResult) -> str | None:
    """Return the tactic state at the start of the proof; None, with `result.problem` set, if there is none."""
    check = await pool.check(theorem.challenge, context=theorem.context)
    if check.ok and check.sorries:
        return check.sorries[-1].goal
    messages = check.errors or check.messages
    result.problem = str(messages[0]) if messages else check.detail or "the statement leaves no goal"
    return None
