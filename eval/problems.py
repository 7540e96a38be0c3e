"""A benchmark's problems: which of them a run is about, and what is to be known of them before they are asked."""

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
from eval.audit import Duplicates, audited
from eval.screen import Screen, unique
from lean_env import LeanPool

_AHEAD = 2  # problems that wait for each worker


def selected(path: Path, split: str = "", limit: int | None = None) -> Iterator[Problem | ProblemError]:
    """The problems of a split (or of all), the first so many of them, each under a name of its own; then what cannot be
    read, whatever its split.

    Raises ProblemError if there is no such split, and OSError.
    """
    unreadable: list[ProblemError] = []
    splits: set[str] = set()

    def of_split() -> Iterator[Problem]:
        for problem in unique(read(path, unreadable)):  # a name is the same in a run over all splits
            splits.add(problem.split)
            if split in ("", problem.split):
                yield problem

    yield from islice(of_split(), limit)
    if split not in splits | {""}:
        there = ", ".join(sorted(filter(None, splits))) or "none"
        raise ProblemError(f"{path}: no problem of split {split!r}; its splits are: {there}")
    yield from unreadable


def digest(problems: Iterable[Problem | ProblemError]) -> tuple[int, str]:
    """How many they are, and a hash of what they are called and say, wherever the file lies."""
    count, sha256 = 0, hashlib.sha256()
    for problem in problems:
        count += 1
        if isinstance(problem, Problem):
            said = [problem.name, *problem.theorem.exact_text]
            sha256.update(json.dumps(said).encode("ascii"))
    return count, sha256.hexdigest()


async def looked_at(
    pool: LeanPool, problems: Iterable[Problem | ProblemError], duplicates: Duplicates
) -> AsyncGenerator[Entry]:
    """Whether each problem can be asked, and what the audit has against it; in order. `duplicates`: of those before."""
    screen = Screen(pool)

    async def look(problem: Problem | ProblemError) -> Entry:
        if isinstance(problem, ProblemError):
            place, _, reason = str(problem).partition(": ")
            return Entry(Problem(Path(place).name, Theorem("", "")), False, f"it cannot be read: {reason}")
        return await audited(pool, await screen.entry(problem))

    async with aclosing(map_ordered(look, problems, _AHEAD * pool.size)) as entries:
        async for entry in entries:
            yield duplicates.flag(entry) if entry.theorem.statement else entry
