"""The search knows the file it works in: each theorem here needs a definition, a lemma or an induction of the file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from data import Theorem
from lean_env import LeanPool, Reason
from lean_env.embedded import install
from prover.policy import TacticsPolicy
from search import Budget
from search.searches import searcher

FILE = (
    """
namespace Shop
structure Till where
  coins : List Nat
  log : List Nat
namespace Till
def put (t : Till) (c : Nat) : Till := ⟨c :: t.coins, t.log⟩
def worth (t : Till) : Nat := t.coins.foldl (· + ·) 0 + 0 * t.log.length
def Full (t : Till) : Prop := ∃ c, c ∈ t.coins ∧ 100 ≤ c
end Till
inductive Constant where
  | none
  | letter (c : Char) (w : Constant)
namespace Constant
def app : Constant → Constant → Constant
  | none, w => w
  | letter c v, w => letter c (app v w)
instance : Append Constant := ⟨app⟩
def len : Constant → Nat
  | none => 0
  | letter _ w => w.len + 1
def onto : Constant → Constant → Constant
  | none, acc => acc
  | letter c w, acc => w.onto (letter c acc)
inductive Part : Constant → Constant → Prop
  | stop : Part none none
  | keep {v w} (c) : Part v w → Part (letter c v) (letter c w)
  | skip {v w} (c) : Part v w → Part v (letter c w)
""",
    "theorem app_none (w : Constant) : w ++ none = w := by\n  induction w with\n  | none => rfl\n"
    "  | letter c w ih => exact congrArg (letter c) ih",
    "theorem wrong (v w : Constant) : v ++ w = w ++ v := by sorry",
)
THEOREMS = {
    "a definition": "(t : Till) (c : Nat) : (t.put c).coins.length = t.coins.length + 1",
    "a proposition": "(t : Till) (c : Nat) (h : t.Full) : (t.put c).Full",
    "a function's own induction": "(v w : Constant) : (v.onto w).len = v.len + w.len",
    "a type's induction": "(w : Constant) : w.Part w",
    "a lemma": "(v w : Constant) (h : w = none) : (v ++ w).len = v.len",
    "an instance": "(u v w : Constant) : u ++ v ++ w = u ++ (v ++ w)",
    "a derivation": "{v w : Constant} (h : v.Part w) : v.len ≤ w.len",
    "a witness": "(w : Constant) : ∃ n, n ≥ w.len ∧ n ≤ w.len",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool() -> AsyncIterator[LeanPool]:
    install.install()
    async with LeanPool(workers=2) as pool:
        yield pool


@pytest.mark.parametrize("what", THEOREMS)
async def test_what_the_file_has_is_used(pool: LeanPool, what: str) -> None:
    theorem = Theorem("Shop.Constant.t", f"theorem t {THEOREMS[what]}", preamble=FILE)
    result = await searcher("auto", pool, TacticsPolicy()).prove(theorem, Budget(checks=60, cpu=60))
    assert result.proved, result.reasons


async def test_a_lemma_that_is_open_is_not_used(pool: LeanPool) -> None:
    theorem = Theorem("Shop.Constant.t", "theorem t (v w : Constant) : (v ++ w) = (w ++ v)", preamble=FILE)
    result = await searcher("auto", pool, TacticsPolicy()).prove(theorem, Budget(checks=60, cpu=60))
    assert not result.proved
    assert Reason.SORRY not in result.reasons
