"""RMaxTS: Monte-Carlo tree search over tactic states, rewarded for finding new ones (DeepSeek-Prover-V1.5, §3)."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data import Theorem
from lean_env import LeanPool, Reason, Verdict
from lean_env.premises import Premises
from prover.policy import Policy, Prompt, Sample, SampleRequest
from search import trace
from search.budget import Budget, Meter
from search.expansion import Expansion, Reached, Stepwise, Tried, Whole, joined
from search.journal import Journal
from search.searcher import LIMITS, PATIENCE, SearchResult, first_goal, goal_premises, stop, until
from search.tree import Node, Route, Tree

_OTHERS = 8  # samples that are tried at a node before one that was cut off has another turn
KNOWN = "known"  # outcome of a text that begins as one that failed there before: Lean is not asked again


@dataclass(frozen=True)
class Plan:
    """What an expansion will try: samples `start` to `start + wanted` of the policy, or one that was cut off before."""

    node: Node
    before: str  # the proof so far
    column: int
    start: int = 0
    wanted: int = 0
    again: Sample | None = None
    limit: int = 0  # index of the time limit
    recorded: list[Attempt] | None = None  # what it came to, if the journal has it


@dataclass(frozen=True)
class Attempt:
    """A sample tried at a node, and what became of it. `known`: it was clear without a question to Lean."""

    sample: Sample
    tried: Tried
    known: bool = False

    def as_json(self) -> dict[str, Any]:
        row = {"text": self.sample.text, "family": self.sample.family, "failure": self.sample.failure}
        return row | {"known": self.known} | self.tried.as_json()

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Attempt:
        failed, text = row["failure"], row["text"]
        sample = Sample("" if failed else text, row["family"], failed, text if failed else "")
        return cls(sample, Tried.from_json(row), row["known"])


@dataclass(frozen=True)
class _Row:
    """An expansion in the journal. start: None if it tried again what was cut off before."""

    node: int
    start: int | None
    asked: int
    attempts: list[Attempt]

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "attempts": [attempt.as_json() for attempt in self.attempts]}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> _Row | None:
        """None if that is no such row."""
        try:
            attempts = [Attempt.from_json(attempt) for attempt in row["attempts"]]
            return cls(row["node"], row["start"], row["asked"], attempts)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


@dataclass
class _Place:
    """What is known of a node besides its statistics."""

    leads: dict[str, Node] = field(default_factory=dict)  # tactics that were run here, and where they lead
    failed: set[str] = field(default_factory=set)  # tactics that do not work here
    texts: set[str] = field(default_factory=set)  # whole texts that were tried here
    waiting: deque[tuple[Sample, int, int]] = field(default_factory=deque)  # cut off: next limit's index, when due
    more: bool = True  # may the policy have further samples here?
    premises: asyncio.Future[Premises | None] | None = None  # of its goal, once they are asked for
    passed: bool = False  # reached only on the way to other states: not yet a place to try things at

    def due(self, asked: int) -> bool:
        """Is it the turn of one that was cut off, after `asked` samples here?"""
        return bool(self.waiting) and (not self.more or asked >= self.waiting[0][2])

    @property
    def done(self) -> bool:
        return not self.more and not self.waiting


class RMaxTS:
    """Several trees share a budget; each expands at several places at once.

    An expansion asks the policy for `width` samples at one node and tries them; those under way when the checks of the
    budget are spent are still made. Results are taken in the order in which
    the expansions began, so that the same samples and seed give the same tree, whatever takes how long.

    trees: independent trees with seeds of their own (root parallelism). concurrency: expansions under way in a tree;
        no more than keep policy and Lean busy, since each is better placed when it knows what the earlier ones came to.
    journals: a folder for checkpoints; a search that finds its own there goes on from it.
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
        limits: tuple[float, ...] = LIMITS,
        journals: Path | None = None,
        progress: Callable[[Meter], None] | None = None,
    ) -> None:
        self.pool, self.policy, self.seed, self.trees, self.width = pool, policy, seed, trees, width
        self.concurrency = concurrency or (pool.size if policy.stepwise else max(pool.size, policy.window))
        self.limits, self.journals, self.progress = limits, journals, progress
        self.expansion: Expansion = Stepwise(pool) if policy.stepwise else Whole(pool)

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        """Raises JournalError, OSError if checkpoints are wanted and the folder is of no use."""
        meter, result = Meter(budget), SearchResult(theorem)
        goal = await first_goal(self.pool, theorem, result)
        if goal is not None:
            with ExitStack() as journals:
                trees = (_Search(self, theorem, goal, self.seed + n, meter, result) for n in range(self.trees))
                searches = [journals.enter_context(closing(search)) for search in trees]
                tasks = [asyncio.create_task(search.run()) for search in searches]
                try:
                    await until(lambda: result.proved, tasks, Meter(Budget()))  # each looks after its time itself
                finally:
                    await stop(tasks)
            result.trace = next((s for s in searches if s.completed is not None), searches[0]).trace()
        result.spent(meter)
        return result


