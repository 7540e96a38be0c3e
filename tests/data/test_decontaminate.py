"""Copies are found whatever they look like, and what is different is kept apart. The statements here are ours."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.decontaminate import NGRAM, decontaminate, deduplicated
from data.pairs import Pair
from data.problems import Problem
from data.splits import is_held_out
from data.syntax.declarations import read_theorem
from data.syntax.lexer import tokens
from data.syntax.normal_form import conclusion, normal_form
from data.theorem import Theorem


def theorem(text: str) -> Theorem:
    return read_theorem(f"{text} := by simp")


def pair(text: str, proof: str = "simp") -> Pair:
    found = theorem(text)
    return Pair(Problem(found.name, found), proof)


SAME = [
    ("theorem a (a b : Nat) : a + b = b + a", "/-- Sums. -/\nlemma foo (x : ℕ) -- one\n  (y : ℕ) : x + y = y + x"),
    ("theorem a (a b : Nat) : a + b = b + a", "@[simp] private theorem q.r : ∀ u v : Nat, u + v = v + u"),
    ("theorem a (n : Nat) : ∀ m : Nat, n = m", "theorem a : ∀ (n : Nat) (m : Nat), n = m"),
    ("theorem a (h : (∀ x, x = x) ∧ ∀ x, x = 1) : 1 = 1", "theorem a (h : (∀ x, x = x) ∧ ∀ y, y = 1) : 1 = 1"),
    ("theorem a : ∑ k in range 3, f k = ∑ k in range 4, f k", "theorem a : ∑ i ∈ range 3, f i = ∑ j ∈ range 4, f j"),
    ("theorem a : {x : ℝ | |x| < 1} = s", "theorem a : {y : Real | |y| < 1} = s"),
    ("theorem a : S = {p : ℕ × ℕ | p.1 = p.2}", "theorem a : S = {q : ℕ × ℕ | q.1 = q.2}"),
    ("theorem a : S = {(x, y) : ℕ × ℕ | x = y}", "theorem a : S = {(a, b) : ℕ × ℕ | a = b}"),
    ("theorem a : S = {f x | (x : ℕ)}", "theorem a : S = {f y | (y : ℕ)}"),
    ("theorem a : 0 < (2 : {n : ℕ // 0 < n}).1", "theorem a : 0 < (2 : {k : ℕ // 0 < k}).1"),
    ("variable (n : Nat)\n\ntheorem a : n = n", "variable (k m : Nat)\n\ntheorem b (m : Nat) : m = m"),
    ("def f (n : Nat) := n\ndef g := 1\ntheorem a : f 1 = 1", "def f (n : Nat) := n -- one\n\ntheorem a : f 1 = 1"),
    ("theorem a : f = fun x y => x + y", "theorem a : f = fun a ↦ λ b => a + b"),
    ("theorem a : f p = fun (x, y) => x", "theorem a : f p = fun (u, v) => u"),
    ("theorem a (f : ℕ → ℕ) (h : ∀ x > 0, f x = 1) : ∃! x, f x = x",
     "theorem a (g : ℕ → ℕ) (k : ∀ y > 0, g y = 1) : ∃! z, g z = z"),
    ("theorem a {α : Type} [Group α] (x : α) : x = x", "theorem a {β : Type} [inst : Group β] (x : β) : x = x"),
    ("theorem a (h : (x : Nat) → x = x) : 1 = 1", "theorem a (h : ∀ x : Nat, x = x) : 1 = 1"),
    ("theorem a : let x := 3; x = 3", "theorem a : let y := 3; y = 3"),
    ("theorem a : (match o with | some x => x | none => 0) = 0",
     "theorem a : (match o with | some y => y | none => 0) = 0"),
    ("theorem a.{u} (α : Type u) : α = α", "theorem a.{v} (β : Type v) : β = β"),
    ("theorem a (c : (i : ι) → (Πa, X i a)) : c = c", "theorem a (c : (j : ι) → (Πb, X j b)) : c = c"),
    ("theorem a (x : ℝ) : ∑' n : ℕ, x ^ n = x", "theorem a (y : ℝ) : ∑' k : ℕ, y ^ k = y"),
    ("theorem a (m n : ℕ) (h : m ≤ n) : m -> n", "theorem a (m : ℕ) (n : ℕ) (_ : m <= n) : m → n"),
]  # fmt: skip

DIFFERENT = [
    ("theorem a (a b : Nat) : a + b = b + a", "theorem a (a b : Nat) : a + b = a + b"),
    ("theorem a (a b : Nat) : a = b", "theorem a (a : Nat) (b : Int) : a = b"),
    ("theorem a : ∀ x, ∃ y, x < y", "theorem a : ∃ x, ∀ y, x < y"),
    ("theorem a : ∀ x, ∃ y, x < y", "theorem a : ∀ x, ∃ y, y < x"),
    ("theorem a (k : ℕ) : ∑ i ∈ s, f i = g k", "theorem a (k : ℕ) : ∑ i ∈ s, (f i = g i)"),
    ("theorem a : ∑ i ∈ s, f i = 1", "theorem a : ∑' i ∈ s, f i = 1"),
    ("theorem a : (match o with | some x => x | none => 0) = 0",
     "theorem a : (match o with | none => x | some x => 0) = 0"),
    ("def f := 1\ntheorem a : f = 1", "def f := 2\ntheorem a : f = 1"),
    ("variable (n : Nat)\n\ntheorem a : n = n", "variable (n : Int)\n\ntheorem a : n = n"),
    ('local notation "q" => 1\ntheorem a : q = 1', 'local notation "q" => 2\ntheorem a : q = 1'),
    ("theorem a {x : Nat} : x = 1", "theorem a (x : Nat) : x = 1"),
    ("theorem a (x : P) : x.fst = 1", "theorem a (x : P) : x.snd = 1"),
    ("theorem a (h : 0 < x) : 0 < f (x := 2)", "theorem a (h : 0 < x) : 0 < f (y := 2)"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same(one: str, other: str) -> None:
    assert normal_form(theorem(one)) == normal_form(theorem(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_not_the_same(one: str, other: str) -> None:
    assert normal_form(theorem(one)) != normal_form(theorem(other))


WORDS = [*"∀∃∑(){}[]⟨⟩:,|xyn.!∈→=1", "fun", "=>", ":=", "let", "in", "\n"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS)))
def test_any_text_has_a_normal_form(words: list[str]) -> None:
    statement = "theorem t " + " ".join(words)
    assert normal_form(Theorem("t", statement)) == normal_form(Theorem("t", statement.replace(" ", "  ")))


def test_a_deep_text_has_one_too() -> None:
    for sign in ("(", "∀ x, ", "{x | "):
        assert "1 = 1" in normal_form(Theorem("t", f"theorem t : {sign * 5000} 1 = 1"))


# ---- copies of statements ----

_PARTS = {
    "signature": ["(a b : ℕ)", "(x y : ℝ) (h : x < y)", "{α : Type*} [Ring α] (r s : α)", "(f g : ℕ → ℕ)"],
    "conclusion": [
        "∃ c : ℕ, ∀ d : ℕ, (c + d) * (c + d) = c * c + 2 * c * d + d * d + {}",
        "∑ i ∈ Finset.range {}, (i + 1) ^ 2 = {} ∧ ∑ j ∈ Finset.range 3, j = 3",
        "{{n : ℤ | n ^ 2 - {} * n + 6 = 0 ∧ n > 0}} = {{k | k = 2 ∨ k = {}}}",
        "(fun t : ℝ => t ^ 3 + {} * t) = fun u => u * (u ^ 2 + {}) + (fun u => 0) u",
        "1 = {}",
    ],
}


def problem(number: int) -> Theorem:
    """One of our own statements, all of them different."""
    rng = random.Random(number)
    ending = rng.choice(_PARTS["conclusion"]).replace("{}", str(number), 1).replace("{}", str(rng.randrange(100)))
    return theorem(
        f"theorem p{number} {rng.choice(_PARTS['signature'])} : {ending}".replace("{{", "{").replace("}}", "}")
    )


def renamed(given: Theorem, seed: int) -> Theorem:
    """The statement with other names for its variables, and other spaces."""
    rng = random.Random(seed)
    names = ["a", "b", "c", "d", "x", "y", "h", "r", "s", "f", "g", "i", "j", "n", "k", "t", "u", "α"]
    fresh = dict(zip(names, rng.sample([f"v{k}" for k in range(50)], len(names)), strict=True))
    words = [t.text for t in tokens(given.statement)]
    spaced = "".join(fresh.get(word, word) + rng.choice(("", " ", "\n  ")) * (word != ".") + " " for word in words)
    spaced = re.sub(r" ?\. ?", ".", spaced)
    return replace(given, name="q", statement=re.sub(r"theorem\s+\w+", "theorem q", spaced, count=1))


def test_every_renamed_copy_is_met_and_nothing_else() -> None:
    against = [problem(number) for number in range(60)]
    copies = [Pair(Problem(t.name, renamed(t, seed)), "simp") for seed, t in enumerate(against)]
    assert all(copy.problem.theorem.statement != t.statement for copy, t in zip(copies, against, strict=True))
    kept, met = decontaminate(copies, against)
    assert (len(kept), [found.theorem.name for found in met]) == (0, [t.name for t in against])
    assert {found.how for found in met} == {"statement"}


def test_what_shares_a_long_part_of_its_conclusion_is_met() -> None:
    evaluation = theorem(
        "theorem e (x y : ℝ) (h : x < y) : x ^ 3 + 3 * x ^ 2 * y + 3 * x * y ^ 2 = (x + y) ^ 3 - y ^ 3"
    )
    longer = pair("theorem t (c a b : ℝ) : c = c ∧ a ^ 3 + 3 * a ^ 2 * b + 3 * a * b ^ 2 = (a + b) ^ 3 - b ^ 3 + 0")
    other = pair("theorem t (x y : ℝ) (h : x < y) : x ^ 3 + 4 * x ^ 2 * y + 5 * x * y ^ 2 ≤ 2 * y ^ 3 - x ^ 2")
    short = pair("theorem t (x y : ℝ) (h : x < y) : x ^ 3 = y")
    kept, met = decontaminate([longer, other, short], [evaluation, theorem("theorem s (z : ℝ) : z ^ 3 = 1")])
    assert kept == [other, short]
    assert [(found.pair, found.theorem.name, found.how) for found in met] == [(longer, "e", "conclusion")]
    assert len(conclusion(evaluation)) > NGRAM > len(conclusion(short.problem.theorem))


# ---- duplicates ----


def test_duplicates() -> None:
    first = pair("theorem a (n : Nat) : n + 0 = n", "simp")
    again = pair("theorem b (m : Nat) : m + 0 = m", "simp  -- at once")
    other = pair("theorem b (m : Nat) : m + 0 = m", "induction m\n· rfl\n· rfl")
    third = pair("theorem b (m : Nat) : m + 0 = m", "exact Nat.add_zero m")
    apart = pair("theorem a (n : Nat) : 0 + n = n", "simp")
    assert deduplicated([other, first, again, apart, third]) == [other, first, apart, third]
    assert deduplicated([other, first, again, apart, third], most=2) == [first, apart, third]
    assert deduplicated([other, first, again, apart, third], most=1) == [first, apart]


# ---- splits ----


def test_a_split_depends_on_what_is_stated_alone() -> None:
    statements = [problem(number) for number in range(400)]
    away = [is_held_out(t, 0.25) for t in statements]
    assert away == [is_held_out(renamed(t, 1), 0.25) for t in statements]
    assert 60 < sum(away) < 140  # 100 ± 4.6 standard deviations
    assert all(is_held_out(t, 0.5) for t, out in zip(statements, away, strict=True) if out)
    assert away != [is_held_out(t, 0.25, "another") for t in statements]
    assert not any(is_held_out(t, 0) for t in statements)
    assert all(is_held_out(t, 1) for t in statements)
