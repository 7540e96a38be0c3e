"""A Lean file is cut into theorems by Lean's parser, and put together again byte for byte."""

from __future__ import annotations

import pytest

from data import parse
from data.headers import CORE
from data.lean_file import FileError, with_header
from lean_env import LeanPool
from lean_env.check import InputError

FILE = """\
import Std
open Nat

/-- Doubles, ünïcode and all. -/
def double (n : Nat) : Nat := n + n

namespace Größe
variable {α : Type} (xs : List α)

/-- First. -/
@[simp] theorem länge : (xs ++ []).length = xs.length := by
  sorry -- here

private theorem hidden : True := trivial
theorem «odd name» : 1 + 1 = 2 := by first | sorry | rfl
theorem byEquations : ∀ n : Nat, n = n
  | 0 => rfl
  | _ + 1 => sorry

end Größe

example (a b : Nat) : a + b = b + a := by
  sorry

-- theorem commented : False := by sorry
theorem text : "theorem quoted : False := by sorry".length > 0 := by sorry
"""


async def test_finds_theorems_and_nothing_else(pool: LeanPool) -> None:
    file = await parse(pool, FILE, "file.lean")
    assert [p.name for p in file.theorems] == [
        "Größe.länge", "Größe.hidden", "Größe.«odd name»", "Größe.byEquations", "example_line_22", "text",
    ]  # fmt: skip
    assert [p.open for p in file.theorems] == [True, False, True, True, True, True]
    assert [p.line for p in file.theorems] == [11, 14, 15, 16, 22, 26]
    assert file.theorems[0].informal == "First."


async def test_a_theorem_stands_on_its_own(pool: LeanPool) -> None:
    file = await parse(pool, FILE, "file.lean")
    first = file.theorem(file.theorems[0], {})
    assert first.statement == "@[simp] theorem länge : (xs ++ []).length = xs.length"
    assert first.header == "import Std\nopen Nat"
    assert first.source == "file.lean:11"
    for place in file.theorems:
        theorem = file.theorem(place, {})
        check = await pool.check(theorem.challenge, context=theorem.context)
        assert check.ok, (place.name, check)
        assert len(check.sorries) == 1


async def test_an_example_is_asked_about_as_a_theorem(pool: LeanPool) -> None:
    file = await parse(pool, FILE, "file.lean")
    theorem = file.theorem(file.theorems[4], {})
    assert theorem.statement == "theorem example_line_22 (a b : Nat) : a + b = b + a"
    assert (await pool.judge(theorem.claim("omega"))).proved


async def test_later_theorems_see_the_proofs_of_earlier_ones(pool: LeanPool) -> None:
    file = await parse(pool, "theorem a : 2 + 2 = 4 := by sorry\ntheorem b : 4 = 2 + 2 := by sorry\n")
    second = file.theorems[1]
    assert not (await pool.judge(file.theorem(second, {}).claim("exact a.symm"))).proved
    assert (
        await pool.judge(file.theorem(second, {"a": [file.proof(file.theorems[0], None, "rfl")]}).claim("exact a.symm"))
    ).proved


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
async def test_filling_in_changes_nothing_else(pool: LeanPool, newline: str, mark: str) -> None:
    raw = mark + FILE.replace("\n", newline)
    file = await parse(pool, raw)
    assert file.with_proofs({}) == raw
    found = {"Größe.länge": "simp", "example_line_22": "intros\nomega"}
    filled = file.with_proofs({d.name: [file.proof(d, None, found[d.name])] for d in file.theorems if d.name in found})
    expected = raw.replace(f":= by{newline}  sorry -- here", f":= by{newline}  simp -- here")
    expected = expected.replace(
        f"a + b = b + a := by{newline}  sorry", f"a + b = b + a := by{newline}  intros{newline}  omega"
    )
    assert filled == expected


async def test_a_proof_is_indented_with_its_theorem(pool: LeanPool) -> None:
    file = await parse(pool, "section\n  theorem a : 1 = 1 ∧ 2 = 2 := by sorry\nend\n")
    filled = file.with_proofs({"a": [file.proof(file.theorems[0], None, "constructor\n· rfl\n· rfl")]})
    assert filled == "section\n  theorem a : 1 = 1 ∧ 2 = 2 := by\n    constructor\n    · rfl\n    · rfl\nend\n"
    assert (await pool.check(filled)).ok


async def test_errors_in_a_proof_are_the_theorems_own(pool: LeanPool) -> None:
    file = await parse(pool, "theorem a : 1 = 2 := by rfl\ntheorem b : 1 = 1 := by sorry\n")
    assert [bool(p.errors) for p in file.theorems] == [True, False]
    assert (await pool.judge(file.theorem(file.theorems[1], {}).claim("rfl"))).proved


@pytest.mark.parametrize(
    "text", ["theorem a : (1).foo = 1 := by sorry", "def x : Nat := true", "theorem", "import Nowhere"]
)
async def test_errors_elsewhere_end_it(pool: LeanPool, text: str) -> None:
    with pytest.raises(FileError) as raised:
        await parse(pool, text)
    assert raised.value.messages


async def test_what_is_no_text_is_refused(pool: LeanPool) -> None:
    with pytest.raises(InputError):
        await parse(pool, "theorem a : True := by sorry -- \udcff")


async def test_a_header_takes_the_place_of_imports(pool: LeanPool) -> None:
    text = (
        "import Mathlib\nimport Aesop\nset_option maxHeartbeats 400000\nopen BigOperators Real Nat Topology Rat\n\n"
        "lemma x (n : ℕ) (z : ℤ) : n + 0 = n ∧ z + 0 = z := by sorry\n"
    )
    file = await parse(pool, await with_header(pool, text, CORE))
    assert [p.name for p in file.theorems] == ["x"]
    theorem = file.theorem(file.theorems[0], {})
    assert theorem.statement == "lemma x (n : ℕ) (z : ℤ) : n + 0 = n ∧ z + 0 = z"
    assert (await pool.judge(theorem.claim("simp"))).proved


OTHERS = """\
@[ext] structure S where
  n : Nat
  h : n = n
theorem foo (n : Nat) : n + 0 = n := aux n
where aux (n : Nat) : n + 0 = n := rfl
theorem bar : True := by
  let rec deep : 1 = 1 := rfl
  trivial
macro "state " n:ident : command => `(theorem $n : 1 + 1 = 2 := by sorry)
state made
namespace N
private theorem baz : 1 = 1 := rfl
end N
"""


async def test_theorems_that_are_no_declarations_of_their_own_are_named(pool: LeanPool) -> None:
    file = await parse(pool, OTHERS)
    assert [d.name for d in file.theorems] == ["foo", "bar", "N.baz"]
    assert [(o.name, o.line, o.how, o.open) for o in file.others] == [
        ("S.ext", 1, "made", False),
        ("S.ext_iff", 1, "made", False),
        ("S.h", 3, "field", False),
        ("foo.aux", 5, "inside", False),
        ("bar.deep", 7, "inside", False),
        ("made", 10, "made", True),
    ]
