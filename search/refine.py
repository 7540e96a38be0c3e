"""Refinement: what Lean has against a proof goes back to the policy, which writes a corrected one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from data import Theorem
from data.syntax.layout import indented
from lean_env import LeanPool, Message, Reason, Verdict
from prover.policy import Policy, PreviousAttempt, Prompt, Sample, SampleRequest
from search import trace
from search.budget import Budget, Meter
from search.searcher import SearchResult, first_goal, stop, until

ROUNDS = 4  # corrections of one proof before a new one is begun
_HISTORY = 2  # earlier answers that a prompt shows
_SECONDS = 15.0  # for one check
_ERRORS, _LENGTH, _LINE = 3, 600, 160  # what is shown of what Lean said: errors, characters of each and of its line


class Refine:
    """Chains of answers, several side by side: each answer is shown to the policy with its errors until one holds.

    A chain ends after `rounds` corrections, or when the policy repeats itself or writes no proof; then another begins
    with a new sample.
    """

    name = "refine"

    def __init__(
        self,
        pool: LeanPool,
        policy: Policy,
        *,
        seed: int = 0,
        rounds: int = ROUNDS,
        progress: Callable[[Meter], None] | None = None,
    ) -> None:
        self.pool, self.policy, self.seed, self.rounds, self.progress = pool, policy, seed, rounds, progress

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        meter, result = Meter(budget), SearchResult(theorem)
        result.trace = trace.Trace(self.name, theorem.name, theorem.statement)
        goal = await first_goal(self.pool, theorem, result)
        if goal is not None:
            result.trace.nodes.append(trace.Node(None, "", goal))
            run = _Run(self, theorem, goal, meter, result)
            side_by_side = max(self.pool.size, self.policy.window)
            chains = [asyncio.create_task(run.chain_after_chain()) for _ in range(side_by_side)]
            try:
                await until(lambda: result.proved, chains, meter)
            finally:
                await stop(chains)
        result.spent(meter)
        return result


class _Run:
    """One search under way."""

    def __init__(self, refine: Refine, theorem: Theorem, goal: str, meter: Meter, result: SearchResult) -> None:
        self.refine, self.theorem, self.goal, self.meter, self.result = refine, theorem, goal, meter, result
        self.begun = 0  # chains so far
        self.more = True  # does the policy have further first answers?

    async def chain_after_chain(self) -> None:
        while self.more and not self._over:
            number, self.begun = self.begun, self.begun + 1
            if not await self._chain(number):
                return

    @property
    def _over(self) -> bool:
        return self.result.proved or self.meter.exhausted or not self.meter.samples_left(1)

    async def _chain(self, number: int) -> bool:
        """One chain; False if the policy had nothing but an error, and it would go on like this."""
        rounds: list[PreviousAttempt] = []
        while not self._over and len(rounds) <= self.refine.rounds:
            self.meter.samples += 1
            prompt = Prompt(self.theorem, self.goal, rounds=tuple(rounds[-_HISTORY:]))
            params = SampleRequest(0 if rounds else number, self.refine.seed + (number if rounds else 0))
            samples = [s async for s in self.refine.policy.sample(prompt, 1, params, self.meter.usage)]
            if not samples:
                self.meter.samples -= 1
                self.more &= bool(rounds)
                return True
            sample = samples[0]
            if sample.failure:
                self.result.add(sample, Verdict(Reason.ANSWER, sample.failure))
                return not sample.is_error
            if any(sample.proof == r.proof for r in rounds) or self.meter.exhausted:
                return True
            verdict = await self._judge(sample)
            if verdict.proved:
                return True
            rounds.append(PreviousAttempt(sample.proof, complaint(self.theorem, sample.proof, verdict)))
        return True

    async def _judge(self, sample: Sample) -> Verdict:
        self.meter.checks += 1
        seconds = min(_SECONDS, max(0.1, self.meter.seconds_left))
        verdict = await self.refine.pool.judge(self.theorem.claim(sample.proof), seconds)
        self.result.add(sample, verdict)
        self.refine.policy.learn(sample, verdict.proved)
        if self.refine.progress:
            self.refine.progress(self.meter)
        return verdict


def complaint(theorem: Theorem, proof: str, verdict: Verdict) -> str:
    """What helps to correct a proof: the first errors, each with the line it is about, cut to a bearable length.

    The first error is often the only true one: Lean goes on after it as well as it can.
    """
    errors = sorted(verdict.check.errors, key=_place)[:_ERRORS]
    if not errors:
        return verdict.detail or str(verdict.reason)
    lines = theorem.solution(proof).split("\n")
    before = len(lines) - len(indented(proof).split("\n"))
    return "\n\n".join(_shown(error, lines, before) for error in errors)


def _place(error: Message) -> tuple[int, int]:
    return (error.position.line, error.position.column) if error.position else (0, 0)


def _shown(error: Message, lines: list[str], before: int) -> str:
    """An error, with its line as the proof counts them (from 1; 0 and less: in the statement)."""
    text = _cut(error.text, _LENGTH)
    if error.position is None or not 0 < error.position.line <= len(lines):
        return text
    number = error.position.line - before
    return f"line {number}: {_cut(lines[error.position.line - 1].strip(), _LINE)}\n{text}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
