"""Theorems in lean4export's format: what a checker that is not Lean is given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lean_env import LeanPool
from lean_env.check import ContextError

TEXT = """\
inductive Tree (α : Type) : Type
  | node (value : α) (children : List (Tree α)) : Tree α
mutual
inductive Odd : Nat → Prop
  | step (n : Nat) : Even n → Odd (n + 1)
inductive Even : Nat → Prop
  | zero : Even 0
  | step (n : Nat) : Odd n → Even (n + 1)
end
structure Pair where
  x : Nat
  y : Nat
  h : x < y
def root : Tree Nat → Nat
  | .node v _ => v
theorem left (p : Pair) : p.x + 1 ≤ p.y := p.h
theorem both (p : Pair) : p.x + 1 ≤ p.y ∧ Even 2 ∧ root (.node 3 []) = 3 :=
  ⟨left p, .step 1 (.step 0 .zero), let three := 3; (rfl : root (.node three []) = three)⟩
theorem large : 123456789012345678901234567890 * 2 = 246913578024691357802469135780 ∧ "ab".length = 2 := by decide
theorem other : True := trivial
"""


class Read:
    """An export, every index in it looked up among the lines before."""

    def __init__(self, ndjson: str) -> None:
        lines = [json.loads(line) for line in ndjson.splitlines()]
        assert lines[0]["meta"]["format"]["version"] == "3.1.0"
        self.names, self.levels, self.expressions = {0: ""}, {0}, set[int]()
        self.constants: list[tuple[str, str]] = []  # (kind, name) in their order
        self.used: set[str] = set()
        self.literals: set[str] = set()
        for line in lines[1:]:
            self._read(line)

    def _read(self, line: dict[str, Any]) -> None:
        if "in" in line:
            part = line.get("str") or line["num"]
            self.names[line["in"]] = f"{self.names[part['pre']]}.{part.get('str', part.get('i'))}".lstrip(".")
        elif "il" in line:
            self._known(line, {})
            self.levels.add(line["il"])
        elif "ie" in line:
            self._known(line, {})
            self.literals |= {line[kind] for kind in ("natVal", "strVal") if kind in line}
            self.expressions.add(line["ie"])
        else:
            for kind, constant in self._declared(line):
                self._known(constant, {"all", "ctors"})
                self.constants.append((kind, self.names[constant["name"]]))

    def _declared(self, line: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        ((kind, what),) = line.items()
        if kind != "inductive":
            yield kind, what
        else:
            for part in ("types", "ctors", "recs"):
                yield from ((part, constant) for constant in what[part])

    def _known(self, item: dict[str, Any], later: set[str]) -> None:
        """Every index stands for something that came before."""
        for key, value in item.items():
            if key in ("fn", "arg", "type", "body", "value", "struct", "rhs"):
                assert value in self.expressions
            elif key in ("name", "typeName", "induct", "ctor", "param"):
                assert value in self.names
            elif key in ("succ", "sort"):
                assert value in self.levels
            elif key in ("max", "imax", "us"):
                assert self.levels.issuperset(value)
            elif key == "const":
                self.used.add(self.names[value["name"]])
            if isinstance(value, dict):
                self._known(value, later)
            elif isinstance(value, list):
                for part in value:
                    if isinstance(part, dict):
                        self._known(part, later)


async def test_all_that_a_theorem_rests_on_and_nothing_else(pool: LeanPool) -> None:
    ndjson, given = await pool.export(TEXT, ["both", "large"])
    read = Read(ndjson)
    declared = [name for _, name in read.constants]
    assert len(declared) == len(set(declared))
    assert read.used <= set(declared)
    assert {"left", "both", "large"} <= {name for kind, name in read.constants if kind == "thm"}
    assert {"Tree.rec", "Tree.rec_1", "Odd.rec", "Even.rec", "Pair.rec", "Nat.rec"} <= set(declared)
    assert "other" not in declared
    assert read.literals >= {"123456789012345678901234567890", "246913578024691357802469135780", "ab"}
    declarations = [line for line in ndjson.splitlines() if not line.startswith(('{"in"', '{"il"', '{"ie"', '{"meta"'))]
    own = [json.loads(line) for line in declarations[given:]]
    names = {read.names[part["name"]] for line in own for _, part in read._declared(line)}
    assert {"Tree", "Odd", "Even", "Pair", "root", "left", "both"} <= names
    assert not names & {"Nat", "List", "Nat.add", "Eq"}


async def test_a_library_theorem_is_an_axiom(pool: LeanPool) -> None:
    ndjson, _ = await pool.export("theorem t (a b : Nat) : a + b = b + a := Nat.add_comm a b", ["t"])
    assert ("axiom", "Nat.add_comm") in Read(ndjson).constants


async def test_what_is_not_there_is_left_out(pool: LeanPool) -> None:
    ndjson, given = await pool.export("theorem t : True := trivial", ["nobody"])
    assert (Read(ndjson).constants, given) == ([], 0)
    with pytest.raises(ContextError):
        await pool.export("theorem t : 1 = 2 := rfl", ["t"])
