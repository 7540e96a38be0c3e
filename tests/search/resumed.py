"""A search with a journal, to be killed: `python -m tests.search.resumed FOLDER` prints its nodes when it ends."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from data import Theorem
from lean_env import LeanPool
from search import Budget
from search.rmaxts import RMaxTS
from tests.search.policies import Scripted, orders

THEOREM = Theorem("t", "theorem t (p : Prop) : p")
NODES = 1 + 4 + 12 + 24 + 24


async def nodes(pool: LeanPool, folder: Path | None) -> list[str]:
    search = RMaxTS(pool, Scripted(orders), journals=folder, concurrency=3, seed=5)
    result = await search.prove(THEOREM, Budget())
    assert result.trace is not None
    return sorted(node.goals for node in result.trace.nodes)


async def main() -> None:
    async with LeanPool(workers=1, confirm=False) as pool:
        print(json.dumps(await nodes(pool, Path(sys.argv[1]))))


if __name__ == "__main__":
    asyncio.run(main())
