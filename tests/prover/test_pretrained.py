"""The small model that comes along: it is a checkpoint like others, and proves what it was not trained on."""

from __future__ import annotations

from pathlib import Path

import torch

from data import Theorem
from lean_env import LeanPool
from prover.model import checkpoint
from prover.policy import PolicyConfig, TacticsPolicy, fallback_policy, open_policy
from prover.policy.registry import PRETRAINED
from search import Budget
from search.searches import searcher

# Not made by data.synthesis in this form, but of a kind that it makes, and with names that it uses.
TRIPLED = Theorem(
    "goal",
    "theorem goal (xs : List Nat) : walk xs = 3 * xs.length",
    preamble=("def walk : List Nat → Nat\n  | [] => 0\n  | _ :: xs => walk xs + 3\n",),
)


def test_it_is_small_and_in_bfloat16() -> None:
    size = sum(file.stat().st_size for file in Path(PRETRAINED).iterdir())
    assert size < 8_000_000
    assert checkpoint.load(PRETRAINED).norm.weight.dtype == torch.bfloat16


async def test_it_proves_by_induction_in_few_checks(pool: LeanPool) -> None:
    async with open_policy(PolicyConfig(name="native")) as policy:
        found = await searcher("sampling", pool, policy).prove(TRIPLED, Budget(checks=8, seconds=60))
    assert found.proof is not None, found.reasons
    assert "induction" in found.proof


async def test_with_auto_tactics_prove_what_it_does_not_know(pool: LeanPool) -> None:
    other = Theorem("o", "theorem o (a b : Nat) (h : a ^ 2 + b = 7) (g : b = 3) : a ^ 2 = 4")
    async with open_policy(PolicyConfig(name="native")) as policy:
        fallback = fallback_policy(PolicyConfig(name="native"))
        assert isinstance(fallback, TacticsPolicy)
        found = await searcher("auto", pool, policy, fallback=fallback).prove(other, Budget(seconds=60))
    assert found.proof is not None, found.reasons


def test_other_models_have_nothing_beside_them() -> None:
    assert fallback_policy(PolicyConfig(name="native", model="runs/mine")) is None
    assert fallback_policy(PolicyConfig(name="openai", model="x")) is None
