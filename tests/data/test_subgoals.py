"""Goals as lemmas of their own: each can be stated, and its theorem closes the hole that it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from data import LeanFile, parse
from data.holes import Edit, spliced
from data.problems import problem_of
from data.subgoals import SubgoalTheorem, subgoal_theorems
from lean_env import LeanPool

SKETCHES = {path.stem: path.read_text("utf-8") for path in (Path(__file__).parent / "sketches").glob("*.lean")}


def composed(file: LeanFile, steps: bool, inlined: bool) -> str:
    """The file with each hole closed by its lemma, which is a theorem before the declaration or stated in the hole."""
    edits = []
    for number, declaration in enumerate(file.declarations):
        lemmas = []
        opens = file.text[declaration.command[0] : declaration.head[0]]  # `open … in`
        for place, hole in enumerate(declaration.holes):
            if isinstance(hole.subgoal, str) or not hole.proposition:
                continue
            whole, name = hole.subgoal, f"lemma_{number}_{place}"
            part = whole if steps else whole.without_steps()
            if inlined:
                proof = part.inlined(name, "sorry", whole)
            else:
                lemmas.append(f"{opens}{part.theorem(name)} := sorry\n")
                proof = part.applied(name, whole)
            edits.append(file.proof(declaration, hole, proof))
        start = declaration.command[0]
        edits.append(Edit(start, start, "".join(lemmas)))
    return spliced(file.text, 0, len(file.text), edits)


@pytest.mark.parametrize("name", SKETCHES)
async def test_each_hole_is_closed_by_its_lemma(pool: LeanPool, name: str) -> None:
    file = await parse(pool, SKETCHES[name], subgoals=True)
    holes = [hole for d in file.declarations for hole in d.holes]
    problems = [hole for hole in holes if isinstance(hole.subgoal, str)]
    assert len(holes) > 3
    for hole in problems:  # each is said beside it in the file
        line = file.text.split("\n")[hole.line - 1]
        assert hole.subgoal in line, (hole.line, hole.subgoal)
    for steps in (True, False):
        for inlined in (True, False):
            text = composed(file, steps, inlined)
            check = await pool.check(text)
            assert check.ok, (check.errors[:2], text)


async def test_the_two_forms_of_a_goal(pool: LeanPool) -> None:
    """(a) leaves out the facts that the proof itself brought; what the proof has taken apart or chosen stays."""
    text = (
        "theorem t (n : Nat) (h : ∃ k, n = 2 * k) : n % 2 = 0 := by\n"
        "  obtain ⟨k, hk⟩ := h\n  have step : n / 2 = k := by sorry\n"
        "  have last : n = n / 2 + n / 2 := by sorry\n  sorry\n"
    )
    file = await parse(pool, text, subgoals=True)
    found = [one for one in subgoal_theorems(file) if isinstance(one, SubgoalTheorem)]
    context = "(n : Nat) (k : Nat) (hk : n = 2 * k)"
    assert [(one.name, one.statement.removeprefix(f"theorem {one.name} ")) for one in found] == [
        ("t_subgoal_1", f"{context} : n / 2 = k"),
        ("t_subgoal_2a", f"{context} : n = n / 2 + n / 2"),
        ("t_subgoal_2", f"{context} (step : n / 2 = k) : n = n / 2 + n / 2"),
        ("t_subgoal_3a", f"{context} : n % 2 = 0"),
        ("t_subgoal_3", f"{context} (step : n / 2 = k) (last : n = n / 2 + n / 2) : n % 2 = 0"),
    ]


async def test_a_problem_of_its_own_is_read_and_proved(pool: LeanPool) -> None:
    text = (
        "namespace N\ndef d (n : Nat) := n + n\n"
        "theorem t (n : Nat) : d n % 2 = 0 := by\n  have h : d n = 2 * n := by sorry\n  omega\nend N\n"
    )
    file = await parse(pool, text, subgoals=True)
    (only,) = [one for one in subgoal_theorems(file) if isinstance(one, SubgoalTheorem)]
    problem = problem_of(only.row(file), "here")
    assert (problem.name, problem.theorem.name) == ("t_subgoal_1", "N.t_subgoal_1")
    assert (await pool.judge(problem.theorem.claim("unfold d; omega"))).proved
    assert not (await pool.judge(problem.theorem.claim("exact t n"))).proved


async def test_names_that_are_quoted(pool: LeanPool) -> None:
    text = "namespace N\n" + "".join(
        f"theorem {name} (n : Nat) : n + 0 = n := by\n  have h : n = n := by sorry\n  exact h\n"
        for name in ("«odd name»", "«a.b»")
    )
    file = await parse(pool, text, subgoals=True)
    found = [one for one in subgoal_theorems(file) if isinstance(one, SubgoalTheorem)]
    assert [one.name for one in found] == ["«odd name_subgoal_1»", "«a.b_subgoal_1»"]
    assert (await pool.check(composed(file, steps=True, inlined=False))).ok
    for one in found:
        theorem = problem_of(one.row(file), "here").theorem
        assert theorem.name == f"N.{one.name}"
        assert (await pool.judge(theorem.claim("rfl"))).proved
