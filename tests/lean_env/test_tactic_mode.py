"""Tactic mode of the embedded Lean: proof states, tactics on them, what is told of a proof that comes to its end."""

from __future__ import annotations

import pytest
import pytest_asyncio

from lean_env.process import ReplProcess
from tests.lean_env.test_repl import Answer, ask, repl

__all__ = ["repl"]

OPEN = "Incomplete: open goals remain"


async def start(repl: ReplProcess, code: str) -> int:
    """The proof state of the only `sorry` in the code."""
    (sorry,) = (await ask(repl, cmd=code))["sorries"]
    state: int = sorry["proofState"]
    return state


async def tactic(repl: ReplProcess, text: str, state: int) -> Answer:
    return await ask(repl, tactic=text, proofState=state)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def conjunction(repl: ReplProcess) -> int:
    return await start(repl, "theorem t (a b : Nat) (h : a < b ∧ b < 5) : a < 5 ∧ b = b := by sorry")


async def test_a_proof_step_by_step(repl: ReplProcess, conjunction: int) -> None:
    answer = await tactic(repl, "obtain ⟨h1, h2⟩ := h", conjunction)
    context = "a b : Nat\nh1 : a < b\nh2 : b < 5\n⊢ "
    assert answer == {"goals": [f"{context}a < 5 ∧ b = b"], "proofStatus": OPEN, "proofState": answer["proofState"]}
    both = await tactic(repl, "constructor", answer["proofState"])
    assert both["goals"] == [f"case left\n{context}a < 5", f"case right\n{context}b = b"]
    right = await tactic(repl, "· omega", both["proofState"])
    assert right["goals"] == [f"case right\n{context}b = b"]
    done = await tactic(repl, "rfl", right["proofState"])
    assert (done["goals"], done["proofStatus"]) == ([], "Completed")


async def test_a_state_can_be_gone_on_from_many_times(repl: ReplProcess, conjunction: int) -> None:
    first = await tactic(repl, "constructor", conjunction)
    assert (await tactic(repl, "omega", conjunction))["proofStatus"] == "Completed"
    assert (await tactic(repl, "constructor", conjunction))["goals"] == first["goals"]


async def test_what_does_not_work_says_why(repl: ReplProcess, conjunction: int) -> None:
    assert await tactic(repl, "exat h", conjunction) == {"message": "Lean error:\n<input>:1:1: unknown tactic"}
    assert (await tactic(repl, "rfl", conjunction))["message"].startswith("Lean error:\n")
    assert await tactic(repl, "rfl", 10**6) == {"message": "Unknown proof state."}
    assert "closed" in (await tactic(repl, "skip) <;> (skip", conjunction))["message"]
    for text in ("rw [foo]", "have := foo 3"):  # the error is logged, and the tactic aborted
        assert await tactic(repl, text, conjunction) == {"message": "Lean error:\nUnknown identifier `foo`"}


async def test_an_error_that_lean_recovers_from_leaves_no_proof(repl: ReplProcess, conjunction: int) -> None:
    answer = await tactic(repl, "exact foo", conjunction)
    assert answer["proofStatus"] == "Incomplete: contains sorry"
    assert [(m["severity"], m["data"], m["pos"]) for m in answer["messages"]] == [
        ("error", "Unknown identifier `foo`", {"line": 1, "column": 6})
    ]


async def test_a_sorry_in_a_tactic_is_a_proof_state_too(repl: ReplProcess, conjunction: int) -> None:
    answer = await tactic(repl, "have : a < 5 := by sorry\nhave : b = 7 := sorry", conjunction)
    assert [s["goal"].split("⊢ ")[1] for s in answer["sorries"]] == ["a < 5", "b = 7"]
    inner = await tactic(repl, "omega", answer["sorries"][0]["proofState"])
    assert inner["goals"] == []
    end = await tactic(repl, "omega", answer["proofState"])
    assert end["proofStatus"] == "Incomplete: contains sorry"


@pytest.mark.parametrize("text", ["exact t", "apply t", "exact False.elim t", "have := t\nexact this"])
async def test_a_theorem_does_not_prove_itself(repl: ReplProcess, text: str) -> None:
    state = await start(repl, "theorem t : False := by sorry")
    answer = await tactic(repl, text, state)
    assert answer.get("proofStatus", "Error").startswith("Error")


async def test_what_the_kernel_refuses_is_not_completed(repl: ReplProcess) -> None:
    state = await start(repl, "example : 1 = 0 := by sorry")
    for text in ("cases 1", "rfl", "have : true := by\n    apply ?succ\n    trivial"):
        answer = await tactic(repl, text, state)
        state = answer["proofState"]
    assert answer["proofStatus"].startswith("Error: kernel type check failed")


async def test_data_and_universes_can_be_proved_too(repl: ReplProcess) -> None:
    state = await start(repl, "def f.{u, v} {α : Type u} {β : Type v} (x : α) (y : β) : α × β := by sorry")
    assert (await tactic(repl, "exact ⟨x, y⟩", state))["proofStatus"] == "Completed"
    state = await start(repl, "example (n : Nat) : let m := n + 1; n < m := by\n  intro m\n  sorry")
    assert (await tactic(repl, "omega", state))["proofStatus"] == "Completed"


