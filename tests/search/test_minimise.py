"""Found proofs made shorter, with the real Lean to say what still holds."""

from __future__ import annotations

import asyncio
import time

import pytest

from data import Theorem, parse
from data.syntax.lexer import tokens
from lean_env import LeanPool
from search import Budget, SamplingSearch
from search.edits import alternative_edits, listings, shorter_edits
from search.minimise import _EditSearch, minimise_proof, resolve_alternatives
from search.prove import Status, prove_file
from tests.search.policies import Scripted

AND = Theorem("t", "theorem t (p q : Prop) (hp : p) (hq : q) : p ∧ q")
TREE = """inductive Tree where
  | leaf : Tree
  | node : Tree → Tree → Tree
def Tree.size : Tree → Nat
  | leaf => 1
  | node l r => l.size + r.size
"""
"""Nothing here is proved by automation alone, so that a proof keeps its shape."""


def theorem(signature: str, preamble: str = "") -> Theorem:
    return Theorem("t", f"theorem t {signature}", preamble=(preamble,) if preamble else ())


def length(proof: str) -> tuple[int, int]:
    return len(proof.splitlines()), len(list(tokens(proof)))


REDUNDANT = {
    "have": (AND, "have h : p := hp\nhave : 1 + 1 = 2 := by\n  simp\nconstructor\n· exact h\n· exact hq"),
    "rw": (theorem("(a b c : Nat) (h : a = b) (k : b = c) : a = c"), "rw [h]\nhave := k.symm\nrw [k]"),
    "calc": (
        theorem("(f : Nat → Nat) (h : ∀ n, f (n + 1) = f n) : f 3 = f 0"),
        "calc f 3 = f 2 := by rw [h]\n  _ = f (2 + 0) := by\n    simp\n"
        "  _ = f 1 := by\n    skip\n    exact h 1\n  _ = f 0 := h 0",
    ),
    "induction": (
        theorem("(t : Tree) : 0 < t.size", TREE),
        "induction t with\n| leaf =>\n  have h : 0 < 1 := by\n    decide\n  -- by definition\n"
        "  simp [Tree.size, Nat.add_comm]\n"
        "| node l r hl hr =>\n  have h2 : 0 < l.size + r.size := by\n    have h3 := hl\n    omega\n"
        "  simp only [Tree.size]\n  exact h2",
    ),
    "brackets": (AND, "exact ⟨by (skip; exact hp), by\n  skip\n  exact hq⟩"),
    "chain": (theorem("(p : Nat → Prop) (h : ∀ n, p n) : p 1 ∧ p 2"), "constructor <;> skip <;> (skip; exact h _)"),
    "unicode": (
        theorem("(α : Type) (ε δ : α → Prop) (h₁ : ∀ x, ε x → δ x) (ξ : α) (hξ : ε ξ) : ∃ x, δ x"),
        "have «ένα» : ε ξ := hξ -- ‹ε ξ›\nhave μ₀ := h₁ ξ\nrefine ⟨ξ, ?_⟩\nexact h₁ ξ «ένα»",
    ),
}


@pytest.mark.parametrize("kind", REDUNDANT)
async def test_a_redundant_proof_becomes_shorter_and_stays_accepted(pool: LeanPool, kind: str) -> None:
    problem, proof = REDUNDANT[kind]
    found = await minimise_proof(pool, problem, proof)
    assert length(found) < length(proof)
    assert (await pool.judge(problem.claim(found))).proved, found
    assert "skip" not in found
    assert await minimise_proof(pool, problem, found) == found


async def test_what_is_unused_goes_and_what_is_needed_stays(pool: LeanPool) -> None:
    problem = theorem("(P : Nat → Prop) (step : ∀ n, P n → P (n + 2)) (h : P 0) (f : ∀ n, P n → 4 ≤ n → False) : False")
    unused = "have zero : 0 ≤ 3 := by\n  omega\nhave one := zero\n"
    needed = "have four : P 4 := step 2 (step 0 h)\nexact f 4 four (Nat.le_refl 4)"
    found = await minimise_proof(pool, problem, unused + needed)
    assert "zero" not in found
    assert "one" not in found
    assert found == needed or length(found) < length(needed)


