"""How many theorems of files with definitions of their own are proved without a model.

    python benchmarks/files.py [FILE.lean …] [--seconds 30] [--checks 300] [--workers 2] [--search auto] [--only NAME]
        [--every 3] [--without lemmas]

Without files: those of benchmarks/files, written for this. A file is complete: each theorem is tried as if its own
proof were missing, with those before it proved as the file proves them. One line per theorem: proved or not, wall
seconds, CPU seconds of the Lean processes, checks (questions to Lean, the final verdict included), kind of proof; then
the sums. On a busy machine wall seconds say little: give `--checks` and many `--seconds`. `--without` leaves out what
the policy makes of a goal's premises: all of it (`premises`), or one part.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from data.lean_file import parse
from lean_env import LeanPool
from lean_env.embedded import install
from lean_env.premises import Premises
from prover.policy import TacticsPolicy
from prover.policy.tactics import Proposal
from search import Budget
from search.searches import SEARCHES, searcher

PARTS = {  # kinds of proposals (see prover/policy/tactics/own.py)
    "premises": None,
    "lemmas": {"lemmas"},
    "induction": {"structural induction", "functional induction", "derivation"},
    "cases": {"cases", "split", "extensionality"},
    "witnesses": {"witness", "rules"},
    "suggestions": {"suggestion"},
}


class Without(TacticsPolicy):
    """The policy without one part of what it makes of a goal's premises."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part, self.uses_premises = part, part != "premises"

    def own(self, premises: Premises) -> Iterator[Proposal]:
        if self.part == "lemmas":
            premises = replace(premises, lemmas=())
        return (p for p in super().own(premises) if p.family not in (PARTS[self.part] or ()))


FILES = sorted((Path(__file__).parent / "files").glob("*.lean"))


def cpu_seconds(pids: list[int]) -> float:
    """What processes have used so far; those that have ended count no more. 0 where the system does not tell."""
    used = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", default=FILES)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--checks", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--search", choices=SEARCHES, default="auto")
    parser.add_argument("--only", action="append")
    parser.add_argument("--without", choices=PARTS)
    parser.add_argument("--every", type=int, default=1, help="only every so many theorems of all")
    args = parser.parse_args()
    install.install()
    met = asked = proved = checks = 0
    seconds = cpu = 0.0
    async with LeanPool(workers=args.workers) as pool:
        for path in args.files:
            file = await parse(pool, path.read_text("utf-8"), str(path))
            for place in file.places:
                if args.only and place.name not in args.only:
                    continue
                met += 1
                if met % args.every:
                    continue
                theorem = file.theorem(place, {})
                await pool.check(theorem.challenge, context=theorem.context)  # loading the context is not the search's
                before = cpu_seconds(pool.pids)
                # A new policy each time: no theorem may profit from another one's proof.
                policy = Without(args.without) if args.without else TacticsPolicy()
                search = searcher(args.search, pool, policy)
                result = await search.prove(theorem, Budget(seconds=args.seconds, checks=args.checks))
                used = max(0.0, cpu_seconds(pool.pids) - before)
                asked, checks = asked + 1, checks + result.checks
                seconds, cpu, proved = seconds + result.seconds, cpu + used, proved + result.proved
                mark = "proved" if result.proved else "-"
                print(
                    f"{path.stem:12} {place.name:36} {mark:7}{result.seconds:6.1f} s {used:6.1f} cpu"
                    f" {result.checks:4} checks  {result.family:20} {(result.proof or '').splitlines()[:1]}",
                    flush=True,
                )
    print(f"\n{proved} of {asked} proved, {checks} checks, {seconds:.0f} s, {cpu:.0f} s of the Lean processes' CPU")


if __name__ == "__main__":
    asyncio.run(main())
