"""Measures the embedded Lean: two workers against one; the cost of goals and axioms; the cost of a verdict.

python benchmarks/lean.py
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path

from lean_env import Claim, LeanPool, Worker, embedded
from lean_env.embedded import install

CODES = {
    "term": "theorem t (p q : Prop) (hp : p) (hq : q) : p ∧ q := ⟨hp, hq⟩",
    "induction": "theorem t (n : Nat) : 0 + n = n := by\n  induction n with\n  | zero => rfl\n  | succ n ih => omega",
    "simp": "theorem t (xs ys : List Nat) : (xs ++ ys).length = ys.length + xs.length := by simp [Nat.add_comm]",
    "omega": "theorem t (a b c : Int) (h : a < b) (k : b < c) : a + 2 ≤ c := by omega",
    "grind": "theorem t (a b : Int) (h : a = b) : (a + b) ^ 2 = 4 * a * b := by grind",
    "decide": "theorem t : ∀ a b : Fin 8, a + b = b + a := by decide",
    "error": "theorem t (a b : Nat) : a * b = a + b := by omega",
}
START_ROUNDS, ROUNDS, THROUGHPUT = 5, 25, 300


async def goals_and_axioms() -> dict[str, float]:
    """Return the cost of a check with goals and axioms, relative to one without."""
    worker = Worker(embedded())
    await worker.start()
    plain, with_goals = [], []
    for _ in range(ROUNDS):
        for code in CODES.values():
            begin = time.perf_counter()
            await worker.check(code)
            plain.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            await worker.check(code, tactics=True, axioms=["t"])
            with_goals.append(time.perf_counter() - begin)
    await worker.close()
    return {"a check with goals and axioms asked for": sum(with_goals) / sum(plain)}


async def more_workers() -> dict[str, float]:
    """Return the throughput of two workers relative to one, measured by turns on warm processes."""
    codes = list(CODES.values()) * (THROUGHPUT // len(CODES))
    seconds: dict[int, list[float]] = {1: [], 2: []}
    async with LeanPool(workers=1) as one, LeanPool(workers=2) as two:
        await asyncio.gather(one.start(), two.start())
        for pool in (one, one, two, two, two, two):
            await asyncio.gather(*(pool.check(c) for c in codes))
        for _ in range(4):
            for pool in (one, two):
                begin = time.perf_counter()
                await asyncio.gather(*(pool.check(c) for c in codes))
                seconds[pool.size].append(time.perf_counter() - begin)
    one_worker, two_workers = statistics.median(seconds[1]), statistics.median(seconds[2])
    print(f"{len(codes)} checks: one worker {one_worker:.2f} s, two workers {two_workers:.2f} s")
    return {"throughput of two workers to one": one_worker / two_workers}


def cpu(pid: int | None) -> float:
    """Return CPU seconds of a process. Linux only."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def verdicts() -> dict[str, float]:
    """Return CPU seconds of a verdict in all three processes, relative to a plain check of the same text, by turns."""
    statement = "theorem t (a b c k : Nat) (h : a < b) : a + c + k + {} < b + c + k + {}"
    cpu_seconds: dict[str, float] = dict.fromkeys(("check", "proved", "failing check", "refused"), 0.0)
    async with LeanPool(workers=1) as plain, LeanPool(workers=1) as pool:
        await plain.check("")

        async def one(n: int, proof: str, names: tuple[str, str]) -> None:
            text = statement.format(n, n)
            claim = Claim(f"{text} := by sorry", f"{text} := {proof}", "t")
            jobs = ((plain, lambda: plain.check(claim.solution)), (pool, lambda: pool.judge(claim)))
            for name, (processes, job) in zip(names, jobs, strict=True):
                before = sum(map(cpu, processes.pids))
                await job()
                cpu_seconds[name] += sum(map(cpu, processes.pids)) - before

        for n in range(2 * THROUGHPUT):
            if n == THROUGHPUT // 2:  # a new process still compiles
                cpu_seconds = dict.fromkeys(cpu_seconds, 0.0)
            await one(n, "by omega", ("check", "proved"))
            await one(n, "by decide", ("failing check", "refused"))
    print("CPU ms: " + ", ".join(f"{name} {1000 * t / (1.5 * THROUGHPUT):.1f}" for name, t in cpu_seconds.items()))
    return {
        "a proved pair to a plain check of it": cpu_seconds["proved"] / cpu_seconds["check"],
        "a refused pair to a plain check of it": cpu_seconds["refused"] / cpu_seconds["failing check"],
    }


async def main() -> None:
    """Run the benchmark."""
    install.install()
    ratios = await goals_and_axioms() | await verdicts() | await more_workers()
    print()
    for what, ratio in ratios.items():
        print(f"{what:45} {ratio:8.2f}")


if __name__ == "__main__":
    asyncio.run(main())
