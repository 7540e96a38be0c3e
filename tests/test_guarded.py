"""Whatever a policy wrote meets the rules for solutions before Lean sees it, on every way that leads there."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from data import Theorem
from lean_env import LeanPool, Reason
from prover.policy import Prompt
from prover.prompts import FAMILIES
from rl.reward import Judge
from search import Budget, Refine, RMaxTS, SamplingSearch
from search.expansion import StepwiseExpansion, WholeProofExpansion
from search.minimise import _EditSearch, minimise_proof, resolve_alternatives
from search.steps import steps
from tests.lean_env.unlocked import lean_behind
from tests.search.policies import Scripted

THEOREM = Theorem("t", "theorem t (p q : Prop) (hp : p) (hq : q) : p ∧ q")
CHEATS = {
    "configuration": 'first\n| simp (maxSteps := (dbgTrace "run" fun _ => 1000)) [hp, hq]\n| exact ⟨hp, hq⟩',
    "command": "exact ⟨hp, hq⟩\ndef f := 1\n#eval f",
    "tactic": 'constructor\n· exact hp\n· simp (config := { maxSteps := (dbgTrace "run" fun _ => 9) }) [hq]',
}
Way = Callable[[LeanPool, str], Awaitable[object]]


def searched(search: type[SamplingSearch | RMaxTS | Refine], stepwise: bool) -> Way:
    async def way(pool: LeanPool, text: str) -> None:
        policy = Scripted(lambda prompt: [text], stepwise=stepwise)
        result = await search(pool, policy).prove(THEOREM, Budget(checks=4, seconds=60))
        assert result.checks > 0
        # A command is no tactic: what stands above it is run step by step, and is a proof.
        assert result.proof in (None, "", "exact ⟨hp, hq⟩")
        assert set(result.reasons) <= {Reason.FORBIDDEN, Reason.ERROR, Reason.PROVED}

    return way


async def in_training(pool: LeanPool, text: str) -> None:
    """What TRL's and verl's trainers are given, too (rl/adapters)."""
    graded = await Judge(pool, FAMILIES["deepseek-v1.5-noncot"]).grade(Prompt(THEOREM), indented(text))
    assert graded.reward == 0
    assert graded.verdict.reason is Reason.FORBIDDEN


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


WAYS: dict[str, Way] = {
    "whole proofs": searched(SamplingSearch, False),
    "refinement": searched(Refine, False),
    "tree of whole proofs": searched(RMaxTS, False),
    "tree of steps": searched(RMaxTS, True),
    "an expansion by whole proofs": lambda pool, text: WholeProofExpansion(pool)(THEOREM, "", text, 60),
    "an expansion by steps": lambda pool, text: StepwiseExpansion(pool)(THEOREM, "", text, 60),
    "a continuation": lambda pool, text: WholeProofExpansion(pool)(THEOREM, "have : 1 = 1 := rfl", text, 60),
    "minimising": lambda pool, text: minimise_proof(pool, THEOREM, text),
    "an edit": lambda pool, text: _EditSearch(pool, THEOREM, time.monotonic() + 60, 60)._is_accepted(text),
    "taking the part that works": lambda pool, text: resolve_alternatives(pool, THEOREM, text),
    "the steps of a proof": lambda pool, text: steps(pool, THEOREM, text),
    "training": in_training,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(opened: Path) -> AsyncIterator[LeanPool]:
    """Processes with no lock but the rules for solutions."""
    async with LeanPool(lean_behind(["guard"], opened), workers=1) as pool:
        yield pool


@pytest.mark.parametrize("cheat", CHEATS)
@pytest.mark.parametrize("way", WAYS)
async def test_no_way_goes_around_the_rules(guarded: LeanPool, opened: Path, way: str, cheat: str) -> None:
    evaluated = opened / "evaluated"
    evaluated.unlink(missing_ok=True)
    await WAYS[way](guarded, CHEATS[cheat])
    assert not evaluated.exists()


@pytest.mark.parametrize("cheat", CHEATS)
async def test_without_the_rules_they_would_run(guarded: LeanPool, opened: Path, cheat: str) -> None:
    (opened / "evaluated").unlink(missing_ok=True)
    await guarded.check(THEOREM.solution(CHEATS[cheat]))
    assert (opened / "evaluated").exists()
