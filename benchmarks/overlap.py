"""Measures the gain from generating proofs while others are judged.

    python benchmarks/overlap.py [--samples 64] [--seconds 1.0]

The same samples for one theorem, none of them a proof, with real Lean on all cores and a model that is only a clock (as
a GPU elsewhere is one for this machine): an answer takes between half and one and a half times `--seconds`, a window of
them at a time. `in turns` asks for a window of answers, waits for all, has all judged, and asks again; `overlapping` is
search.SamplingSearch. No order of work can be faster than the slower of the two sides, `at best`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import AsyncGenerator

from data import Theorem
from lean_env import LeanPool
from lean_env.embedded import install
from prover.policy import Prompt, Sample, SampleRequest, Usage
from search import Budget, SamplingSearch

THEOREM = Theorem("t", "theorem t (a : Nat) : a = a + 1")


class DelayPolicy:
    """A policy with delays: `window` answers at once, each with a delay that depends on its number."""

    name, stepwise, window, last_error = "clock", False, 8, ""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.slots = asyncio.Semaphore(self.window)

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        """Yield samples as they are ready."""
        for answer in asyncio.as_completed([self.write(params.start + k) for k in range(n)]):
            yield await answer

    async def write(self, number: int) -> Sample:
        """Return the sample of a number after its delay."""
        async with self.slots:
            await asyncio.sleep(self.seconds * random.Random(number).uniform(0.5, 1.5))
        k = number + 2
        return Sample(f"have h : (a + {k}) * (a + {k}) = a * a + {2 * k} * a + {k * k} := by grind\nomega")

    def learn(self, sample: Sample, proved: bool) -> None:
        """Ignore the verdict."""
        pass


async def generate_all(policy: DelayPolicy, samples: int) -> list[Sample]:
    """Return samples, all requested at once."""
    return [s async for s in policy.sample(Prompt(THEOREM), samples, SampleRequest())]


async def judge_all(pool: LeanPool, samples: list[Sample]) -> None:
    """Judge samples, all at once."""
    await asyncio.gather(*(pool.judge(THEOREM.claim(s.proof)) for s in samples))


async def in_turns(pool: LeanPool, policy: DelayPolicy, samples: int) -> None:
    """Generate a window of samples, judge all of them, and repeat."""
    for start in range(0, samples, policy.window):
        count = min(policy.window, samples - start)
        answers = [s async for s in policy.sample(Prompt(THEOREM), count, SampleRequest(start))]
        await judge_all(pool, answers)


async def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    install.install()
    policy = DelayPolicy(args.seconds)
    async with LeanPool() as pool:
        await judge_all(pool, [await policy.write(-n - 3) for n in range(pool.size)])  # Lean is warm

        async def timed(work: object) -> float:
            start = time.perf_counter()
            await work  # type: ignore[misc]
            return time.perf_counter() - start

        answers: list[Sample] = []

        async def write_all() -> None:
            answers.extend(await generate_all(policy, args.samples))

        model = await timed(write_all())
        lean = await timed(judge_all(pool, answers))
        turns = await timed(in_turns(pool, policy, args.samples))
        overlapping = await timed(SamplingSearch(pool, policy).prove(THEOREM, Budget(samples=args.samples)))
        best = max(model, lean)
        print(f"{args.samples} samples: the model alone {model:.1f} s, Lean alone ({pool.size} workers) {lean:.1f} s")
        print(f"in turns {turns:.1f} s, overlapping {overlapping:.1f} s, at best {best:.1f} s")
        print(f"{turns / overlapping:.2f} × as fast; {overlapping / best:.2f} × the best")


if __name__ == "__main__":
    asyncio.run(main())
