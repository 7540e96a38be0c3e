"""Whether this Lean can be asked for a statement, and how. The statements are ours."""

from __future__ import annotations

import pytest

from data import Theorem
from data.headers import CORE
from data.problems import Problem
from data.syntax.declarations import read_theorem
from eval.attempts import Entry
from eval.screen import Screen, with_unique_names
from lean_env import LeanPool

MATHLIB = (
    "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen BigOperators Real Nat Topology Rat\n\n"
)
OWN = "set_option autoImplicit {}\n"


async def screened(pool: LeanPool, statement: str, header: str = MATHLIB, *preamble: str) -> Entry:
    """The entry of a theorem with this signature."""
    return await Screen(pool).entry(Problem("p", Theorem("t", f"theorem t {statement}", header, preamble)))


def flags(entry: Entry) -> list[tuple[str, str]]:
    return [(flag.kind, flag.detail) for flag in entry.flags]


# ---- what can be asked ----


async def test_a_mathlib_header_becomes_a_core_header(pool: LeanPool) -> None:
    entry = await screened(pool, "(n : ℕ) (h : n = 2) : n + n = 4")
    assert entry.asked
    assert entry.theorem.header.startswith(CORE)
    assert entry.goal == "n : ℕ\nh : n = 2\n⊢ n + n = 4"
    assert (await pool.judge(entry.theorem.claim("subst h; rfl"))).proved


async def test_a_header_that_lean_takes_stays_as_it_is(pool: LeanPool) -> None:
    header = "open Nat\nset_option maxRecDepth 1000\n"
    entry = await screened(pool, "(n : Nat) : succ n ≠ 0", header)
    assert (entry.asked, entry.theorem.header, entry.flags, entry.why) == (True, header, (), "")


async def test_what_stands_before_a_theorem_belongs_to_it(pool: LeanPool) -> None:
    double = "noncomputable def double (n : ℕ) : ℕ := n + n\n\nlemma pos : 0 < 1 := by sorry\n"
    assert (await screened(pool, "(n : ℕ) : double n = 2 * n", MATHLIB, double)).asked


@pytest.mark.parametrize(
    "opens", ["open Nat (sqrt)", "open Nat hiding nonsense", "open scoped Foo Bar.Baz", "open Foo in"]
)
async def test_namespaces_that_core_does_not_have(pool: LeanPool, opens: str) -> None:
    entry = await screened(pool, "(n : ℕ) : n = n", f"import Mathlib\n{opens}\n")
    assert entry.asked, entry.why


# ---- what cannot ----


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("(x : ℝ) : x = x", "Unknown identifier `ℝ`"),
        ("(s : Finset ℕ) : s = s", "Unknown identifier `Finset`"),
        ("(n : ℕ) : ∑ k in range n, k = 0", "expected token at `∑ k in`"),
        ("(n : ℕ) : Nat.Prime n", "Unknown constant `Nat.Prime`"),
        ("(n : ℕ) (h : n) : n = n", "type expected, got (n : ℕ) at `n) : n`"),
        ("(n : ℕ) (s : String) : n = s", "Type mismatch s has type String but is expected to have type ℕ at `s := by`"),
        ("(n : ℕ) : n =", "unexpected token ':='; expected term at `:= by`"),
        ("{α : Type*} (a : α) : a = a", "unexpected token '}'; expected term at `} (a :`"),
    ],
)
async def test_lean_says_in_a_line_why_not(pool: LeanPool, statement: str, why: str) -> None:
    entry = await screened(pool, statement)
    assert not entry.asked
    assert entry.why == why


async def test_a_reason_is_short(pool: LeanPool) -> None:
    long = " + ".join(f"k{n}" for n in range(300))
    entry = await screened(pool, f"(s : String) (h : ∀ {long.replace(' +', '')} : ℕ, {long} = s) : s = s")
    assert not entry.asked
    assert 20 < len(entry.why) <= 200
    assert "\n" not in entry.why


async def test_errors_before_the_statement_are_told_as_such(pool: LeanPool) -> None:
    entry = await screened(pool, "(n : ℕ) : n = n", MATHLIB, "def half (x : ℝ) := x / 2\n")
    assert (entry.asked, entry.why) == (False, "before the statement: Unknown identifier `ℝ`")
    entry = await screened(pool, "(n : ℕ) : n = n", MATHLIB, "\n\ndef two : ℕ := )\n")
    assert (entry.asked, entry.why) == (False, "before the statement: unexpected token ')'; expected term")
    entry = await screened(pool, "(n : Nat) : n = n", "set_option no.such.option true\n")
    assert (entry.asked, entry.why) == (False, "before the statement: Unknown option `no.such.option`")