async def test_traces_are_told_apart_from_messages(repl: ReplProcess, conjunction: int) -> None:
    answer = await tactic(repl, 'trace "37"', conjunction)
    assert answer["traces"] == ["37"]
    assert "traces" not in await tactic(repl, "skip", answer["proofState"])


async def test_tactics_and_root_goals_bring_their_states(repl: ReplProcess) -> None:
    code = "theorem t (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  constructor\n  · exact hp\n  · exact hq"
    tactics = (await ask(repl, cmd=code, allTactics=True))["tactics"]
    assert [t["tactic"] for t in tactics] == ["constructor", "exact hp", "exact hq"]
    answers = [await tactic(repl, t["tactic"], t["proofState"]) for t in tactics]
    assert [len(a["goals"]) for a in answers] == [2, 0, 0]
    (root,) = (await ask(repl, cmd=code, rootGoals=True))["sorries"]
    assert (await tactic(repl, "exact ⟨hp, hq⟩", root["proofState"]))["proofStatus"] == "Completed"
    kept = await ask(repl, cmd=code, allTactics=True, discard=True)
    assert all("proofState" not in t for t in kept["tactics"])


async def test_a_limit_ends_a_tactic_and_leaves_the_process(repl: ReplProcess) -> None:
    state = await start(repl, "example : ∀ a b c : Fin 400, a.val + b.val + c.val < 5000 := by sorry")
    answer = await ask(repl, tactic="decide +kernel", proofState=state, timeout=300)
    assert answer["timeout"] is True
    assert "proofState" not in answer
    assert (await tactic(repl, "intro a b c", state))["proofStatus"] == OPEN
    assert (await tactic(repl, "intro a b c\nomega", state))["proofStatus"] == "Completed"


async def test_dropped_states_are_gone(repl: ReplProcess) -> None:
    state = await start(repl, "example : 1 = 1 := by sorry")
    assert await ask(repl, dropProofStates=[state, 10**6]) == {}
    assert await tactic(repl, "rfl", state) == {"message": "Unknown proof state."}


# ---- many tactics at once ----


async def steps(repl: ReplProcess, text: str, state: int) -> tuple[list[tuple[str, int]], str | None]:
    """(text, number of goals left) of each step, and the problem."""
    answer = await ask(repl, tactic=text, proofState=state, steps=True)
    return [(s["tactic"], len(s["goals"])) for s in answer["steps"]], answer.get("problem")


async def test_steps_are_cut_as_lean_reads_them(repl: ReplProcess, conjunction: int) -> None:
    text = "-- first\nobtain ⟨h1, h2⟩ := h; constructor\n· have : a < 5 := by\n    omega\n  exact this\n/- and -/\nrfl"
    assert await steps(repl, text, conjunction) == (
        [("-- first\nobtain ⟨h1, h2⟩ := h", 1), ("constructor", 2),
         ("· have : a < 5 := by\n    omega\n  exact this", 1), ("/- and -/\nrfl", 0)],
        None,
    )  # fmt: skip


async def test_steps_end_where_one_fails(repl: ReplProcess, conjunction: int) -> None:
    done, problem = await steps(repl, "constructor\nrfl\nomega", conjunction)
    assert done == [("constructor", 2)]
    assert problem is not None
    assert "rfl" in problem
    done, problem = await steps(repl, "constructor\nexact foo", conjunction)
    assert (done, problem) == ([("constructor", 2)], "Unknown identifier `foo`")


async def test_what_stands_above_a_line_that_cannot_be_read_is_run(repl: ReplProcess, conjunction: int) -> None:
    for wrong in ("simp [", "foo bar", ")", "/- open", "have : a = := by simp"):
        done, problem = await steps(repl, f"constructor\nomega\n{wrong}\nrfl", conjunction)
        assert (done, bool(problem)) == ([("constructor", 2), ("omega", 1)], True), wrong
    assert (await steps(repl, "simp [", conjunction))[0] == []
    assert (await steps(repl, "", conjunction))[0] == []


async def test_a_block_in_braces_is_one_step(repl: ReplProcess, conjunction: int) -> None:
    text = "{ constructor; omega; rfl }"
    assert await steps(repl, text, conjunction) == ([(text, 0)], None)


async def test_steps_end_when_no_goal_is_left(repl: ReplProcess, conjunction: int) -> None:
    assert await steps(repl, "omega\nsimp\nfoo", conjunction) == ([("omega", 0)], None)


async def test_a_block_behind_a_semicolon_keeps_its_columns(repl: ReplProcess, conjunction: int) -> None:
    text = "constructor; · have := h.1\n               omega\nrfl"
    assert await steps(repl, text, conjunction) == ([(text.removesuffix("\nrfl"), 1), ("rfl", 0)], None)


async def test_steps_have_the_text_s_own_lines_in_messages(repl: ReplProcess, conjunction: int) -> None:
    answer = await tactic(repl, "constructor\n· exact foo\n· rfl", conjunction)
    assert [m["pos"] for m in answer["messages"]] == [{"line": 2, "column": 8}]