class _Search:
    """One tree under way."""

    def __init__(
        self, rmaxts: RMaxTS, theorem: Theorem, goal: str, seed: int, meter: Meter, result: SearchResult
    ) -> None:
        self.rmaxts, self.theorem, self.seed, self.meter, self.result = rmaxts, theorem, seed, meter, result
        self.tree = Tree(goal)
        self.places: defaultdict[int, _Place] = defaultdict(_Place)
        self.tried: list[trace.Attempt] = []
        self.texts = [""]  # of each node, the tactics that led there from its parent
        self.expansions = 0
        self.completed: int | None = None  # number of the attempt that was a proof
        self.journal: Journal | None = None
        if rmaxts.journals is not None:
            how = {"seed": seed, "width": rmaxts.width, "window": rmaxts.concurrency, "limits": list(rmaxts.limits)}
            self.journal = Journal.of(rmaxts.journals, theorem, policy=rmaxts.policy.name, **how)

    async def run(self) -> None:
        window: deque[tuple[Route, Plan, asyncio.Task[list[Attempt]]]] = deque()
        try:
            while not self.result.proved:
                while len(window) < self.rmaxts.concurrency and not self._spent:
                    route = self.tree.select()
                    if route is None:
                        break
                    plan = self._plan(route[-1][0])
                    window.append((route, plan, asyncio.create_task(self._expand(plan))))
                    self.expansions += 1
                if not window or not await self._first([task for *_, task in window]):
                    break
                route, plan, task = window.popleft()
                self._take(route, plan, task.result())
                if self.rmaxts.progress:
                    self.rmaxts.progress(self.meter)
            for number, (route, plan, task) in enumerate(window):  # others may have been to be taken before the proof
                if (
                    self.result.proved
                    and task.done()
                    and any(a.tried.proof == self.result.proof for a in task.result())
                ):
                    self._take(route, plan, task.result(), in_turn=number == 0)
                    break
        finally:
            await stop([task for *_, task in window], PATIENCE)

    def close(self) -> None:
        if self.journal:
            self.journal.close()

    @property
    def _recorded(self) -> int:
        return len(self.journal.rows) if self.journal else 0

    def _row(self, node: int, start: int | None) -> _Row | None:
        """What the journal has of the expansion that comes next. A row that is not of this one is of no use, nor is
        anything after it: the journal is cut off there."""
        if self.journal is None or self.expansions >= self._recorded:
            return None
        row = _Row.from_json(self.journal.rows[self.expansions])
        if row is None or (row.node, row.start) != (node, start):
            self.journal.cut(self.expansions, f"{self.journal.path} does not fit from line {self.expansions + 2} on")
            return None
        return row

    @property
    def _spent(self) -> bool:
        """Is the budget spent? What the journal has is taken over in any case."""
        return self.expansions >= self._recorded and (self.meter.exhausted or not self.meter.samples_left(1))

    async def _first(self, tasks: list[asyncio.Task[list[Attempt]]]) -> bool:
        """Wait for the first of the expansions; False if the time is up or any of them has found a proof."""
        while not tasks[0].done():
            left = None if self.meter.budget.seconds is None else max(0.0, self.meter.seconds_left)
            running = [task for task in tasks if not task.done()]
            done, _ = await asyncio.wait(running, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if not done or self.result.proved:
                return False
        return True

    # ---- one expansion: planned and taken in order, made at the same time as others ----

    def _plan(self, node: Node) -> Plan:
        place = self.places[node.id]
        again = place.due(node.asked)
        row = self._row(node.id, None if again else node.asked)
        recorded = row.attempts if row else None
        text, column = random.Random(f"{self.seed} {self.expansions}").choice(node.texts)
        if not again:
            wanted = row.asked if row else self.meter.samples_left(self.rmaxts.width)
            plan = Plan(node, text, column, node.asked, wanted, recorded=recorded)
            node.asked += wanted
            self.meter.samples += wanted
        else:
            sample, limit, _ = place.waiting.popleft()
            plan = Plan(node, text, column, again=sample, limit=limit, recorded=recorded)
        if place.done:
            self.tree.close(node)
        return plan

    async def _expand(self, plan: Plan) -> list[Attempt]:
        """Try samples at a node; or what the journal says they came to."""
        if plan.recorded is not None:
            attempts = plan.recorded
            self.meter.samples -= plan.wanted - (0 if plan.again else len(attempts))
            self.meter.checks += sum(not a.known for a in attempts)
            for attempt in attempts:
                if attempt.tried.proof is not None and attempt.tried.outcome is None:
                    await self._judge(attempt.sample, attempt.tried.proof)
            return attempts
        samples = [plan.again] if plan.again else await self._samples(plan)
        return list(await asyncio.gather(*(self._try(plan, sample) for sample in samples)))

    async def _samples(self, plan: Plan) -> list[Sample]:
        premises = await self._premises(plan)
        prompt = Prompt(self.theorem, plan.node.goals, plan.before, plan.column, premises=premises)
        params = SampleRequest(plan.start, self.seed, partial=True)
        asked = self.rmaxts.policy.sample(prompt, plan.wanted, params, self.meter.usage)
        samples = [sample async for sample in asked]
        self.meter.samples -= plan.wanted - len(samples)
        return samples

    async def _premises(self, plan: Plan) -> Premises | None:
        """The premises of a node's goal; asked for once."""
        place = self.places[plan.node.id]
        if place.premises is None:
            place.premises = asyncio.ensure_future(
                goal_premises(self.rmaxts.pool, self.rmaxts.policy, self.theorem, plan.before)
            )
        return await place.premises

    async def _try(self, plan: Plan, sample: Sample) -> Attempt:
        if sample.failure:
            return Attempt(sample, Tried(outcome=Reason.ANSWER, detail=sample.failure), known=True)
        walked, text = self._walk(plan, sample.proof)
        before = walked[-1].proof if walked else plan.before
        place = self.places[self._node(walked, plan.node).id]
        if not text or text in place.texts or first_tactic(text) in place.failed:
            outcome, detail = (Reason.ERROR, "it begins as one that failed here") if text else (None, "")
            return Attempt(sample, Tried(tuple(walked), outcome, detail), known=True)
        self.meter.checks += 1
        seconds = self.meter.limit(self.rmaxts.limits[plan.limit])
        tried = await self.rmaxts.expansion(self.theorem, before, text, seconds)
        if tried.proof is not None:
            verdict = await self._judge(sample, tried.proof)
            if not verdict.proved:
                tried = replace(tried, outcome=verdict.reason, detail=verdict.detail)
        return Attempt(sample, replace(tried, reached=(*walked, *tried.reached)))

    def _walk(self, plan: Plan, text: str) -> tuple[list[Reached], str]:
        """Go as far as tactics are known: the states on the way, and the text that is left."""
        node, proof, walked = plan.node, plan.before, []
        while text:
            tactic = first_tactic(text)
            lead = self.places[node.id].leads.get(tactic)
            if lead is None:
                break
            node, proof, text = lead, joined(proof, tactic), text[len(tactic) :].lstrip("\n")
            walked.append(Reached(node.state, proof))
        return walked, text

    def _node(self, walked: list[Reached], node: Node) -> Node:
        return self.tree.node_of(walked[-1].state) if walked else node

    async def _judge(self, sample: Sample, proof: str) -> Verdict:
        """The last word on a proof that seems complete; without a look at it where one is found already."""
        if self.result.verdict is not None and self.result.proved:
            return self.result.verdict
        self.meter.checks += 1
        verdict = await self.rmaxts.pool.judge(self.theorem.claim(proof), self.rmaxts.limits[-1])
        if verdict.proved and not self.result.proved:
            self.result.proof, self.result.verdict, self.result.family = proof, verdict, sample.family
        return verdict

    def _take(self, route: Route, plan: Plan, attempts: list[Attempt], in_turn: bool = True) -> None:
        """Add what an expansion came to. in_turn: all that began before it have been added; else it is not recorded."""
        start, place = plan.node, self.places[plan.node.id]
        before = len(self.tree.nodes)
        for attempt in attempts:
            self._add(plan, attempt)
        self.tree.reward(route, 1.0 if len(self.tree.nodes) > before else 0.0)
        if not plan.again:
            place.more &= len(attempts) == plan.wanted and not any(a.sample.is_error for a in attempts)
        if place.done:
            self.tree.close(start)
        if self.journal and in_turn and plan.recorded is None:
            row = _Row(start.id, None if plan.again else plan.start, plan.wanted, attempts)
            self.journal.append(row.as_json())

    def _add(self, plan: Plan, attempt: Attempt) -> None:
        tried, node, proof, visited = attempt.tried, plan.node, plan.before, []
        stepwise = self.rmaxts.policy.stepwise
        for number, reached in enumerate(tried.reached, start=1):
            tactic = reached.proof[len(proof) :].lstrip("\n") if reached.proof.startswith(proof) else ""
            child, new = self.tree.reach(node, reached.state, reached.proof, reached.column)
            if new:
                self.texts.append(tactic)
            place = self.places[child.id]
            if not stepwise or number == len(tried.reached):
                if place.passed:
                    place.passed = False
                    self.tree.open(child)
            elif new:  # the policy knew how to go on from there: its own next step is a better start than this one
                place.passed = True
                self.tree.close(child)
            if tactic and stepwise:
                self.places[node.id].leads[tactic] = child
            node, proof = child, reached.proof
            visited.append(node.id)
        if tried.failed:
            self.places[node.id].failed.add(tried.failed)
        proved = tried.proof is not None and tried.proof == self.result.proof
        if tried.outcome is Reason.TIMEOUT and plan.limit + 1 < len(self.rmaxts.limits):
            self._again(plan.node, attempt.sample, plan.limit + 1)
        elif tried.outcome is Reason.CHALLENGE and len(plan.node.texts) > 1:  # not the sample's fault: another way here
            plan.node.texts = [way for way in plan.node.texts if way != (plan.before, plan.column)]
            self._again(plan.node, attempt.sample, plan.limit)
        else:
            self.places[plan.node.id].texts.add(attempt.sample.proof)
            if tried.outcome and (not attempt.known or attempt.sample.failure):
                self.result.reasons[tried.outcome] += 1
            self.result.lost += attempt.sample.lost
            self.rmaxts.policy.learn(attempt.sample, proved)
        known = attempt.known and not attempt.sample.failure
        outcome = "proved" if proved else KNOWN if known else tried.outcome or "open"
        if proved:
            self.completed = len(self.tried)
        self.tried.append(
            trace.Attempt(
                plan.node.id, attempt.sample.text, outcome, tried.detail, tuple(visited), attempt.sample.family
            )
        )

    def _again(self, node: Node, sample: Sample, limit: int) -> None:
        self.places[node.id].waiting.append((sample, limit, node.asked + _OTHERS))
        self.tree.open(node)

    def trace(self) -> trace.Trace:
        """What this tree came to look like."""
        nodes = [
            trace.Node(
                None if node.parent is None else node.parent.id,
                text,
                node.goals,
                node.visits,
                node.rewards / node.visits if node.visits else None,
            )
            for node, text in zip(self.tree.nodes, self.texts, strict=True)
        ]
        found: tuple[int, ...] = ()
        if self.completed is not None:
            last = self.tried[self.completed]
            found = tuple(
                n.id for n in self.tree.path_to(self.tree.nodes[last.reached[-1] if last.reached else last.node])
            )
        return trace.Trace(
            RMaxTS.name, self.theorem.name, self.theorem.statement, nodes, self.tried, None, found, self.completed
        )


def first_tactic(text: str) -> str:
    """The first tactic of a text that begins at column 0, as far as lines tell: for recognising it, not for cutting."""
    lines = text.split("\n")
    end = next((i for i, line in enumerate(lines) if i and line[:1] not in ("", " ", "|", "<", ")")), len(lines))
    return "\n".join(lines[:end])
