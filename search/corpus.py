"""Proofs for many theorems, found by search and kept in one file that grows: what a model is trained on first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.problems import Problem
from data.records.jsonl import JsonlWriter, read_jsonl
from data.syntax.layout import indented
from lean_env import LeanPool
from prover.policy import Policy
from search.budget import Budget
from search.minimise import shortened
from search.searcher import stop
from search.searches import searcher

_DEFAULT = "auto"


@dataclass
class Progress:
    """How far it is: `done` of the problems looked at so far are on record, `found` of these with a proof."""

    done: int = 0
    found: int = 0
    checks: int = 0  # spent by this call


async def find(
    pool: LeanPool,
    policy: Policy,
    problems: Iterable[Problem],
    out: Path,
    budget: Budget,
    search: str = _DEFAULT,
    progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Search a proof of each problem, as many problems at a time as the pool has workers, and append a row for each.

    A row is on the disk before the next problem is begun. Called again, it leaves alone what has a proof on record, and
    what was searched in the same way with no less (the search and the budget's checks, samples and seconds are in the
    row); so a second call with a larger budget tries what is left, and a problem may have several rows, of which the
    last one counts. The fields are V1.5's (data.problems reads the file); `formal_proof` is the text after `:= by` at
    column 0 as Lean judged it, with what was needed in place of each `first | …`, or empty. Problems are told apart by
    their names. Raises ValueError for an unknown search, JsonlError, LeanUnavailable, PolicyUnavailable, OSError.
    """
    state = Progress()
    out.parent.mkdir(parents=True, exist_ok=True)
    record = _Record(out, search, budget)
    lines = JsonlWriter(out)
    left = iter(problems)

    def waiting() -> Iterator[Problem]:
        for problem in left:
            if record.needs(problem.name):
                yield problem
            else:
                state.done += 1
                state.found += problem.name in record.found
                if progress:
                    progress(state)

    todo = waiting()  # shared: each worker takes the next one

    async def work() -> None:
        for problem in todo:
            row = await _searched(pool.share(1), policy.fresh(), problem, budget, search)
            lines.append([row])
            state.done += 1
            state.found += bool(row["formal_proof"])
            state.checks += row["checks"]
            if progress:
                progress(state)

    tasks = [asyncio.create_task(work()) for _ in range(pool.size)]
    try:
        await asyncio.gather(*tasks)
    finally:
        await stop(tasks)
        lines.close()
    return state


class _Record:
    """What earlier calls have found, and what they have looked for in vain with no less than this one would spend."""

    def __init__(self, path: Path, search: str, budget: Budget) -> None:
        self.found: set[str] = set()
        self._vain: set[str] = set()
        for row in read_jsonl(path):
            if row["formal_proof"]:
                self.found.add(row["name"])
            elif row["search"] == search and _covers(row["budget"], budget):
                self._vain.add(row["name"])

    def needs(self, name: str) -> bool:
        return name not in self.found and name not in self._vain


def _limits(budget: Budget) -> dict[str, float | None]:
    return {"samples": budget.samples, "checks": budget.checks, "tokens": budget.tokens, "seconds": budget.seconds}


def _covers(spent: dict[str, float | None], budget: Budget) -> bool:
    """Did a search that could spend this have no less of anything than the budget gives?"""

    def enough(had: float | None, wanted: float | None) -> bool:
        return had is None or (wanted is not None and had >= wanted)

    return all(enough(spent[name], wanted) for name, wanted in _limits(budget).items())


async def _searched(pool: LeanPool, policy: Policy, problem: Problem, budget: Budget, search: str) -> dict[str, Any]:
    theorem = problem.theorem
    result = await searcher(search, pool, policy).prove(theorem, budget)
    proof = await shortened(pool, theorem, result.proof) if result.proof is not None else ""
    return {
        "name": problem.name,
        "split": problem.split,
        "header": theorem.header,
        "formal_statement": f"{''.join(theorem.preamble)}{theorem.statement} := by",
        "formal_proof": indented(proof, 0),
        "tags": list(problem.tags),
        "search": search,
        "budget": _limits(budget),
        "checks": result.checks,
        "seconds": round(result.seconds, 3),
        "problem": result.problem,
    }
