"""Values of types, and numbers that are guessed for a statement, without Lean."""

from __future__ import annotations

import pytest

from prover.policy.tactics.negation import Game
from prover.policy.tactics.solutions import Numbers
from prover.policy.tactics.state import read_goals
from prover.policy.tactics.values import Values, read_definition, substitute

TREE = """\
inductive Tree.{u} : Type u → Type u
number of parameters: 1
constructors:
Tree.leaf : {α : Type u} → Tree α
Tree.node : {α : Type u} → Tree α → α → Tree α → Tree α"""
POINT = """\
structure Point : Type
number of parameters: 0
fields:
  Point.x : Nat
  Point.small : x < 2
constructor:
  Point.mk (x : Nat) (small : x < 2) : Point"""


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("Bool", ["true", "false"]),
        ("Fin 2", ["0", "1"]),
        ("Fin (1 + 1)", ["0", "1"]),
        ("Empty", []),
        ("Option Bool", ["none", "(some true)", "(some false)"]),
        ("Bool × Fin 1", ["(true, 0)", "(false, 0)"]),
        ("Tree (Fin 0)", ["Tree.leaf"]),
        ("Unit → Empty", []),
    ],
)
def test_all_values_of_small_types(type_: str, values: list[str]) -> None:
    assert Values({"Tree": read_definition(TREE)}).of(type_) == values


@pytest.mark.parametrize(
    ("type_", "some"),
    [
        ("List Nat", ["[]", "[0]", "[0, 1]", "[1, 0]"]),
        ("Nat → Nat", ["(fun _ => 0)", "(fun x => x)", "(fun x => (x + 1))"]),
        ("Bool → Bool", ["(fun x => (!x))"]),
        ("Nat → Nat → Prop", ["(fun x x1 => (x ≤ x1))"]),
        ("Tree Bool", ["(Tree.node Tree.leaf true Tree.leaf)"]),
        ("Point", ["(Point.mk 0 (by decide))"]),
    ],
)
def test_some_values_of_large_types(type_: str, some: list[str]) -> None:
    values = Values({"Tree": read_definition(TREE), "Point": read_definition(POINT)}).of(type_)
    assert set(some) <= set(values)


def test_types_that_must_be_looked_up() -> None:
    values = Values()
    assert values.unknown(["List (Tree Nat)", "Fin 3", "n < 3"]) == {"Tree"}
    values.definitions["Tree"] = read_definition(TREE)
    assert values.unknown(["List (Tree Nat)"]) == set()
    assert values.of("Missing") == ["inferInstance"]


def test_an_abbreviation_has_the_values_of_what_it_stands_for() -> None:
    values = Values({"Flag": read_definition("@[reducible] def Flag : Type :=\nBool")})
    assert values.of("Flag") == ["true", "false"]


def test_substitution_of_whole_names() -> None:
    assert substitute("n < n' ∧ xs.n = n.succ", {"n": "2", "xs": "[1, 2]"}) == "2 < n' ∧ [1, 2].n = 2.succ"


def test_numbers_that_equations_give() -> None:
    (goal,) = read_goals("x a : Nat\nh : a.gcd 12 = x + 1\nk : 11 ≤ x\n⊢ a < 12")
    assert next(iter(Numbers(goal).solutions())) == {"a": 12, "x": 11}


def test_what_is_certainly_no_counterexample() -> None:
    (goal,) = read_goals("n : Nat\nf : Nat → Nat\nh : n < 3\n⊢ n - 5 = 0 ∧ f n = 0")
    assert Numbers(goal).excluded({"n": 4})
    assert not Numbers(goal).excluded({"n": 2})  # of f nothing is known


def test_a_law_of_an_unknown_number_is_used_with_a_larger_one() -> None:
    assert "have h := h (w0 + 1)" in Game(Values()).refuting("∃ (m : Nat), ∀ (n : Nat), n ≤ m")
