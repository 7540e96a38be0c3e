"""Measures the cost of Ray: two workers in Ray actors on this machine against two local ones, by turns in one run.

python benchmarks/on_ray.py
"""

from __future__ import annotations

import asyncio
import statistics
import time

from lean_env import LeanPool
from lean_env.embedded import install

CODES = {
    "#check (about a millisecond)": "#check (1 : Nat)",
    "omega": "theorem t (a b c : Int) (h : a < b) (k : b < c) : a + 2 ≤ c := by omega",
    "grind": "theorem t (a b : Int) (h : a = b) : (a + b) ^ 2 = 4 * a * b := by grind",
}
CHECKS, ROUNDS = 200, 3


async def seconds(pool: LeanPool, code: str) -> float:
    """Return the seconds of many checks of a code."""
    begin = time.perf_counter()
    await asyncio.gather(*(pool.check(code) for _ in range(CHECKS)))
    return time.perf_counter() - begin


async def main() -> None:
    """Run the benchmark."""
    install.install()
    async with LeanPool(workers=2, confirm=False) as local:
        begin = time.perf_counter()
        await local.start()
        print(f"two local workers are ready after {time.perf_counter() - begin:.1f} s")
        begin = time.perf_counter()
        async with LeanPool(workers=2, confirm=False, backend="ray") as actors:
            started = time.perf_counter()
            await actors.start()
            print(f"Ray after {started - begin:.1f} s, two workers on it {time.perf_counter() - started:.1f} s later")
            for name, code in CODES.items():
                rates = []
                for _ in range(ROUNDS + 1):
                    rates.append((CHECKS / await seconds(local, code), CHECKS / await seconds(actors, code)))
                ours, rays = (statistics.median(rate) for rate in zip(*rates[1:], strict=True))
                print(f"{name:30} local {ours:6.0f}/s, Ray {rays:6.0f}/s, ratio {rays / ours:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
