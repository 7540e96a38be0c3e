"""`prover data pairs` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data import problems
from data.pairs import read
from data.splits import is_held_out
from tests.commands import prover_here

EVALUATION = {"name": "e", "formal_statement": "theorem e (a b : Nat) : a + b = b + a := by\n"}
ROWS = [
    {"name": "copy", "formal_statement": "theorem c (m n : Nat) : m + n = n + m := by", "formal_proof": "omega"},
    {"name": "zero", "formal_statement": "theorem z (n : Nat) : n + 0 = n := by", "formal_proof": "rfl"},
    {"name": "again", "formal_statement": "theorem y (k : Nat) : k + 0 = k := by", "formal_proof": "  rfl -- at once"},
    {"name": "wrong", "formal_statement": "theorem w (n : Nat) : n + 0 = n + 1 := by", "formal_proof": "simp"},
    {"name": "open", "formal_statement": "theorem o : 1 = 1 := by", "formal_proof": "sorry"},
    {"name": "odd"},
    {"name": "\ud800", "formal_statement": "theorem s : 2 = 2 := by", "formal_proof": "exact id rfl \udfff"},
    *(
        {"name": f"n{n}", "formal_statement": f"theorem n{n} : {n} + 1 = {n + 1} := by", "formal_proof": "decide"}
        for n in range(20)
    ),
]


def prover(*args: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "prover", "data", "pairs", *map(str, args)], capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "corpus.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


def names(file: Path) -> list[str]:
    return [pair.problem.name for pair in read(file)]


def test_a_corpus_is_cleaned_and_split(corpus: Path, tmp_path: Path) -> None:
    evaluation, out, away = (tmp_path / f"{name}.jsonl" for name in ("evaluation", "out", "away"))
    evaluation.write_text(json.dumps(EVALUATION) + "\n")
    split = ["--held-out", 0.3, "--held-out-to", away]
    done = prover(corpus, "--out", out, "--against", evaluation, *split, "--check")
    assert done.returncode == 0, done.stderr
    told = {line[8:].split("  ")[1]: int(line[:8]) for line in done.stdout.splitlines() if "written" not in line}
    assert told == {
        "no proof, or one with a sorry": 1,
        "cannot be read": 1,
        "the same again, or more than enough proofs": 1,
        "in a benchmark": 1,
        "does not hold": 2,
    }
    assert "copy is e (statement)" in done.stdout
    assert "1 error" in done.stdout
    assert "1 input" in done.stdout
    expected = ["zero", *(f"n{n}" for n in range(20))]
    assert sorted(names(out) + names(away)) == sorted(expected)
    assert 0 < len(names(away)) < 15
    assert all(is_held_out(problem.theorem, 0.3) for problem in problems.read(away))
    assert not any(is_held_out(problem.theorem, 0.3) for problem in problems.read(out))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--held-out", "0.1"], "given together"),
        (["--held-out", "0.1", "--held-out-to", "OUT"], "the same file"),
        (["--against", "minif3f"], "no benchmark called 'minif3f'"),
        (["nowhere.jsonl"], "nowhere.jsonl: No such file"),
    ],
)
def test_wrong_input(corpus: Path, tmp_path: Path, args: list[str], said: str) -> None:
    out = tmp_path / "out.jsonl"
    done = prover_here("data", "pairs", corpus, "--out", out, *(str(out) if arg == "OUT" else arg for arg in args))
    assert done.returncode == 2
    assert said in done.stderr
    assert not out.exists()


def test_nothing_to_read(tmp_path: Path) -> None:
    file = tmp_path / "open.jsonl"
    file.write_text(json.dumps(EVALUATION) + "\n")
    done = prover_here("data", "pairs", file, "--out", tmp_path / "out.jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    assert "all its theorems are open" in done.stderr
