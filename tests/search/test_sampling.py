"""Sampling over a real pool. The policies here are lists of proofs: what is tested is how the budget is spent."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from data import Theorem, parse
from lean_env import LeanPool, Reason
from prover.policy import Prompt, Sample, SampleRequest, Usage
from search import Budget, RMaxTS, SamplingSearch
from search.prove import Status, prove_file
from search.refine import Refine
from tests.search.policies import Scripted

TRUE = Theorem("t", "theorem t (a b : Nat) : a + b = b + a")
FALSE = Theorem("f", "theorem f : 1 = 2")
SEARCH = """\
def search (p : Nat → Bool) : Nat → Nat → Bool
  | 0, k => p k
  | n + 1, k => search p n (2 * k) || search p n (2 * k + 1)
"""  # the kernel needs for ever to evaluate it


SKIPS = [f"skip -- {n}" for n in range(1000)]


def listed(*proofs: str) -> Scripted:
    """A policy that knows its proofs by heart."""
    return Scripted(lambda prompt: proofs, stepwise=False)


async def test_stops_at_the_first_proof_that_holds(pool: LeanPool) -> None:
    policy = listed("rfl", "sorry", "omega", *SKIPS)
    result = await SamplingSearch(pool, policy).prove(TRUE, Budget(seconds=60))
    assert result.proved
    assert result.proof == "omega"
    assert result.checks < 1000
    assert ("omega", True) in policy.told
    assert result.verdict is not None
    assert result.verdict.proved


async def test_the_policy_is_shown_the_goal_and_asked_for_a_few_at_a_time(pool: LeanPool) -> None:
    policy = listed(*SKIPS[:10])
    result = await SamplingSearch(pool, policy).prove(TRUE, Budget(seconds=60))
    assert not result.proved
    assert [(p.goal, n, params.start) for p, n, params in policy.asked] == [
        ("a b : Nat\n⊢ a + b = b + a", 4, start) for start in (0, 4, 8)
    ]
    assert result.samples == result.checks == 10
    assert result.reasons == {Reason.ERROR: 10}


async def test_a_proof_that_comes_again_is_judged_once(pool: LeanPool) -> None:
    result = await SamplingSearch(pool, listed(*["skip", "rfl"] * 10)).prove(TRUE, Budget(seconds=60))
    assert (result.samples, result.checks) == (20, 2)
    assert result.reasons == {Reason.ERROR: 20}


@pytest.mark.parametrize(("budget", "checks"), [(Budget(checks=7), 7), (Budget(samples=5), 5), (Budget(samples=0), 0)])
async def test_a_budget_is_kept(pool: LeanPool, budget: Budget, checks: int) -> None:
    result = await SamplingSearch(pool, listed(*SKIPS[:40])).prove(FALSE, budget)
    assert result.checks == checks
    assert not result.proved


async def test_seconds_end_a_search(pool: LeanPool) -> None:
    result = await SamplingSearch(pool, listed(*(f"omega -- {n}" for n in range(100_000)))).prove(
        FALSE, Budget(seconds=2)
    )
    assert not result.proved
    assert result.seconds < 12


async def test_a_slow_proposal_waits_until_the_others_had_their_turn(pool: LeanPool) -> None:
    slow = "have : search (fun k => k == 0 && k == 1) 40 1 = true := by decide +kernel\nomega"
    policy = listed(slow, "rfl", "skip", "omega")
    theorem = Theorem("t", TRUE.statement, preamble=(SEARCH,))
    result = await SamplingSearch(pool, policy, timeouts=(1.0, 2.0)).prove(theorem, Budget(seconds=60))
    assert result.proof == "omega"
    result = await SamplingSearch(pool, listed(slow), timeouts=(0.5, 1.0)).prove(theorem, Budget(seconds=60))
    assert (result.checks, result.reasons[Reason.TIMEOUT]) == (2, 1)


async def test_a_statement_that_does_not_elaborate_is_a_problem_not_an_exception(pool: LeanPool) -> None:
    for statement in ("theorem t : 1 = ", "theorem t : (1).foo = 1", "theorem t : Nat"):
        result = await SamplingSearch(pool, listed("rfl")).prove(Theorem("t", statement), Budget(seconds=20))
        assert result.problem
        assert result.checks == 0


async def test_a_file_is_proved_in_order(pool: LeanPool) -> None:
    file = await parse(
        pool,
        "theorem a : 1 + 1 = 2 := by sorry\n"
        "theorem b : 2 = 1 + 1 := by sorry\n"
        "theorem c : 1 = 1 := rfl\n"
        "theorem d : 1 = 2 := rfl\n"
        "theorem e : 1 = 2 := by sorry\n",
    )
    outcomes = [
        o async for o in prove_file(pool, file, SamplingSearch(pool, listed("exact a.symm", "rfl")), Budget(seconds=20))
    ]
    assert [o.status for o in outcomes] == [
        Status.PROVED, Status.PROVED, Status.HOLDS, Status.FAILS, Status.UNPROVED,
    ]  # fmt: skip
    assert [o.proof for o in outcomes] in (["rfl", proof, None, None, None] for proof in ("rfl", "exact a.symm"))


async def test_only_the_theorems_that_are_asked_for(pool: LeanPool) -> None:
    file = await parse(pool, "theorem a : 1 = 1 := by sorry\ntheorem b : 2 = 2 := by sorry\n")
    outcomes = [o async for o in prove_file(pool, file, SamplingSearch(pool, listed("rfl")), Budget(seconds=20), {"b"})]
    assert [o.declaration.name for o in outcomes] == ["b"]


PLANTED = "trivial\n{} def Nat.succ (n : Nat) : Nat := 3"


@pytest.mark.parametrize("indent", ["", "  "])
async def test_a_proof_does_not_change_what_the_next_theorem_says(pool: LeanPool, indent: str) -> None:
    """Commands behind a proof would stand in front of the theorems after it."""
    text = "namespace N\ntheorem a : True := by sorry\ntheorem b : Nat.succ 1 = 3 := by sorry\nend N\n"
    file = await parse(pool, text)
    search = SamplingSearch(pool, listed(PLANTED.format(indent), "rfl"))
    outcomes = [o async for o in prove_file(pool, file, search, Budget(seconds=5))]
    assert [o.status for o in outcomes] == [Status.UNPROVED, Status.UNPROVED]
    assert "second command" in str(await pool.judge(file.theorem(file.theorems[0], {}).claim(PLANTED.format(indent))))


async def test_a_proof_that_takes_longer_has_its_turn_although_there_is_no_end_of_others(pool: LeanPool) -> None:
    slow = "sleep 1500\nomega"
    policy = listed(slow, *(f"skip -- {n}" for n in range(100_000)))
    result = await SamplingSearch(pool, policy, timeouts=(0.5, 20.0)).prove(TRUE, Budget(seconds=60))
    assert result.proof == slow
    assert result.seconds < 50


class Failing(Scripted):
    """A policy that has nothing but errors, and never lets anybody else run."""

    window = 8

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        for _ in range(n):
            yield Sample("", failure="the prompt is too long")


@pytest.mark.parametrize("search", [SamplingSearch, Refine, RMaxTS])
async def test_errors_that_repeat_end_a_search(pool: LeanPool, search: type[SamplingSearch | Refine | RMaxTS]) -> None:
    result = await search(pool, Failing(lambda prompt: (), stepwise=False)).prove(TRUE, Budget(seconds=60))
    assert not result.proved
    assert result.seconds < 20
    assert set(result.reasons) == {Reason.ANSWER}
