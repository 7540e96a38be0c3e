"""Counts the theorems that are proved without a model, in files with definitions of their own.

    python benchmarks/files.py [FILE.lean …] [--cpu 60] [--seconds 30] [--checks 300] [--workers 2] [--search auto]
        [--only NAME] [--every 3] [--without lemmas]

Without files: those of benchmarks/files, written for this. A file is complete: each theorem is tried as if its own
proof were missing, with those before it proved as the file proves them. One line per theorem: proved or not, wall
seconds, CPU seconds of the Lean processes, checks (questions to Lean, the final verdict included), kind of proof; then
the sums, and what a proof took. `--cpu 60` is what two workers have in 30 s of an idle machine, on any machine.
`--without` leaves out what the policy makes of a goal's premises: all of it (`premises`), or one part: the file's
`definitions`, the `lemmas` above, `induction` (and cases) that fits, `witnesses` (and hypotheses taken apart), or
Lean's own `suggestions`. `workers idle`: the part of the workers' time in which no Lean process worked, on a machine
that is idle.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean, median

from data.lean_file import parse
from lean_env import LeanPool
from lean_env.cpu_time import measure_cpu_time
from lean_env.embedded import install
from lean_env.premises import Premises
from prover.policy import TacticsPolicy
from prover.policy.tactics import Proposal
from prover.policy.tactics.openings import OPENING
from search import Budget, SearchResult
from search.searches import SEARCHES, searcher

PARTS: dict[str, set[str]] = {  # kinds of proposals (see prover/policy/tactics/own.py)
    "premises": set(),
    "definitions": {"unfold"},
    "lemmas": {"lemmas"},
    "induction": {
        "structural induction", "functional induction", "derivation", "cases", "split", "extensionality",
    },
    "witnesses": {"witness", "rules"},
    "suggestions": {"suggestion", "library"},
}  # fmt: skip
STEPS = {"induction": ("induction ", "fun_induction ", "cases "), "witnesses": ("rename_i ", "obtain ", "intro ")}


class Without(TacticsPolicy):
    """The tactics policy without some of its proposals from a goal's premises."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part, self.uses_premises = part, part != "premises"

    def own(self, premises: Premises) -> Iterator[Proposal]:
        """Yield the proposals except those of the part."""
        if self.part == "lemmas":
            premises = replace(premises, lemmas=())
        if self.part == "definitions":  # the types of the file are what inductions are about
            known = tuple(c for c in premises.constants if c.kind in ("type", "predicate"))
            premises = replace(premises, constants=known, methods=())
        for proposal in super().own(premises):
            step = proposal.family == OPENING and proposal.text.startswith(STEPS.get(self.part, ("\n",)))
            if proposal.family not in PARTS[self.part] and not step:
                yield proposal


FILES = sorted((Path(__file__).parent / "files").glob("*.lean"))


def summary(name: str, values: list[float]) -> str:
    """Return the median and mean of a figure, as text."""
    return f"{name} a proof: median {median(values):.1f}, mean {mean(values):.1f}" if values else ""


async def main() -> None:
    """Prove the theorems and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", default=FILES)
    parser.add_argument("--cpu", type=float)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--checks", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--search", choices=SEARCHES, default="auto")
    parser.add_argument("--only", action="append")
    parser.add_argument("--without", choices=PARTS)
    parser.add_argument("--every", type=int, default=1, help="only every so many theorems of all")
    args = parser.parse_args()
    if args.cpu is None and args.seconds is None and args.checks is None:
        args.cpu = 60
    budget = Budget(cpu=args.cpu, seconds=args.seconds, checks=args.checks)
    install.install()
    num_seen = 0
    results: list[SearchResult] = []
    async with LeanPool(workers=args.workers) as pool:
        for path in args.files:
            file = await parse(pool, path.read_text("utf-8"), str(path))
            for declaration in file.theorems:
                if args.only and declaration.name not in args.only:
                    continue
                num_seen += 1
                if num_seen % args.every:
                    continue
                theorem = file.theorem(declaration, {})
                await pool.check(
                    theorem.challenge, context=theorem.context
                )  # so that loading the context is not measured
                # A new policy each time, so that no theorem profits from the proof of another.
                policy = Without(args.without) if args.without else TacticsPolicy()
                search = searcher(args.search, pool, policy)
                with measure_cpu_time():
                    result = await search.prove(theorem, budget)
                results.append(result)
                mark = "proved" if result.proved else "-"
                print(
                    f"{path.stem:12} {declaration.name:36} {mark:7}{result.seconds:6.1f} s {result.cpu:6.1f} cpu"
                    f" {result.checks:4} checks  {result.family:20} {(result.proof or '').splitlines()[:1]}",
                    flush=True,
                )
    proved = [result for result in results if result.proved]
    print(
        f"\n{len(proved)} of {len(results)} proved, {sum(r.checks for r in results)} checks,"
        f" {sum(r.seconds for r in results):.0f} s, {sum(r.cpu for r in results):.0f} s of the Lean processes' CPU"
    )
    wall = args.workers * sum(r.seconds for r in results)
    print(f"workers idle: {max(0.0, 1 - sum(r.cpu for r in results) / wall):.0%}" if wall else "")
    print(summary("checks", [r.checks for r in proved]))
    print(summary("CPU seconds", [r.cpu for r in proved]))


if __name__ == "__main__":
    asyncio.run(main())
