"""Sketches completed over real Lean: steps are proved apart, put together, and judged whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data import Theorem
from lean_env import LeanPool, Reason
from prover.policy import Prompt, TacticsPolicy
from search import Budget, Searcher, SearchResult, Subgoals
from search.lemmas import LemmaStore
from search.searches import searcher
from tests.search.policies import Scripted

DOUBLE = "def double (n : Nat) : Nat := n + n"
EVEN = Theorem("N.even", "theorem even (n m : Nat) (h : m = double n) : m % 2 = 0", "", ("namespace N", DOUBLE))
SKETCH = """\
have step : double n = 2 * n := by sorry
have rest : ∀ _ : Nat, m = 2 * n := by
  intro
  sorry
have last := rest 0
exact (by sorry : m % 2 = 0)"""
WRONG = SKETCH.replace("2 * n", "3 * n")


def auto(pool: LeanPool) -> Searcher:
    return searcher("auto", pool, TacticsPolicy())


class Counted:
    """Counts what a search is asked to prove."""

    name = "counted"

    def __init__(self, inner: Searcher) -> None:
        self.inner, self.asked = inner, list[str]()

    async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
        self.asked.append(theorem.statement)
        return await self.inner.prove(theorem, budget)


def scripted(*sketches: str) -> Scripted:
    return Scripted(lambda prompt: () if prompt.rounds else sketches, stepwise=False)


async def test_the_steps_of_a_sketch_are_proved_and_put_in_their_places(pool: LeanPool) -> None:
    prover = Counted(auto(pool))
    result = await Subgoals(pool, scripted(SKETCH), prover).prove(EVEN, Budget(checks=600))
    assert result.proof is not None
    assert sorted(prover.asked) == [
        "theorem even_subgoal_1 (n : Nat) (m : Nat) (h : m = double n) : double n = 2 * n",
        "theorem even_subgoal_2 (n : Nat) (m : Nat) (h : m = double n) (step : double n = 2 * n) (x : Nat) : m = 2 * n",
        "theorem even_subgoal_3 (n : Nat) (m : Nat) (h : m = double n) (step : double n = 2 * n) "
        "(rest : ∀ (x : Nat), m = 2 * n) (last : m = 2 * n) : m % 2 = 0",
    ]
    assert "have step : double n = 2 * n := by" in result.proof
    assert "rename_i x" in result.proof
    assert (await pool.judge(EVEN.claim(result.proof))).proved


async def test_a_wrong_step_goes_back_to_the_sketcher(pool: LeanPool) -> None:
    def corrected(prompt: Prompt) -> Sequence[str]:
        return [SKETCH] if prompt.rounds else [WRONG]

    policy = Scripted(corrected, stepwise=False)
    search = Subgoals(pool, policy, searcher("sampling", pool, TacticsPolicy()), depth=0)
    result = await search.prove(EVEN, Budget(checks=600))
    assert result.proved
    (feedback,) = {prompt.rounds[0].feedback for prompt, _, _ in policy.asked if prompt.rounds}
    assert "could not be proved" in feedback
    assert feedback.count("⊢") == 1
    assert "= 3 * n" in feedback


async def test_nothing_is_accepted_that_lean_refuses(pool: LeanPool) -> None:
    """A false theorem by sketches: circular, with another statement, with an axiom, with a step that is false."""
    false = Theorem("f", "theorem f (n : Nat) : n * n > n")
    sketches = (
        "exact f n",
        "sorry",
        "have h : False := by sorry\nexact h.elim",
        "trivial\naxiom bad : False\ntheorem f2 (n : Nat) : n * n > n := bad.elim",
        "set_option autoImplicit true in\nhave h : m = m + 1 := by sorry\nomega",
    )
    search = Subgoals(pool, scripted(*sketches), searcher("sampling", pool, TacticsPolicy()), depth=0)
    result = await search.prove(false, Budget(seconds=60, checks=200))
    assert not result.proved
    assert Reason.PROVED not in result.reasons


async def test_a_step_that_cannot_be_proved_is_sketched_itself(pool: LeanPool) -> None:
    class Easy:
        """Proves nothing but what `omega` proves at once."""

        name = "easy"

        async def prove(self, theorem: Theorem, budget: Budget) -> SearchResult:
            return await searcher("sampling", pool, Scripted(lambda _: ["omega"])).prove(theorem, budget)

    def sketches(prompt: Prompt) -> Sequence[str]:
        if "even_subgoal_1" in prompt.theorem.statement:
            return ["unfold double\nsorry"]
        return ["have step : double n = 2 * n := by sorry\nomega"]

    policy = Scripted(sketches, stepwise=False)
    shallow = await Subgoals(pool, policy, Easy(), depth=0).prove(EVEN, Budget(seconds=60, samples=2))
    assert not shallow.proved
    deep = await Subgoals(pool, policy, Easy()).prove(EVEN, Budget(checks=600))
    assert deep.proof is not None
    assert "unfold double" in deep.proof


async def test_a_proved_step_is_not_proved_again(pool: LeanPool, tmp_path: Path) -> None:
    prover, file = Counted(auto(pool)), tmp_path / "lemmas.jsonl"
    store = LemmaStore(file)
    half = "have step : double n = 2 * n := by sorry\nhave no : m = m + 1 := by sorry\nomega"
    first = await Subgoals(pool, scripted(half), prover, depth=0, lemmas=store).prove(
        EVEN, Budget(seconds=60, checks=150)
    )
    store.close()
    assert not first.proved
    asked = len(prover.asked)
    file.write_bytes(file.read_bytes() + b'{"key": "torn')  # a kill while a line is written
    store = LemmaStore(file)
    second = await Subgoals(pool, scripted(SKETCH), prover, lemmas=store).prove(EVEN, Budget(checks=600))
    store.close()
    assert second.proved
    assert not any("subgoal_1 " in statement for statement in prover.asked[asked:])


async def test_a_step_that_lean_cannot_state_apart_is_proved_in_its_place(pool: LeanPool) -> None:
    theorem = Theorem("t", "theorem t (a b : Nat) (h : a < b) : a ≤ b ∧ a ≠ b")
    sketch = "have step : a + 1 ≤ b := by sorry\nconstructor <;> sorry"
    result = await Subgoals(pool, scripted(sketch), auto(pool), depth=0).prove(theorem, Budget(checks=200))
    assert result.proof is not None
    assert "constructor <;>" in result.proof


async def test_a_kept_proof_that_does_not_hold_is_found_anew(pool: LeanPool) -> None:
    store, statement = LemmaStore(), "∀ (n : Nat), ∀ (m : Nat), ∀ (h : m = double n), double n = 2 * n"
    store.add(EVEN, statement, "exact absurd h (by decide)")
    sketch = "have step : double n = 2 * n := by sorry\nomega"
    search = Subgoals(pool, scripted(sketch), auto(pool), depth=0, lemmas=store)
    assert (await search.prove(EVEN, Budget(checks=200))).proved
    proof = store.get(EVEN, statement)
    assert proof is not None
    assert "absurd" not in proof
