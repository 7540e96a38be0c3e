"""Refinement: the policy corrects its proof, given the errors that Lean reports for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from data import Theorem
from data.syntax.layout import indented
from lean_env import LeanPool, Message, Reason, Verdict
from prover.policy import Policy, PreviousAttempt, Prompt, Sample, SampleRequest
from search import trace
from search.budget import Budget, Meter
from search.searcher import SearchResult, cancel_tasks, initial_goal, run_until

ROUNDS = 4  # corrections of one proof before a new chain starts
_HISTORY = 2  # earlier attempts shown in a prompt
_CHECK_SECONDS = 15.0  # for one check
_MAX_ERRORS, _MAX_TEXT, _MAX_LINE = 3, 600, 160  # of the feedback: errors, characters of an error and of its line


class Refine:
    """Runs several chains of proofs at once; in a chain each prompt shows the earlier proofs with their errors.

    A chain ends after `rounds` corrections, or when the policy repeats a proof or writes none; then another chain
    starts with a new sample.
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
        """Run chains until a proof is accepted or the budget is spent."""
        meter, result = Meter(budget), SearchResult(theorem)
        result.trace = trace.Trace(self.name, theorem.name, theorem.statement)
        goal = await initial_goal(self.pool, theorem, result)
        if goal is not None:
            result.trace.nodes.append(trace.TraceNode(None, "", goal))
            run = _RefinementRun(self, theorem, goal, meter, result)
            num_chains = max(self.pool.size, self.policy.window)
            chains = [asyncio.create_task(run.run_chains()) for _ in range(num_chains)]
            try:
                await run_until(lambda: result.proved, chains, meter)
            finally:
                await cancel_tasks(chains)
        result.record_meter(meter)
        return result


class _RefinementRun:
    """The state of one search."""

    def __init__(self, refine: Refine, theorem: Theorem, goal: str, meter: Meter, result: SearchResult) -> None:
        self.refine, self.theorem, self.goal, self.meter, self.result = refine, theorem, goal, meter, result
        self.chains_started = 0
        self.policy_has_more = True  # for the first round of a chain

    async def run_chains(self) -> None:
        """Run chains one after the other until the search is over."""
        while self.policy_has_more and not self._is_over:
            number, self.chains_started = self.chains_started, self.chains_started + 1
            if not await self._run_chain(number):
                return

    @property
    def _is_over(self) -> bool:
        return self.result.proved or self.meter.exhausted or not self.meter.samples_left(1)

    async def _run_chain(self, number: int) -> bool:
        """Run one chain; return False if the policy returned only an error, as further chains would."""
        rounds: list[PreviousAttempt] = []
        while not self._is_over and len(rounds) <= self.refine.rounds:
            self.meter.samples += 1
            prompt = Prompt(self.theorem, self.goal, rounds=tuple(rounds[-_HISTORY:]))
            params = SampleRequest(0 if rounds else number, self.refine.seed + (number if rounds else 0))
            samples = [s async for s in self.refine.policy.sample(prompt, 1, params, self.meter.usage)]
            if not samples:
                self.meter.samples -= 1
                self.policy_has_more &= bool(rounds)
                return True
            sample = samples[0]
            if sample.failure:
                self.result.record_verdict(sample, Verdict(Reason.ANSWER, sample.failure))
                return not sample.is_error
            if any(sample.proof == r.proof for r in rounds) or self.meter.exhausted:
                return True
            verdict = await self._judge(sample)
            if verdict.proved:
                return True
            rounds.append(PreviousAttempt(sample.proof, format_feedback(self.theorem, sample.proof, verdict)))
        return True

    async def _judge(self, sample: Sample) -> Verdict:
        self.meter.checks += 1
        seconds = min(_CHECK_SECONDS, max(0.1, self.meter.seconds_left))
        verdict = await self.refine.pool.judge(self.theorem.claim(sample.proof), seconds)
        self.result.record_verdict(sample, verdict)
        self.refine.policy.learn(sample, verdict.proved)
        if self.refine.progress:
            self.refine.progress(self.meter)
        return verdict


def format_feedback(theorem: Theorem, proof: str, verdict: Verdict) -> str:
    """Return the first errors of a verdict for a prompt, each with the line it is about, shortened.

    The first error is often the only true one: Lean continues after it as well as it can.
    """
    errors = sorted(verdict.check.errors, key=_position)[:_MAX_ERRORS]
    if not errors:
        return verdict.detail or str(verdict.reason)
    lines = theorem.solution(proof).split("\n")
    lines_before = len(lines) - len(indented(proof).split("\n"))
    return "\n\n".join(_format_error(error, lines, lines_before) for error in errors)


def _position(error: Message) -> tuple[int, int]:
    return (error.position.line, error.position.column) if error.position else (0, 0)


def _format_error(error: Message, lines: list[str], lines_before: int) -> str:
    """Return an error with its line, numbered from 1 within the proof (0 and less: in the statement)."""
    text = _shorten(error.text, _MAX_TEXT)
    if error.position is None or not 0 < error.position.line <= len(lines):
        return text
    number = error.position.line - lines_before
    return f"line {number}: {_shorten(lines[error.position.line - 1].strip(), _MAX_LINE)}\n{text}"


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
