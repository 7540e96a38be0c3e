"""Reading the problems that a command is given the name of."""

from __future__ import annotations

from data import benchmarks, problems
from data.problems import Problem, ProblemError
from prover.cli.common import Exit, Stop


def known_problems(name_or_path: str) -> tuple[list[Problem], list[ProblemError]]:
    """The problems of a benchmark or a file, and what of it cannot be read. Ends the command if there is none."""
    unreadable: list[ProblemError] = []
    try:
        found = list(problems.read(benchmarks.located(name_or_path), unreadable))
    except (benchmarks.BenchmarkMissing, ProblemError) as error:
        raise Stop(str(error), Exit.INPUT) from None
    except OSError as error:
        raise Stop(f"{name_or_path}: {error.strerror}", Exit.INPUT) from None
    if not found:
        first = f": {unreadable[0]}" if unreadable else ""
        raise Stop(f"{name_or_path}: no problem in it can be read{first}", Exit.INPUT)
    return found, unreadable
