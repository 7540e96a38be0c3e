"""Proofs step by step, by the real Lean."""

from __future__ import annotations

import pytest

from data import Theorem
from lean_env import LeanPool
from prover.policy import Prompt
from prover.prompts import FAMILIES
from search.steps import ProofStep, steps

CONJUNCTION = "theorem t (n : Nat) : n + 0 = n ∧ (True ∧ True)"
NESTED = """\
constructor -- two goals
-- the first
· have h : 1 = 1 := by
    simp
  omega
· constructor
  · trivial
  · exact trivial"""
PROOFS = [
    (CONJUNCTION, NESTED),
    (
        "theorem t (n : Nat) : 0 + n = n",
        "induction n with\n| zero => rfl\n| succ n ih =>\n  rw [← Nat.add_assoc]\n  rw [ih]",
    ),
    ("theorem t (p q : Prop) (hp : p) (hq : q) : p ∧ q", "refine ⟨?_, ?_⟩; exact hp\nexact hq"),
    ("theorem t (a b : Nat) (h : a = b) : b = a", "calc\n  b = b := rfl\n  _ = a := by\n    rw [h]"),
    (
        "theorem t (p q : Prop) : p ∨ q → q ∨ p",
        "intro h\ncases h with\n| inl hp =>\n  right\n  exact hp\n| inr hq =>\n  left\n  exact hq",
    ),
    (
        "theorem t (a b : Nat) (h : a = b) : b = a ∧ a = b",
        "have g : b = a := by\n  have := h\n  omega\nconstructor\n· exact g\n· first\n  | exact g\n  | exact h",
    ),
]


async def test_states_and_tactics(pool: LeanPool) -> None:
    found = await steps(pool, Theorem("t", CONJUNCTION), NESTED)
    left = "case left\nn : Nat\n⊢ n + 0 = n"
    right = "case right\nn : Nat\n⊢ True ∧ True"
    first, second = "case right.left\nn : Nat\n⊢ True", "case right.right\nn : Nat\n⊢ True"
    assert [(s.state, s.tactic, s.state_after, s.column) for s in found] == [
        ("n : Nat\n⊢ n + 0 = n ∧ True ∧ True", "constructor -- two goals", f"{left}\n{right}", 0),
        (
            f"{left}\n{right}",
            "-- the first\n· have h : 1 = 1 := by\n    simp",
            left.replace("\n⊢", "\nh : 1 = 1\n⊢"),
            0,
        ),
        (left.replace("\n⊢", "\nh : 1 = 1\n⊢"), "omega", right, 2),
        (right, "· constructor", f"{first}\n{second}", 0),
        (f"{first}\n{second}", "· trivial", second, 2),
        (second, "· exact trivial", "no goals", 2),
    ]


@pytest.mark.parametrize(("statement", "proof"), PROOFS)
async def test_steps_are_the_proof_and_start_where_it_goes_on(pool: LeanPool, statement: str, proof: str) -> None:
    found = await steps(pool, Theorem("t", statement), proof)
    assert "".join(proof[s.start : s.end] for s in found) == proof
    assert [s.state for s in found[1:]] == [s.state_after for s in found[:-1]]
    assert found[-1].state_after == "no goals"
    for step in found:
        line = next(text for text in proof[step.start :].splitlines() if not text.lstrip().startswith("--"))
        assert len(line) - len(line.lstrip()) == step.column
        assert step.start == 0 or proof[step.start - 1] == "\n"


async def test_a_prompt_of_each_place_is_gone_on_with_by_the_rest(pool: LeanPool) -> None:
    """What a model is trained on is what the tree search sends and reads."""
    theorem, family = Theorem("t", CONJUNCTION), FAMILIES["deepseek-v1.5"]
    for step in (await steps(pool, theorem, NESTED))[1:]:
        prompt = Prompt(theorem, step.state, NESTED[: step.start].rstrip("\n"), step.column)
        rest = family.proof(prompt, "".join(f"  {line}\n" for line in NESTED[step.start :].splitlines()), True)
        assert f"{prompt.prefix}\n{rest}" == NESTED


@pytest.mark.parametrize("proof", ["simp\nfoo", "constructor\n· rfl", "sorry", "  constructor\n  · rfl\n  · simp", ""])
async def test_what_does_not_hold_or_is_no_such_text_has_none(pool: LeanPool, proof: str) -> None:
    assert await steps(pool, Theorem("t", CONJUNCTION), proof) == list[ProofStep]()
