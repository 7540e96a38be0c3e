"""Headers written for Mathlib, as core Lean can have them."""

from __future__ import annotations

import pytest

from data.headers import CORE, core
from lean_env import LeanPool

MATHLIB = """\
import Mathlib
import Aesop -- open Nothing

set_option maxHeartbeats 400000

/-! Do not `import This`, nor
open That -/
open BigOperators Real Nat Topology Rat

"""


def without_core(header: str) -> str:
    """What `core` makes of a header, in a line, without what every header gets."""
    found = core(header)
    assert found.startswith(CORE)
    lines = found.removeprefix(CORE).splitlines()
    return " ".join(" ".join(line for line in lines if not line.startswith("namespace ")).split())


def namespaces(header: str) -> list[str]:
    """The namespaces that `core` makes for a header."""
    lines = core(header).removeprefix(CORE).splitlines()
    return [line.removeprefix("namespace ").split(" end ")[0] for line in lines if line.startswith("namespace ")]


def test_only_imports_are_taken_away() -> None:
    kept = (
        "-- open Nothing set_option maxHeartbeats 400000 /-! Do not `import This`, nor open That -/ open BigOperators"
    )
    assert without_core(MATHLIB) == f"{kept} Real Nat Topology Rat"
    assert namespaces(MATHLIB) == ["BigOperators", "Nat", "Rat", "Real", "Topology"]


@pytest.mark.parametrize(
    ("header", "left", "made"),
    [
        ("", "", []),
        ("import Mathlib.Tactic import Aesop open Foo", "open Foo", ["Foo"]),
        ("public import Mathlib", "", []),
        ("import Mathlib\nopen scoped Foo Bar.Baz\n", "open scoped Foo Bar.Baz", ["Bar.Baz", "Foo"]),
        ("open\n  Foo -- and\n  Bar", "open Foo Bar", ["Bar", "Foo"]),
        ("open Nat (sqrt)", "open Nat", ["Nat"]),
        ("open Nat hiding sqrt pos_of_ne_zero\nopen Foo", "open Nat open Foo", ["Foo", "Nat"]),
        ("open Nat renaming sqrt → root", "open Nat", ["Nat"]),
        ("open Foo in\n", "open Foo", ["Foo"]),
        ("set_option maxRecDepth 5000 in", "set_option maxRecDepth 5000", []),
        ("set_option linter.style.longLine false\nset_option pp.all true", "set_option pp.all true", []),
        ("open _root_.Foo «the bar»", "open Foo «the bar»", ["Foo", "«the bar»"]),
        ("open Foo /- open Bar -/ Baz", "open Foo Baz", ["Baz", "Foo"]),
        ("universe u v\nopen Foo", "universe u v open Foo", ["Foo"]),
    ],
)
def test_what_core_lean_does_not_have_is_replaced(header: str, left: str, made: list[str]) -> None:
    assert without_core(header) == left
    assert namespaces(header) == made


@pytest.mark.parametrize(
    "header", ["open", "open in", "import", "set_option", "set_option linter.", "open (", "/-", '"']
)
def test_what_is_no_header_breaks_nothing(header: str) -> None:
    assert core(header).startswith(CORE)


@pytest.mark.parametrize(
    "header",
    [
        MATHLIB,
        "import Mathlib\nset_option linter.mathlibStandardSet false\nopen scoped Topology\nopen Nat (sqrt) in\n",
        "open Nat hiding nothingThere\nopen Real renaming exp → e\nopen Function Filter.Germ",
    ],
)
async def test_core_lean_takes_what_comes_out(pool: LeanPool, header: str) -> None:
    check = await pool.check("lemma t (n : ℕ) (z : ℤ) (h : z = n) : n = z := h.symm", context=(core(header),))
    assert check.ok, check.messages


async def test_an_opened_namespace_is_open(pool: LeanPool) -> None:
    check = await pool.check("theorem t : gcd 4 6 = 2 := rfl", context=(core("import Mathlib\nopen Nat (sqrt gcd)\n"),))
    assert check.ok, check.messages


async def test_what_core_does_not_know_is_no_variable(pool: LeanPool) -> None:
    check = await pool.check("theorem t (x y : ℝ) (h : x = y) : y = x := h.symm", context=(core(MATHLIB),))
    assert "`ℝ`" in check.errors[0].text
    says = core("import Mathlib\nset_option autoImplicit true\n")  # the header's own word is the last
    assert (await pool.check("theorem t (h : k + 2 = 4) : k = 2 := by omega", context=(says,))).ok
