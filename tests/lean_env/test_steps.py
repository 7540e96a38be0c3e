"""Prefix reuse: steps on kept proof states, and checks that take over what an earlier one begins with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lean_env import Claim, Ended, LeanPool, Step, Worker
from lean_env import session as sessions

CHALLENGE = "theorem t (a b : Nat) (h : a < b ∧ b < 5) (p : P) : a < 5 ∧ b = b := by\n  sorry"
CONTEXT = ("abbrev P := True",)
LEFT = "case left\na b : Nat\nh : a < b ∧ b < 5\np : P\n⊢ a < 5"
RIGHT = "case right\na b : Nat\nh : a < b ∧ b < 5\np : P\n⊢ b = b"


@pytest_asyncio.fixture(scope="module")
async def one(pool: LeanPool) -> AsyncIterator[LeanPool]:
    """A pool of one process. (`pool` is asked for only because it installs Lean.)"""
    async with LeanPool(workers=1, confirm=False) as running:
        yield running


async def test_steps_tell_the_goals_after_each(one: LeanPool) -> None:
    found = await one.steps(CHALLENGE, "constructor\n-- the first\n· omega\nrfl", context=CONTEXT)
    assert found.steps == (Step("constructor", (LEFT, RIGHT)), Step("-- the first\n· omega", (RIGHT,)), Step("rfl", ()))
    assert (found.complete, found.problem) == (True, "")


async def test_steps_go_on_from_a_proof(one: LeanPool) -> None:
    found = await one.steps(CHALLENGE, "· omega\nsimp at", after="constructor", context=CONTEXT)
    assert found.steps == (Step("· omega", (RIGHT,)),)
    assert not found.complete
    assert found.problem
    assert (await one.steps(CHALLENGE, "rfl", after="constructor\n· omega", context=CONTEXT)).complete


async def test_a_problem_shows_only_goals_that_are_new(one: LeanPool) -> None:
    known = await one.steps(CHALLENGE, "assumption", context=CONTEXT)
    new = await one.steps(CHALLENGE, "· constructor", context=CONTEXT)
    assert (known.problem, known.failed) == ("Tactic `assumption` failed", "assumption")
    assert new.problem == f"unsolved goals\n{LEFT}\n\n{RIGHT}"


async def test_a_new_process_makes_the_states_again(one: LeanPool) -> None:
    after = "constructor\n· have : a < 5 := by\n    omega\n  exact this"
    for _ in range(2):
        assert (await one.steps(CHALLENGE, "rfl", after=after, context=CONTEXT)).complete
        await one._provers.workers[0].close()


async def test_only_what_is_new_is_run(one: LeanPool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    ask = sessions.LeanSession.ask

    async def record(session: sessions.LeanSession, request: dict[str, object], *rest: Any) -> object:
        asked.append(request)
        return await ask(session, request, *rest)

    monkeypatch.setattr(sessions.LeanSession, "ask", record)
    await one.steps(CHALLENGE, "constructor\n· omega", context=CONTEXT)
    asked.clear()
    await one.steps(CHALLENGE, "rfl", after="constructor\n· omega", context=CONTEXT)
    assert [r["tactic"] for r in asked] == ["rfl"]


async def test_states_that_were_let_go_are_made_again(one: LeanPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MAX_PROOF_STATES", 3)
    monkeypatch.setattr(sessions, "_DROP_BATCH", 2)
    for n in range(20):
        found = await one.steps(CHALLENGE, f"have h{n} : {n} = {n} := rfl", after="constructor", context=CONTEXT)
        assert len(found.steps) == 1
    (worker,) = one._provers.workers
    assert isinstance(worker, Worker)
    assert len(worker.session._proof_states) == 3


async def test_what_cannot_be_gone_on_from_is_a_problem(one: LeanPool) -> None:
    found = await one.steps(CHALLENGE, "rfl", after="constructor\nnonsense", context=CONTEXT)
    assert (found.steps, found.ended, found.problem) == ((), Ended.CONTEXT, "the tactics before it do not work")
    assert (await one.steps("theorem t : 1 = := by sorry", "rfl")).ended is Ended.CONTEXT
    assert (await one.steps("theorem t : 1 = 1 := rfl", "rfl")).ended is Ended.CONTEXT
    assert (await one.steps(CHALLENGE, "exact '\udc80'", context=CONTEXT)).ended is Ended.INPUT
    late = await one.steps("theorem t : ∀ a b c : Fin 400, a.val + b.val + c.val < 5000 := by sorry",
                           "decide +kernel", timeout=0.3)  # fmt: skip
    assert (late.steps, late.ended) == ((), Ended.TIMEOUT)


TACTICS = ["constructor", "omega", "rfl", "· omega", "· rfl", "obtain ⟨h1, h2⟩ := h", "cases h", "exact h.2", "simp",
           "have : a ≤ b := by\n  omega", "refine ⟨?_, ?_⟩", "exact ⟨by omega, rfl⟩", "all_goals omega", "intro x",
           "exact t a b h p", "rw [Nat.add_comm]", "show _ ∧ _", "subst h", "apply And.intro <;> simp_all", "simp [",
           "foo"]  # fmt: skip
BLOCKS = st.lists(st.sampled_from(TACTICS), min_size=1, max_size=6)
SETTINGS = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@SETTINGS
@given(tactics=BLOCKS)
async def test_steps_come_to_the_verdict_of_the_whole(one: LeanPool, tactics: list[str]) -> None:
    """What the steps complete is proved, and what they do not is not (but for what follows a finished proof)."""
    found = await one.steps(CHALLENGE, "\n".join(tactics), context=CONTEXT)
    proof = "\n".join(step.text for step in found.steps)
    body = "\n".join("  " + line for line in proof.splitlines()) or "  skip"
    verdict = await one.judge(Claim(CHALLENGE, CHALLENGE.replace("  sorry", body), "t", CONTEXT))
    assert verdict.proved == found.complete, verdict
    open_goals = "\n\n".join(found.steps[-1].goals) if found.steps else None
    if open_goals:
        check = await one.check(CHALLENGE.replace("  sorry", f"{body}\n  all_goals sorry"), context=CONTEXT)
        assert check.ok, check.messages
        assert "\n\n".join(s.goal for s in check.sorries) == open_goals


@SETTINGS
@given(tactics=st.lists(BLOCKS, min_size=2, max_size=4), cut=st.integers(0, 6))
async def test_reuse_changes_nothing_that_lean_says(one: LeanPool, tactics: list[list[str]], cut: int) -> None:
    """Proofs that begin alike, checked one after the other with reuse and without."""
    first = tactics[0]
    for block in [first, *(first[:cut] + other for other in tactics[1:]), first]:
        body = "\n".join("  " + line for line in "\n".join(block).splitlines())
        code = f"theorem s : 1 = 1 := by\n  rfl\n{CHALLENGE.replace('  sorry', body)}\n#print t"
        plain, reused = [
            await one.check(code, context=CONTEXT, tactics=True, axioms=["t"], reuse=reuse) for reuse in (False, True)
        ]
        assert replace(reused, seconds=0) == replace(plain, seconds=0)
