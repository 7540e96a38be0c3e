"""`prover eval` and `prover data validate` as a user meets them: real processes, the real Lean."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands import prover_here

HEADER = "import Mathlib\n\nopen Real Nat\n\n"
STATEMENTS = {
    "easy": "theorem easy (n : ℕ) : n + 0 = n := by\n",
    "odd": "theorem odd (n : ℕ) (h : n % 4 = 3) : n % 2 = 1 := by\n",
    "wrong": "theorem wrong (n : ℕ) : n * n = n := by\n",
    "void": "theorem void (n : ℕ) (h : n < 3) (k : 5 < n) : n * n = 77 := by\n",
    "real": "theorem real (x : ℝ) : x = x := by\n",
}


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "small.jsonl"
    rows = [{"name": n, "split": "valid", "header": HEADER, "formal_statement": s} for n, s in STATEMENTS.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def prover(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prover", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
def test_from_a_benchmark_to_a_report_that_is_checked_again(problems: Path, tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(f"problems: {problems}\nsearch: rmaxts\nbudget: {{seconds: 20, checks: 20}}\n")
    done = prover("eval", "run", config, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "5 problems: 4 asked, 1 this Lean cannot express" in done.stdout
    assert "3 proved, 1 failed: 75.0%" in done.stdout
    assert "flagged by the audit: 2, of which proved: 1" in done.stdout
    run = tmp_path / "runs" / "small"
    assert sorted(p.name for p in run.iterdir()) == [
        "attempts.jsonl",
        "problems.jsonl",
        "run.json",
        "run.lock",
        "run.log",
    ]

    again = prover("eval", "run", config, "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["counts"]["proved"] == 3
    assert "Nothing is left to do" in again.stderr
    assert len((run / "attempts.jsonl").read_text().splitlines()) == 4

    problems.unlink()  # from here on the run's own files are enough
    checked = prover("eval", "recheck", run, cwd=tmp_path)
    assert (checked.returncode, checked.stdout) == (0, "3 of 3 proofs hold\n"), checked.stderr
    shorter = prover("eval", "minimise", run, "--seconds", "5", cwd=tmp_path)
    assert "lines before" in shorter.stdout, shorter.stderr
    told = prover("eval", "report", run, cwd=tmp_path)
    assert [Path(line).name for line in told.stdout.splitlines()] == ["report.html", "report.md", "report.json"]
    assert "n % 4 = 3" in (run / "report" / "report.html").read_text()
    prover("eval", "report", run, "--no-texts", "--out", tmp_path / "bare", cwd=tmp_path)
    assert "n % 4 = 3" not in (tmp_path / "bare" / "report.html").read_text()

    rows = (run / "attempts.jsonl").read_text().splitlines()
    forged = [
        json.loads(row) | {"reason": "proved", "text": "rfl"} if '"wrong"' in row else json.loads(row) for row in rows
    ]
    (run / "attempts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in forged))
    caught = prover("eval", "recheck", run, cwd=tmp_path)
    assert caught.returncode == 1
    assert "refused wrong, attempt 0: error" in " ".join(caught.stderr.split())
    assert re.fullmatch(r"(\d) of (\d) proofs hold\n", caught.stdout)
    assert int(caught.stdout[0]) == int(caught.stdout[5]) - 1


@pytest.mark.slow
def test_two_runs_compared(problems: Path, tmp_path: Path) -> None:
    for name, attempts in (("one", "1"), ("many", "60")):
        given = ("--problems", problems, "--attempts", attempts, "--seconds", "5", "--out", tmp_path / name)
        assert prover("eval", "run", *given, cwd=tmp_path).returncode == 0
    found = prover("eval", "compare", tmp_path / "one", tmp_path / "many", "--json", cwd=tmp_path)
    assert json.loads(found.stdout)["problems"] == 4
    text = prover("eval", "compare", tmp_path / "one", tmp_path / "many", cwd=tmp_path).stdout
    assert "McNemar's exact test" in text
    both = prover("eval", "report", tmp_path / "one", tmp_path / "many", "--out", tmp_path / "both", cwd=tmp_path)
    assert both.returncode == 0, both.stderr
    assert "one" in (tmp_path / "both" / "report.md").read_text()
    assert "pass@32" in prover("eval", "run", *given, cwd=tmp_path).stdout


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(problems: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in problems.read_text().splitlines()]
    many = [row | {"name": f"{row['name']}{i}"} for i in range(8) for row in rows]
    problems.write_text("".join(json.dumps(row) + "\n" for row in many))
    command = ["eval", "run", "--problems", str(problems), "--attempts", "40", "--seconds", "2", "--out", "run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "prover", *command], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    attempts = tmp_path / "run" / "attempts.jsonl"
    while not attempts.exists() or attempts.stat().st_size == 0:
        time.sleep(0.1)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from here" in said
    assert "Traceback" not in said
    kept = len(attempts.read_text().splitlines())
    assert 0 < kept < 32 * 40
    assert prover(*command, cwd=tmp_path).returncode == 0
    made = [(row["problem"], row["number"]) for row in map(json.loads, attempts.read_text().splitlines())]
    assert len(made) == len(set(made)) == 32 * 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--problems", "nothing_there"], "nothing_there"),
        (["run", "--problems", "small.jsonl", "--split", "tset"], "no problem of split 'tset'"),
        (["run", "--problems", "small.jsonl", "--search", "deep"], "no search is called 'deep'"),
        (["run", "--problems", "small.jsonl", "--attempts", "0"], "attempts: "),
        (["run", "--problems", "small.jsonl", "--checks", "3"], "only budget.seconds can be set"),
        (["run", "--problems", "small.jsonl", "--policy", "gpt"], "no policy is called 'gpt'"),
        (["run"], "problems: "),
        (["run", "typo.yaml"], "atempts: "),
        (["run", "list.yaml"], "it has no fields"),
        (["run", "bad.yaml"], "not YAML"),
        (["run", "deep.yaml"], "deep.yaml: nested more than 100 levels deep"),
        (["run", "twice.yaml"], "twice.yaml: not YAML: line 3, column 1: the key 'problems' is there twice"),
        (["run", "none.yaml"], "none.yaml: No such file"),
        (["report", "nowhere"], "there is no run"),
        (["compare", "nowhere", "nowhere"], "there is no run"),
        (["recheck", "nowhere"], "there is no run"),
        (["minimise", "nowhere"], "there is no run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said(arguments: list[str], said: str, problems: Path, tmp_path: Path) -> None:
    (tmp_path / "typo.yaml").write_text("problems: small.jsonl\natempts: 3\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "bad.yaml").write_text("a: [\n")
    (tmp_path / "deep.yaml").write_text("problems: " + "[" * 5000 + "]" * 5000)
    (tmp_path / "twice.yaml").write_text("problems: small.jsonl\nseed: 1\nproblems: other.jsonl\n")
    done = prover_here("eval", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_validate_tells_what_can_be_asked_and_what_is_wrong_with_it(problems: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_text(problems.read_text().replace("n % 4 = 3", "n % 4 = 1"))
    done = prover("data", "validate", problems, "--against", copy, "--json", cwd=tmp_path)
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert {name: row["asked"] for name, row in rows.items()} == {n: n != "real" for n in STATEMENTS}
    assert rows["real"]["why"] == "Unknown identifier `ℝ`"
    assert {n: [flag["kind"] for flag in row["flags"]] for n, row in rows.items() if row["flags"]} == {
        "odd": ["differs"],
        "void": ["contradictory"],
        "wrong": ["false"],
    }
    assert "5 problems: 4 can be asked of this Lean, 1 cannot" in " ".join(done.stderr.split())
    problems.write_text("".join(line for line in problems.read_text().splitlines(True) if '"void"' in line))
    text = prover("data", "validate", problems, cwd=tmp_path).stdout
    assert "contradictory  void: the hypotheses prove False" in text
