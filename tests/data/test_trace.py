"""What is made of lean-dojo's traces, and what is said where it cannot trace.

No native Lean can be had here, so that the trace is written by hand, in the format of lean-dojo's ExtractData.lean; all
that reads it is lean-dojo itself. Without lean-dojo (`pip install -e '.[trace]'`) its own part is left out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.pairs import read
from data.trace import ProjectError, TraceUnavailable, rows, traced

needs_dojo = pytest.mark.skipif(importlib.util.find_spec("lean_dojo") is None, reason="lean-dojo is not installed")

SOURCE = """\
namespace Logic

/-- Both ways. -/
theorem swap (p q : Prop) (h : p ∧ q) : q ∧ p := by
  -- two goals
  constructor
  · exact h.2
  · exact h.1

theorem term : True := trivial

end Logic
"""
BEFORE = "p q : Prop\nh : p ∧ q\n⊢ q ∧ p"
LEFT, RIGHT = (f"case {name}\np q : Prop\nh : p ∧ q\n⊢ {goal}" for name, goal in (("left", "q"), ("right", "p")))
STATES = {  # tactic: the states before and after it
    "constructor": (BEFORE, f"{LEFT}\n\n{RIGHT}"),
    "· exact h.2": (f"{LEFT}\n\n{RIGHT}", RIGHT),
    "exact h.2": (LEFT, "no goals"),
    "· exact h.1": (RIGHT, "no goals"),
    "exact h.1": (RIGHT, "no goals"),
}


# ---- Lean's syntax trees, as Lean writes them in JSON ----

Tree = tuple[str, list[Any]] | str


def trees() -> list[Tree]:
    """The commands of the source: nodes are pairs of a kind and what is in them; a word is an atom, `'word` a name."""

    def block(*tactics: Tree) -> Tree:
        separated = [item for tactic in tactics for item in (tactic, ("null", []))][:-1]
        return ("Tactic.tacticSeq", [("Tactic.tacticSeq1Indented", [("null", separated)])])

    def exact(field: str) -> Tree:
        return ("Tactic.exact", ["exact", ("Term.proj", ["'h", ".", field])])

    def theorem(name: str, doc: list[Tree], signature: list[Tree], value: Tree) -> Tree:
        declared = ["theorem", ("Command.declId", [f"'{name}", ("null", [])]), ("Command.declSig", signature)]
        modifiers = ("Command.declModifiers", [("null", doc)])
        value = ("Command.declValSimple", [":=", value])
        return ("Command.declaration", [modifiers, ("Command.theorem", [*declared, value])])

    def binder(*words: str) -> Tree:
        return ("Term.explicitBinder", list(words))

    binders: Tree = ("null", [binder("(", "'p", "'q", ":", "Prop", ")"), binder("(", "'h", ":", "'p", "∧", "'q", ")")])
    proof = block(
        ("Tactic.constructor", ["constructor"]),
        ("Lean.cdot", ["·", block(exact("2"))]),
        ("Lean.cdot", ["·", block(exact("1"))]),
    )
    return [
        ("Module.header", [("null", [])]),
        ("Command.namespace", ["namespace", "'Logic"]),
        theorem(
            "swap",
            [("Command.docComment", ["/--", "Both ways. -/"])],
            [binders, ("Term.typeSpec", [":", "'q", "∧", "'p"])],
            ("Term.byTactic", ["by", proof]),
        ),
        theorem("term", [], [("null", []), ("Term.typeSpec", [":", "'True"])], "'trivial"),
        ("Command.end", ["end", ("null", ["'Logic"])]),
    ]


class Writer:
    """Puts the leaves of trees at their places in the source, in bytes."""

    def __init__(self) -> None:
        self.text, self.at = SOURCE.encode(), 0

    def __call__(self, tree: Tree) -> dict[str, Any]:
        if isinstance(tree, tuple):
            kind, inside = tree
            kind = kind if kind in ("null", "Lean.cdot") else f"Lean.Parser.{kind}"
            return {"node": {"info": "none", "kind": kind, "args": [self(item) for item in inside]}}
        word = tree.removeprefix("'")
        start = self.text.index(word.encode(), self.at)
        self.at = end = start + len(word.encode())
        rest = self.text[end:]
        trailing = rest[: len(rest) - len(rest.lstrip())].decode()
        info = {"original": {"leading": "", "pos": start, "trailing": trailing, "endPos": end}}
        if tree.startswith("'"):
            return {"ident": {"info": info, "rawVal": word, "val": word, "preresolved": []}}
        return {"atom": {"info": info, "val": word}}


def trace() -> dict[str, Any]:
    text = SOURCE.encode()
    tactics = []
    for tactic, (before, after) in STATES.items():
        start = text.index(tactic.encode())
        end = start + len(tactic.encode())
        tactics.append({"stateBefore": before, "stateAfter": after, "pos": start, "endPos": end})
    return {"commandASTs": list(map(Writer(), trees())), "tactics": tactics, "premises": []}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Lake project in a git repository."""
    folder = tmp_path / "logic"
    folder.mkdir()
    (folder / "Swap.lean").write_text(SOURCE)
    (folder / "lakefile.toml").write_text('name = "logic"\n\n[[lean_lib]]\nname = "Swap"\n')
    (folder / "lean-toolchain").write_text("leanprover/lean4:v4.28.0\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        author = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *author, *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def dojo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DISABLE_REMOTE_CACHE", "1")
    return importlib.import_module("lean_dojo")


