"""`prover data generate` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from data import pairs, problems
from tests.commands import prover_here


def prover(*args: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "prover", "data", "generate", *map(str, args)], capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_theorems_are_made_and_proved_and_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    made, proved = tmp_path / "made.jsonl", tmp_path / "proved.jsonl"
    options = ["--count", 6, "--family", "arithmetic", "--seed", 3]
    done = prover(*options, "--out", made)
    assert done.returncode == 0, done.stderr
    assert "6 theorems in" in done.stdout
    names = [problem.name for problem in problems.read(made)]
    assert len(set(names)) == 6
    done = prover(*options, "--out", proved, "--prove", 3, "--workers", 1)
    assert done.returncode == 0, done.stderr
    found = list(pairs.read(proved, unproved=[]))
    assert found
    assert f"6 theorems, {len(found)} of them with a proof" in done.stdout
    assert sorted(problem.name for problem in problems.read(proved)) == sorted(names)
    size = proved.stat().st_size
    assert prover(*options, "--out", proved, "--prove", 3, "--workers", 1).returncode == 0
    assert proved.stat().st_size == size
    assert {json.loads(line)["budget"]["checks"] for line in proved.read_text("utf-8").splitlines()} == {3}


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    done = prover_here("data", "generate", "--out", tmp_path / "x.jsonl", "--family", "poetry")
    assert done.returncode == 2
    assert "no family is called poetry" in done.stderr
    done = prover_here("data", "generate", "--out", tmp_path / "nowhere" / "x.jsonl", "--count", 1)
    assert done.returncode == 2
