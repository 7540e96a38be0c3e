"""Compares three ways to continue the start of a proof: check all again, Lean's snapshots, or kept proof states.

    python benchmarks/prefix.py [--tactics 20]

A proof with a prefix of tactics that each take some work is ended in several ways. `full` checks it from its start,
`reused` with `reuse=True` after a proof that begins alike, `steps` in tactic mode from the prefix's proof state;
medians and ratios of one run. Then tactics a second that one worker tries on one state, most of them failing, as in a
search.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable

from lean_env import LeanPool
from lean_env.embedded import install

STATEMENT = "theorem t (a b c d : Nat) (h : a < b) (k : c < d) : a + c < b + d ∧ a ≤ b"
ENDS = {
    "a right end": "constructor <;> omega",
    "simp fails": "constructor\nsimp",
    "an error in the middle": "constructor\n· rfl\n· omega",
    "goals left": "constructor",
}
SINGLE = ["simp", "rfl", "intro x", "constructor", "exact h.1", "cases h", "decide", "apply And.intro", "assumption",
          "refine ⟨?_, ?_⟩", "have e := h", "exact ⟨h, k⟩", "contradiction", "trivial", "subst h", "left"]  # fmt: skip


async def milliseconds(answer: Awaitable[object]) -> float:
    """Return the milliseconds until an awaitable is done."""
    start = time.perf_counter()
    await answer
    return (time.perf_counter() - start) * 1000


async def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tactics", type=int, default=20)
    args = parser.parse_args()
    install.install()
    prefix = "\n".join(
        f"have h{n} : (a + {n}) * (a + {n}) = a * a + {2 * n} * a + {n * n} := by grind"
        for n in range(3, 3 + args.tactics)
    )
    challenge = f"{STATEMENT} := by\n  sorry"

    def code(end: str) -> str:
        return f"{STATEMENT} := by\n" + "\n".join("  " + line for line in f"{prefix}\n{end}".split("\n"))

    async with LeanPool(workers=1, confirm=False) as pool:
        await pool.check("")
        await pool.check(code("skip"), tactics=True, reuse=True)
        await pool.steps(challenge, prefix)
        print(f"{'':24}    full  reused    steps   full/reused  full/steps")
        for name, end in ENDS.items():
            full, reused, steps = [], [], []
            for n in range(3):
                text = f"{end}\n-- {n}"  # another one each time
                full.append(await milliseconds(pool.check(code(text), tactics=True)))
                reused.append(await milliseconds(pool.check(code(text), tactics=True, reuse=True)))
                steps.append(await milliseconds(pool.steps(challenge, text, after=prefix)))
            f, r, s = map(statistics.median, (full, reused, steps))
            print(f"{name:24} {f:5.0f} ms {r:4.0f} ms {s:6.1f} ms {f / r:10.1f} × {f / s:9.1f} ×")
        times = {
            tactic: statistics.median([await milliseconds(pool.steps(challenge, tactic)) for _ in range(100)])
            for tactic in SINGLE
        }
        print(f"\n{1000 / statistics.mean(times.values()):.0f} tactic steps a second and worker, of these:")
        print(", ".join(f"`{tactic}` {ms:.1f} ms" for tactic, ms in sorted(times.items(), key=lambda item: item[1])))


if __name__ == "__main__":
    asyncio.run(main())