def from_json(dojo: Any, project: Path) -> Any:
    """The file as lean-dojo reads what its program in Lean has written."""
    path = project / ".lake/build/ir/Swap.ast.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(trace()))
    path.with_name("Swap.dep_paths").write_text("\n")
    return dojo.TracedFile.from_traced_file(project, path, dojo.LeanGitRepo.from_path(project))


def from_xml(dojo: Any, project: Path) -> Any:
    """The file as lean-dojo reads what it has kept of it."""
    path = project / "Swap.trace.xml"
    kept = project / ".lake/build/ir" / path.name
    path.write_text(from_json(dojo, project).to_xml())
    path.rename(kept)
    return dojo.TracedFile.from_xml(project, kept, dojo.LeanGitRepo.from_path(project))


@needs_dojo
@pytest.mark.parametrize("load", [from_json, from_xml])
def test_theorems_with_their_states(dojo: Any, project: Path, load: Callable[[Any, Path], Any], tmp_path: Path) -> None:
    file = load(dojo, project)
    repository = dojo.TracedRepo(file.repo, {}, project, [file], None)
    repository._update_traced_files()
    unreadable: list[Any] = []
    swap, term = rows(file, unreadable)
    assert not unreadable
    assert (swap["name"], term["name"], term["steps"]) == ("Logic.swap", "Logic.term", [])
    lines = {
        "constructor": [6, 3],
        "· exact h.2": [7, 3],
        "exact h.2": [7, 5],
        "· exact h.1": [8, 3],
        "exact h.1": [8, 5],
    }
    expected = [
        {"state": b, "tactic": t, "after": a, "start": lines[t], "end": [lines[t][0], lines[t][1] + len(t)]}
        for t, (b, a) in STATES.items()
    ]
    assert [step for step in expected if step in swap["steps"]] == expected
    assert len(swap["steps"]) == len(expected)
    written = tmp_path / "rows.jsonl"
    written.write_text("".join(json.dumps(row) + "\n" for row in (swap, term)))
    pairs = list(read(written))
    assert [pair.proof for pair in pairs] == ["-- two goals\nconstructor\n· exact h.2\n· exact h.1", "exact trivial"]
    assert pairs[0].problem.theorem.informal == "Both ways."


@needs_dojo
def test_a_build_that_fails_is_told(
    dojo: Any, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The programs here stand for a toolchain that cannot build the project."""
    for name in ("lake", "lean"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\necho no such package >&2\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(TraceUnavailable, match=r"could not trace .*logic.*lake build"):
        list(traced(project))


# ---- where it cannot be done ----


def test_no_toolchain(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(TraceUnavailable, match="needs git and lake and lean on the path"):
        list(traced(project))


def test_no_lean_dojo(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("git", "lake", "lean"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "lean_dojo", None)
    with pytest.raises(TraceUnavailable, match=r"pip install -e '\.\[trace\]'"):
        list(traced(project))


@pytest.mark.parametrize("missing", ["lakefile.toml", "lean-toolchain", ".git", ""])
def test_no_project(project: Path, missing: str) -> None:
    (project / missing).rename(project.with_name("gone"))
    with pytest.raises(ProjectError, match=str(project)):
        list(traced(project))


def test_the_command_says_so(project: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, code, said in ((project, 3, "elan"), (tmp_path / "empty", 2, "no Lake project")):
        target = tmp_path / "rows.jsonl"
        done = subprocess.run(
            [sys.executable, "-m", "prover", "data", "trace", str(folder), "--out", str(target)],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": str(tmp_path / "empty")},
        )
        assert (done.returncode, done.stdout) == (code, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert not list(tmp_path.glob("*rows.jsonl*"))
