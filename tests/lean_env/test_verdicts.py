"""Every known way to be wrongly believed, and honest proofs that only look suspicious (tests/fixtures/verdicts)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lean_env import Claim, LeanPool, Reason, rules

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
    assert verdict.reason is Reason.ERROR
    assert "helper" in verdict.detail
