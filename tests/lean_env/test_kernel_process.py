"""The kernel's process: one for many checks, none of which leaves anything to the next."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lean_env import LeanPool
from lean_env.kernel import Kernel
from tests.lean_env.test_kernel import BY_HAND, FIXTURES


@pytest.fixture
async def kernel() -> AsyncIterator[Kernel]:
    async with Kernel() as kernel:
        yield kernel


def _text(name: str) -> tuple[str, dict[str, Any]]:
    return (FIXTURES / f"{name}.ndjson").read_text("utf-8"), BY_HAND[name]


STEPS = "theorem t : (Nat.rec 0 (fun _ k => k) 3 : Nat) = 0 := rfl"


@pytest.fixture
async def endless(pool: LeanPool) -> tuple[str, int]:
    """An export that takes minutes: as many steps as a number that stands in it."""
    ndjson, given = await pool.export(STEPS, ["t"])
    assert ndjson.count('"natVal":"3"') == 1
    return ndjson.replace('"natVal":"3"', '"natVal":"3000000000"'), given


async def test_one_process_checks_them_all(kernel: Kernel) -> None:
    """Twice, the second time backwards: the same findings, whatever came before."""
    await kernel.start()
    pid = kernel.pid
    for name in (*BY_HAND, *reversed(BY_HAND)):
        text, expected = _text(name)
        finding = await kernel.check(text, expected.get("given", 0))
        assert (finding.verdict, finding.rule) == (expected["verdict"], expected.get("rule", "")), (name, finding)
    decided = all(case["verdict"] != "undecided" for case in BY_HAND.values())
    assert (kernel.pid == pid) == decided


async def test_nothing_is_left_of_the_check_before(kernel: Kernel) -> None:
    """What one export declares is not declared in the next; and a name that it redefines is free again."""
    text, _ = _text("nat")
    assert (await kernel.check(text)).verdict == "accepts"
    lines = text.splitlines()
    without = "\n".join(line for line in lines if "inductive" not in json.loads(line)) + "\n"
    alone = without + '{"axiom":{"name":1,"levelParams":[],"type":0,"isUnsafe":false}}\n'
    first = await kernel.check(alone)
    async with Kernel() as fresh:
        assert await fresh.check(alone) == first
    assert (await kernel.check(text)).verdict == "accepts"


async def test_it_is_started_again_after_it_died(kernel: Kernel) -> None:
    text, _ = _text("nat")
    await kernel.check(text)
    before = kernel.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    await asyncio.sleep(0.5)
    assert (await kernel.check(text)).verdict == "accepts"
    assert kernel.pid not in (None, before)


async def test_it_dies_during_a_check(kernel: Kernel, endless: tuple[str, int]) -> None:
    await kernel.start()
    assert kernel.pid is not None
    check = asyncio.create_task(kernel.check(*endless))
    await asyncio.sleep(0.3)
    os.kill(kernel.pid, signal.SIGKILL)
    finding = await check
    assert (finding.verdict, finding.rule) == ("undecided", "limit.process")
    assert (await kernel.check(_text("nat")[0])).verdict == "accepts"


async def test_a_check_ends_in_time(kernel: Kernel, endless: tuple[str, int]) -> None:
    """By itself; and the next one, which waits for its turn, has a process of its own and all its time."""
    begin = time.monotonic()
    late, next_one = await asyncio.gather(kernel.check(*endless, seconds=1), kernel.check(_text("nat")[0], seconds=1))
    assert (late.verdict, late.rule) == ("undecided", "limit.seconds")
    assert next_one.verdict == "accepts"
    assert time.monotonic() - begin < 5


async def test_it_does_not_keep_to_its_limit(
    kernel: Kernel, endless: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed."""
    monkeypatch.setattr("lean_env.kernel._GRACE", -1.0)
    finding = await kernel.check(*endless, seconds=2)
    assert (finding.verdict, finding.rule) == ("undecided", "limit.time")
    assert kernel.pid is None


async def test_a_check_is_cancelled(kernel: Kernel, endless: tuple[str, int]) -> None:
    """Its answer is not taken for that to the next one."""
    check = asyncio.create_task(kernel.check(*endless, seconds=30))
    await asyncio.sleep(0.3)
    check.cancel()
    with pytest.raises(asyncio.CancelledError):
        await check
    assert kernel.pid is None
    assert (await kernel.check(_text("nat")[0])).verdict == "accepts"


async def test_it_ends_with_the_block() -> None:
    async with Kernel() as kernel:
        await kernel.start()
        pid = kernel.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
