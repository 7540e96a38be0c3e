"""This checkout against another one of the project, by turns in one run: a process's start, and 400 easy verdicts.

    git worktree add ../before COMMIT && python benchmarks/versions.py ../before

Both run with this environment's packages. Prints, for each measurement, both medians and the ratio of CPU seconds and
of wall seconds (this one / the other one).
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS, PAIRS = 3, 400
START = """
import asyncio, time
from lean_env import Worker, embedded
async def main():
    worker = Worker(embedded())
    await worker.start()
    await worker.close()
asyncio.run(main())
"""
Seconds = tuple[float, float]  # CPU, wall


def pairs(path: Path) -> None:
    """Write 400 pairs of a challenge and a solution that holds."""
    proofs = ["omega", "simp", "grind", "exact Nat.le_refl _"]
    with path.open("w") as file:
        for n in range(PAIRS):
            statement = f"theorem t (a b c k : Nat) : a + {n} ≤ a + {n}"
            solution = f"{statement} := by {proofs[n % len(proofs)]}"
            row = {"id": n, "challenge": f"{statement} := by sorry", "solution": solution}
            file.write(json.dumps(row) + "\n")


def timed(checkout: Path, *command: str) -> Seconds:
    """Seconds of a Python command that finds its packages in a checkout."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    subprocess.run(
        [sys.executable, *command],
        check=True,
        cwd=checkout,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - start


def compared(name: str, other: Path, rounds: int, measure: Callable[[Path], Seconds]) -> None:
    here = Path(__file__).parents[1]
    times: dict[Path, list[Seconds]] = {here: [], other: []}
    for turn in range(rounds):
        for checkout in (here, other) if turn % 2 else (other, here):
            times[checkout].append(measure(checkout))
    for k, kind in enumerate(("CPU", "wall")):
        this, that = (statistics.median(t[k] for t in times[checkout]) for checkout in (here, other))
        print(f"{name}, {kind} seconds: {this:.2f} here, {that:.2f} there, ratio {this / that:.2f}", flush=True)


def main(other: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.jsonl"
        pairs(file)
        compared("a process's start", other, 2 * ROUNDS, lambda checkout: timed(checkout, "-c", START))
        check = ("-m", "prover", "check", "--jsonl", str(file))
        compared(f"{PAIRS} pairs", other, ROUNDS, lambda checkout: timed(checkout, *check))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
