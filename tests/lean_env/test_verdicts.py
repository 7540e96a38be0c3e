"""Every known way to be wrongly believed, and honest proofs that only look suspicious (tests/fixtures/verdicts)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

import lean_env.confirmation
import lean_env.worker
from lean_env import Claim, LeanPool, Reason, Verdict, Worker, embedded, kernel, rules
from lean_env.verdict import conclude

FILES = sorted((Path(__file__).parents[1] / "fixtures" / "verdicts").glob("*.yaml"))
CASES: list[dict[str, Any]] = [
    {**case, "file": path.stem} for path in FILES for case in yaml.safe_load(path.read_text("utf-8"))
]


def test_the_collection_is_large_enough() -> None:
    assert sum(not c["proved"] for c in CASES) >= 60
    assert sum(c["proved"] for c in CASES) >= 20
    assert len({c["id"] for c in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['file']}-{c['id']}")
async def test_decided_right_for_the_right_reason(pool: LeanPool, case: dict[str, Any]) -> None:
    claim = Claim(case["challenge"], case["solution"], case["name"])
    verdict = await pool.judge(claim, timeout=case.get("timeout", 20))
    assert verdict.reason == Reason(case["reason"]), f"{case['why']}\n{verdict.detail}"
    assert verdict.proved == case["proved"]
    if verdict.proved:
        assert verdict.kernels == ("lean", "open-prover"), verdict.detail


SKIPS_THE_KERNEL = """\
set_option debug.skipKernelTC true in
theorem helper : 1 = 2 := by decide +kernel
theorem foo : 1 = 2 := helper
"""


async def test_the_kernel_has_a_second_look(pool: LeanPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the first lock taken off, what never passed the kernel is still not believed."""
    claim = Claim("theorem foo : 1 = 2 := sorry", SKIPS_THE_KERNEL, "foo")
    assert (await pool.judge(claim)).reason is Reason.FORBIDDEN
    monkeypatch.setattr(rules, "OPTIONS", [*rules.OPTIONS, "debug."])
    verdict = await pool.judge(claim)
    assert verdict.check.ok  # Lean itself says nothing against it
    assert verdict.reason is Reason.KERNEL
    assert "helper" in verdict.detail


HOLES = [c for c in CASES if c["file"] == "kernel" and c["challenge"].startswith("theorem foo : False")]


@pytest_asyncio.fixture(scope="module")
async def worker() -> AsyncIterator[Worker]:
    alone = Worker(embedded())
    yield alone
    await alone.close()


@pytest.mark.parametrize("case", HOLES, ids=lambda c: c["id"])
async def test_what_this_leans_kernel_wrongly_accepts_ours_does_not(
    worker: Worker, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the look at inductive types."""

    def blind(fact: dict[str, Any], *rest: Any, **named: Any) -> Verdict:
        return conclude({**fact, "computedSort": None}, *rest, **named)

    for module in (lean_env.worker, lean_env.confirmation):
        monkeypatch.setattr(module, "conclude", blind)
    monkeypatch.setattr(lean_env.confirmation, "disagreements_dir", lambda: tmp_path)
    verdict = await worker.judge(Claim(case["challenge"], case["solution"], case["name"]))
    assert verdict.reason is Reason.KERNEL, verdict
    assert verdict.kernels == ("lean",)
    assert "Lean's kernel accepts the proof and ours does not" in verdict.detail
    (kept,) = os.listdir(tmp_path)
    assert str(tmp_path / kept) in verdict.detail


async def test_a_tactic_that_the_kernel_sends_another_way(pool: LeanPool) -> None:
    """What the first process makes is what is confirmed: nothing is elaborated again."""
    statement = "theorem t : 7 % 2 = 1"
    proof = "first | exact (by decide +kernel : 7 % 2 = 0 ∧ 7 % 2 = 1).2 | rfl"
    assert (await pool.judge(Claim(f"{statement} := by sorry", f"{statement} := by {proof}", "t"))).proved


# ---- a limit of our kernel's own ----

LONG = "theorem t : (List.range 200).foldl (· + ·) 0 = 19900"  # thousands of steps
PLAIN = Claim(f"{LONG} := by sorry", f"{LONG} := by decide +kernel", "t")
TYPE = "inductive T | a\ntheorem u : T.a = T.a := rfl\n"
WITH_A_TYPE = Claim(f"{LONG} := by sorry", f"{TYPE}{LONG} := by have := u; decide +kernel", "t")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our kernel has no time for more than its first look at the clock."""
    check = kernel.Kernel.check

    async def at_once(self: kernel.Kernel, ndjson: str, given: int = 0, seconds: float = 60.0) -> kernel.Finding:
        return await check(self, ndjson, given, 1e-6)

    monkeypatch.setattr(kernel.Kernel, "check", at_once)


async def test_one_kernel_is_said_to_be_one(pool: LeanPool, hurried: None) -> None:
    verdict = await pool.judge(PLAIN)
    assert verdict.proved
    assert verdict.one_kernel
    assert verdict.kernels == ("lean",)
    assert verdict.detail.startswith("our kernel did not decide (")


async def test_one_kernel_is_not_enough_for_new_types(pool: LeanPool, hurried: None) -> None:
    verdict = await pool.judge(WITH_A_TYPE)
    assert verdict.reason is Reason.KERNEL
    assert verdict.detail.endswith("and the solution adds the type T")


async def test_types_of_the_challenge_are_not_new(pool: LeanPool, hurried: None) -> None:
    claim = Claim(f"{TYPE}{LONG} := by sorry", WITH_A_TYPE.solution, "t")
    assert (await pool.judge(claim)).one_kernel


async def test_one_kernel_is_not_enough_for_the_strict(hurried: None) -> None:
    async with LeanPool(workers=1, strict=True) as strict:
        verdict = await strict.judge(PLAIN)
    assert verdict.reason is Reason.KERNEL
    assert "did not decide" in verdict.detail


async def test_both_kernels_are_named(pool: LeanPool) -> None:
    for claim in (PLAIN, WITH_A_TYPE):
        verdict = await pool.judge(claim)
        assert (verdict.kernels, verdict.one_kernel, verdict.detail) == (("lean", "open-prover"), False, "")
