"""Names that nobody binds, found in the text. The statements are ours."""

from __future__ import annotations

import time

import pytest

from data import Theorem
from data.syntax.declarations import read_theorem
from data.syntax.unbound import is_variable, unbound


def free(statement: str, header: str = "import Mathlib\nopen Real Nat\n", *preamble: str) -> list[str]:
    """The names that are reported of a statement."""
    return unbound(Theorem("t", f"theorem t {statement}", header, preamble))


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("(x : ℝ) (h : x + y = 3) : x = 3 - y", ["y"]),
        ("(a b : ℕ) (h₀ : a < c) (h₁ : c < d) : a < d", ["c", "d"]),
        ("(n : ℕ) : n + k = k + n", ["k"]),
        ("(x₁ : ℝ) : x₁ ≤ x₂", ["x₂"]),
        ("(n : ℕ) (hn : 0 < n) : 0 < N", ["N"]),
        ("(α : ℝ) (h : α = 1) : β = 1", ["β"]),
        ("(f : ℝ → ℝ) (h : ∀ x, f x = 2 * y) : f 1 = 2", ["y"]),
        ("(n : ℕ) : ∑ i ∈ Finset.range n, j = n", ["j"]),
        ("(s : Set ℝ) : s = {x | x < z}", ["z"]),
        ("(h : (y < 5)) : True", ["y"]),  # brackets alone bind nothing
        ("(h : (y, 2) = (1, 2)) : True", ["y"]),
        ("(h : (y : ℝ) / 2 = 1) : True", ["y"]),  # nor does a type
        ("(h : ⟨y, 2⟩ = p) : True", ["y", "p"]),
        ("(s : Finset ℕ) (h : s = {a, b}) : True", ["a", "b"]),
        ("(h : |y| = 1) : True", ["y"]),
        ("(x : ℝ) : h.le ▸ x = x", ["h"]),
    ],
)
def test_misprints_are_found(statement: str, names: list[str]) -> None:
    assert free(statement) == names


@pytest.mark.parametrize(
    "statement",
    [
        "(x y : ℝ) {z : ℝ} ⦃w : ℝ⦄ (h : x = y) : z = w",
        "(x) (h : x = (1 : ℝ)) : x = 1",
        "(f : ℕ → Set ℕ) : ∀ a b : ℕ, ∃ c ≥ a, ∀ d ∈ f a, ∃! e, b < c + d + e",
        ": ∀ (a b : ℕ) {c : ℕ}, a + b = c",
        ": ∃ (f : ℕ → ℕ) (h : ∀ n, f n = n), f 0 = 0 ∧ h = h",
        "(h : ∀ᶠ n in atTop, 0 < n) : ∃ᶠ k in atTop, 0 < k",
        ": ∑ i ∈ range 3, i = ∏ j in range 3, j + ∑' k, k + ∑ᶠ (l : ℕ), l",
        ": ∫ x in (0 : ℝ)..1, x = ∫ y in Set.Icc 0 1, y",
        "(f g : ℕ → ℕ → Set ℕ) : ⋃ i, ⋂ j : ℕ, f i j = ⨆ k, ⨅ l, g k l",
        ": {x : ℝ | x < 1} = {x | ∃ y, x = y} ∪ {y ∈ Set.univ | y < 3} ∪ {z < 5 | z = z}",
        ": {(x, y) : ℝ × ℝ | x < y} = {⟨a, b⟩ : ℝ × ℝ | a < b}",
        ": Set.ncard {x * y | (x : ℕ) (y : ℕ)} = 4",
        "(p : {n : ℕ // n < 3}) : p.1 < 3",
        "(f : ℕ → ℕ) (h : f = fun x => x + 1) : f = λ y ↦ y + 1",
        ": (fun ⟨a, b⟩ (c : ℕ) => a + b + c) = fun _ _ => 1",
        ": let m := 3; m = 3 ∧ (have k : m = m := rfl; k = k)",
        ": (let ⟨a, b⟩ := (1, 2); a + b) = 3",
        ": (if h : 1 = 1 then h = h else False) ∧ Nat.rec (motive := fun n => ℕ) 0 (fun n r => r) 1 = 0",
        ": (match 3 with | 0 => 0 | k + 1 => k) = 2",
        ": (f : ℕ → ℕ) → (n : ℕ) × (f n = n) → True",
        "(α : Type*) [Group α] : Πa b, a * b = (b * a : α)",
        "(h : 2 = 1) : h.a = h.b.c",
        "(f : ℝ →L[ℝ] ℝ) : f 0 = 0",
        "(x : ℝ) : x * π < φ 3 ∧ X = Polynomial.X ∧ I * I = -1",  # Mathlib has these
        '(n : ℕ) : n ! = n! /- k -/ -- l\n ∧ "q" = "q"',
    ],
)
def test_what_is_bound_is_not_reported(statement: str) -> None:
    assert free(statement) == []


def test_a_text_before_the_statement_binds() -> None:
    assert free("(n : ℕ) : f n = g n", "", "def f (k : ℕ) := k\nnoncomputable def g : ℕ → ℕ := f\n") == []
    assert free(": φ 3 = k", "", 'variable (k : ℕ)\nlocal notation "φ" => Nat.succ\n') == []
    assert free(": Even (k + p)", "", "axiom p : ℕ\n/-- k -/\ntheorem u (k : ℕ) : k = k := rfl\n") == ["k"]
    assert free("(n : ℕ) : f n = k", "", "def f (k : ℕ) := k\n") == ["k"]  # there it is another one


def test_the_name_of_the_theorem_is_none() -> None:
    assert unbound(read_theorem("/-- Let x be y. -/\n@[simp]\ntheorem a.b (n : ℕ) : n = n := rfl")) == []
    assert unbound(read_theorem("lemma q : q = 3 := by sorry")) == ["q"]


def test_what_variables_are_called() -> None:
    assert all(map(is_variable, ("x", "x₁", "a1", "x'", "N", "α", "δ₀")))
    assert not any(map(is_variable, ("ℝ", "ℂ", "𝕜", "λ", "π", "I", "sqrt", "Set", "xy", "", "3", "x.y")))


def test_many_brackets_take_no_time() -> None:
    start = time.perf_counter()
    assert free(f"(h : {'(' * 500}y{')' * 500} = 1) : True") == ["y"]
    assert time.perf_counter() - start < 2


def test_text_that_is_none_breaks_nothing() -> None:
    for text in ("", ":", "(", "{", "∀", "fun", "|", "if", "theorem", "@", "."):
        assert unbound(Theorem("t", text)) == []
        assert free(text) == []
