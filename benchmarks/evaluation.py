"""What a run costs beside the policy and Lean: 20,000 problems × 8 samples with both of them instant.

    python benchmarks/evaluation.py [--problems 20000] [--attempts 8]

Prints the time for each sample (recording it on the disk included), the memory after a tenth of the run and at its
end, the time to go on with a run that is done, and that of the report's figures. Lean and the policy are stand-ins:
what is measured is all the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

from data import Theorem
from data.problems import Problem
from eval.attempts import Entry
from eval.config import RunConfig
from eval.folder import RunFolder
from eval.run import Progress, attempt
from eval.summary import summary
from lean_env import Claim, LeanPool, Reason, Verdict
from prover.policy import Policy, Prompt, Sample, SampleRequest, Usage


class Instant:
    """A policy that has its samples at once."""

    name, stepwise, window, last_error = "instant", False, 32, ""

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        yield Sample(f"exact proof_{params.start}", "instant")

    def learn(self, sample: Sample, proved: bool) -> None:
        raise AssertionError

    def fresh(self) -> Policy:
        return self


class InstantLean(LeanPool):
    """A pool that judges at once: one proof in sixteen holds."""

    def __init__(self) -> None:
        self.size, self.judged = 2, 0

    async def judge(self, claim: Claim, timeout: float = 60.0) -> Verdict:
        self.judged += 1
        return Verdict(Reason.PROVED) if self.judged % 16 == 0 else Verdict(Reason.ERROR, "type mismatch")


def memory() -> float:
    """MiB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=20_000)
    parser.add_argument("--attempts", type=int, default=8)
    args = parser.parse_args()
    config = RunConfig(problems="synthetic", attempts=args.attempts)
    with tempfile.TemporaryDirectory() as path:
        folder, held = RunFolder(Path(path)), [0.0]
        head = {"config": config.model_dump(mode="json"), "problems": args.problems, "versions": {}, "started": ""}
        with folder.locked(head | {"identity": {}}):
            pass
        entry = Entry(Problem("", Theorem("t", "theorem t (n : Nat) : n + 0 = n")), True, goal="n : Nat\n⊢ n + 0 = n")
        async with folder.writing("problems.jsonl") as writer:
            for i in range(args.problems):
                await writer.write(replace(entry, problem=replace(entry.problem, name=f"t{i}")).as_json())

        def look(state: Progress) -> None:
            if state.done == state.total // 10:
                held[0] = memory()

        start, cpu = time.perf_counter(), time.process_time()
        await attempt(folder, InstantLean(), Instant(), config, look)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        samples = args.problems * args.attempts
        print(f"{samples:,} samples: {1e3 * wall / samples:.3f} ms each ({1e3 * cpu / samples:.3f} ms of CPU)")
        print(f"memory: {held[0]:.0f} MiB after a tenth, {memory():.0f} MiB at the end")
        start = time.perf_counter()
        await attempt(folder, InstantLean(), Instant(), config, look)
        print(f"to find out that nothing is left to do: {time.perf_counter() - start:.1f} s")
        start = time.perf_counter()
        figures = summary(folder)
        print(f"all figures: {time.perf_counter() - start:.1f} s; {figures['counts']['proved']:,} proved")
        assert figures["attempts_done"] == samples


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
