"""What a file leaves open is tried where it stands, before anything that is written is replaced."""

from __future__ import annotations

import subprocess
import sys

import pytest

from data import LeanFile, parse
from data.judging import judge_pair
from lean_env import LeanPool, Reason
from lean_env.cpu_time import measure_cpu_time
from prover.policy.tactics.policy import TacticsPolicy
from search import Budget
from search.budget import Meter
from search.prove import Outcome, Status, prove_file, revoke_refused
from search.searches import searcher

HALF = """\
theorem all : ∃ n, n * n = 1444 ∧ n % 7 = 3 := by
  refine ⟨38, ?_, ?_⟩
  · sorry
  · sorry

theorem half (p q : Prop) (hp : p) : p ∧ q := ⟨by sorry, sorry⟩

def number : Nat := sorry

theorem about_it : number = number := by sorry

def point : Fin 3 := ⟨2, by sorry⟩

theorem uses_half (p q : Prop) (hp : p) : q := (half p q hp).2
"""


async def _outcomes(pool: LeanPool, text: str, budget: Budget) -> tuple[LeanFile, list[Outcome]]:
    file = await parse(pool, text)
    search = searcher("rmaxts", pool, TacticsPolicy())
    return file, [outcome async for outcome in prove_file(pool, file, search, budget)]


async def test_holes_are_filled_in_place_and_the_rest_is_told(pool: LeanPool) -> None:
    file, outcomes = await _outcomes(pool, HALF, Budget(checks=12, cpu=20))
    assert {o.declaration.name: o.status for o in outcomes} == {
        "all": Status.PROVED,
        "half": Status.UNPROVED,
        "number": Status.OPEN,
        "about_it": Status.OPEN,
        "point": Status.PROVED,
        "uses_half": Status.OPEN,
    }
    by_name = {o.declaration.name: o for o in outcomes}
    assert [hole.line for hole in by_name["half"].open_holes] == [6]
    assert [hole.goal.rpartition("⊢ ")[2] for hole in by_name["half"].open_holes] == ["q"]
    assert by_name["half"].filled
    assert "number" in by_name["about_it"].message
    assert "half" in by_name["uses_half"].detail
    written = file.with_proofs({o.declaration.name: o.edits for o in outcomes})
    assert "refine ⟨38, ?_, ?_⟩" in written
    assert written.count("sorry") == 3
    check = await pool.check(written)
    assert check.ok, (written, check)


async def test_what_names_the_stand_in_fills_nothing(pool: LeanPool) -> None:
    file = await parse(pool, "theorem a (p q : Prop) : p ∧ q := ⟨sorry, sorry⟩")
    declaration = file.theorems[0]
    theorem = file.hole(declaration, declaration.holes[0], [], {})
    assert not (await pool.judge(theorem.claim("exact _left_open 1"))).proved
    assert not (await pool.judge(theorem.claim("exact _root_._left_open 1"))).proved


OPEN_LEMMA = """\
noncomputable def weight : List Nat → Nat := Classical.choose (p := fun f => f [] = 0) ⟨fun _ => 0, rfl⟩
theorem by_length (l : List Nat) : weight l = l.length := by sorry
theorem rests (l m : List Nat) : weight (l ++ m) = weight (m ++ l) := by sorry
theorem plain (l : List Nat) : weight l = weight (l ++ []) := by sorry
"""


@pytest.mark.parametrize("use", [True, False])
async def test_open_lemmas_are_used_on_request_and_what_rests_on_them_is_open(pool: LeanPool, use: bool) -> None:
    file = await parse(pool, OPEN_LEMMA)
    search = searcher("auto", pool, TacticsPolicy())
    found = prove_file(pool, file, search, Budget(checks=40, cpu=20), ("rests", "plain"), use_open_lemmas=use)
    rests, plain = [outcome async for outcome in found]
    assert plain.status is Status.PROVED
    assert rests.status is (Status.OPEN if use else Status.UNPROVED)
    if use:
        assert rests.verdict is not None
        assert rests.verdict.reason is Reason.SORRY
        assert rests.detail == "it rests on what is left open: by_length"
        written = file.with_proofs({o.declaration.name: o.edits for o in (rests, plain)})
        verdicts = await judge_pair(pool, OPEN_LEMMA, written, ("rests", "plain"))
        assert [verdicts[name].detail for name in verdicts] == [rests.detail, ""]
        assert verdicts["plain"].proved


async def test_naming_what_closes_open_lemmas_proves_nothing(pool: LeanPool) -> None:
    file = await parse(pool, OPEN_LEMMA)
    lemma, rests, _ = file.theorems
    theorem = file.theorem(rests, {lemma.name: file.assumed(lemma)})
    assert not (await pool.judge(theorem.claim("exact _left_open 0"))).proved
    assert (await pool.judge(theorem.claim("grind [by_length]"))).proved


