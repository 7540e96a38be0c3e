"""Of the alternatives of a `first`, the one that was needed."""

from __future__ import annotations

from data import Theorem
from lean_env import LeanPool
from search.shorten import alternatives, shortened

AND = Theorem("t", "theorem t (n : Nat) : n + 0 = n ∧ 0 < n + 1")


async def test_only_what_is_needed_is_left(pool: LeanPool) -> None:
    proof = "constructor\n· first | (intros; omega) | rfl\n· cases n with\n  | zero => first | contradiction | decide\n"
    proof += "  | succ m => skip <;> first | rfl | (skip; omega)"
    assert await shortened(pool, AND, proof) == (
        "constructor\n· intros; omega\n· cases n with\n  | zero => decide\n  | succ m => skip <;> (skip; omega)"
    )


async def test_what_needs_more_than_one_alternative_stays(pool: LeanPool) -> None:
    proof = "constructor <;> first | rfl | exact Nat.succ_pos n"
    assert await shortened(pool, AND, proof) == proof
    assert await shortened(pool, AND, "omega") == "omega"


def test_bars_in_brackets_are_no_alternatives() -> None:
    text = "(simp; done) | (first | rfl | omega) | rcases h with ⟨a | b⟩"
    assert list(alternatives(text)) == ["(simp; done)", "(first | rfl | omega)", "rcases h with ⟨a | b⟩"]