async def test_the_shape_of_a_proof_that_automation_cannot_find_stays(pool: LeanPool) -> None:
    problem = theorem("(t : Tree) : 0 < t.size", TREE)
    proof = "induction t with\n| leaf =>\n  -- one leaf\n  rw [Tree.size]\n  decide\n| node l r hl hr =>\n"
    proof += "  -- one of them is enough\n  rw [Tree.size]\n"
    proof += "  have unused : l.size = l.size := by rfl\n  exact Nat.add_pos_left hl _"
    found = await minimise_proof(pool, problem, proof)
    assert found.startswith("induction t")
    assert "unused" not in found
    assert len(found.splitlines()) <= 5


async def test_lists_and_chains_lose_what_is_not_needed(pool: LeanPool) -> None:
    problem = theorem("(n : Nat) (h : n % 4 = 3) : n * n % 4 = 1")
    found = await minimise_proof(pool, problem, "simp [Nat.add_mod, Nat.mul_mod, Nat.pow_mod, h] <;> omega")
    assert found == "simp [Nat.mul_mod, h]"


async def test_lists_are_cut_at_once_to_what_lean_says_it_uses(pool: LeanPool) -> None:
    names = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    preamble = "def app : List Nat → List Nat → List Nat\n  | [], t => t\n  | n :: s, t => n :: app s t\n"
    preamble += "".join(f"theorem {name} : {n} + {n} = {2 * n} := rfl\n" for n, name in enumerate(names))
    problem = theorem("(r s t : List Nat) : app (app r s) t = app r (app s t)", preamble)
    for tactic in ("simp_all", "grind"):
        proof = f"induction r <;> {tactic} [{', '.join(names)}, app]"
        assert [listing.items for listing in listings(proof)] == [(*names, "app")]
        limited = _EditSearch(pool, problem, time.monotonic() + 60, 10)
        assert await limited.with_used_items(proof) == f"induction r <;> {tactic} [app]"


async def test_no_time_and_no_proof_change_nothing(pool: LeanPool) -> None:
    proof = "have : 1 = 1 := rfl\n  \nexact ⟨hp, hq⟩ -- done"
    assert await minimise_proof(pool, AND, proof, 0) == proof
    for wrong in ("have : 1 = 1 := rfl\nexact hp", "skip\nsorry", "have := \nskip", "", "«"):
        assert await minimise_proof(pool, AND, wrong) == wrong


async def test_a_short_proof_is_left_alone(pool: LeanPool) -> None:
    for proof in ("exact ⟨hp, hq⟩", "simp_all", "constructor <;> assumption"):
        assert await minimise_proof(pool, AND, proof) == proof


async def test_no_slow_automation_in_place_of_a_quick_block(pool: LeanPool) -> None:
    signature = "(h : ∀ x y, mix x y = mix y x) : ∀ x y : Fin 50, mix x y = mix y x"
    problem = theorem(signature, "def mix (m n : Nat) : Nat := (m + n) % 5")
    slow = await pool.check(problem.solution("decide"), context=problem.context)
    assert slow.ok  # but it looks at 2500 cases
    found = await minimise_proof(pool, problem, "intro x y\nhave k := h x y\nexact k", 40)
    assert "decide" not in found
    assert len(found.splitlines()) < 3


async def test_the_seconds_are_kept_and_what_was_reached_is_returned(pool: LeanPool) -> None:
    proof = "\n".join(f"have h{n} : {n} + {n} = 2 * {n} := by\n  omega" for n in range(40)) + "\nexact ⟨hp, hq⟩"
    start = time.monotonic()
    found = await minimise_proof(pool, AND, proof, 3)
    assert time.monotonic() - start < 20
    assert length(found) <= length(proof)
    assert (await pool.judge(AND.claim(found))).proved