async def test_definitions_are_not_asked_for(pool: LeanPool) -> None:
    for text in ("def f (n : ℕ) : ℕ := 1", "/-- a theorem -/\ninstance i /- no theorem -/ : Inhabited ℕ := ⟨1⟩"):
        entry = await Screen(pool).entry(Problem("p", read_theorem(MATHLIB + text)))
        assert (entry.asked, entry.why) == (False, "it asks for a definition, not for a proof")


async def test_an_answer_that_is_to_be_filled_in_cannot_be_proved(pool: LeanPool) -> None:
    text = "noncomputable abbrev answer : ℕ := sorry\n-- 7\ntheorem t (n : ℕ) (h : n = 7) : n = answer := sorry"
    entry = await Screen(pool).entry(Problem("p", read_theorem(MATHLIB + text)))
    assert (entry.asked, entry.why) == (False, "it asks for a definition, too: one before the theorem is left open")
    filled = await Screen(pool).entry(Problem("p", read_theorem(MATHLIB + text.replace(":= sorry\n-- 7", ":= 7"))))
    assert filled.asked


# ---- variables that nobody declared ----


@pytest.mark.parametrize("header", [MATHLIB, "", OWN.format("true")])
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("(a : Nat) (h : a + b = 3) : a ≤ 3", "Lean takes b for a variable that nobody declared"),
        ("(a : Nat) (h : a < b) (k : b < c) : a < c", "Lean takes b, c for variables that nobody declared"),
        ("(a : Nat) : a + k = k + a", "Lean takes k for a variable that nobody declared"),
        ("(f : Nat → Nat) (h : ∀ x, f x = x + m) : f 0 = m", "Lean takes m for a variable that nobody declared"),
    ],
)
async def test_misprints_are_flagged(pool: LeanPool, header: str, statement: str, said: str) -> None:
    entry = await screened(pool, statement, header)
    assert entry.asked, entry.why
    assert flags(entry) == [("auto-bound", said)]
    assert entry.goal.count("Nat") + entry.goal.count("ℕ") >= 1
    again = await pool.check(entry.theorem.challenge, context=entry.theorem.context)  # it is asked as Lean takes it
    assert again.ok
    assert again.sorries[0].goal == entry.goal


@pytest.mark.parametrize("header", [MATHLIB, "", OWN.format("true")])
@pytest.mark.parametrize("name", ["ℝ", "Foo", "𝕜", "π", "real"])
async def test_what_mathlib_would_know_is_no_variable(pool: LeanPool, header: str, name: str) -> None:
    for statement in (f"(x y : {name}) (h : x = y) : y = x", f"(h : ∀ y : {name}, k = y) : k = k"):
        entry = await screened(pool, statement, header)
        assert (entry.asked, entry.flags, entry.why) == (False, (), f"Unknown identifier `{name}`")


async def test_a_header_may_forbid_what_lean_does(pool: LeanPool) -> None:
    for header in (OWN.format("false"), MATHLIB + OWN.format("false")):
        entry = await screened(pool, "(a : Nat) : a + k = k + a", header)
        assert (entry.asked, entry.why) == (False, "Unknown identifier `k`")


async def test_types_may_be_left_to_lean(pool: LeanPool) -> None:
    assert not (await screened(pool, "(l : List α) (f : α → β) : (l.map f).length = l.length", "")).flags
    entry = await screened(pool, "(l : List α) (a : R) : a = b ∧ l = l", "")
    assert flags(entry) == [("auto-bound", "Lean takes R, b for variables that nobody declared")]


async def test_misprints_that_do_not_fit_are_an_error(pool: LeanPool) -> None:
    entry = await screened(pool, "(a : Nat) (h : k + a = 3) (j : k = true) : a = a", "")
    assert (entry.asked, entry.why) == (False, "Unknown identifier `k`")


def test_names_are_made_unique() -> None:
    problems = [Problem(name, Theorem("t", "")) for name in ("a", "b", "a", "a")]
    assert [problem.name for problem in with_unique_names(problems)] == ["a", "b", "a (2)", "a (3)"]
