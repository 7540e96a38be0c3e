"""Pairs of theorems and proofs, in the formats that corpora are published in; the rows here are ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data import problems
from data.pairs import Pair, as_row, read
from data.problems import Problem, ProblemError
from data.theorem import Theorem
from lean_env import LeanPool

HEADER = "import Mathlib\nimport Aesop\n\nopen Real Nat\n\n"
STATEMENT = "theorem double (n : ℕ) (h : n = 2) : n + n = 4"
LEAN = """\
open Nat

namespace Foo

def two := 2

variable (n : Nat)

/-- One and one. -/
@[simp] theorem sum : 1 + 1 = two := by
  -- by its definition
  unfold two
-- now both sides are numerals
  rfl

theorem term : True := trivial

theorem long : True ∧ True :=
  have h := trivial
  ⟨h,
   h⟩

theorem beside : n = n ∧ True := by constructor
                                    · rfl
                                    · trivial

theorem hanging : n = n := by induction n with
  | zero => rfl
  | succ n ih =>
    rfl

theorem continued : n + 0 = n := by simp only [Nat.add_zero,
  Nat.zero_add]

theorem set_open : 1 = 1 := by
  open Nat in
  rfl

theorem hole : 1 = 2 := by sorry
theorem after_it : 1 = 1 := rfl
theorem by_it : 1 = 2 := by exact hole
theorem equations : ∀ n : Nat, n = n
  | 0 => rfl
  | _ + 1 => by have h := 1; rfl
theorem cut_off : 1 = 1 := by

