"""Thousands of checks while processes are killed and inputs are hostile: each gets its own verdict, none is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest

from lean_env import Check, Claim, Ended, LeanPool, Reason, Verdict
from lean_env.process import ProcessDied, ReplProcess
from tests.lean_env.processes import gone, resident

CHECKS = 1_500  # 5,000 were tried once
CALLERS = 16  # that wait for an answer at the same time
KILL_EVERY = 50  # completed checks
MIB = 2**20

Outcome = Check | Verdict
UNLUCKY = "the process was killed by signal 9"  # twice


@dataclass(frozen=True)
class Kind:
    """Checks of one kind. `{n}` in the code is the check's number, by which its answer is known."""

    code: str
    weight: int
    says: str = ""  # text of the message or detail that the answer must hold
    ended: frozenset[Ended] = frozenset({Ended.COMPLETED})
    timeout: float = 120.0  # seconds; generous, since the machine may be busy


def ending(*ends: Ended) -> frozenset[Ended]:
    return frozenset(ends)


CHECKED = {
    "number": Kind("#check ({n} : Nat)", 1500, "{n} : Nat"),
    "error": Kind("example : {n} = 0 := by decide", 1000, "{n} = 0"),
    "unknown": Kind("#check name{n}", 1000, "`name{n}`"),
    "unicode": Kind("-- ∀ 𝕊\n#check \"ε{n}🙂\"", 300, '"ε{n}🙂"'),
    "nul": Kind("\0#check ({n} : Nat)\n\0\n#check ({n} : Nat)", 200, "{n} : Nat"),
    "deep": Kind("#check (" + "(" * 300 + "{n}" + ")" * 300 + " : Nat)", 100, "{n} : Nat"),
    "arrows": Kind("#check ({n} : Nat)\n#check " + "True → " * 1000 + "True", 100, "{n} : Nat"),
    "invalid": Kind(
        b"#check {n} -- \xff\xfe".decode("utf-8", "surrogateescape"), 100, "not valid", ending(Ended.INPUT)
    ),
    "large": Kind("-- {n} " + "x" * 10_000_000, 20, "too large", ending(Ended.INPUT)),
    "endless": Kind("partial def f{n} (n : Nat) : Nat := f{n} n\n#eval f{n} {n}", 15, "", ending(Ended.TIMEOUT), 0.5),
    "search": Kind(
        "example : ∀ a b c : Fin 400, a.val + b.val + c.val < {n} + 5000 := by decide +kernel",
        25, "time limit", ending(Ended.TIMEOUT), 0.5,
    ),
    "bomb": Kind("#eval (Array.replicate (1000000000 + {n}) 0).size", 6, "memory", ending(Ended.MEMORY)),
    "deeper": Kind(
        "#check (" + "(" * 10_000 + "{n}" + ")" * 10_000 + " : Nat)", 2, "", ending(Ended.MEMORY, Ended.CRASH)
    ),
    "overflow": Kind(
        "def f{n} : Nat → Nat | 0 => {n} | n + 1 => f{n} n + 1\n#eval f{n} 10000000", 3, "overflow", ending(Ended.CRASH)
    ),
}  # fmt: skip
# challenge, solution and the reason of its verdict; the theorem is always `theorem_{n}`
JUDGED = {
    "proved": ("theorem theorem_{n} (a : Nat) : a + {n} = {n} + a := by sorry", "{c} omega", Reason.PROVED, 300),
    "wrong": ("theorem theorem_{n} : {n} + 1 = {n} := by sorry", "{c} decide", Reason.ERROR, 150),
    "other": ("theorem theorem_{n} : {n} = {n} := by sorry", "theorem other : True := trivial", Reason.MISSING, 100),
    "weaker": ("theorem theorem_{n} : {n} < 2 := by sorry", "theorem theorem_{n} : True := ⟨⟩", Reason.STATEMENT, 100),
}  # fmt: skip


def plan(seed: int) -> list[tuple[int, str]]:
    """(number, kind) of every check; the kinds in proportion to their weights, each at least once."""
    weights = {**{k: v.weight for k, v in CHECKED.items()}, **{k: v[3] for k, v in JUDGED.items()}}
    scale = CHECKS / sum(weights.values())
    kinds = [kind for kind, weight in weights.items() for _ in range(max(1, round(weight * scale)))]
    random.Random(seed).shuffle(kinds)
    return [(100_000 + i, kind) for i, kind in enumerate(kinds)]


