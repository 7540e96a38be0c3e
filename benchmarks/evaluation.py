"""Measures the overhead of a run without policy and Lean: 20,000 problems × 8 samples, with instant stand-ins.

    python benchmarks/evaluation.py [--problems 20000] [--attempts 8]

Prints the time for each sample (with its record on the disk), the memory after a tenth of the run and at its end, the
time to restart a finished run, and that of the report's figures.
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
from eval.run import EvalProgress, make_attempts
from eval.summary import summarise
from lean_env import Claim, LeanPool, Reason, Verdict
from prover.policy import Policy, Prompt, Sample, SampleRequest, Usage


class InstantPolicy:
    """A policy that returns its samples immediately."""

    name, stepwise, window, last_error = "instant", False, 32, ""

    async def sample(
        self, prompt: Prompt, n: int, params: SampleRequest, usage: Usage | None = None
    ) -> AsyncGenerator[Sample]:
        """Yield one sample."""
        yield Sample(f"exact proof_{params.start}", "instant")

    def learn(self, sample: Sample, proved: bool) -> None:
        """Never called in `single`."""
        raise AssertionError

    def fresh(self) -> Policy:
        """Return itself: it has no state."""
        return self


class InstantLean(LeanPool):
    """A pool that judges immediately; one proof in sixteen is accepted."""

    def __init__(self) -> None:
        self.size, self.judged = 2, 0

    async def judge(self, claim: Claim, timeout: float = 60.0) -> Verdict:
        """Return a verdict."""
        self.judged += 1
        return Verdict(Reason.PROVED) if self.judged % 16 == 0 else Verdict(Reason.ERROR, "type mismatch")


def memory() -> float:
    """Return the memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=20_000)
    parser.add_argument("--attempts", type=int, default=8)
    args = parser.parse_args()
    config = RunConfig(problems="synthetic", attempts=args.attempts)
    with tempfile.TemporaryDirectory() as path:
        folder, early_memory = RunFolder(Path(path)), [0.0]
        head = {"config": config.model_dump(mode="json"), "problems": args.problems, "versions": {}, "started": ""}
        with folder.locked(head | {"identity": {}}):
            pass
        entry = Entry(Problem("", Theorem("t", "theorem t (n : Nat) : n + 0 = n")), True, goal="n : Nat\n⊢ n + 0 = n")
        async with folder.writing("problems.jsonl") as writer:
            for i in range(args.problems):
                await writer.write(replace(entry, problem=replace(entry.problem, name=f"t{i}")).as_json())

        def show(state: EvalProgress) -> None:
            if state.done == state.total // 10:
                early_memory[0] = memory()

        start, cpu = time.perf_counter(), time.process_time()
        await make_attempts(folder, InstantLean(), InstantPolicy(), config, show)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        samples = args.problems * args.attempts
        print(f"{samples:,} samples: {1e3 * wall / samples:.3f} ms each ({1e3 * cpu / samples:.3f} ms of CPU)")
        print(f"memory: {early_memory[0]:.0f} MiB after a tenth, {memory():.0f} MiB at the end")
        start = time.perf_counter()
        await make_attempts(folder, InstantLean(), InstantPolicy(), config, show)
        print(f"to find out that nothing is left to do: {time.perf_counter() - start:.1f} s")
        start = time.perf_counter()
        figures = summarise(folder)
        print(f"all figures: {time.perf_counter() - start:.1f} s; {figures['counts']['proved']:,} proved")
        assert figures["attempts_done"] == samples


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
