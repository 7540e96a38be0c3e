"""What each kind of line costs that the tactics policy proposes, and how often it helps.

    python benchmarks/lines.py [--count 20] [--seed 0] [--lines 30] [--seconds 4] [--families functions trees …]

Theorems are made for it (data/synthesis) about definitions of their own. Of each, the first lines that a tree search
tries at its root (but for single steps) are tried as whole proofs, one after the other on one worker, whether an
earlier one has proved it or not. A row per kind: lines tried; lines that prove their theorem; theorems that a line of
this kind proves first; CPU seconds of a line that proves and of one that does not; and the CPU seconds a theorem that
lines of this kind took before a line of another kind proved it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from statistics import mean

from data.synthesis import FAMILIES, generate
from data.theorem import Theorem
from lean_env import LeanPool
from lean_env.cpu_time import measure_cpu_time
from lean_env.embedded import install
from prover.policy.tactics import own, steps
from prover.policy.tactics.openings import OPENING
from search.searcher import SearchResult, initial_goal

OWN = ("functions", "recursion", "accumulators", "trees", "predicates")  # they define something


@dataclass
class Kind:
    """What lines of one kind came to; CPU seconds."""

    proving: list[float] = field(default_factory=list)
    failing: list[float] = field(default_factory=list)
    first: int = 0
    before: float = 0.0


async def tried(pool: LeanPool, theorem: Theorem, lines: int, seconds: float, kinds: dict[str, Kind]) -> bool:
    """Try a theorem's first lines; whether one proves it."""
    goal = await initial_goal(pool, theorem, SearchResult(theorem))
    if goal is None:
        return False
    premises = await pool.premises(theorem.challenge, context=theorem.context)
    proved = False
    spent: dict[str, float] = defaultdict(float)
    whole = (p for p in steps(goal, own(premises) if premises else ()) if p.family != OPENING)
    for proposal in islice(whole, lines):
        with measure_cpu_time() as work:
            check = await pool.check(
                theorem.solution(proposal.text),
                context=theorem.context,
                timeout=seconds,
                challenge=theorem.challenge,
                reuse=True,
            )
        kind = kinds[proposal.family]
        (kind.proving if check.ok else kind.failing).append(work.seconds)
        if not proved:
            spent[proposal.family] += work.seconds
        if check.ok and not proved:
            proved = True
            kind.first += 1
            for family, cpu in spent.items():
                kinds[family].before += cpu if family != proposal.family else 0.0
    return proved


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lines", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=4, help="limit of one line")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=OWN)
    args = parser.parse_args()
    install.install()
    kinds: dict[str, Kind] = defaultdict(Kind)
    proved = 0
    async with LeanPool(workers=1, confirm=False) as pool:
        for problem in generate(args.seed, args.count, args.families):
            proved += await tried(pool, problem.theorem, args.lines, args.seconds, kinds)
            print(f"\r{problem.name}: {proved} proved", end="", flush=True)
    print(f"\r{proved} of {args.count} theorems proved by one of their first {args.lines} lines\n")
    print(f"{'kind':24} {'tried':>6} {'prove':>6} {'first':>6} {'s proving':>10} {'s failing':>10} {'s before':>9}")
    for name, kind in sorted(kinds.items(), key=lambda item: -item[1].first):
        count = len(kind.proving) + len(kind.failing)
        each = (f"{mean(times):10.2f}" if times else f"{'-':>10}" for times in (kind.proving, kind.failing))
        before = kind.before / args.count
        print(f"{name:24} {count:6} {len(kind.proving):6} {kind.first:6} {' '.join(each)} {before:9.2f}")


if __name__ == "__main__":
    asyncio.run(main())
