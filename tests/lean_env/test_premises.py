"""A goal's premises: what Lean tells of a text's definitions and lemmas, written as it means them at the goal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from lean_env import LeanPool
from lean_env.embedded import install
from lean_env.premises import Constant, Lemma, Premises

TEXT = (
    """
namespace A
inductive T | leaf (n : Nat) | fork (l r : T)
private def T.sum : T → Nat | leaf n => n | fork l r => l.sum + r.sum
def «odd name» (t : T) : Nat := helper t where helper (t : T) := t.sum
def unrelated : Nat := 1
abbrev Ts := List T
inductive Has : Nat → T → Prop
  | here n : Has n (.leaf n)
  | left {n l r} : Has n l → Has n (.fork l r)
instance : Add T := ⟨.fork⟩
""",
    "theorem open_one (t : T) : t.sum = t.sum := by sorry",
    "theorem from_open (t : T) : t.sum = t.sum := open_one t",
    "private theorem sum_fork (l r : T) : (T.fork l r).sum = l.sum + r.sum := by simp [T.sum]",
    "theorem other : unrelated = 1 := rfl",
    "end A\nnamespace B\ndef sum : Nat := 0",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool() -> AsyncIterator[LeanPool]:
    install.install()
    async with LeanPool(workers=1) as pool:
        yield pool


async def premises(pool: LeanPool, statement: str, after: str = "") -> Premises:
    found = await pool.premises(f"theorem t {statement} := by sorry", after=after, context=TEXT)
    assert found is not None
    return found


async def test_definitions_in_the_goal_and_one_unfolding_away(pool: LeanPool) -> None:
    found = await premises(pool, "(s : A.T) : A.«odd name» s = A.unrelated")
    assert {(w.name, w.kind, w.near) for w in found.constants} == {
        ("A.«odd name»", "definition", True),
        ("A.unrelated", "definition", True),
        ("A.T", "type", True),
        ("A.«odd name».helper", "definition", False),
    }


async def test_names_mean_what_they_meant(pool: LeanPool) -> None:
    """`sum` is B's here, and a variable may have a definition's name; what is open may be written short."""
    found = await premises(pool, "(s : A.T) (sum : Nat) : s.sum = sum + B.sum")
    assert {w.name for w in found.constants} == {"A.T.sum", "B.sum", "A.T"}
    within = await pool.premises("open A in theorem t (s : T) : s.sum = 0 := by sorry", context=TEXT)
    assert within is not None
    assert {w.name for w in within.constants} == {"T.sum", "T"}
    for word in within.constants:
        check = await pool.check(f"open A in example : True := by have := @{word.name}; trivial", context=TEXT)
        assert check.ok


async def test_lemmas_that_share_symbols_and_are_proved(pool: LeanPool) -> None:
    assert (await premises(pool, "(l : A.T) : l.sum = 1")).lemmas == (Lemma("A.sum_fork", True, True),)
    assert (await premises(pool, ": A.unrelated = 1")).lemmas == (Lemma("A.other", True, True),)
    assert (await premises(pool, ": 1 = 1")).lemmas == ()


async def test_locals_calls_and_shapes(pool: LeanPool) -> None:
    found = await premises(pool, "(s : A.T) (h : A.Has 1 (.fork s s)) : ∀ n, (s + s).sum = n → ∃ m, m = s.sum")
    assert (found.shape, found.names) == ("∀", ("n", ""))
    assert [(v.name, v.type, v.own, v.predicate, v.variables, v.arguments) for v in found.locals] == [
        ("s", "A.T", True, False, (), ()),
        ("h", "A.Has", True, True, (), ("1", "s.fork s")),
    ]
    assert found.methods == ("HAdd.hAdd", "Add.add")
    assert [(c.text, c.function, c.recursive) for c in found.calls] == [("s.sum", "A.T.sum", True)]
    (predicate,) = (w for w in found.constants if w.kind == "predicate")
    assert predicate == Constant("A.Has", "predicate", True, True, ("A.Has.here", "A.Has.left"))
    later = await premises(pool, "(s : A.T) : ∀ n, s.sum = n → True", after="intro n h")
    assert (later.shape, [v.name for v in later.locals]) == ("", ["s", "n", "h"])
