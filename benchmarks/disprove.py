"""How many false statements are refuted, and whether a true one is.

    python benchmarks/disprove.py [--seconds 20 | --cpu 20] [--workers 2] [--only NAME] [--kind false]

The statements are our own, over core Lean: benchmarks/disprove/false.lean has fifty, benchmarks/disprove/true.lean too.
One line per statement: refuted or not, wall seconds, CPU seconds of the Lean processes, checks (questions to Lean), and
the counterexample. A refutation counts only with a Verdict on its proof. Exit code 1 if a true statement is refuted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from data.lean_file import parse
from lean_env import LeanPool
from lean_env.cpu_time import measure_cpu_time
from lean_env.embedded import install
from search import Budget
from search.searches import disprover

FOLDER = Path(__file__).parent / "disprove"


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--cpu", type=float, help="seconds of the Lean processes' processor time, on a busy machine")
    parser.add_argument("--kind", choices=("false", "true"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", action="append")
    args = parser.parse_args()
    if args.seconds is None and args.cpu is None:
        args.seconds = 20
    budget = Budget(seconds=args.seconds, cpu=args.cpu)
    install.install()
    counts: dict[str, tuple[int, int, int]] = {}
    async with LeanPool(workers=args.workers) as pool:
        for kind in [args.kind] if args.kind else ("false", "true"):
            file = await parse(pool, (FOLDER / f"{kind}.lean").read_text("utf-8"), kind)
            refuted = named = met = 0
            for declaration in file.theorems:
                if args.only and declaration.name not in args.only:
                    continue
                theorem = file.theorem(declaration, {})
                await pool.load(theorem.context)  # not the search's
                with measure_cpu_time():
                    result = await disprover(pool).refute(theorem, budget)
                found = result.refutation
                refuted, met = refuted + (found is not None), met + 1
                named += found is not None and bool(found.counterexample)
                said = found.summary if found else result.problem
                mark = "refuted" if found else "-"
                print(
                    f"{kind:6}{declaration.name:18}{mark:8}{result.seconds:6.1f} s{result.cpu:6.1f} cpu"
                    f"{result.checks:5} checks  {said}",
                    flush=True,
                )
                if args.only and found:
                    print(found.code)
            counts[kind] = refuted, named, met
    for kind, (refuted, named, met) in counts.items():
        print(f"{refuted} of {met} {kind} statements refuted, {named} of them with values")
    return 1 if "true" in counts and counts["true"][0] else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