async def test_the_proofs_of_a_file_are_minimised_if_asked_for(pool: LeanPool) -> None:
    file = await parse(pool, f"{AND.statement} := by\n  sorry\n", "t.lean")
    search = SamplingSearch(pool, Scripted(lambda _: [REDUNDANT["have"][1]], stepwise=False))
    for seconds, lines in ((0.0, 6), (30.0, 1)):
        outcomes = [o async for o in prove_file(pool, file, search, Budget(seconds=30), minimise=seconds)]
        assert [o.status for o in outcomes] == [Status.PROVED]
        proof, verdict = outcomes[0].proof, outcomes[0].verdict
        assert proof is not None
        assert len(proof.splitlines()) == lines
        assert verdict is not None
        assert verdict.axioms == (await pool.judge(AND.claim(proof))).axioms


async def test_it_can_be_cancelled(pool: LeanPool) -> None:
    task = asyncio.create_task(minimise_proof(pool, *REDUNDANT["induction"]))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await pool.judge(AND.claim("exact ⟨hp, hq⟩"))).proved


async def test_the_result_is_the_same_for_any_number_of_workers(pool: LeanPool) -> None:
    problem, proof = REDUNDANT["rw"]
    async with LeanPool(workers=1, confirm=False) as single:
        assert await minimise_proof(single, problem, proof) == await minimise_proof(pool, problem, proof)


def test_every_edit_saves_and_the_largest_saving_comes_first() -> None:
    for _, proof in REDUNDANT.values():
        texts = [edit.apply(proof) for edit in shorter_edits(proof)]
        assert texts
        assert all(length(text) < length(proof) for text in texts)
        lines = [len(text.splitlines()) for text in texts]
        assert lines == sorted(lines)


def test_a_comment_goes_with_its_step() -> None:
    proof = "-- first\nintro x -- one\n-- second\nsimp -- two\n/- third -/\nomega -- three"
    texts = {edit.apply(proof) for edit in shorter_edits(proof)}
    assert "-- second\nsimp -- two\n/- third -/\nomega -- three" in texts
    assert "-- first\nintro x -- one\n/- third -/\nomega -- three" in texts
    assert "-- first\nintro x -- one\n-- second\nsimp -- two" in texts


# ---- of the alternatives of a `first`, the one that was needed ----


async def test_only_the_alternative_that_is_needed_is_left(pool: LeanPool) -> None:
    problem = theorem("(n : Nat) : n + 0 = n ∧ 0 < n + 1")
    proof = "constructor\n· first | (intros; omega) | rfl\n· cases n with\n  | zero => first | contradiction | decide\n"
    proof += "  | succ m => skip <;> first | rfl | (skip; omega)"
    assert await resolve_alternatives(pool, problem, proof) == (
        "constructor\n· intros; omega\n· cases n with\n  | zero => decide\n  | succ m => skip <;> (skip; omega)"
    )
    lines = "constructor\n· first\n  | contradiction\n  | have := n\n    rfl\n· omega"
    assert await resolve_alternatives(pool, problem, lines) == "constructor\n· have := n\n  rfl\n· omega"


async def test_what_needs_more_than_one_alternative_stays(pool: LeanPool) -> None:
    problem = theorem("(n : Nat) : n + 0 = n ∧ 0 < n + 1")
    for proof in ("constructor <;> first | rfl | exact Nat.succ_pos n", "omega"):
        assert await resolve_alternatives(pool, problem, proof) == proof


def test_bars_in_brackets_are_no_alternatives() -> None:
    proof = "first | (simp; done) | (first | rfl | omega) | rcases h with ⟨a | b⟩"
    assert [edit.apply(proof) for edit in alternative_edits(proof)][:3] == [
        "simp",
        "first | rfl | omega",
        "rcases h with ⟨a | b⟩",
    ]
