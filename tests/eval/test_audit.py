"""Defects of statements. Those here are ours, each with the defect that it is about, or honest and close to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from data import Theorem
from data.headers import CORE
from data.problems import Problem
from eval.attempts import Entry, Flag
from eval.audit import Duplicates, audit_entry, compare_copies, normal_statement
from eval.screen import Screen
from lean_env import LeanPool

STRUCTURE = "structure Below (n : ℕ) where\n  value : ℕ\n  below : value < n\n"


def problem(said: str, *preamble: str, header: str = CORE, name: str = "p") -> Problem:
    return Problem(name, Theorem("t", f"theorem t {said}", header, preamble))


async def entry_of(pool: LeanPool, said: str, *preamble: str, header: str = CORE, name: str = "p") -> Entry:
    entry = await Screen(pool).entry(problem(said, *preamble, header=header, name=name))
    assert entry.asked, entry.why
    return entry


async def found(pool: LeanPool, said: str, *preamble: str) -> dict[str, str]:
    """The flags of a theorem with this signature, and what they say."""
    entry = await audit_entry(pool, await entry_of(pool, said, *preamble))
    return {flag.kind: flag.detail for flag in entry.flags}


async def said_of(pool: LeanPool, kind: str, statements: Iterable[str]) -> dict[str, str]:
    """What the flag of a kind says of each statement, empty where it has none; Lean's workers share the statements."""
    flags = await asyncio.gather(*(found(pool, said) for said in statements))
    return {said: flag.get(kind, "") for said, flag in zip(statements, flags, strict=True)}


# ---- hypotheses that contradict each other ----


CONTRADICTORY = [
    "(n : ℕ) (h₀ : n < 3) (h₁ : 5 < n) : n = 4 * n",
    "(n : ℕ) (h : n < 0) : n * n = 7",
    "(a b : ℤ) (h₀ : a = 2 * b) (h₁ : a = 2 * b + 1) : a * b = 3",
    "(h : 12 % 5 = 3) : (2 : ℕ) ^ 10 = 5",
    "(p q : Prop) (h₀ : p ∧ ¬q) (h₁ : p → q) : q ↔ p",
    "(f : ℕ → ℕ) (h₀ : ∀ x, f x = 2 * x + 1) (h₁ : f 3 = 8) : f 5 = 0",
    "(f : ℕ → ℕ) (h : ∀ x, x < 5) : f 0 = 0",
    "(h : ∀ x y : ℤ, x * y = x + y) (z : ℤ) : z = 8",
    "(z : ℤ) (h : ∃ k : ℤ, 4 * k = 6 ∧ z = k) : z = 8",
    "(f : ℕ → ℕ) (x : Fin 0) : f x = 1",
    "(f : ℕ → ℕ) (x : {n : ℕ // n < 5 ∧ 7 < n}) : f x = 1",
    ": ∀ n : ℕ, n < 3 → 5 < n → n * n = n + 100",
    "(f : ℕ → ℕ) : ∀ m n : ℕ, m < n ∧ n < m → f m = f n",
    "(n : ℕ) (h : n < 0) : ¬n * n = 7",
    "(n m : ℕ) (h : n < 0) : m = 7 → False",
    "(n m : ℕ) (h : n < 0) : n * n ≠ m",
]


async def test_contradictory_hypotheses_are_found(pool: LeanPool) -> None:
    flagged = await said_of(pool, "contradictory", CONTRADICTORY)
    assert [said for said, detail in flagged.items() if not detail.startswith("the hypotheses prove False: ")] == []


async def test_a_structure_without_elements_is_a_contradiction(pool: LeanPool) -> None:
    assert "contradictory" in await found(pool, "(f : ℕ → ℕ) (s : Below 0) : f s.value = 1", STRUCTURE)
    assert "contradictory" not in await found(pool, "(f : ℕ → ℕ) (s : Below 1) : f s.value = f 0", STRUCTURE)


