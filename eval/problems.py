"""The problems of a run: their selection, their digest, and their screening."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from itertools import islice
from pathlib import Path

from data import Theorem
from data.problems import Problem, ProblemError, read
from data.tasks import map_ordered
from eval.attempts import Entry
from eval.audit import Duplicates, audit_entry
from eval.screen import Screen, with_unique_names
from lean_env import LeanPool

_PREFETCH = 2  # problems in advance for each worker


def select_problems(path: Path, split: str = "", limit: int | None = None) -> Iterator[Problem | ProblemError]:
    """Yield the problems of a split (or all), at most `limit`, each under a unique name; then the unreadable ones.

    Raises ProblemError if there is no such split, and OSError.
    """
    unreadable: list[ProblemError] = []
    splits: set[str] = set()

    def of_split() -> Iterator[Problem]:
        for problem in with_unique_names(read(path, unreadable)):  # so that a name is the same in a run over all splits
            splits.add(problem.split)
            if split in ("", problem.split):
                yield problem

    yield from islice(of_split(), limit)
    if split not in splits | {""}:
        listed = ", ".join(sorted(filter(None, splits))) or "none"
        raise ProblemError(f"{path}: no problem of split {split!r}; its splits are: {listed}")
    yield from unreadable


def problems_digest(problems: Iterable[Problem | ProblemError]) -> tuple[int, str]:
    """Return the number of problems, and a hash of their names and texts, independent of the file's location."""
    count, sha256 = 0, hashlib.sha256()
    for problem in problems:
        count += 1
        if isinstance(problem, Problem):
            texts = [problem.name, *problem.theorem.exact_text]
            sha256.update(json.dumps(texts).encode("ascii"))
    return count, sha256.hexdigest()


async def screen_problems(
    pool: LeanPool, problems: Iterable[Problem | ProblemError], duplicates: Duplicates
) -> AsyncGenerator[Entry]:
    """Yield an entry for each problem, in order: whether Lean can express it, and its defects.

    duplicates: remembers the statements of earlier problems.
    """
    screen = Screen(pool)

    async def screen_one(problem: Problem | ProblemError) -> Entry:
        if isinstance(problem, ProblemError):
            path, _, reason = str(problem).partition(": ")
            return Entry(Problem(Path(path).name, Theorem("", "")), False, f"it cannot be read: {reason}")
        return await audit_entry(pool, await screen.entry(problem))

    async with aclosing(map_ordered(screen_one, problems, _PREFETCH * pool.size)) as entries:
        async for entry in entries:
            yield duplicates.flag(entry) if entry.theorem.statement else entry
