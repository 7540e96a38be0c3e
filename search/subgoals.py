"""Subgoals (DeepSeek-Prover-V2, arXiv:2504.21801, section 2.1).

A policy sketches the proof; the steps that the sketch leaves open are proved as lemmas of their own; their proofs are
put in the places of the `sorry`s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from data import Theorem
from data.holes import Edit, Hole
from data.lean_file import Declaration, LeanFile, parse_solution
from data.subgoals import SubgoalTheorem, split_name, subgoal_theorems
from lean_env import LeanPool, Reason, Verdict
from lean_env.check import ContextError
from lean_env.process import ProcessDied
from prover.policy import Policy, PreviousAttempt, Prompt, Sample, SampleRequest
from search import trace
from search.budget import Budget, Meter
from search.lemmas import LemmaStore
from search.refine import format_feedback
from search.searcher import Searcher, SearchResult, cancel_tasks, initial_goal, run_until

ROUNDS = 2  # corrections of one sketch before a new one is begun
DEPTH = 1  # how often a step that cannot be proved is sketched itself
_SHARE = 0.5  # of what is left of the budget, for the steps of one sketch
_SECONDS = 60.0  # for one check of a sketch


@dataclass
class _Step:
    """A goal that a sketch leaves open, and its proof once there is one.

    lemma: the goal as a theorem, or None. given_up: its search has come to its end without a proof.
    """

    hole: Hole
    theorem: Theorem
    lemma: SubgoalTheorem | None
    proof: str | None = None
    given_up: bool = False


class Subgoals:
    """Asks the policy for sketches until one can be completed.

    sketcher: writes proofs whose steps may be left to `sorry`. prover: proves the steps. lemmas: where proved steps are
    kept. depth: how many levels of steps that `prover` gives up are sketched themselves.
    """

    name = "subgoals"

    def __init__(
        self,
        pool: LeanPool,
        sketcher: Policy,
        prover: Searcher,
        *,
        seed: int = 0,
        depth: int = DEPTH,
        lemmas: LemmaStore | None = None,
        progress: Callable[[Meter], None] | None = None,
    ) -> None:
        self.pool, self.sketcher, self.prover, self.seed, self.depth = pool, sketcher, prover, seed, depth
        self.lemmas, self.progress = lemmas or LemmaStore(), progress

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        """Sketch, prove the steps and compose until a proof is found or the budget is spent."""
        meter, result = Meter(budget), SearchResult(theorem)
        result.trace = trace.Trace(self.name, theorem.name, theorem.statement)
        goal = await initial_goal(self.pool, theorem, result)
        if goal is not None:
            result.trace.nodes.append(trace.TraceNode(None, "", goal))
            work = asyncio.create_task(_Run(self, theorem, goal, meter, result).sketch_after_sketch())
            try:
                await run_until(lambda: result.proved, [work], meter)
            finally:
                await cancel_tasks([work])
        result.record_meter(meter)
        return result


class _Run:
    """The state of a search in progress."""

    def __init__(self, search: Subgoals, theorem: Theorem, goal: str, meter: Meter, result: SearchResult) -> None:
        self.search, self.theorem, self.goal, self.meter, self.result = search, theorem, goal, meter, result

    @property
    def _over(self) -> bool:
        return self.result.proved or self.meter.exhausted or not self.meter.samples_left(1)

    async def sketch_after_sketch(self) -> None:
        number = 0
        while not self._over and await self._sketch(number):
            number += 1

    async def _sketch(self, number: int) -> bool:
        """Ask for a sketch and its corrections; return False if the policy has no further sketches."""
        rounds: list[PreviousAttempt] = []
        while not self._over and len(rounds) <= ROUNDS:
            prompt = Prompt(self.theorem, self.goal, rounds=tuple(rounds[-1:]))
            params = SampleRequest(0 if rounds else number, self.search.seed + (number if rounds else 0))
            samples = [s async for s in self.search.sketcher.sample(prompt, 1, params, self.meter.usage)]
            if not samples:
                return bool(rounds)
            sample = samples[0]
            self.meter.samples += 1
            if sample.failure:
                self.result.record_verdict(sample, Verdict(Reason.ANSWER, sample.failure))
                return not sample.is_error
            if any(sample.proof == earlier.proof for earlier in rounds):
                return True
            feedback = await self._complete(sample)
            if feedback is None:
                return True
            rounds.append(PreviousAttempt(sample.proof, feedback))
        return True

    async def _complete(self, sample: Sample) -> str | None:
        """Complete a sketch. Return the feedback for its correction, or None if its theorem is proved."""
        verdict = await self._judge(sample.proof)
        if verdict.proved or verdict.reason is not Reason.SORRY:
            self.result.record_verdict(sample, verdict)
            return None if verdict.proved else format_feedback(self.theorem, sample.proof, verdict)
        try:
            file = await parse_solution(
                self.search.pool,
                self.theorem.challenge,
                self.theorem.solution(sample.proof),
                _SECONDS,
                context=self.theorem.context,
                subgoals=True,
            )
        except (ContextError, ProcessDied) as error:
            self.result.record_verdict(sample, Verdict(Reason.CRASH, str(error)))
            return str(error)
        if not file.declarations or any(not hole.provable for hole in file.declarations[-1].holes):
            self.result.record_verdict(sample, verdict)
            return "Every `sorry` must stand for the proof of a proposition, and Lean must come to it in time."
        declaration = file.declarations[-1]
        steps = self._steps(file, declaration)
        await self._solve(steps)
        if any(step.proof is None for step in steps):
            self.result.record_verdict(sample, verdict)
            goals = "\n\n".join(step.hole.goal for step in steps if step.given_up)
            return f"The sketch is right, but these of its steps could not be proved:\n\n{goals}"
        for inlined in (False, True):
            proof = _compose(file, declaration, steps, inlined)
            verdict = await self._judge(proof)
            if verdict.proved:
                break
        self.result.record_verdict(replace(sample, proof=proof), verdict)
        return None if verdict.proved else format_feedback(self.theorem, proof, verdict)

    async def _judge(self, proof: str) -> Verdict:
        self.meter.checks += 1
        verdict = await self.search.pool.judge(self.theorem.claim(proof), self.meter.check_timeout(_SECONDS))
        if self.search.progress:
            self.search.progress(self.meter)
        return verdict

    def _steps(self, file: LeanFile, declaration: Declaration) -> list[_Step]:
        """Return what a sketch leaves open: as lemmas or, where Lean cannot state one, in its place."""
        lemmas = {
            one.hole.span: one for one in subgoal_theorems(file) if isinstance(one, SubgoalTheorem) and one.form == "b"
        }
        space, _ = split_name(self.theorem.name)
        steps = []
        for hole in declaration.holes:
            lemma, given = lemmas.get(hole.span), self.theorem
            if lemma is None:
                in_place = file.hole(declaration, hole, (), {})  # after the axiom that stands for the other holes
                preamble = (*in_place.preamble, *given.preamble)
                theorem: Theorem = replace(in_place, header=given.header, preamble=preamble)
            else:
                name = f"{space}.{lemma.name}" if space else lemma.name
                theorem = Theorem(
                    name, lemma.prefix + lemma.statement, given.header, given.preamble, source=given.source
                )
            steps.append(_Step(hole, theorem, lemma))
        return steps

    async def _solve(self, steps: list[_Step]) -> None:
        """Prove steps side by side; once one is given up, the others end, too."""
        budget = self.meter.fraction(_SHARE / len(steps))

        async def solve(step: _Step) -> None:
            await self._prove(step, budget)
            if step.proof is None:
                step.given_up = True
                raise _GivenUp

        tasks = [asyncio.create_task(solve(step)) for step in steps]
        try:
            await asyncio.gather(*tasks)
        except _GivenUp:
            pass
        finally:
            await cancel_tasks(tasks)

    async def _prove(self, step: _Step, budget: Budget) -> None:
        """Find the proof of a step: a kept one that still holds, or by search."""
        search, statement = self.search, step.lemma.subgoal.proposition if step.lemma else ""
        if statement and (known := search.lemmas.get(self.theorem, statement)) is not None:
            self.meter.checks += 1
            if (await search.pool.judge(step.theorem.claim(known), self.meter.check_timeout(_SECONDS))).proved:
                step.proof = known
                return
        result = await search.prover.prove(step.theorem, budget)
        self.meter.add(result.samples, result.checks, result.usage)
        if result.proof is None and search.depth > 0 and not self.meter.exhausted:
            deeper = Subgoals(
                search.pool,
                search.sketcher,
                search.prover,
                seed=search.seed,
                depth=search.depth - 1,
                lemmas=search.lemmas,
            )
            result = await deeper.prove(step.theorem, budget)
            self.meter.add(result.samples, result.checks, result.usage)
        step.proof = result.proof
        if statement and step.proof is not None:
            search.lemmas.add(self.theorem, statement, step.proof)


class _GivenUp(Exception):
    """A step of a sketch has no proof."""


def _compose(file: LeanFile, declaration: Declaration, steps: list[_Step], inlined: bool) -> str:
    """Return the sketch with the proofs of its steps in their places.

    Hidden variables of a step's context are named before its proof. inlined: each step is stated there as a lemma
    instead, for proofs that rely on their own context alone.
    """
    edits: list[Edit] = []
    for number, step in enumerate(steps, 1):
        assert step.proof is not None
        proof = step.proof
        if step.lemma is not None:
            goal = step.lemma.subgoal
            proof = goal.inlined(f"step_{number}", proof) if inlined else f"{goal.naming}{proof}"
        edits.append(file.proof(declaration, step.hole, proof))
    return file.value(declaration, edits).removeprefix(":=").lstrip().removeprefix("by").strip("\n")
