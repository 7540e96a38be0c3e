"""What every search is and returns."""

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
from search.trace import Trace

LIMITS = (1.0, 4.0, 15.0)  # seconds for one check: what is cut off by one limit waits for the next
PATIENCE = 1.0  # seconds that checks under way may take when they are no longer needed, before they are killed


@dataclass
class SearchResult:
    """What a search found and spent."""

    theorem: Theorem
    proof: str | None = None
    verdict: Verdict | None = None  # of the proof
    family: str = ""  # what kind of proof it is
    samples: int = 0
    checks: int = 0
    usage: Usage = field(default_factory=Usage)  # tokens
    seconds: float = 0.0
    cpu: float = 0.0  # seconds that Lean's processes have worked
    reasons: Counter[Reason] = field(default_factory=Counter)  # how attempts ended
    lost: int = 0  # samples that a fault of the server's took away
    problem: str = ""  # why nothing could be tried at all
    trace: Trace | None = None  # what was tried

    @property
    def proved(self) -> bool:
        return self.proof is not None

    @property
    def summary(self) -> str:
        """How attempts ended, in a line."""
        others = self.samples - sum(self.reasons.values())
        counts = ", ".join(f"{n} {reason}" for reason, n in self.reasons.most_common())
        if counts and others > 0:
            counts += f", {others} repeated, steps on the way, or not judged in time"
        return f"{self.samples} proofs tried: {counts}" if counts else "no proof could be tried in this time"

    def add(self, sample: Sample, verdict: Verdict) -> None:
        """Take over the verdict on a whole proof, at the start of the trace's tree."""
        self.reasons[verdict.reason] += 1
        self.lost += sample.lost
        assert self.trace is not None
        if verdict.proved and not self.proved:
            self.proof, self.verdict, self.family = sample.proof, verdict, sample.family
            self.trace.found, self.trace.completed = (0,), len(self.trace.attempts)
        self.trace.attempts.append(trace.Attempt(0, sample.text, verdict.reason, verdict.detail, family=sample.family))

    def spent(self, meter: Meter) -> None:
        """Take over the meter's readings; the search has come to its end."""
        self.samples, self.checks, self.seconds = meter.samples, meter.checks, meter.seconds
        self.usage, self.cpu = meter.usage, meter.cpu
        if self.trace is not None:
            self.trace.proof, self.trace.problem = self.proof, self.problem
            self.trace.checks, self.trace.seconds = self.checks, self.seconds


class Searcher(Protocol):
    """Anything that looks for a proof of one theorem."""

    name: str

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        """Search until a proof is found or the budget is spent. Raises nothing that the theorem could cause."""
        ...


async def until(over: Callable[[], bool], tasks: Collection[asyncio.Task[None]], meter: Meter) -> None:
    """Let tasks run until all have ended, something is over or the time is up.

    Raises what a task raises when the others have come to their end, unless it is over by then.
    """
    running, errors = set(tasks), []
    while running and not over() and meter.seconds_left > 0:
        left = None if meter.budget.seconds is None else meter.seconds_left
        done, running = await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        errors += [error for task in done if (error := task.exception())]
    if errors and not over():
        raise errors[0]


async def stop(tasks: Collection[asyncio.Task[Any]], patience: float = 0.0) -> None:
    """Tasks that are not needed any more have some seconds to end, and are then cancelled."""
    if tasks and patience:
        await asyncio.wait(tasks, timeout=patience)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def goal_premises(pool: LeanPool, policy: Policy, theorem: Theorem, after: str = "") -> Premises | None:
    """The premises of the goal after the tactics `after`, where the policy uses them and Lean can tell; None without a
    text that they could come from."""
    if not policy.uses_premises or not theorem.preamble:
        return None
    return await pool.premises(theorem.challenge, after=after, context=theorem.context)


async def first_goal(pool: LeanPool, theorem: Theorem, result: SearchResult) -> str | None:
    """The tactic state at the start of the proof; None, with the problem in the result, if there is none."""
    check = await pool.check(theorem.challenge, context=theorem.context)
    if check.ok and check.sorries:
        return check.sorries[-1].goal
    said = check.errors or check.messages
    result.problem = str(said[0]) if said else check.detail or "the statement leaves no goal"
    return None
