"""Sampling over a real pool. The policies here are lists of proofs: what is tested is how the budget is spent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from data import Theorem, parse
from lean_env import LeanPool, Reason
from prover.policy import Params, Prompt, Sample
from search import Budget, Sampling
from search.prove import Status, confirm, prove_file

TRUE = Theorem("t", "theorem t (a b : Nat) : a + b = b + a")
FALSE = Theorem("f", "theorem f : 1 = 2")
SEARCH = """\
def search (p : Nat → Bool) : Nat → Nat → Bool
  | 0, k => p k
  | n + 1, k => search p n (2 * k) || search p n (2 * k + 1)
"""  # the kernel needs for ever to evaluate it


class Listed:
    """A policy that knows its proofs by heart, and remembers what it was asked and told."""

    name = "listed"
    stepwise = False

    def __init__(self, *proofs: str) -> None:
        self.proofs, self.asked, self.told = proofs, [], []

    async def sample(self, prompts: Sequence[Prompt], n: int, params: Params) -> list[list[Sample]]:
        self.asked += [(p.goal, n, params.start) for p in prompts]
        return [[Sample(p, "listed") for p in self.proofs[params.start : params.start + n]] for _ in prompts]

    def learn(self, sample: Sample, proved: bool) -> None:
        self.told.append((sample.proof, proved))


async def test_stops_at_the_first_proof_that_holds(pool: LeanPool) -> None:
    policy = Listed("rfl", "sorry", "omega", *["skip"] * 1000)
    result = await Sampling(pool, policy).prove(TRUE, Budget(seconds=60))
    assert result.proved
    assert result.proof == "omega"
    assert result.checks < 1000
    assert ("omega", True) in policy.told
    assert result.verdict is not None
    assert result.verdict.proved


async def test_the_policy_is_shown_the_goal_and_asked_in_batches(pool: LeanPool) -> None:
    policy = Listed(*["skip"] * 40)
    result = await Sampling(pool, policy).prove(TRUE, Budget(seconds=60))
    assert not result.proved
    assert policy.asked[0] == ("a b : Nat\n⊢ a + b = b + a", 16, 0)
    assert [start for _, _, start in policy.asked] == [0, 16, 32]
    assert result.samples == result.checks == 40
    assert result.reasons == {Reason.ERROR: 40}


@pytest.mark.parametrize(("budget", "checks"), [(Budget(checks=7), 7), (Budget(samples=5), 5), (Budget(samples=0), 0)])
async def test_a_budget_is_kept(pool: LeanPool, budget: Budget, checks: int) -> None:
    result = await Sampling(pool, Listed(*["skip"] * 40)).prove(FALSE, budget)
    assert result.checks == checks
    assert not result.proved


async def test_seconds_end_a_search(pool: LeanPool) -> None:
    result = await Sampling(pool, Listed(*["omega"] * 100_000)).prove(FALSE, Budget(seconds=2))
    assert not result.proved
    assert result.seconds < 12


async def test_a_slow_proposal_waits_until_the_others_had_their_turn(pool: LeanPool) -> None:
    slow = "have : search (fun k => k == 0 && k == 1) 40 1 = true := by decide +kernel\nomega"
    policy = Listed(slow, "rfl", "skip", "omega")
    theorem = Theorem("t", TRUE.statement, preamble=(SEARCH,))
    result = await Sampling(pool, policy, limits=(1.0, 2.0)).prove(theorem, Budget(seconds=60))
    assert result.proof == "omega"
    result = await Sampling(pool, Listed(slow), limits=(0.5, 1.0)).prove(theorem, Budget(seconds=60))
    assert (result.checks, result.reasons[Reason.TIMEOUT]) == (2, 1)


async def test_a_statement_that_does_not_elaborate_is_a_problem_not_an_exception(pool: LeanPool) -> None:
    for statement in ("theorem t : 1 = ", "theorem t : (1).foo = 1", "theorem t : Nat"):
        result = await Sampling(pool, Listed("rfl")).prove(Theorem("t", statement), Budget(seconds=20))
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
        o async for o in prove_file(pool, file, Sampling(pool, Listed("exact a.symm", "rfl")), Budget(seconds=20))
    ]
    assert [o.status for o in outcomes] == [
        Status.PROVED, Status.PROVED, Status.HOLDS, Status.FAILS, Status.UNPROVED,
    ]  # fmt: skip
    assert [o.proof for o in outcomes] in (["rfl", proof, None, None, None] for proof in ("rfl", "exact a.symm"))
    assert await confirm(pool.lean, outcomes) == []


async def test_only_the_theorems_that_are_asked_for(pool: LeanPool) -> None:
    file = await parse(pool, "theorem a : 1 = 1 := by sorry\ntheorem b : 2 = 2 := by sorry\n")
    outcomes = [o async for o in prove_file(pool, file, Sampling(pool, Listed("rfl")), Budget(seconds=20), {"b"})]
    assert [o.place.name for o in outcomes] == ["b"]


async def test_a_proof_that_a_new_process_does_not_accept_is_withdrawn(pool: LeanPool) -> None:
    file = await parse(pool, "theorem a : 1 = 1 := by sorry\n")
    (outcome,) = [o async for o in prove_file(pool, file, Sampling(pool, Listed("rfl")), Budget(seconds=20))]
    assert outcome.claim is not None
    # Stands for a first process that was led astray: what it believed is changed after the fact.
    outcome.claim = type(outcome.claim)(
        outcome.claim.challenge, "theorem a : 1 = 1 := sorry", "a", outcome.claim.context
    )
    assert await confirm(pool.lean, [outcome]) == [outcome]
    assert outcome.status is Status.UNPROVED
    assert outcome.proof is None
