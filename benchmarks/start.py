"""Compares the start-up times of this checkout and another one of the project, by turns in one run.

    git worktree add ../before COMMIT && python benchmarks/start.py ../before

Both run with the packages of this environment. Prints, for each measurement, both medians and the ratio (this / other)
of CPU seconds and of wall seconds, and the memory of a Lean process that has checked one theorem.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROUNDS, PAIRS = 3, 400
START = """
import asyncio, time
import lean_env.protocol
from lean_env import Worker, embedded
lean = embedded()
async def main():
    worker = Worker(lean)
    begin = time.perf_counter()
    await worker.start()
    print(time.perf_counter() - begin)
    await worker.check("theorem t (a b : Nat) (h : a < b) : a + 1 < b + 1 := by omega")
    print(int(open(f"/proc/{worker.pid}/statm").read().split()[1]) * 4096 / 1e6)
    await worker.close()
asyncio.run(main())
"""
STATEMENT = "theorem t (a b : Nat) : a + b = b + a := by"
Seconds = tuple[float, float]  # CPU, wall


def write_pairs(path: Path) -> None:
    """Write 400 pairs of a challenge and a correct solution."""
    proofs = ["omega", "simp", "grind", "exact Nat.le_refl _"]
    with path.open("w") as file:
        for n in range(PAIRS):
            statement = f"theorem t (a b c k : Nat) : a + {n} ≤ a + {n}"
            solution = f"{statement} := by {proofs[n % len(proofs)]}"
            row = {"id": n, "challenge": f"{statement} := by sorry", "solution": solution}
            file.write(json.dumps(row) + "\n")


def command_seconds(command: Sequence[str], checkout: Path) -> Seconds:
    """Return the seconds of a Python command that finds its packages in a checkout."""
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


def compare(name: str, other: Path, rounds: int, measure: Callable[[Path], Seconds]) -> None:
    """Print the seconds of a measurement in both checkouts."""
    here = Path(__file__).parents[1]
    times: dict[Path, list[Seconds]] = {here: [], other: []}
    for turn in range(rounds):
        for checkout in (here, other) if turn % 2 else (other, here):
            times[checkout].append(measure(checkout))
    for k, kind in enumerate(("CPU", "wall")):
        this, that = (statistics.median(t[k] for t in times[checkout]) for checkout in (here, other))
        print(f"{name}, {kind} seconds: {this:.2f} here, {that:.2f} there, ratio {this / that:.2f}", flush=True)


def lean_start(checkout: Path) -> tuple[float, float]:
    """Return the seconds until a Lean process is ready, and its megabytes after one theorem."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-c", START], check=True, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True
    )
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def main(other: Path) -> None:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        challenge, solution, pairs_file = folder / "challenge.lean", folder / "solution.lean", folder / "pairs.jsonl"
        challenge.write_text(f"{STATEMENT} sorry\n")
        solution.write_text(f"{STATEMENT} omega\n")
        write_pairs(pairs_file)
        commands = {
            "prover --help": (2 * ROUNDS, ["-m", "prover", "--help"]),
            "prover check, one theorem": (2 * ROUNDS, ["-m", "prover", "check", str(challenge), str(solution)]),
            'prover prove --statement "1+1=2"': (2 * ROUNDS, ["-m", "prover", "prove", "--statement", "1+1=2"]),
            "prover prove examples/first.lean": (ROUNDS, ["-m", "prover", "prove", "examples/first.lean"]),
            f"prover check --jsonl, {PAIRS} pairs": (ROUNDS, ["-m", "prover", "check", "--jsonl", str(pairs_file)]),
        }
        for name, (rounds, command) in commands.items():
            compare(name, other, rounds, functools.partial(command_seconds, command))
        here, there = Path(__file__).parents[1], other
        starts = [(lean_start(here), lean_start(there)) for _ in range(2 * ROUNDS)]
        for k, what in enumerate(("seconds until a Lean process is ready", "megabytes of it after a theorem")):
            this, that = (statistics.median(pair[side][k] for pair in starts) for side in (0, 1))
            print(f"{what}: {this:.2f} here, {that:.2f} there, ratio {this / that:.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).resolve())