async def test_what_does_not_fit_into_the_file_is_found_no_longer(pool: LeanPool) -> None:
    file = await parse(pool, "theorem a : 1 = 1 := by sorry\ntheorem b : 2 = 2 := by sorry\n")
    a, b = file.theorems
    right = Outcome(a, Status.PROVED, whole_proof=file.proof(a, None, "rfl"))
    wrong = Outcome(b, Status.PROVED, whole_proof=file.proof(b, None, "exact a"))
    await revoke_refused(pool, file, [right, wrong])
    assert (right.status, wrong.status) == (Status.PROVED, Status.UNPROVED)
    assert not wrong.edits
    assert "Lean refuses" in wrong.detail


async def test_each_theorem_is_judged_by_what_it_rests_on(pool: LeanPool) -> None:
    challenge = """\
theorem a : 1 = 1 := by sorry
theorem b : 2 = 2 := by sorry
theorem c : 2 = 2 ∧ True := by sorry
private theorem d : 4 = 4 := by sorry
set_option maxHeartbeats 400000 in
theorem e : 5 = 5 := by sorry
def n : Nat := sorry
theorem f : n = n := by sorry
instance g : Nonempty Nat := by sorry
"""
    solution = challenge
    for name, proof in (("a", "rfl"), ("c", "exact ⟨b, trivial⟩"), ("d", "rfl"), ("e", "rfl"), ("g", "exact ⟨0⟩")):
        at = solution.index(f" {name} :")
        solution = solution[:at] + solution[at:].replace("sorry", proof, 1)
    verdicts = await judge_pair(pool, challenge, solution)
    assert {name: v.reason for name, v in verdicts.items()} == {
        "a": Reason.PROVED,
        "b": Reason.SORRY,
        "c": Reason.SORRY,
        "d": Reason.PROVED,
        "e": Reason.PROVED,
        "f": Reason.CHALLENGE,
        "g": Reason.PROVED,
    }
    assert verdicts["c"].detail == "it rests on what is left open: b"
    assert verdicts["f"].detail == "the statement rests on what the challenge leaves open: n"


async def test_examples_are_judged_one_after_the_other(pool: LeanPool) -> None:
    challenge = "namespace N\nexample : 1 = 1 := by sorry\nexample : 2 < 3 := by sorry\nend N\n"
    right = "namespace N\nexample : 1 = 1 := rfl\nexample : 2 < 3 := by decide\nend N\n"
    assert all(v.proved for v in (await judge_pair(pool, challenge, right)).values())
    swapped = "namespace N\nexample : 2 < 3 := by decide\nexample : 1 = 1 := rfl\nend N\n"
    assert {v.reason for v in (await judge_pair(pool, challenge, swapped)).values()} == {Reason.STATEMENT}
    one = await judge_pair(pool, challenge, "namespace N\nexample : 1 = 1 := rfl\nend N\n")
    assert [v.reason for v in one.values()] == [Reason.PROVED, Reason.MISSING]


async def test_work_is_counted_and_limits_a_search(pool: LeanPool) -> None:
    with measure_cpu_time() as work:
        await pool.check("example : (List.range 3000).foldl (· + ·) 0 > 0 := by decide +kernel")
        spent = work.seconds
        meter = Meter(Budget(cpu=0.05))
        assert not meter.exhausted
        while not meter.exhausted:
            await pool.check("example (a b c : Nat) (h : a < b) : a + c < b + c := by omega")
        assert work.seconds > spent
    _, (outcome,) = await _outcomes(pool, "theorem no (n : Nat) : n * n = n + 1 := by sorry", Budget(cpu=1))
    assert outcome.status is Status.UNPROVED
    assert outcome.result is not None
    assert 0.5 < outcome.result.cpu < 6


@pytest.mark.slow
@pytest.mark.alone
async def test_a_limit_means_the_same_on_a_busy_machine(pool: LeanPool) -> None:
    """A check within twice the time that it takes alone, beside sixteen processes that never stop."""
    code = "example : ∀ a b : Fin 60, a.val + b.val < 5000 := by decide +kernel"
    await pool.check(code)  # what is to be loaded is loaded
    alone = await pool.check(code)
    assert alone.ok
    loop = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(loop, start_new_session=True) for _ in range(16)]  # noqa: ASYNC220
    try:
        beside = await pool.check(code, timeout=2 * alone.seconds)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert beside.ok, beside
    assert beside.seconds > 2 * alone.seconds  # by the clock it would have been too late
