"""How many statements of a benchmark file the `tactics` policy proves without Mathlib.

    python benchmarks/minif2f.py minif2f_valid.jsonl [--seconds 60] [--workers 2] [--only NAME]

The file has V1.5's fields (name, formal_statement ending in `:= by`). Statements are tried under the header `core`;
those that do not elaborate are counted and left out. One line per statement: name, proved or not, seconds, checks, kind
of proof.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from data import Theorem
from data.headers import CORE
from lean_env import LeanPool
from lean_env.embedded import install
from prover.policy import TacticsPolicy
from search import Budget, Sampling


def theorem(row: dict[str, str]) -> Theorem:
    statement = row["formal_statement"].rstrip().removesuffix("by").rstrip().removesuffix(":=").rstrip()
    return Theorem(row["name"], statement, header=CORE)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", action="append")
    args = parser.parse_args()
    install.install()
    rows = [json.loads(line) for line in args.file.read_text("utf-8").splitlines()]
    theorems = [theorem(row) for row in rows if not args.only or row["name"] in args.only]
    asked = proved = 0
    async with LeanPool(workers=args.workers) as pool:
        checks = [await pool.check(t.challenge, context=t.context) for t in theorems]
        for t, check in zip(theorems, checks, strict=True):
            if not check.ok or not check.sorries:
                continue
            asked += 1
            # A new policy each time: no statement may profit from another one's proof.
            result = await Sampling(pool, TacticsPolicy()).prove(t, Budget(seconds=args.seconds))
            proved += result.proved
            mark, family = ("proved", result.family) if result.proved else ("-", "")
            print(f"{t.name:45} {mark:7} {result.seconds:5.1f} s {result.checks:4} checks  {family}", flush=True)
    print(f"\n{len(theorems)} statements, {asked} can be asked without Mathlib, {proved} proved")


if __name__ == "__main__":
    asyncio.run(main())