CONSISTENT = [
    "(n : ℕ) (h₀ : 3 < n) (h₁ : n < 5) : n = 4",
    "(n : ℕ) (h : n < 0) : False",  # that is what it asks for
    "(p : Prop) : p ∧ ¬p → False",
    "(p : Prop) : ¬(p ∧ ¬p)",
    ": ¬∃ n : ℕ, n < 0",
    ": ∀ n : ℕ, n < 0 → False",
    "(a b : ℕ) (h : a < b) : b ≠ a",
    "(n : ℕ) (h : n < 3) : 5 < n → False",
    "(x : Fin 1) : x = 0",
    "(f : ℕ → ℕ) (h : ∀ x, f (x + 1) = f x) : f 5 = f 0",
    ": 1 + 1 = 3",
    "(p : Prop) (h : p) : p",
]


async def test_hypotheses_that_hold_somewhere_are_not_flagged(pool: LeanPool) -> None:
    assert await said_of(pool, "contradictory", CONSISTENT) == dict.fromkeys(CONSISTENT, "")


# ---- arithmetic that is cut off ----


TRUNCATED = {
    "(n : ℕ) (h : n = 7 / 2) : n < 4": "7 / 2 is 3 here",
    "(x : ℤ) : x * (1 / 3) < x * x + 1": "1 / 3 is 0 here",
    "(x : ℤ) : x ^ (1 / 2) = x": "1 / 2 is 0 here",
    "(x : ℤ) : x = -7 / 2": "-7 / 2 is -4 here",
    "(x : ℤ) : x = -(7 / 2)": "7 / 2 is 3 here",
    "(x : ℤ) : x = 7 / (-2)": "7 / -2 is -3 here",
    "(n : ℕ) : n = 3 - 5": "3 - 5 is 0 here",
    "(n : ℕ) : n ^ (2 - 3) = 1": "2 - 3 is 0 here",
    "(x : ℤ) : x = ((2 - 3 : ℕ) : ℤ)": "2 - 3 is 0 here",
    "(n : ℕ) : n = 5 / 0": "5 / 0 is 0 here",
    "(n : ℕ) : n = (2 + 3) / (4 - 2) * 8": "5 / 2 is 2 here",
    "(n : ℕ) : n = 2 ^ 3 / 3 - 4": "8 / 3 is 2 here, 2 - 4 is 0 here",
    ": ∀ x : ℤ, 0 < x → ∃ y : ℤ, y = x * (3 / 4)": "3 / 4 is 0 here",
    "(f : ℕ → ℕ) (h : ∀ x, f x = (1 - 2) * x) : f 2 = 0": "1 - 2 is 0 here",
}


async def test_truncated_arithmetic_is_found(pool: LeanPool) -> None:
    assert await said_of(pool, "truncated", TRUNCATED) == TRUNCATED


EXACT = [
    "(n : ℕ) : n = 8 / 2 + (7 - 3)",
    "(x : ℤ) : x = 2 - 3 - 4 * 5",
    "(x : ℤ) : x = -6 / 3",
    "(n : ℕ) : n + 2 - 3 = n * 2 - 3",  # neither of which is `2 - 3`
    "(f : ℕ → ℕ) : f 2 - 3 = f (f 2 - 3)",
    "(n : ℕ) : n * 3 / 2 = n - 5 / n",
    "(x : ℤ) (n : ℕ) : x / 2 = x / n",
    "(n : ℕ) : n % (7 % 4) = 2 ^ 10 - 3 * 4 * n",
    "(n : ℕ) : n = 10 - 2 * 5",
    "(n : ℕ) : n < 2 ^ 100000 / 4",
    "(q : Rat) : q = 1 / 2 + (2 - 3)",
    '(s : String) : s = "7 / 2"',
]


async def test_exact_arithmetic_is_not_flagged(pool: LeanPool) -> None:
    assert await said_of(pool, "truncated", EXACT) == dict.fromkeys(EXACT, "")


# ---- differences that may be cut off, and quotients that may be rounded ----


CUT_OFF = {
    "(n : ℕ) : n - 1 + 1 = n": "n - 1 is 0 where it would be negative",
    "(n : ℕ) (h : 0 < n) : n - 1 + 1 = n": "",
    "(n m : ℕ) : ∀ k, k < n → n - k ≤ n - m": "n - m is 0 where it would be negative",
    "(n : ℕ) : 2 ^ n - 1 < 2 ^ n": "",
    "(n : ℤ) : n - 1 < n": "",
    "(n : ℕ) (h : 2 ∣ n) : n / 2 * 2 = n": "",
    "(x : ℤ) : x / 3 * 3 = x": "x / 3 is rounded",
    "(n m : ℕ) : (n - m) / 2 = 0": "(n - m) / 2 is rounded, n - m is 0 where it would be negative",
    "(f : ℕ → ℕ) : f 2 - 3 = 0": "f 2 - 3 is 0 where it would be negative",
}


