"""RMaxTS: Monte-Carlo tree search over tactic states, rewarded for finding new ones.

DeepSeek-Prover-V1.5 (arXiv 2408.08152), §3.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from data import Theorem
from lean_env import LeanPool, Reason, Verdict
from lean_env.premises import Premises
from prover.policy import Policy, Prompt, Sample, SampleRequest
from search import trace
from search.budget import Budget, Meter
from search.expansion import (
    Expansion,
    ExpansionResult,
    ReachedState,
    StepwiseExpansion,
    WholeProofExpansion,
    append_tactics,
)
from search.journal import Journal
from search.rmaxts_state import ExpansionPlan, ExpansionRecord, NodeState, SampleResult
from search.searcher import (
    CHECK_TIMEOUTS,
    GRACE_SECONDS,
    SearchResult,
    cancel_tasks,
    goal_premises,
    initial_goal,
    run_until,
)
from search.tree import Node, Route, Tree

_RETRY_AFTER = 8  # samples tried at a node before one that reached its timeout is tried again
KNOWN = "known"  # outcome of a text that starts like one that failed at the node: Lean is not asked again


class RMaxTS:
    """Searches with one or several trees that share a budget; each tree runs several expansions at once.

    An expansion requests `width` samples from the policy at one node and tries them. Expansions that are running when
    the budget's checks are spent are completed. Results are added in the order in which the expansions started, so the
    same samples and seed give the same tree, whatever each expansion takes.

    trees: independent trees with seeds of their own (root parallelism).
    concurrency: expansions running in a tree at once; no more than keep policy and Lean busy, since an expansion is
    placed better once earlier results are known.
    timeouts: seconds for one check: a sample that reaches one is tried again later with the next.
    journals: a folder for checkpoints; a search continues from its own checkpoint there.
    """

    name = "rmaxts"

    def __init__(
        self,
        pool: LeanPool,
        policy: Policy,
        *,
        seed: int = 0,
        trees: int = 1,
        concurrency: int | None = None,
        width: int = 1,
        timeouts: tuple[float, ...] = CHECK_TIMEOUTS,
        journals: Path | None = None,
        progress: Callable[[Meter], None] | None = None,
    ) -> None:
        self.pool, self.policy, self.seed, self.trees, self.width = pool, policy, seed, trees, width
        # Results are taken in order: while a slow one is waited for, the other workers have the next ones to do.
        busy = 2 * pool.size if pool.size > 1 else 1
        self.concurrency = concurrency or (busy if policy.stepwise else max(pool.size, policy.window))
        self.timeouts, self.journals, self.progress = timeouts, journals, progress
        self.expansion: Expansion = StepwiseExpansion(pool) if policy.stepwise else WholeProofExpansion(pool)

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        """Search until a proof is found or the budget is spent.

        Raises JournalError and OSError if checkpoints are requested and cannot be read or written.
        """
        meter, result = Meter(budget), SearchResult(theorem)
        goal = await initial_goal(self.pool, theorem, result)
        if goal is not None:
            with ExitStack() as journals:
                trees = (_TreeSearch(self, theorem, goal, self.seed + n, meter, result) for n in range(self.trees))
                searches = [journals.enter_context(closing(search)) for search in trees]
                tasks = [asyncio.create_task(search.run()) for search in searches]
                try:
                    await run_until(lambda: result.proved, tasks, Meter(Budget()))  # each tree watches the time itself
                finally:
                    await cancel_tasks(tasks)
            result.trace = next((s for s in searches if s.proof_attempt is not None), searches[0]).trace()
        result.record_meter(meter)
        return result


class _TreeSearch:
    """The search of one tree.

    node_tactics: for each node, the tactics that lead to it from its parent. proof_attempt: number of the attempt that
    completed the proof.
    """

    def __init__(
        self, rmaxts: RMaxTS, theorem: Theorem, goal: str, seed: int, meter: Meter, result: SearchResult
    ) -> None:
        self.rmaxts, self.theorem, self.seed, self.meter, self.result = rmaxts, theorem, seed, meter, result
        self.tree = Tree(goal)
        self.node_states: defaultdict[int, NodeState] = defaultdict(NodeState)
        self.attempts: list[trace.TraceAttempt] = []
        self.node_tactics = [""]
        self.expansions = 0
        self.proof_attempt: int | None = None
        self.journal: Journal | None = None
        if rmaxts.journals is not None:
            settings: dict[str, object] = {"seed": seed, "width": rmaxts.width, "window": rmaxts.concurrency}
            settings["limits"] = list(rmaxts.timeouts)
            self.journal = Journal.open(rmaxts.journals, theorem, policy=rmaxts.policy.name, **settings)

    async def run(self) -> None:
        """Expand until a proof is found, the budget is spent or nothing is left to try."""
        window: deque[tuple[Route, ExpansionPlan, asyncio.Task[list[SampleResult]]]] = deque()
        try:
            while not self.result.proved:
                while len(window) < self.rmaxts.concurrency and not self._is_budget_spent:
                    route = self.tree.select()
                    if route is None:
                        break
                    plan = self._plan(route[-1][0])
                    window.append((route, plan, asyncio.create_task(self._expand(plan))))
                    self.expansions += 1
                if not window or not await self._wait_for_first([task for *_, task in window]):
                    break
                route, plan, task = window.popleft()
                self._apply(route, plan, task.result())
                if self.rmaxts.progress:
                    self.rmaxts.progress(self.meter)
            for number, (route, plan, task) in enumerate(window):  # the proof may not be the first in order
                if (
                    self.result.proved
                    and task.done()
                    and any(r.result.proof == self.result.proof for r in task.result())
                ):
                    self._apply(route, plan, task.result(), record_it=number == 0)
                    break
        finally:
            await cancel_tasks([task for *_, task in window], GRACE_SECONDS)

    def close(self) -> None:
        """Close the journal."""
        if self.journal:
            self.journal.close()

    @property
    def _recorded(self) -> int:
        return len(self.journal.rows) if self.journal else 0

    def _recorded_expansion(self, node: int, start: int | None) -> ExpansionRecord | None:
        """Return the journal's record of the next expansion; None without one.

        A record of another expansion, and all records after it, are useless: the journal is truncated there.
        """
        if self.journal is None or self.expansions >= self._recorded:
            return None
        record = ExpansionRecord.from_json(self.journal.rows[self.expansions])
        if record is None or (record.node, record.start) != (node, start):
            self.journal.truncate(
                self.expansions, f"{self.journal.path} does not fit from line {self.expansions + 2} on"
            )
            return None
        return record

    @property
    def _is_budget_spent(self) -> bool:
        """Whether the budget is spent. Expansions in the journal are taken over in any case."""
        return self.expansions >= self._recorded and (self.meter.exhausted or not self.meter.samples_left(1))

    async def _wait_for_first(self, tasks: list[asyncio.Task[list[SampleResult]]]) -> bool:
        """Wait for the first task; return False if the time is up or any task has found a proof."""
        while not tasks[0].done():
            timeout = None if self.meter.budget.seconds is None else max(0.0, self.meter.seconds_left)
            running = [task for task in tasks if not task.done()]
            done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if not done or self.result.proved:
                return False
        return True

    # ---- one expansion: planned and applied in order, run at the same time as others ----

    def _plan(self, node: Node) -> ExpansionPlan:
        state = self.node_states[node.id]
        is_retry = state.is_retry_due(node.samples_requested)
        record = self._recorded_expansion(node.id, None if is_retry else node.samples_requested)
        recorded_results = record.attempts if record else None
        prefix, column = random.Random(f"{self.seed} {self.expansions}").choice(node.proofs)
        if not is_retry:
            num_samples = record.asked if record else self.meter.samples_left(self.rmaxts.width)
            plan = ExpansionPlan(node, prefix, column, node.samples_requested, num_samples, recorded=recorded_results)
            node.samples_requested += num_samples
            self.meter.samples += num_samples
        else:
            sample, timeout_index, _ = state.timed_out.popleft()
            plan = ExpansionPlan(
                node, prefix, column, retry=sample, timeout_index=timeout_index, recorded=recorded_results
            )
        if state.is_exhausted:
            self.tree.close(node)
        return plan

    async def _expand(self, plan: ExpansionPlan) -> list[SampleResult]:
        """Try samples at a node, or return the results that the journal has."""
        if plan.recorded is not None:
            results = plan.recorded
            self.meter.samples -= plan.num_samples - (0 if plan.retry else len(results))
            self.meter.checks += sum(not r.is_known for r in results)
            for result in results:
                if result.result.proof is not None and result.result.outcome is None:
                    await self._judge(result.sample, result.result.proof)
            return results
        samples = [plan.retry] if plan.retry else await self._request_samples(plan)
        return list(await asyncio.gather(*(self._try_sample(plan, sample) for sample in samples)))

    async def _request_samples(self, plan: ExpansionPlan) -> list[Sample]:
        premises = await self._premises(plan)
        prompt = Prompt(self.theorem, plan.node.goals, plan.prefix, plan.column, premises=premises)
        params = SampleRequest(plan.first_sample, self.seed, partial=True)
        stream = self.rmaxts.policy.sample(prompt, plan.num_samples, params, self.meter.usage)
        samples = [sample async for sample in stream]
        self.meter.samples -= plan.num_samples - len(samples)
        return samples

    async def _premises(self, plan: ExpansionPlan) -> Premises | None:
        """Return the premises of a node's goal, requested from Lean once."""
        state = self.node_states[plan.node.id]
        if state.premises is None:
            state.premises = asyncio.ensure_future(
                goal_premises(self.rmaxts.pool, self.rmaxts.policy, self.theorem, plan.prefix)
            )
        return await state.premises

    async def _try_sample(self, plan: ExpansionPlan, sample: Sample) -> SampleResult:
        if sample.failure:
            return SampleResult(sample, ExpansionResult(outcome=Reason.ANSWER, detail=sample.failure), is_known=True)
        known_path, text = self._follow_known(plan, sample.proof)
        prefix = known_path[-1].proof if known_path else plan.prefix
        state = self.node_states[self._last_node(known_path, plan.node).id]
        if not text or text in state.tried_texts or first_tactic(text) in state.failed_tactics:
            outcome, detail = (Reason.ERROR, "it begins as one that failed here") if text else (None, "")
            return SampleResult(sample, ExpansionResult(tuple(known_path), outcome, detail), is_known=True)
        self.meter.checks += 1
        seconds = self.meter.check_timeout(self.rmaxts.timeouts[plan.timeout_index])
        result = await self.rmaxts.expansion(self.theorem, prefix, text, seconds)
        if result.proof is not None:
            verdict = await self._judge(sample, result.proof)
            if not verdict.proved:
                result = replace(result, outcome=verdict.reason, detail=verdict.detail)
        return SampleResult(sample, replace(result, reached=(*known_path, *result.reached)))

    def _follow_known(self, plan: ExpansionPlan, text: str) -> tuple[list[ReachedState], str]:
        """Follow tactics whose result is known; return the states on the path and the rest of the text."""
        node, proof, path = plan.node, plan.prefix, []
        while text:
            tactic = first_tactic(text)
            child = self.node_states[node.id].transitions.get(tactic)
            if child is None:
                break
            node, proof, text = child, append_tactics(proof, tactic), text[len(tactic) :].lstrip("\n")
            path.append(ReachedState(node.state, proof))
        return path, text

    def _last_node(self, path: list[ReachedState], node: Node) -> Node:
        return self.tree.node_of(path[-1].state) if path else node

    async def _judge(self, sample: Sample, proof: str) -> Verdict:
        """Return the verdict on a proof that seems complete; the verdict in the result once a proof is found."""
        if self.result.verdict is not None and self.result.proved:
            return self.result.verdict
        self.meter.checks += 1
        verdict = await self.rmaxts.pool.judge(self.theorem.claim(proof), self.rmaxts.timeouts[-1])
        if verdict.proved and not self.result.proved:
            self.result.proof, self.result.verdict, self.result.family = proof, verdict, sample.family
        return verdict

    def _apply(self, route: Route, plan: ExpansionPlan, results: list[SampleResult], record_it: bool = True) -> None:
        """Add the results of an expansion to the tree and backpropagate its reward.

        record_it: append it to the journal; only if all expansions that started before it have been added.
        """
        node, state = plan.node, self.node_states[plan.node.id]
        nodes_before = len(self.tree.nodes)
        for result in results:
            self._add_result(plan, result)
        self.tree.backpropagate(route, 1.0 if len(self.tree.nodes) > nodes_before else 0.0)
        if not plan.retry:
            state.has_more_samples &= len(results) == plan.num_samples and not any(r.sample.is_error for r in results)
        if state.is_exhausted:
            self.tree.close(node)
        if self.journal and record_it and plan.recorded is None:
            record = ExpansionRecord(node.id, None if plan.retry else plan.first_sample, plan.num_samples, results)
            self.journal.append(record.as_json())

    def _add_result(self, plan: ExpansionPlan, sample_result: SampleResult) -> None:
        result, node, proof, visited = sample_result.result, plan.node, plan.prefix, []
        stepwise = self.rmaxts.policy.stepwise
        for number, reached in enumerate(result.reached, start=1):
            tactic = reached.proof[len(proof) :].lstrip("\n") if reached.proof.startswith(proof) else ""
            child, new = self.tree.add_state(node, reached.state, reached.proof, reached.column)
            if new:
                self.node_tactics.append(tactic)
            state = self.node_states[child.id]
            if not stepwise or number == len(result.reached):
                if state.is_intermediate:
                    state.is_intermediate = False
                    self.tree.reopen(child)
            elif new:  # the sample went on from here: its last state is a better place to expand
                state.is_intermediate = True
                self.tree.close(child)
            if tactic and stepwise:
                self.node_states[node.id].transitions[tactic] = child
            node, proof = child, reached.proof
            visited.append(node.id)
        if result.failed_tactic:
            self.node_states[node.id].failed_tactics.add(result.failed_tactic)
        proved = result.proof is not None and result.proof == self.result.proof
        if result.outcome is Reason.TIMEOUT and plan.timeout_index + 1 < len(self.rmaxts.timeouts):
            self._retry_later(plan.node, sample_result.sample, plan.timeout_index + 1)
        elif result.outcome is Reason.CHALLENGE and len(plan.node.proofs) > 1:  # the prefix failed, not the sample
            plan.node.proofs = [proof for proof in plan.node.proofs if proof != (plan.prefix, plan.column)]
            self._retry_later(plan.node, sample_result.sample, plan.timeout_index)
        else:
            self.node_states[plan.node.id].tried_texts.add(sample_result.sample.proof)
            if result.outcome and (not sample_result.is_known or sample_result.sample.failure):
                self.result.reasons[result.outcome] += 1
            self.result.lost_samples += sample_result.sample.lost
            self.rmaxts.policy.learn(sample_result.sample, proved)
        is_known = sample_result.is_known and not sample_result.sample.failure
        outcome = "proved" if proved else KNOWN if is_known else result.outcome or "open"
        if proved:
            self.proof_attempt = len(self.attempts)
        self.attempts.append(
            trace.TraceAttempt(
                plan.node.id,
                sample_result.sample.text,
                outcome,
                result.detail,
                tuple(visited),
                sample_result.sample.family,
            )
        )

    def _retry_later(self, node: Node, sample: Sample, timeout_index: int) -> None:
        self.node_states[node.id].timed_out.append((sample, timeout_index, node.samples_requested + _RETRY_AFTER))
        self.tree.reopen(node)

    def trace(self) -> trace.Trace:
        """Return this tree and its attempts as a Trace."""
        nodes = [
            trace.TraceNode(
                None if node.parent is None else node.parent.id,
                text,
                node.goals,
                node.visits,
                node.rewards / node.visits if node.visits else None,
            )
            for node, text in zip(self.tree.nodes, self.node_tactics, strict=True)
        ]
        proof_path: tuple[int, ...] = ()
        if self.proof_attempt is not None:
            last = self.attempts[self.proof_attempt]
            proof_path = tuple(
                n.id for n in self.tree.path_to(self.tree.nodes[last.reached[-1] if last.reached else last.node])
            )
        return trace.Trace(
            RMaxTS.name,
            self.theorem.name,
            self.theorem.statement,
            nodes,
            self.attempts,
            None,
            proof_path,
            self.proof_attempt,
        )


def first_tactic(text: str) -> str:
    """Return the first tactic of a text that starts at column 0, by its lines alone (not exact enough to cut)."""
    lines = text.split("\n")
    end = next((i for i, line in enumerate(lines) if i and line[:1] not in ("", " ", "|", "<", ")")), len(lines))
    return "\n".join(lines[:end])
