"""What it gains that proofs are written while others are judged.

    python benchmarks/overlap.py [--samples 64] [--seconds 1.0]

The same samples for one theorem, none of them a proof, with real Lean on all cores and a model that is only a clock (as
a GPU elsewhere is one for this machine): an answer takes between half and one and a half times `--seconds`, a window of
them at a time. `in turns` asks for a window of answers, waits for all, has all judged, and asks again; `overlapping` is
search.Sampling. No order of work can be faster than the slower of the two sides, `at best`.
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
from search import Budget, Sampling

THEOREM = Theorem("t", "theorem t (a : Nat) : a = a + 1")


class Clock:
    """A policy that takes its time: `window` answers at once, each with a delay that its number decides."""

    name, stepwise, window, last_error = "clock", False, 8, ""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.places = asyncio.Semaphore(self.window)

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        for answer in asyncio.as_completed([self.write(params.start + k) for k in range(n)]):
            yield await answer

    async def write(self, number: int) -> Sample:
        async with self.places:
            await asyncio.sleep(self.seconds * random.Random(number).uniform(0.5, 1.5))
        k = number + 2
        return Sample(f"have h : (a + {k}) * (a + {k}) = a * a + {2 * k} * a + {k * k} := by grind\nomega")

    def learn(self, sample: Sample, proved: bool) -> None:
        pass


async def writing(clock: Clock, samples: int) -> list[Sample]:
    return [s async for s in clock.sample(Prompt(THEOREM), samples, SampleRequest())]


async def judging(pool: LeanPool, samples: list[Sample]) -> None:
    await asyncio.gather(*(pool.judge(THEOREM.claim(s.proof)) for s in samples))


async def in_turns(pool: LeanPool, clock: Clock, samples: int) -> None:
    for start in range(0, samples, clock.window):
        wanted = min(clock.window, samples - start)
        answers = [s async for s in clock.sample(Prompt(THEOREM), wanted, SampleRequest(start))]
        await judging(pool, answers)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    install.install()
    clock = Clock(args.seconds)
    async with LeanPool() as pool:
        await judging(pool, [await clock.write(-n - 3) for n in range(pool.size)])  # Lean is warm

        async def took(work: object) -> float:
            start = time.perf_counter()
            await work  # type: ignore[misc]
            return time.perf_counter() - start

        answers: list[Sample] = []

        async def write_all() -> None:
            answers.extend(await writing(clock, args.samples))

        model = await took(write_all())
        lean = await took(judging(pool, answers))
        turns = await took(in_turns(pool, clock, args.samples))
        overlapping = await took(Sampling(pool, clock).prove(THEOREM, Budget(samples=args.samples)))
        best = max(model, lean)
        print(f"{args.samples} samples: the model alone {model:.1f} s, Lean alone ({pool.size} workers) {lean:.1f} s")
        print(f"in turns {turns:.1f} s, overlapping {overlapping:.1f} s, at best {best:.1f} s")
        print(f"{turns / overlapping:.2f} × as fast; {overlapping / best:.2f} × the best")


if __name__ == "__main__":
    asyncio.run(main())