async def test_what_may_be_cut_off_is_told(pool: LeanPool) -> None:
    assert await said_of(pool, "cut-off", CUT_OFF) == CUT_OFF


async def test_what_cannot_be_looked_at_is_not_decided(pool: LeanPool) -> None:
    said = "(n : ℕ) : ∃ k, n - k = 0"
    assert await found(pool, said) == {"not-decided": "cut-off: n - k (it stands under a binder)"}


# ---- false for small values ----


FALSE = {
    "(n : ℕ) : n * n > n": "it does not hold for n = 0",
    "(n m : ℕ) (h : n < m) : n * n < m * n": "it does not hold for n = 0, m = 1",
    ": ∀ n : ℕ, 0 < n → n < n * n": "it does not hold for n = 1",
    "(n : ℕ) (h₀ : n < 3) (m : ℕ) (h₁ : m < n) : m = 0": "it does not hold for n = 2, m = 1",
    "{x : ℤ} : 0 ≤ x": "it does not hold for x = -1",
    "(b : Bool) : b = true": "it does not hold for b = false",
    ": 1 + 1 = 3": "it does not hold",
    "(n : ℕ) (h : n < 0) : n = 7": "",
    "(n : ℕ) : n ≤ n * n": "",
    "(f : ℕ → ℕ) (n : ℕ) : f n = n": "it does not hold for f = fun _ => 0, n = 1",
}


async def test_a_small_counterexample_is_told(pool: LeanPool) -> None:
    assert await said_of(pool, "false", FALSE) == FALSE


