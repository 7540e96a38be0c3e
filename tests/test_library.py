"""The Python API as docs/python.md shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import prover
from lean_env import LeanUnavailable

ROOT = Path(__file__).parents[1]


def test_the_examples_of_the_documentation_run(tmp_path: Path) -> None:
    """All in one program, as a reader would paste them, in a folder with problems."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text("utf-8"), re.DOTALL))
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples/problems.jsonl", tmp_path / "examples")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"theorem t \(a b : Nat\) : a \+ b = b \+ a := by\n? +\w", done.stdout)
    assert re.search(r"^\d of 2 \{1: ", done.stdout, re.MULTILINE)
    assert (tmp_path / "runs/python/run.json").is_file()


async def test_what_is_not_proved_is_not_called_proved(tmp_path: Path) -> None:
    file = tmp_path / "a.lean"
    file.write_text("theorem hard : 1 = 2 := by sorry\ntheorem held : 1 = 1 := rfl\ntheorem bad : 1 = 2 := rfl\n")
    found = await prover.prove_async(file, checks=3, workers=1)
    assert [(t.name, str(t.status)) for t in found] == [("hard", "unproved"), ("held", "holds"), ("bad", "fails")]
    assert not found.proved
    assert found["held"].proved
    assert not found["hard"].proved
    assert not found["bad"].proved
    assert found.code == file.read_text()
    verdicts = await prover.check_async(file, found.code.replace("sorry", "native_decide"), workers=1)
    assert not verdicts["hard"].proved


async def test_mistakes_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="await prove_async"):
        prover.prove("theorem t : True := by sorry")
    with pytest.raises(ValueError, match="either code or statement"):
        await prover.prove_async()
    with pytest.raises(ValueError, match="no policy is called 'magic'"):
        await prover.prove_async("theorem t : True := by sorry", policy="magic")
    with pytest.raises(ValueError, match="no theorem is called b; there are: t"):
        await prover.prove_async("theorem t : True := by sorry", theorems=["b"], workers=1)
    with pytest.raises(AttributeError, match="no attribute 'proof'"):
        prover.proof  # type: ignore[attr-defined]  # noqa: B018
    assert issubclass(LeanUnavailable, prover.Unavailable)


def test_its_names_are_the_same_for_type_checkers() -> None:
    stub = (ROOT / "prover/__init__.pyi").read_text("utf-8")
    told = {name: home for home, name in re.findall(r"from (.*) import (\w+) as \2", stub)}
    assert told == prover._HOMES  # type: ignore[attr-defined]