end Foo
"""


def rows(tmp_path: Path, *given: object, name: str = "pairs.jsonl") -> Path:
    file = tmp_path / name
    file.write_text("".join(json.dumps(row) + "\n" for row in given))
    return file


@pytest.fixture
def lean(tmp_path: Path) -> Path:
    file = tmp_path / "Foo.lean"
    file.write_text(LEAN)
    return file


async def test_a_lean_file(lean: Path, pool: LeanPool) -> None:
    unreadable: list[ProblemError] = []
    unproved: list[str] = []
    found = {pair.problem.name.removeprefix("Foo."): pair for pair in read(lean, unreadable, unproved)}
    proofs = {name: pair.proof for name, pair in found.items()}
    assert proofs == {
        "sum": "-- by its definition\nunfold two\n-- now both sides are numerals\nrfl",
        "term": "exact trivial",
        "long": "exact\n  have h := trivial\n  ⟨h,\n   h⟩",
        "beside": "constructor\n· rfl\n· trivial",
        "hanging": "induction n with\n  | zero => rfl\n  | succ n ih =>\n    rfl",
        "continued": "simp only [Nat.add_zero,\n  Nat.zero_add]",
        "set_open": "open Nat in\nrfl",
        "after_it": "exact rfl",
    }
    assert found["sum"].problem.theorem.informal == "One and one."
    assert found["sum"].problem.theorem.statement == "@[simp] theorem sum : 1 + 1 = two"
    assert found["term"].problem.theorem.source == f"{lean}:16"
    line = {name: LEAN[: LEAN.index(f"theorem {name}")].count("\n") + 1 for name in ("hole", "by_it", "cut_off")}
    assert unproved == [f"{lean}:{number}" for number in line.values()]
    assert [str(error).split(": ")[1] for error in unreadable] == ["equations"]
    solved = [pair.problem.theorem.solution(pair.proof) for pair in found.values()]
    check = await pool.check("\n\n".join([LEAN[: LEAN.index("/-- One")], *solved, "end Foo"]))
    assert check.ok, check.errors


def test_what_was_read_comes_back(lean: Path, tmp_path: Path) -> None:
    whole = {"problem_id": "p", "full_proof": f"{HEADER}{STATEMENT} := by\n  omega", "split": "train", "source": "x"}
    given = [*read(lean, []), *read(rows(tmp_path, whole))]
    file = rows(tmp_path, *map(as_row, given), name="again.jsonl")
    assert list(read(file)) == given
    assert [problem.theorem.statement for problem in problems.read(file)] == [
        p.problem.theorem.statement for p in given
    ]
    assert [problem.name for problem in problems.read(file)] == [pair.problem.name for pair in given]


def test_a_pair_made_by_hand_comes_back(tmp_path: Path) -> None:
    theorem = Theorem("imo", "theorem imo : 1 = 1", HEADER, ("def a := 1\n  \n",), "On its own.", "here")
    pair = Pair(Problem("imo_1", theorem, "train", ("one", "two")), "rfl")
    bare = Pair(Problem("induction_1", Theorem("t", "theorem t : 1 = 1")), "· rfl")
    assert list(read(rows(tmp_path, as_row(pair), as_row(bare)))) == [
        pair,
        Pair(
            Problem("induction_1", Theorem("t", "theorem t : 1 = 1", source=f"{tmp_path / 'pairs.jsonl'}:2")), "· rfl"
        ),
    ]


@pytest.mark.parametrize("end", [" := by\n", " := by", "", " := by sorry", " :=\n  sorry"])
@pytest.mark.parametrize(
    ("given", "proof"),
    [
        ("\n  subst h\n  rfl\n", "subst h\nrfl"),
        ("  subst h\n  rfl", "subst h\nrfl"),
        ("subst h\n  rfl", "subst h\nrfl"),
        ("subst h\nrfl", "subst h\nrfl"),
        ("have g : n = 2 := by\n    omega\n  omega", "have g : n = 2 := by\n  omega\nomega"),
        ("have g : n = 2 := by\n  omega\nomega", "have g : n = 2 := by\n  omega\nomega"),
        ("cases h with\n  | refl => rfl", "cases h with\n  | refl => rfl"),
        ("simp [h,\n  two]", "simp [h,\n  two]"),
        ("by\n  omega", "omega"),
        (":= by omega", "omega"),
        (":= h ▸ rfl", "exact h ▸ rfl"),
        ("-- plan\n  subst h\n  rfl", "-- plan\nsubst h\nrfl"),
    ],
)
def test_a_statement_and_a_proof(tmp_path: Path, end: str, given: str, proof: str) -> None:
    row = {"name": "p", "split": "train", "header": HEADER, "informal_prefix": "/-- Double it. -/\n"}
    (pair,) = read(rows(tmp_path, row | {"formal_statement": STATEMENT + end, "formal_proof": given}))
    assert pair.proof == proof
    theorem = pair.problem.theorem
    assert (theorem.name, theorem.statement, theorem.header) == ("double", STATEMENT, HEADER)
    assert (theorem.informal, pair.problem.split, theorem.preamble) == ("Double it.", "train", ())


@pytest.mark.parametrize(
    "row",
    [
        {"full_proof": f"{HEADER}{STATEMENT} := by\n  omega\n"},
        {"formal_statement": f"{HEADER}{STATEMENT} := by sorry", "formal_proof": f"{HEADER}{STATEMENT} := by\n  omega"},
        {"formal_statement": "…", "formal_proof": None, "formal_ground_truth": f"{HEADER}{STATEMENT} := by omega"},
        {"lean_code": f"{STATEMENT} := by omega", "header": HEADER},
        {"prompt": f"Complete the code:\n\n```lean4\n{HEADER}{STATEMENT} := by\n  ", "target": "omega\n```"},
        {"formal_statement": f"{STATEMENT} :=  by sorry", "lean_header": HEADER, "proof": ["omega"]},
    ],
    ids=lambda row: next(name for name in reversed(row) if "header" not in name),
)
def test_other_formats(tmp_path: Path, row: dict[str, object]) -> None:
    (pair,) = read(rows(tmp_path, row | {"uuid": "u", "problem": "Double it."}))
    theorem = pair.problem.theorem
    assert (theorem.statement, theorem.header, pair.proof) == (STATEMENT, HEADER, "omega")
    assert theorem.informal == "Double it."


def test_several_proofs_of_one_statement(tmp_path: Path) -> None:
    row = {"formal_statement": f"{STATEMENT} := by sorry", "proof": ["omega", "by\n  simp [h]", "sorry"]}
    unproved: list[str] = []
    assert [pair.proof for pair in read(rows(tmp_path, row), None, unproved)] == ["omega", "simp [h]"]
    assert len(unproved) == 1


def test_the_last_theorem_of_a_whole_file_is_meant(tmp_path: Path) -> None:
    lemma = "lemma aux : 2 + 2 = 4 := by rfl\n\n"
    (pair,) = read(rows(tmp_path, {"full_proof": f"{HEADER}{lemma}{STATEMENT} := by\n  simp [h, aux]"}))
    assert (pair.problem.theorem.preamble, pair.proof) == ((lemma,), "simp [h, aux]")


def test_rows_that_are_no_pairs(tmp_path: Path) -> None:
    hole = "lemma aux : 2 + 2 = 4 := by sorry\n\n"
    answer = "abbrev answer : ℕ := sorry\n\n"
    file = rows(
        tmp_path,
        {"formal_statement": f"{STATEMENT} := by"},
        {"formal_statement": f"{STATEMENT} := by", "formal_proof": "have : n = 2 := by sorry\n  omega"},
        {"formal_statement": f"{STATEMENT} := by", "formal_proof": "admit"},
        {"full_proof": f"{hole}{STATEMENT} := by simp [h, aux]"},
        {"full_proof": f"{answer}theorem t : 1 = answer := by simp [answer]"},
        {"full_proof": f"{STATEMENT} := by\n  -- no sorry here\n  omega"},
    )
    unproved: list[str] = []
    assert len(list(read(file, None, unproved))) == 1
    assert unproved == [f"{file}:{number}" for number in range(1, 6)]


def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path) -> None:
    file = rows(tmp_path, {"x": 1}, [1], {"formal_proof": "simp"}, {"full_proof": "def a := 1"})
    file.write_text(file.read_text() + "{\n")
    unreadable: list[ProblemError] = []
    assert list(read(file, unreadable)) == []
    assert [str(error).partition(": ")[0] for error in unreadable] == [f"{file}:{number}" for number in range(1, 6)]
    with pytest.raises(ProblemError, match="none of the fields"):
        list(read(file))


def test_other_files(tmp_path: Path, lean: Path) -> None:
    array = tmp_path / "lean_workbook.json"
    array.write_text(json.dumps([{"id": "a", "formal_statement": f"{STATEMENT} := by sorry", "proof": ["omega"]}, 3]))
    unreadable: list[ProblemError] = []
    assert [pair.problem.name for pair in read(array, unreadable)] == ["a"]
    assert str(unreadable[0]) == f"{array}[1]: not a JSON object"
    assert list(read(tmp_path, [])) == list(read(lean, []))
    with pytest.raises(ProblemError, match="JSON lines"):
        list(read(tmp_path / "train.parquet"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProblemError, match="no Lean files"):
        list(read(tmp_path / "empty"))


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    row = {"name": "double", "formal_statement": STATEMENT + " := by", "formal_proof": "omega"}
    for name, text in (
        ("rows.jsonl", json.dumps(row)),
        ("rows.json", json.dumps([row])),
        ("rows.lean", f"import Std\n{STATEMENT} := by omega"),
    ):
        (tmp_path / name).write_text(text, "utf-8-sig")
        (pair,) = read(tmp_path / name)
        assert (pair.problem.name, pair.proof) == ("double", "omega")
        assert "\ufeff" not in pair.problem.theorem.header


def test_rows_that_are_nested_deeply_cannot_be_read(tmp_path: Path) -> None:
    deep, row = "[" * 100_000, json.dumps({"formal_statement": STATEMENT + " := by", "formal_proof": "omega"})
    (tmp_path / "rows.jsonl").write_text(f"{deep}\n{row}\n")
    unreadable: list[ProblemError] = []
    assert len(list(read(tmp_path / "rows.jsonl", unreadable))) == 1
    assert [str(error) for error in unreadable] == [f"{tmp_path}/rows.jsonl:1: nested more than 100 levels deep"]
    (tmp_path / "rows.json").write_text(deep)
    with pytest.raises(ProblemError, match="nested more than"):
        list(read(tmp_path / "rows.json"))
