"""Search for proofs of many theorems, kept in one growing JSONL file: the first training data of a model."""

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
from search.minimise import resolve_alternatives
from search.searcher import cancel_tasks
from search.searches import searcher

_DEFAULT = "auto"


@dataclass
class CorpusProgress:
    """The progress of a search: `done` problems need no (further) search, `found` of them have a proof."""

    done: int = 0
    found: int = 0
    checks: int = 0  # spent by this call


async def find_proofs(
    pool: LeanPool,
    policy: Policy,
    problems: Iterable[Problem],
    out: Path,
    budget: Budget,
    search: str = _DEFAULT,
    progress: Callable[[CorpusProgress], None] | None = None,
) -> CorpusProgress:
    """Search a proof of each problem, with one Lean worker per problem, and append a row for each.

    A row is on the disk before the next problem starts. When called again, a problem is skipped if it has a proof in
    the file, or if it was searched by the same search with no smaller budget (checks, samples, tokens and seconds are
    in the row). So a second call with a larger budget tries the rest; of several rows of a problem the last one counts.
    The fields are DeepSeek-Prover-V1.5's (data.problems reads the file); `formal_proof` is the text after `:= by` at
    column 0 as Lean judged it, with the needed alternative in place of each `first | …`, or empty. Problems are
    identified by their names. Raises ValueError for an unknown search, JsonlError, LeanUnavailable, PolicyUnavailable,
    OSError.
    """
    state = CorpusProgress()
    out.parent.mkdir(parents=True, exist_ok=True)
    earlier = _EarlierRows(out, search, budget)
    lines = JsonlWriter(out)
    remaining = iter(problems)

    def waiting() -> Iterator[Problem]:
        for problem in remaining:
            if earlier.needs(problem.name):
                yield problem
            else:
                state.done += 1
                state.found += problem.name in earlier.proved
                if progress:
                    progress(state)

    unsolved = waiting()  # shared by all workers

    async def work() -> None:
        for problem in unsolved:
            row = await _search_row(pool.share(1), policy.fresh(), problem, budget, search)
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
        await cancel_tasks(tasks)
        lines.close()
    return state


class _EarlierRows:
    """The names of problems that earlier calls proved, or searched in vain with no smaller budget."""

    def __init__(self, path: Path, search: str, budget: Budget) -> None:
        self.proved: set[str] = set()
        self._searched_in_vain: set[str] = set()
        for row in read_jsonl(path):
            if row["formal_proof"]:
                self.proved.add(row["name"])
            elif row["search"] == search and _is_no_less_than(row["budget"], budget):
                self._searched_in_vain.add(row["name"])

    def needs(self, name: str) -> bool:
        """Return whether the problem must be searched."""
        return name not in self.proved and name not in self._searched_in_vain


def _limits(budget: Budget) -> dict[str, float | None]:
    return {"samples": budget.samples, "checks": budget.checks, "tokens": budget.tokens, "seconds": budget.seconds}


def _is_no_less_than(earlier: dict[str, float | None], budget: Budget) -> bool:
    """Return whether an earlier budget limits nothing more than `budget` does."""

    def is_enough(earlier_limit: float | None, limit: float | None) -> bool:
        return earlier_limit is None or (limit is not None and earlier_limit >= limit)

    return all(is_enough(earlier[name], limit) for name, limit in _limits(budget).items())


async def _search_row(pool: LeanPool, policy: Policy, problem: Problem, budget: Budget, search: str) -> dict[str, Any]:
    theorem = problem.theorem
    result = await searcher(search, pool, policy).prove(theorem, budget)
    proof = await resolve_alternatives(pool, theorem, result.proof) if result.proof is not None else ""
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
