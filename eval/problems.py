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
from data.tasks import in_order
from eval.attempts import Entry
from eval.audit import Duplicates, audited
from eval.config import RunConfig
from eval.screen import Screen, unique
from lean_env import LeanPool

_AHEAD = 2  # problems that wait for each worker


def selected(path: Path, config: RunConfig) -> Iterator[Problem | ProblemError]:
    """The problems that a run is about, each under a name of its own; then what cannot be read, whatever its split.

    Raises ProblemError, OSError.
    """
    unreadable: list[ProblemError] = []
    of_split = (p for p in read(path, unreadable) if not config.split or p.split == config.split)
    yield from islice(unique(of_split), config.limit)
    yield from unreadable


def digest(problems: Iterable[Problem | ProblemError]) -> tuple[int, str]:
    """How many they are, and a hash of what they are called and say, wherever the file lies."""
    count, sha256 = 0, hashlib.sha256()
    for problem in problems:
        count += 1
        if isinstance(problem, Problem):
            said = [problem.name, *problem.theorem.context, problem.theorem.statement]
            sha256.update(json.dumps(said).encode("ascii"))
    return count, sha256.hexdigest()


async def looked_at(
    pool: LeanPool, problems: Iterable[Problem | ProblemError], known: Iterable[Entry] = ()
) -> AsyncGenerator[Entry]:
    """Whether each problem can be asked, and what the audit has against it; in order. `known`: those before them."""
    screen, duplicates = Screen(pool), Duplicates()
    for entry in known:
        duplicates.flag(entry)

    async def look(problem: Problem | ProblemError) -> Entry:
        if isinstance(problem, ProblemError):
            return Entry(Problem(str(problem), Theorem("", "")), False, "it cannot be read")
        return await audited(pool, await screen.entry(problem))

    async with aclosing(in_order(look, problems, _AHEAD * pool.size)) as entries:
        async for entry in entries:
            yield duplicates.flag(entry) if entry.theorem.statement else entry
