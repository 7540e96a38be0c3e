"""What does not hold is refuted, with values for which it does not and a proof that is judged; what holds is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from data import Theorem, parse
from data.judging import judge_pair
from lean_env import LeanPool, Reason
from prover.policy.tactics.policy import TacticsPolicy
from search import Budget, SearchResult
from search.disprove import BothSides, Disprover, disprove_file
from search.negation import negation
from search.prove import Status, prove_file
from search.searches import disprover, searcher

FALSE = """\
universe u
inductive Shape where
  | dot
  | box (side : Nat)
  | pair (a b : Shape)

def Shape.area : Shape → Nat
  | dot => 0
  | box side => side * side
  | pair a b => a.area + b.area

theorem square (n : Nat) : n * n > n := by sorry
theorem hypotheses (a b : Nat) (h : a + b = 10) (k : a * b = 21) : a = 3 := by sorry
theorem decidable [DecidableEq α] (x : α) (xs : List α) : x ∈ xs := by sorry
theorem universes {α : Type u} (x y : α) : x = y := by sorry
theorem sorts {α : Sort u} (x y : α) : x = y := by sorry
theorem either (p q : Prop) (h : p ∨ q) : p := by sorry
theorem own (s : Shape) : s.area ≤ 1 := by sorry
@[simp] theorem used (n : Nat) : n + 1 = n := by sorry
theorem alternating : ∃ m : Nat, ∀ n : Nat, n ≤ m := by sorry
theorem bound : (let k := 3; ∀ n : Nat, n < k) := by sorry
namespace Space
variable (k : Nat) {α : Type} [Inhabited α]
private theorem hidden (xs : List α) : xs.length = k := by sorry
end Space
section
variable (n : Nat) (h : n = 1)
include h
theorem included : n = 2 := by sorry
end
mutual
theorem first_of_two (n : Nat) : n = 0 := by sorry
theorem second_of_two (n : Nat) : 0 = n := by sorry
end
example (n : Nat) : n < 5 := by sorry
"""
COUNTEREXAMPLES = {
    "square": {"n": "0"},
    "hypotheses": {"a": "7", "b": "3"},
    "decidable": {"α": "Bool", "x": "true", "xs": "[]"},
    "universes": {"α": "Bool", "x": "true", "y": "false"},
    "sorts": {"α": "Bool", "x": "true", "y": "false"},
    "either": {"p": "False", "q": "True"},
    "own": {"s": "Shape.box 2"},
    "used": {"n": "0"},
    "alternating": {},
    "bound": {"n": "3"},
    "Space.hidden": {"k": "0", "α": "Bool", "xs": "[true]"},
    "included": {"n": "1"},
    "first_of_two": None,  # its negation is not stated: see can_be_negated
    "second_of_two": None,
    "example_line_35": {"n": "5"},
}
TRUE = """\
theorem commutes (a b : Nat) : a + b = b + a := by sorry
theorem cut_off (a b : Nat) (h : a ≤ b) : a - b = 0 := by sorry
theorem nothing (n : Nat) (h : n < 3) (k : 5 < n) : n = 100 := by sorry
theorem empty (x : Empty) : x ≠ x := by sorry
theorem constant (f : Nat → Nat) (h : ∀ x y, f x = f y) : f 0 = f 1 := by sorry
"""


async def _theorem(pool: LeanPool, text: str) -> Theorem:
    file = await parse(pool, text)
    return file.theorem(file.theorems[-1], {})


async def test_false_statements_of_every_kind(pool: LeanPool) -> None:
    file = await parse(pool, FALSE)
    refuting = disprove_file(pool, file, disprover(pool), Budget(cpu=20))
    found = {disproof.declaration.name: disproof.refutation async for disproof in refuting}
    shown = {name: refutation and dict(refutation.counterexample) for name, refutation in found.items()}
    assert shown == COUNTEREXAMPLES
    assert all(refutation.verdict.proved and refutation.verdict.kernels for refutation in found.values() if refutation)
    assert found["square"] is not None
    assert found["square"].summary == "it does not hold for n = 0"


async def test_true_statements(pool: LeanPool) -> None:
    file = await parse(pool, TRUE)
    refuting = disprove_file(pool, file, disprover(pool), Budget(checks=12, cpu=10))
    found = {disproof.declaration.name: disproof async for disproof in refuting}
    assert not any(disproof.refutation for disproof in found.values())
    assert [name for name, disproof in found.items() if disproof.contradictory] == ["nothing", "empty"]
    assert "contradict each other" in found["nothing"].detail


async def test_the_code_of_a_refutation_proves_the_negation_in_the_users_file(pool: LeanPool) -> None:
    text = "theorem square (n : Nat) : n * n > n := by sorry"
    found = (await disprover(pool).refute(await _theorem(pool, text), Budget(cpu=20))).refutation
    assert found is not None
    challenge = f"{text}\n{found.negation.challenge}"
    verdicts = await judge_pair(pool, challenge, f"{text}\n{found.code}", ["square.negation"])
    assert verdicts["square.negation"].proved


async def test_a_proof_of_another_negation_is_refused(pool: LeanPool) -> None:
    negated = await negation(pool, await _theorem(pool, "theorem t (n : Nat) (h : 5 < n) : n < 10 := by sorry"))
    assert negated is not None
    other = "theorem t.negation : ¬ (∀ n : Nat, 6 < n → n < 10) := fun h => absurd (h 10 (by decide)) (by decide)"
    claim = replace(negated.claim(""), solution=other)
    assert (await pool.judge(claim)).reason is Reason.STATEMENT
    mine = other.replace("6 < n", "5 < n")
    assert (await pool.judge(replace(claim, solution=mine))).proved


async def test_a_proof_that_uses_the_refuted_theorem_is_refused(pool: LeanPool) -> None:
    negated = await negation(pool, await _theorem(pool, "theorem t : 1 = 2 := by sorry"))
    assert negated is not None
    assert (await pool.judge(negated.claim("exact fun _ => absurd t (by decide)"))).reason is Reason.SORRY


async def test_section_variables_are_no_hypotheses_of_the_negation(pool: LeanPool) -> None:
    text = "variable (n : Nat) (h : n = n + 1)\ninclude h\ntheorem t : n = n := by sorry"
    negated = await negation(pool, await _theorem(pool, text))
    assert negated is not None
    assert "omit n h in" in negated.statement
    assert not (await pool.judge(negated.claim("omega"))).proved


async def test_what_is_found_first_ends_a_search(pool: LeanPool) -> None:
    file = await parse(pool, "theorem f (n : Nat) : n < 9 := by sorry\ntheorem t (n : Nat) : n < n + 1 := by sorry\n")
    search = searcher("auto", pool, TacticsPolicy(), refute=True)
    found = [outcome async for outcome in prove_file(pool, file, search, Budget(cpu=60))]
    assert [outcome.status for outcome in found] == [Status.REFUTED, Status.PROVED]
    assert found[0].detail == "it does not hold for n = 9"
    assert found[0].refutation is not None
    assert found[1].refutation is None


class Waiting:
    """A search that finds nothing until it is stopped."""

    name = "waiting"
    stopped = False

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            self.stopped = True
            raise
        return SearchResult(theorem)


class AtOnce(Waiting):
    """A search that gives up at once, for a reason."""

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        return SearchResult(theorem, problem="it is late")


async def test_a_refutation_stops_the_search_beside_it(pool: LeanPool) -> None:
    theorem, waiting = await _theorem(pool, "theorem t (n : Nat) : n = 0 := by sorry"), Waiting()
    result = await BothSides(waiting, Disprover(pool, waiting)).prove(theorem, Budget())
    assert result.refutation is not None
    assert waiting.stopped


@pytest.mark.parametrize("checks", [None, 3])
async def test_a_search_that_ends_at_once_is_all_there_is(pool: LeanPool, checks: int | None) -> None:
    theorem = await _theorem(pool, "theorem t (n : Nat) : n = 0 := by sorry")
    result = await BothSides(AtOnce(), Disprover(pool, Waiting())).prove(theorem, Budget(checks=checks))
    assert (result.problem, result.refutation, result.checks) == ("it is late", None, 0)
