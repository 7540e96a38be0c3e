"""Tactic states inside proofs, from Lean, for examples that continue a proof (DeepSeek-Prover-V1.5 §2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing, closing
from pathlib import Path

from data.pairs import Pair
from data.records.jsonl import JsonlWriter, read_jsonl
from data.tasks import map_ordered
from lean_env import LeanPool
from rl.examples import States
from search.steps import steps


async def states(pool: LeanPool, pairs: Sequence[Pair], file: Path) -> States:
    """For each proof, the points at which it can be continued, its beginning excepted.

    `file` gets a line for each pair that is done, so that a run that goes on does not repeat it. Raises JsonlError.
    """
    known = [[(prefix, column, goal) for prefix, column, goal in row] for row in read_jsonl(file)]

    async def one(pair: Pair) -> list[tuple[str, int, str]]:
        found = await steps(pool, pair.problem.theorem, pair.proof)
        places = [(pair.proof[: step.start], step.column, step.state) for step in found]
        return [place for place in places if place[0].strip()]

    with closing(JsonlWriter(file)) as lines:
        async with aclosing(map_ordered(one, pairs[len(known) :], 2 * pool.size)) as every:
            async for places in every:
                lines.append([places])
                known.append(places)
    return dict(zip(pairs, known, strict=False))