async def test_a_limit_is_told(pool: LeanPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.audit._VALUES_SECONDS", 0.001)
    flags = await found(pool, "(n m : ℕ) (h : n < m) : n * n < m * n")
    assert "false" not in flags
    assert flags["not-decided"].startswith("false: small values took more than")


# ---- hypotheses that nothing needs ----


IDLE = {
    "(n : ℕ) (h₀ : n = 3) (h₁ : 2 < n) : 2 ^ 5 % 7 = 4": "h₀, h₁",
    "(a b : ℤ) (h : a < b) : a * b = b * a": "h",
    "(p q : Prop) (hp : p) : p ∨ q ↔ q ∨ p": "hp",  # says something without a sign in it
    "(l : List ℕ) (h : l.Nodup) : l.length = l.reverse.length": "h",
    "(n : ℕ) : 0 < n → n < n + 1": "a",
    ": ∀ n : ℕ, n = 3 → 1 + 1 = 2": "a",
    "(l : List ℕ) (i : ℕ) (h₀ : i < l.length) (h₁ : l ≠ []) : l[i] = l[i]": "h₁",  # without h₀ it says nothing
}


async def test_idle_hypotheses_are_found(pool: LeanPool) -> None:
    flagged = await said_of(pool, "idle-hypotheses", IDLE)
    without = {said: detail.partition(": ")[0].removeprefix("it follows without ") for said, detail in flagged.items()}
    assert without == IDLE


NEEDED = [
    "(n m : ℕ) : n + m = m + n",
    "(p : Prop) (α : Type) (a b : α) (f : α → ℕ) : f a = f b ↔ f b = f a",
    "(α : Type) [DecidableEq α] (a b : α) : a = b ∨ a ≠ b",
    "(n : ℕ) (h : 2 < n) : 1 < n",
    "(l : List ℕ) (i : ℕ) (h : i < l.length) : l[i] = l[i]",
    "(f : ℕ → ℕ) (g : Fin 3) : f g = f g",
    ": ∀ n : ℕ, 3 < n → 2 < n",
    "(p q : Prop) (hp : p) (hq : q) : p ∧ q",
]


async def test_needed_hypotheses_and_mere_variables_are_not_flagged(pool: LeanPool) -> None:
    assert await said_of(pool, "idle-hypotheses", NEEDED) == dict.fromkeys(NEEDED, "")


# ---- what the table says, together ----


async def test_a_sound_statement_has_no_flag(pool: LeanPool) -> None:
    assert await found(pool, "(a b : ℕ) (h₀ : a + b = 10) (h₁ : a = b + 2) : a = 6") == {}


async def test_flags_of_the_screen_are_kept(pool: LeanPool) -> None:
    entry = await entry_of(pool, "(a : ℕ) (h : k < 0) : a = 7", header="import Mathlib\n")
    assert [flag.kind for flag in (await audit_entry(pool, entry)).flags] == ["auto-bound", "contradictory"]


async def test_what_cannot_be_asked_is_read(pool: LeanPool) -> None:
    screen = Screen(pool)
    entry = await audit_entry(pool, await screen.entry(problem("(x : ℝ) (h : x + y = 3) : x = 3 - y")))
    assert (entry.asked, entry.flags) == (False, (Flag("unbound", "nobody seems to declare y"),))
    assert not (await audit_entry(pool, await screen.entry(problem("(x y : ℝ) (h : x + y = 3) : x = 3 - y")))).flags


async def test_a_hard_statement_takes_seconds_at_most(pool: LeanPool) -> None:
    said = "(a b c : ℕ) (h₀ : a ^ 7 + b ^ 7 = c ^ 7 + 3) (h₁ : ∀ n, (a * b * c) % (n + 7) ≠ 5) : a * b * c = 2 ^ a"
    start = time.perf_counter()
    assert await found(pool, said) == {}
    assert time.perf_counter() - start < 30


# ---- duplicates ----


def names_flagged(*entries: tuple[str, str]) -> list[tuple[str, str]]:
    """Entries by name and statement; those that come again, and after which."""
    duplicates = Duplicates()
    flagged = [duplicates.flag(Entry(problem(said, name=name), False)) for name, said in entries]
    return [(entry.name, flag.detail) for entry in flagged for flag in entry.flags]


def test_duplicates_under_other_names_are_found() -> None:
    said = "(n : ℕ) (h : n = 2) : n + n = 4"
    spaced = "\n    (n : ℕ)  -- a number\n    (h:n=2) /- so -/ :\n  n + n = 4"
    renamed = "(m : ℕ) (h₀ : m = 2) : m + m = 4"
    other = "(n : ℕ) (h : n = 2) : n + n = 5"
    swapped = "(n m : ℕ) : n - m = 4"
    assert names_flagged(("a", said), ("b", spaced), ("c", other), ("d", renamed)) == [
        ("b", "a states the same"),
        ("d", "a states the same"),
    ]
    assert names_flagged(("a", swapped), ("b", "(n m : ℕ) : m - n = 4"), ("c", "(n : ℕ) : n - m = 4")) == []
    fields = "(fst : ℕ × ℕ) : fst.fst = 1", "(snd : ℕ × ℕ) : snd.snd = 1"
    assert names_flagged(("a", fields[0]), ("b", fields[1])) == []


def test_only_the_name_is_left_out() -> None:
    theorem = Theorem("A.t", "@[simp]\ntheorem A.t (n : ℕ) : n = f", preamble=("def f := 1 -- one\n",))
    same = Theorem("u", "/-- Of n. -/ @[simp] lemma u (k : ℕ) : k = f", preamble=("/-- f -/\ndef f := 1\n",))
    assert normal_statement(theorem) == normal_statement(same)
    assert normal_statement(theorem) != normal_statement(replace(theorem, preamble=("def f := 2\n",)))
    assert normal_statement(theorem) != normal_statement(replace(theorem, statement="theorem A.t (n : ℕ) : n = A.t"))


def test_old_and_new_notation_of_mathlib_are_the_same() -> None:
    old = Theorem("t", "theorem t : ∑ k in range 3, sin (k * Real.pi) = 0")
    new = Theorem("t", "theorem t : ∑ k ∈ range 3, sin (k * π) = 0")
    assert normal_statement(old) == normal_statement(new)
    assert normal_statement(old) != normal_statement(replace(new, statement=new.statement.replace("3", "4")))


async def test_very_large_numbers_do_not_end_the_audit(pool: LeanPool) -> None:
    assert "truncated" not in await found(pool, ": 10 ^ 2500 * 10 ^ 2500 = 10 ^ 5000")
    assert "truncated" not in await found(pool, f"(n : ℕ) : n < 1{'0' * 4400}")


# ---- copies ----


async def differing(pool: LeanPool, a: Theorem, b: Theorem) -> list[str]:
    """What is said of a copy that has `b` where the benchmark has `a`."""
    screen = Screen(pool)
    ours, theirs = [await screen.entry(Problem("p", theorem)) for theorem in (a, b)]
    entry = await compare_copies(pool, ours, theirs)
    return [flag.detail for flag in entry.flags]


def stated(said: str, *preamble: str, name: str = "t", header: str = "import Mathlib\n") -> Theorem:
    return Theorem(name, f"theorem {name} {said}", header, preamble)


SQUARE = "def square (n : ℕ) : ℕ := n * n\n"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (stated("(n : ℕ) (h : 0 < n) : n ≠ 0"), stated("(m : Nat) (h₀ : m > 0) : ¬m = 0")),
        (stated("(n : ℕ) : n + 0 = n"), stated(": ∀ n, n + 0 = n")),
        (stated("(n : ℕ) : n + 0 = n"), stated("(k : ℕ) : k + 0 = k", name="other")),
        (stated("(n : ℕ) : n + 0 = n"), stated("{n : Nat} : n + 0 = n", header="open Nat\n")),
        (stated(": square 2 = 4", SQUARE), stated(": (square 2) = 4", "def square : ℕ → ℕ := fun k => k * k\n")),
        (stated(": square 2 = 4", SQUARE), stated(": (square 2) = 4", SQUARE)),
        (stated("(x : ℝ) (h : x = 2) : x + x = 4"), stated("(y : ℝ) (h₀ : y=2) : y + y = 4 /- four -/")),
    ],
)
async def test_copies_that_mean_the_same_are_not_flagged(pool: LeanPool, a: Theorem, b: Theorem) -> None:
    assert await differing(pool, a, b) == []


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (
            stated("(n : ℕ) (h : 0 < n) : n ≠ 0"),
            stated("(n : ℕ)\n  (h : 1 < n) : n ≠ 0"),
            "the copy states: theorem t (n : ℕ); (h : 1 < n) : n ≠ 0",
        ),
        (stated("(n : ℕ) : n = n"), stated("(n : ℤ) : n = n"), "the copy states: theorem t (n : ℤ) : n = n"),
        (
            stated(": square 2 = 4", SQUARE),
            stated(": square 2 = 4", "def square (n : ℕ) : ℕ := n + n + 1\n"),
            "the copy states: theorem t : square 2 = 4",
        ),
        (
            stated("(a b : ℕ) (h : a = 1) : a < b + 2"),
            stated("(a : ℕ) (h : a = 1) : a < b + 2 + 0 * a"),  # misprinted
            "the copy states: theorem t (a : ℕ) (h : a = 1) : a < b + 2 + 0 * a",
        ),
        (
            stated("(x : ℝ) (h : x = 2) : x + x = 4"),
            stated("(x : ℝ) (h : x = 2) : x + x = 5"),
            "in words; Lean could not compare the meaning",
        ),
        (
            stated("(n : ℕ) : n = n"),
            stated("(x : ℝ) : x = x"),
            "in words; Lean could not compare the meaning",
        ),
        (
            stated(": 2 ∘∘ 3 = 5", 'notation a " ∘∘ " b => a + b\n'),
            stated(": 2 ∘∘ 3 = 6", 'notation a " ∘∘ " b => a + b  -- plus\n'),
            "in words; Lean could not compare the meaning",
        ),
    ],
)
async def test_copies_that_say_something_else_are_flagged(pool: LeanPool, a: Theorem, b: Theorem, said: str) -> None:
    assert await differing(pool, a, b) == [said]


async def test_a_problem_that_a_copy_does_not_have_is_not_flagged(pool: LeanPool) -> None:
    ours = await entry_of(pool, ": 1 = 1")
    assert await compare_copies(pool, ours, None) == ours
