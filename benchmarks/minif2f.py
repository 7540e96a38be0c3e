"""Counts the statements of a benchmark file that are proved without a model server and without Mathlib.

    python benchmarks/minif2f.py FILE.jsonl [--split valid] [--policy tactics --policy native --policy both]
        [--search rmaxts --search sampling] [--seeds 3] [--checks 60] [--seconds 60] [--workers 2] [--only NAME]

The file is one that data.problems reads. Statements are tried under the header `core`;
those that do not elaborate are counted and left out. Policies: `tactics`; `native`, the bundled small model;
`both`, as `prover prove --policy native` mixes them. One line per statement, policy, search and seed: proved or not,
seconds, checks (requests to Lean, with the final verdict), kind of proof. Then, for each policy, search and seed,
how many were proved with how many checks. Seed 0 is the order of `tactics`; others draw another one around it.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from itertools import product
from pathlib import Path

from data.headers import CORE
from data.problems import read
from lean_env import LeanPool
from lean_env.embedded import install
from prover.policy import PolicyConfig, TacticsPolicy, fallback_policy, open_policy
from search import Budget
from search.searches import SEARCHES, searcher

BUDGETS = (5, 10, 20, 40, 60, 100, 200)


async def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--split")
    parser.add_argument("--policy", action="append", choices=("tactics", "native", "both"))
    parser.add_argument("--search", action="append", choices=SEARCHES)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--checks", type=int)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", action="append")
    args = parser.parse_args()
    install.install()
    problems = [p for p in read(args.file) if args.split in (None, p.split) and (not args.only or p.name in args.only)]
    theorems = [replace(problem.theorem, header=CORE) for problem in problems]
    runs = list(product(args.policy or ["tactics"], args.search or ["auto"], range(args.seeds)))
    checks_spent: dict[tuple[str, str, int], list[int]] = {run: [] for run in runs}  # for each proved statement
    total = dict.fromkeys(runs, 0)
    policy_name = "native" if any(name != "tactics" for name, _, _ in runs) else "tactics"
    async with LeanPool(workers=args.workers) as pool, open_policy(PolicyConfig(name=policy_name)) as model:
        checks = [await pool.check(t.challenge, context=t.context) for t in theorems]
        expressible = [t for t, check in zip(theorems, checks, strict=True) if check.ok and check.sorries]
        for t in expressible:
            for run in runs:
                name, search, seed = run
                # A new policy each time, so that no statement profits from the proof of another.
                policy = TacticsPolicy() if name == "tactics" else model.fresh()
                fallback = fallback_policy(PolicyConfig(name="native")) if name == "both" else None
                theorem_search = searcher(search, pool, policy, seed=seed, fallback=fallback)
                result = await theorem_search.prove(t, Budget(seconds=args.seconds, checks=args.checks))
                total[run] += result.checks
                if result.proved:
                    checks_spent[run].append(result.checks)
                outcome, family = ("proved", result.family) if result.proved else ("-", "")
                run_name = f"{name} {search} {seed}" if len(runs) > 1 else ""
                print(
                    f"{t.name:48} {run_name:20} {outcome:7}{result.seconds:5.1f} s {result.checks:4} checks  {family}",
                    flush=True,
                )
    print(f"\n{len(theorems)} statements, {len(expressible)} can be asked without Mathlib")
    print(
        f"{'policy':8}{'search':9} seed  proved  checks  proved with at most "
        + "".join(f"{n:5}" for n in BUDGETS)
        + " checks"
    )
    for run in runs:
        curve = "".join(f"{sum(n <= budget for n in checks_spent[run]):5}" for budget in BUDGETS)
        print(f"{run[0]:8}{run[1]:9} {run[2]:4}  {len(checks_spent[run]):6}  {total[run]:6}  {'':20}{curve}")


if __name__ == "__main__":
    asyncio.run(main())
