"""Problems as the benchmarks publish them. The rows here are ours, in their formats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.problems import Problem, ProblemError, read
from data.syntax.declarations import SourceError, read_theorem
from lean_env import LeanPool

HEADER = "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen BigOperators Real\n\n"
STATEMENT = "theorem double (n : ℕ)\n    (h : n = 2) : n + n = 4"
PUTNAM = """\
import Mathlib

open Finset

abbrev putnam_0000_a1_solution : ℕ := sorry
-- 7
/--
Find it.
-/
theorem putnam_0000_a1
(n : ℕ)
(hn : n = 7) :
n = putnam_0000_a1_solution :=
sorry
"""


def rows(tmp_path: Path, *given: dict[str, object]) -> list[Problem]:
    file = tmp_path / "problems.jsonl"
    file.write_text("".join(json.dumps(row) + "\n\n" for row in given))
    return list(read(file))


@pytest.mark.parametrize("end", [" := by\n", " := by sorry", " :=\n  sorry", " := by\n  nlinarith [h]\n  done", " :="])
def test_v15_rows(tmp_path: Path, end: str) -> None:
    row = {"name": "p1", "split": "valid", "header": HEADER, "informal_prefix": "/-- Double it. -/\n"}
    (problem,) = rows(tmp_path, row | {"formal_statement": STATEMENT + end, "goal": "…"})
    assert (problem.name, problem.split) == ("p1", "valid")
    theorem = problem.theorem
    assert (theorem.name, theorem.statement, theorem.header) == ("double", STATEMENT, HEADER)
    assert theorem.informal == "Double it."
    assert theorem.context == (HEADER,)


def test_proverbench_rows_have_their_header_in_the_statement(tmp_path: Path) -> None:
    text = HEADER + "def two : ℕ := 2\n\n@[simp]\nlemma aux : two = 2 := rfl\n\n" + STATEMENT + " := by\n  sorry"
    (problem,) = rows(tmp_path, {"name": "p", "area": "Number Theory", "formal_statement": text})
    assert problem.tags == ("Number Theory",)
    assert problem.theorem.header == HEADER
    assert problem.theorem.preamble == ("def two : ℕ := 2\n\n@[simp]\nlemma aux : two = 2 := rfl\n\n",)


def test_a_folder_of_lean_files(tmp_path: Path) -> None:
    (tmp_path / "a.lean").write_text(PUTNAM)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.lean").write_text(STATEMENT + " := by sorry")
    first, second = read(tmp_path)
    assert [first.name, second.name] == ["a", "b"]
    assert first.theorem.statement == "theorem putnam_0000_a1\n(n : ℕ)\n(hn : n = 7) :\nn = putnam_0000_a1_solution"
    assert first.theorem.header == "import Mathlib\n\nopen Finset\n\n"
    assert first.theorem.preamble == ("abbrev putnam_0000_a1_solution : ℕ := sorry\n-- 7\n",)
    assert first.theorem.informal == "Find it."


def test_a_folder_tells_the_split_and_files_that_gather_others_are_no_problems(tmp_path: Path) -> None:
    for name in ("Test/imo_1.lean", "Valid/deep/amc12a_2.lean", "c.lean"):
        (tmp_path / "Mini" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Mini" / name).write_text(STATEMENT + " := by sorry")
    (tmp_path / "Mini" / "Test.lean").write_text("import Mini.Test.imo_1\n")
    assert [(p.name, p.split) for p in read(tmp_path / "Mini")] == [
        ("imo_1", "test"),
        ("amc12a_2", "valid"),
        ("c", ""),
    ]
    assert [p.split for p in read(tmp_path / "Mini" / "Valid")] == ["valid"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProblemError, match="it has no Lean files"):
        list(read(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("mathd_algebra_1", ("mathd", "algebra")),
        ("mathd_numbertheory_1", ("mathd", "number theory")),
        ("numbertheory_x", ("number theory",)),
        ("algebra_x", ("algebra",)),
        ("induction_x", ("induction",)),
        ("amc12a_2000_p1", ("amc",)),
        ("aimeII_2000_p1", ("aime",)),
        ("imosl_2000_p1", ("imo",)),
        ("exercise_1", ()),
    ],
)
def test_names_of_minif2f_are_tags_where_a_row_has_none(tmp_path: Path, name: str, tags: tuple[str, ...]) -> None:
    row = {"name": name, "formal_statement": STATEMENT + " := by"}
    bare, tagged = rows(tmp_path, row, row | {"source": "Artin.lean"})
    assert bare.tags == tags
    assert tagged.tags == ("Artin",)


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    good = json.dumps({"name": "a", "formal_statement": STATEMENT + " := by"})
    cut = json.dumps({"name": "b", "formal_statement": "theorem b : let x := sorry"})
    file.write_text(f"{good}\n{cut}\nx\n{good}\n")
    unreadable: list[ProblemError] = []
    assert len(list(read(file, unreadable))) == 2
    assert [str(error).partition(": ")[0] for error in unreadable] == [f"{file}:2", f"{file}:3"]
    with pytest.raises(ProblemError, match="2: b: the statement has no `:=`"):
        list(read(file))


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("theorem t : let x := 3; x = 3 := by rfl", "theorem t : let x := 3; x = 3"),
        ("theorem t (n : Nat := 3) : n = n := rfl", "theorem t (n : Nat := 3) : n = n"),
        ('theorem t : ":=" = ":=" /- := -/ := rfl', 'theorem t : ":=" = ":=" /- := -/'),
        ("/-- a := b -/\nprivate theorem t : 1 = 1 := rfl", "private theorem t : 1 = 1"),
        ("/-- d -/\n@[simp, grind =]\ntheorem t : 1 = 1 := rfl", "@[simp, grind =]\ntheorem t : 1 = 1"),
        ("theorem a : 1 = 1 := rfl\nlemma t : 2 = 2 := by\n  have x : 1 = 1 := rfl\n  rfl", "lemma t : 2 = 2"),
    ],
)
def test_where_the_statement_ends(text: str, statement: str) -> None:
    assert read_theorem(text).statement == statement.rstrip()


def test_names_are_full() -> None:
    text = "namespace A\nsection S\ntheorem B.t : 1 = 1 := rfl\nend S\nend A\ntheorem u : 1 = 1 := rfl"
    assert read_theorem(text).name == "u"
    assert read_theorem(text, "A.B.t").statement == "theorem B.t : 1 = 1"
    with pytest.raises(SourceError, match=r"no theorem is called B\.t; there is: A\.B\.t, u"):
        read_theorem(text, "B.t")


async def test_what_is_read_is_what_lean_reads(pool: LeanPool) -> None:
    statement = "theorem t (n : Nat) (h : n = two) : let m := n; m + 0 = 2"
    text = f"open Nat\n\ndef two := 2\n\n/-- Two. -/\n{statement} := by\n  sorry"
    theorem = read_theorem(text)
    check = await pool.check(theorem.challenge, context=theorem.context)
    assert check.ok
    assert (await pool.judge(theorem.claim("subst h; rfl"))).proved


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "1: not a JSON object"),
        ("{", "1: not JSON"),
        ("[" * 100_000, "1: nested more than 100 levels deep"),
        ('{"formal_statement": ' + "[" * 500 + "]" * 500 + "}", "1: nested more than 100 levels deep"),
        ('{"name": "a"}', "1: none of the fields formal_statement"),
        ('{"formal_statement": "1 = 1"}', "1: no theorem"),
        ('{"formal_statement": "theorem t : 1 = 1"}', "the statement has no `:=`"),
        ('{"formal_statement": "\\u0000"}', "1: no theorem"),
        ('{"formal_statement": "theorem"}', "no theorem"),
        ('{"formal_statement": "@"}', "no theorem"),
    ],
)
def test_what_is_no_problem_is_said(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(ProblemError, match=said):
        list(read(file))


def test_open_in_belongs_to_the_theorem() -> None:
    statement = "open Nat in\nset_option maxRecDepth 900 in\ntheorem t (n : ℕ) : n = n"
    theorem = read_theorem(f"import Mathlib\n\ndef two := 2\n\n{statement} := by sorry\n")
    assert theorem.statement == statement
    assert [piece.strip() for piece in theorem.preamble] == ["def two := 2"]


def test_a_lean_file_with_several_open_theorems_is_several_problems(tmp_path: Path) -> None:
    file = tmp_path / "many.lean"
    file.write_text(
        "namespace A\ntheorem a : 1 = 1 := sorry\ntheorem b : 2 = 2 := rfl\ntheorem c : 3 = 3 := by sorry\nend A\n"
    )
    problems = list(read(file))
    assert [(p.name, p.theorem.statement) for p in problems] == [
        ("A.a", "theorem a : 1 = 1"),
        ("A.c", "theorem c : 3 = 3"),
    ]
    file.write_text("theorem b : 2 = 2 := rfl\ntheorem c : 3 = 3 := by sorry\n")
    assert [p.name for p in read(file)] == ["many"]


def test_fields_that_do_not_end_their_line_are_kept_apart(tmp_path: Path) -> None:
    row = {
        "header": "import Mathlib",
        "informal_prefix": "/-- One. -/",
        "formal_statement": "  theorem t : 1 = 1 := by",
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (problem,) = read(tmp_path / "rows.jsonl")
    assert (problem.name, problem.theorem.header.strip()) == ("t", "import Mathlib")
    assert problem.theorem.informal == "One."


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    row = json.dumps({"name": "t", "formal_statement": "theorem t : 1 = 1 := by"})
    (tmp_path / "rows.jsonl").write_text(f"\n{row}\n{row}\n", "utf-8-sig")
    assert [p.name for p in read(tmp_path / "rows.jsonl")] == ["t", "t"]
    (tmp_path / "lean").mkdir()
    (tmp_path / "lean" / "t.lean").write_text("import Std\ntheorem t : 1 = 1 := by sorry", "utf-8-sig")
    (tmp_path / "lean" / "all.lean").write_text("import t\n", "utf-8-sig")
    (problem,) = read(tmp_path / "lean")
    assert problem.theorem.header == "import Std\n"
