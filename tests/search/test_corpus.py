"""Proofs found for many theorems: what is on the file, and that nothing on it is looked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.problems import Problem, read
from data.records.jsonl import read_jsonl
from data.synthesis import generate
from data.theorem import Theorem
from lean_env import LeanPool
from prover.policy import Prompt
from prover.policy.tactics.policy import TacticsPolicy
from search import Budget
from search.corpus import CorpusProgress, find_proofs
from tests.search.policies import Scripted, by_goal


class Fresh(Scripted):
    """A scripted policy that keeps what it was asked: no search of another theorem can change it."""

    def fresh(self) -> Fresh:
        return self


def rows(path: Path) -> list[dict[str, Any]]:
    return list(read_jsonl(path))


def made(count: int) -> list[Problem]:
    return [
        Problem(
            f"p{k}", Theorem("t", f"theorem t (n : Nat) : f n + {k} = n + {k}", preamble=("def f (n : Nat) := n\n",))
        )
        for k in range(count)
    ]


async def test_what_a_row_holds(pool: LeanPool, tmp_path: Path) -> None:
    out = tmp_path / "made" / "found.jsonl"
    problems = [Problem("a", made(1)[0].theorem, tags=("own", "level-1")), *list(generate(0, 2, ["arithmetic"]))]
    policy = Fresh(by_goal({"f n": ["omega", "  first | omega | (simp [f]; done) | rfl"]}))
    state = await find_proofs(pool, policy, problems[:1], out, Budget(checks=5), "sampling")
    assert (state.done, state.found, state.checks) == (1, 1, 2)
    [row] = rows(out)
    assert row["formal_statement"].endswith("= n + 0 := by")
    assert row["formal_proof"] == "simp [f]"  # at column 0, without what was not needed
    assert (row["name"], row["split"], row["header"], row["tags"], row["checks"]) == (
        "a",
        "",
        "",
        ["own", "level-1"],
        2,
    )
    assert (await pool.judge(problems[0].theorem.claim(row["formal_proof"]))).proved
    [again] = read(out)
    assert (again.name, again.theorem.context, again.theorem.statement, again.tags) == (
        "a",
        problems[0].theorem.context,
        problems[0].theorem.statement,
        ("own", "level-1"),
    )


async def test_a_larger_budget_tries_what_is_left(pool: LeanPool, tmp_path: Path) -> None:
    out, problems = tmp_path / "found.jsonl", made(3)
    scripts = {"+ 0": ["rfl"], "+ 1": ["omega", "decide", "rfl"], "+ 2": ["omega"]}
    for checks, asked, found in ((1, ["p0", "p1", "p2"], 1), (1, [], 1), (3, ["p1", "p2"], 2), (2, [], 2)):
        before = len(rows(out))
        state = await find_proofs(pool, Fresh(by_goal(scripts)), problems, out, Budget(checks=checks), "sampling")
        assert (state.done, state.found) == (3, found)
        assert sorted(row["name"] for row in rows(out)[before:]) == asked
    state = await find_proofs(pool, Fresh(by_goal(scripts)), problems, out, Budget(checks=1), "rmaxts")
    assert rows(out)[-1]["name"] == "p2"  # another search is another try, for what has no proof
    assert len(rows(out)) == 6
    assert [row["formal_proof"] for row in rows(out) if row["name"] == "p1"] == ["", "rfl"]


async def test_cut_off_it_goes_on(pool: LeanPool, tmp_path: Path) -> None:
    out, problems = tmp_path / "found.jsonl", made(8)
    asked: list[str] = []

    def script(prompt: Prompt) -> list[str]:
        asked.append(prompt.theorem.statement)
        return ["rfl"]

    taken: list[str] = []

    def watched() -> Iterator[Problem]:
        for problem in problems:
            taken.append(problem.name)
            yield problem

    running: asyncio.Task[CorpusProgress] = asyncio.current_task()  # type: ignore[assignment]

    def cut(state: CorpusProgress) -> None:
        if state.done == 3:
            running.cancel()

    running = asyncio.create_task(find_proofs(pool, Fresh(script), watched(), out, Budget(checks=4), "sampling", cut))
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(taken) < 8  # no more are taken than are worked on
    with out.open("ab") as file:
        file.write(b'{"name": "p7", "formal_pro')  # and a kill in the middle of a line
    done = {row["name"] for row in list(read_jsonl(out))}
    assert 3 <= len(done) < 8
    asked.clear()
    state = await find_proofs(pool, Fresh(script), problems, out, Budget(checks=4), "sampling")
    assert (state.done, state.found) == (8, 8)
    assert sorted(row["name"] for row in rows(out)) == [f"p{k}" for k in range(8)]
    assert len(set(asked)) == 8 - len(done)


async def test_the_tactics_on_made_theorems(pool: LeanPool, tmp_path: Path) -> None:
    out, problems = tmp_path / "found.jsonl", [p for p in generate(2, 60) if p.tags[1] == "level-1"][:6]
    state = await find_proofs(pool, TacticsPolicy(), problems, out, Budget(checks=12), "sampling")
    assert state.done == 6
    assert state.found >= 4
    for problem, row in ((p, r) for r in rows(out) for p in problems if p.name == r["name"]):
        assert not row["formal_proof"] or (await pool.judge(problem.theorem.claim(row["formal_proof"]))).proved


async def test_a_statement_that_is_none(pool: LeanPool, tmp_path: Path) -> None:
    out = tmp_path / "found.jsonl"
    state = await find_proofs(
        pool, TacticsPolicy(), [Problem("x", Theorem("t", "theorem t : nope"))], out, Budget(checks=3), "sampling"
    )
    assert (state.done, state.found) == (1, 0)
    assert "nope" in rows(out)[0]["problem"]
