"""Measures the bookkeeping of RMaxTS in a large tree, relative to one check by Lean in the same run.

    python benchmarks/tree.py [--nodes 100000]

Grows a tree by expansions that reach a few states each, some of them known, and prints the time of an expansion's
selection and update over the last tenth of the growth, and its share of a check (`omega` on a small goal, warm).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time

from lean_env import LeanPool
from lean_env.embedded import install
from search.tree import Tree


def grow(nodes: int, branching: int) -> tuple[float, int, int]:
    """Grow a tree; return seconds of an expansion at the end, the number of expansions, and the depth."""
    tree, chance, number, times = Tree("root"), random.Random(1), 0, []
    while len(tree.nodes) < nodes:
        start = time.perf_counter()
        route = tree.select()
        assert route is not None
        node, new_state = route[-1][0], False
        for _ in range(chance.randrange(branching)):
            number += 1
            known = chance.random() < 0.3
            state = tree.nodes[chance.randrange(len(tree.nodes))].state if known else (f"⊢ {number} = n", ())
            new_state |= tree.add_state(node, state, f"tactic {number}")[1]
        tree.backpropagate(route, float(new_state))
        times.append(time.perf_counter() - start)
    return statistics.fmean(times[-len(times) // 10 :]), len(times), max(n.depth for n in tree.nodes)


async def check() -> float:
    """Return the median seconds of a warm check."""
    install.install()
    code = "theorem t (a b : Nat) (h : a < b) : a + 1 ≤ b := by omega"
    async with LeanPool(workers=1, confirm=False) as pool:
        times = []
        for _ in range(30):
            start = time.perf_counter()
            await pool.check(code)
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100_000)
    args = parser.parse_args()
    seconds = asyncio.run(check())
    print(f"a check: {seconds * 1000:.1f} ms")
    for branching in (3, 8, 40):
        expansion_seconds, expansions, depth = grow(args.nodes, branching)
        print(
            f"up to {branching - 1:2} states an expansion: {args.nodes} nodes, {expansions} expansions, depth {depth}: "
            f"{expansion_seconds * 1e6:.0f} µs an expansion, {100 * expansion_seconds / seconds:.2f} % of a check"
        )


if __name__ == "__main__":
    main()
