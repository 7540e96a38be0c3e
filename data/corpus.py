"""Builds one corpus of theorems with proofs: reads, deduplicates, decontaminates, lets Lean judge, and splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.decontaminate import MAX_PROOFS_PER_STATEMENT, Contamination, ContaminationIndex, deduplicated
from data.pairs import Pair, read
from data.problems import ProblemError
from data.splits import is_held_out
from data.tasks import map_ordered
from data.theorem import Theorem
from lean_env import LeanPool, Verdict

Progress = Callable[[Iterable[Any], str, int | None], Iterable[Any]]
"""Hands through the items of a stage while it shows how many are done: (items, name of the stage, their number)."""


@dataclass(frozen=True)
class Corpus:
    """The pairs to train on, those held out from training, and what was dropped of what was read.

    unproved: places of theorems without a proof. repeated: how many pairs were duplicates, or more proofs of a
    statement than are kept. refused: the reasons of Lean's verdicts, each with how often it was given.
    """

    train: list[Pair]
    held_out: list[Pair]
    unproved: list[str]
    unreadable: list[ProblemError]
    repeated: int
    contaminated: list[Contamination]
    refused: Counter[str]


def _unseen(items: Iterable[Any], stage: str, total: int | None) -> Iterable[Any]:
    return items


async def build_corpus(
    paths: Sequence[Path],
    against: Iterable[Theorem] = (),
    most: int = MAX_PROOFS_PER_STATEMENT,
    held_out: float = 0.0,
    pool: LeanPool | None = None,
    timeout: float = 60.0,
    progress: Progress = _unseen,
) -> Corpus:
    """A corpus from files and folders of pairs (see data.pairs.read).

    against: theorems of benchmarks; pairs that overlap with one are dropped. most: proofs kept of one statement.
    held_out: the share of the statements, 0 to 1, that is kept from training. pool: judges each proof, for at most
    `timeout` seconds, and what does not hold is dropped; without it, nothing is judged.

    Raises ProblemError if no proof can be read, OSError.
    """
    unreadable: list[ProblemError] = []
    unproved: list[str] = []
    given = [pair for path in paths for pair in progress(read(path, unreadable, unproved), "reading", None)]
    if not given:
        first = f": {unreadable[0]}" if unreadable else ": all its theorems are open" if unproved else ""
        raise ProblemError(f"no proof in it could be read{first}")
    distinct = deduplicated(progress(given, "comparing", len(given)), most)
    index = ContaminationIndex(against)
    kept: list[Pair] = []
    contaminated: list[Contamination] = []
    for pair in progress(distinct, "looking for the benchmarks", len(distinct)):
        overlap = index.find_overlap(pair)
        if overlap:
            contaminated.append(overlap)
        else:
            kept.append(pair)
    refused = Counter[str]()
    if pool is not None:
        kept, refused = await _judged(pool, kept, timeout, progress)
    away = [is_held_out(pair.problem.theorem, held_out) for pair in kept]
    return Corpus(
        train=[pair for pair, out in zip(kept, away, strict=True) if not out],
        held_out=[pair for pair, out in zip(kept, away, strict=True) if out],
        unproved=unproved,
        unreadable=unreadable,
        repeated=len(given) - len(distinct),
        contaminated=contaminated,
        refused=refused,
    )


async def _judged(
    pool: LeanPool, pairs: Sequence[Pair], timeout: float, progress: Progress
) -> tuple[list[Pair], Counter[str]]:
    """The pairs that Lean finds proved, and the reasons why the others are not."""
    kept, refused = list[Pair](), Counter[str]()

    async def verdict(pair: Pair) -> tuple[Pair, Verdict]:
        return pair, await pool.judge(pair.problem.theorem.claim(pair.proof), timeout)

    steps = iter(progress(range(len(pairs)), "checking", len(pairs)))
    async with aclosing(map_ordered(verdict, pairs, 2 * pool.size)) as verdicts:
        async for pair, found in verdicts:
            next(steps, None)
            if found.proved:
                kept.append(pair)
            else:
                refused[str(found.reason)] += 1
    next(steps, None)  # the end of the stage
    return kept, refused
