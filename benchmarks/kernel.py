"""Compares the time of our own kernel for a proof with the embedded Lean's second look at it, in one run.

    python benchmarks/kernel.py [FILE.jsonl] [--each]

The proofs: those of the examples, the honest ones of the tests, and, for a benchmark FILE that data.problems reads
(miniF2F), what the tactics find for those of its statements that core Lean can express. Each is elaborated by one
process and confirmed by another as for a Verdict; there the second look is timed: Lean's kernel reads what the solution
adds and checks it (driver/rebuild.cjs). Then our kernel checks the export, in a process that has checked others before,
and in one that is started for it. Everything once to warm up, and then a few times, of which a proof's time is the
median. Times are CPU time (Linux only), since what waits for another process says nothing; the last but one is a
waiting user's.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import yaml

import lean_env.worker
from data.headers import CORE
from data.judging import read_challenge
from data.problems import read
from lean_env import Claim, Lean, LeanPool, Verdict, Worker, embedded, kernel
from lean_env.embedded import install
from prover.policy import TacticsPolicy
from search import Budget
from search.searches import searcher

HERE = Path(__file__).parent
EXAMPLES, HONEST = HERE.parent / "examples", HERE.parent / "tests" / "fixtures" / "verdicts"
ROUNDS, BUDGET = 5, Budget(seconds=20, checks=20)


@dataclasses.dataclass
class Times:
    """Seconds for one proof.

    second, export: Lean's second look, and of this the export. own, started, wall: our kernel in a warm process, in a
    new one (CPU), and in a new one (wall). lines: of the export.
    """

    second: float
    export: float
    own: float
    started: float
    wall: float
    lines: int


async def claims_of(pool: LeanPool, challenge: str, solution: str) -> list[Claim]:
    """Return a claim for each theorem of a challenge."""
    return [Claim(challenge, solution, name) for name in (await read_challenge(pool, challenge)).names]


async def examples(pool: LeanPool) -> AsyncIterator[Claim]:
    """Yield the examples' solutions, and what `prover prove` finds for first.lean."""
    for line in (EXAMPLES / "pairs.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        for claim in await claims_of(pool, row["challenge"], row["solution"]):
            yield claim
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "proved.lean"
        command = [sys.executable, "-m", "prover", "prove", str(EXAMPLES / "first.lean"), "--out", str(out)]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        await process.wait()
        for claim in await claims_of(pool, (EXAMPLES / "first.lean").read_text("utf-8"), out.read_text("utf-8")):
            yield claim


async def honest(pool: LeanPool) -> AsyncIterator[Claim]:
    """Yield the honest proofs of the test fixtures."""
    for path in sorted(HONEST.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text("utf-8")):
            if case["proved"]:
                yield Claim(case["challenge"], case["solution"], case["name"])


def tactic_proofs(file: Path) -> Callable[[LeanPool], AsyncIterator[Claim]]:
    """Return a source of the proofs that tactics find for a benchmark file."""

    async def proofs(pool: LeanPool) -> AsyncIterator[Claim]:
        for problem in read(file):
            theorem = dataclasses.replace(problem.theorem, header=CORE)
            check = await pool.check(theorem.challenge, context=theorem.context)
            if check.ok and check.sorries:
                result = await searcher("auto", pool, TacticsPolicy(), seed=0, fallback=None).prove(theorem, BUDGET)
                if result.proof is not None:
                    yield theorem.claim(result.proof)

    return proofs


class Timer:
    """Two Lean processes as for a Verdict, and our kernel."""

    def __init__(self, lean: Lean) -> None:
        repl_index = next(k for k, word in enumerate(lean.argv) if word.endswith("repl.cjs"))
        argv = (*lean.argv[:repl_index], "-r", str(HERE / "kernel.cjs"), *lean.argv[repl_index:])
        self.first, self.second = Worker(lean), Worker(dataclasses.replace(lean, argv=argv))
        self.kernel = kernel.Kernel()
        self.exported: dict[str, Any] = {}

    async def close(self) -> None:
        """Stop the processes."""
        await asyncio.gather(self.first.close(), self.second.close(), self.kernel.close())

    async def times(self, claim: Claim) -> Times | None:
        """Return the times of a claim; None if it is not proved."""
        verdict, additions = await self.first.elaborate_solution(claim)
        if not verdict.proved:
            return None
        rounds = [await self._round(claim, additions) for _ in range(ROUNDS)]
        if None in rounds:
            return None
        second, export, own = (statistics.median(column) for column in zip(*filter(None, rounds), strict=True))
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        await kernel.check(self.exported["ndjson"], self.exported["given"])
        wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        started = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Times(second, export, own, started, wall, self.exported["ndjson"].count("\n"))

    async def _round(self, claim: Claim, additions: str) -> tuple[float, float, float] | None:
        async def own_kernel_verdict(_: object, confirmation: dict[str, Any], verdict: Verdict, *__: object) -> Verdict:
            self.exported = confirmation["export"]
            return verdict

        lean_env.worker.own_kernel_verdict = own_kernel_verdict
        if not (await self.second.confirm(claim, additions)).proved:
            return None
        await self.kernel.start()
        begin = cpu(self.kernel.pid)
        finding = await self.kernel.check(self.exported["ndjson"], self.exported["given"])
        own = cpu(self.kernel.pid) - begin
        assert finding.verdict == "accepts", (claim, finding)
        return self.exported["seconds"]["rebuild"], self.exported["seconds"]["export"], own


def cpu(pid: int | None) -> float:
    """Return CPU seconds of a process and its threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


async def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--each", action="store_true", help="print every proof's times")
    args = parser.parse_args()
    install.install()
    sources = {"examples": examples, "honest fixtures": honest}
    if args.file:
        sources[args.file.stem] = tactic_proofs(args.file)
    async with LeanPool(workers=1) as pool:
        claims = {name: [claim async for claim in source(pool)] for name, source in sources.items()}
    print(f"{'milliseconds, medians':24} proofs   lines  second look  (export)  our kernel  + Node   (wall)   ratio")
    everything: list[Times] = []
    timer = Timer(embedded(read=[HERE]))
    for claim in [claim for group in claims.values() for claim in group][::3]:
        await timer.times(claim)
    for name in claims:
        times: list[Times] = []
        for claim in claims[name]:
            measured = await timer.times(claim)
            if measured is not None:
                times.append(measured)
            if measured is not None and args.each:
                print_row(f"  {claim.theorem}"[:24], [measured])
        print_row(name, times)
        everything += times
    print_row("all", everything)
    await timer.close()


def print_row(name: str, times: list[Times]) -> None:
    """Print the medians of some proofs."""

    def median(of: Callable[[Times], float]) -> float:
        return statistics.median(map(of, times))

    print(
        f"{name:24} {len(times):6} {median(lambda t: t.lines):7.0f} {1000 * median(lambda t: t.second):12.2f} "
        f"{1000 * median(lambda t: t.export):9.2f} {1000 * median(lambda t: t.own):11.2f} "
        f"{1000 * median(lambda t: t.started):7.1f} {1000 * median(lambda t: t.wall):8.1f} "
        f"{median(lambda t: t.own / t.second):7.2f}",
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(main())