async def outcome(pool: LeanPool, number: int, kind: str) -> Outcome:
    if kind in CHECKED:
        check = CHECKED[kind]
        return await pool.check(check.code.replace("{n}", str(number)), timeout=check.timeout)
    challenge, solution, _, _ = JUDGED[kind]
    challenge = challenge.replace("{n}", str(number))
    solution = solution.replace("{c}", challenge.removesuffix(" sorry")).replace("{n}", str(number))
    return await pool.judge(Claim(challenge, solution, f"theorem_{number}"), timeout=120)


def wrong(number: int, kind: str, got: Outcome) -> str | None:
    """What is wrong with this answer to this check, if anything."""
    if isinstance(got, Verdict):
        reason = JUDGED[kind][2]
        if got.reason is not reason:
            return f"{got.reason} instead of {reason}: {got.detail}"
        # An error is known by the claim's number in the text; the other reasons name the theorem.
        if str(number) not in got.detail + "".join(str(m) for m in got.check.messages) and reason is not Reason.PROVED:
            return f"it is not about {number}: {got.detail}"
        return None
    expected = CHECKED[kind]
    said = "\n".join([got.detail, *(m.text for m in got.messages)])
    if got.ended not in expected.ended:
        return f"{got.ended} instead of {expected.ended}: {said[:300]}"
    if expected.says.replace("{n}", str(number)) not in said:
        return f"it does not say {expected.says!r} of {number}: {said[:300]}"
    return None


def unlucky(got: Outcome) -> bool:
    """Its process was killed, and that of its second try, too."""
    how: str = got.reason if isinstance(got, Verdict) else got.ended
    if how == Reason.UNCONFIRMED:  # the second worker's
        how = Reason.CRASH if "says crash" in got.detail else how
    return how == "crash" and got.detail.endswith(UNLUCKY)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_every_check_gets_its_own_verdict(pool: LeanPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """(`pool` is asked for only because it installs Lean.)

    A check may say CRASH only if two of the processes that worked for it were killed. That is no rare thing here: a new
    process takes as long to start as hundreds of checks, and may be killed meanwhile.
    """
    dice = random.Random(2)
    jobs = plan(seed=1)
    waiting = iter(jobs)
    answers: dict[int, Outcome] = {}
    problems: list[str] = []
    pids: set[int] = set()
    killed: set[int] = set()
    died: dict[int, set[int]] = {}  # check -> processes that died working for it
    current: ContextVar[int] = ContextVar("current", default=0)
    kills, bad_luck, largest, python = 0, 0, 0, 0
    request = ReplProcess.request

    async def noted(process: ReplProcess, what: dict[str, Any], timeout: float) -> dict[str, Any]:
        try:
            return await request(process, what, timeout)
        except ProcessDied:
            died.setdefault(current.get(), set()).add(process.pid)
            raise

    monkeypatch.setattr(ReplProcess, "request", noted)
    start = time.monotonic()

    async with LeanPool(workers=2) as faulty:

        async def caller() -> None:
            nonlocal kills, bad_luck, largest, python
            for number, kind in waiting:
                current.set(number)
                got = await outcome(faulty, number, kind)
                assert number not in answers
                answers[number] = got
                if unlucky(got):
                    bad_luck += 1
                    if len(died[number] & killed) < 2:
                        problems.append(f"{kind} {number}: a crash without two kills")
                elif problem := wrong(number, kind, got):
                    problems.append(f"{kind} {number}: {problem}")
                pids.update(faulty.pids)
                largest = max(largest, *map(resident, faulty.pids), 0)
                python = max(python, resident())
                if len(answers) % KILL_EVERY == 0 and faulty.pids:
                    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                        victim = dice.choice(faulty.pids)
                        os.kill(victim, signal.SIGKILL)
                        killed.add(victim)
                        kills += 1

        # Every process runs, so that memory is compared with memory in use.
        await faulty.start()
        assert (await faulty.judge(Claim("theorem t : True := by sorry", "theorem t : True := ⟨⟩", "t"))).proved
        before = resident()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))

    print(
        f"\n{len(answers)} checks in {time.monotonic() - start:.0f} s; {kills} kills, {len(pids)} processes, "
        f"{bad_luck} checks killed twice; largest process {largest / MIB:.0f} MiB; "
        f"Python {before / MIB:.0f} to {python / MIB:.0f} MiB; {Counter(kind for _, kind in jobs)}"
    )
    assert not problems, "\n".join(problems)
    assert sorted(answers) == [number for number, _ in jobs]
    assert largest < 2200 * MIB
    assert python - before < 400 * MIB  # a 10 MB text is held a few times over
    await gone(pids, 5)
