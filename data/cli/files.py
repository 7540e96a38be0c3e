"""The files of commands: problems that are read, outputs that are replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data import benchmarks, problems
from data.problems import Problem, ProblemError
from data.records.files import replacement, require_writable, write_file
from lean_env.console import CommandError, Exit


def known_problems(name_or_path: str) -> tuple[list[Problem], list[ProblemError]]:
    """The problems of a benchmark or a file, and what of it cannot be read. Ends the command if there is none."""
    unreadable: list[ProblemError] = []
    try:
        found = list(problems.read(benchmarks.located(name_or_path), unreadable))
    except (benchmarks.BenchmarkMissing, ProblemError) as error:
        raise CommandError(str(error), Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{name_or_path}: {error.strerror}", Exit.INPUT) from None
    if not found:
        first = f": {unreadable[0]}" if unreadable else ""
        raise CommandError(f"{name_or_path}: no problem in it can be read{first}", Exit.INPUT)
    return found, unreadable


def write_text(path: Path, text: str) -> None:
    """Replace a file as a whole (see data.records.files)."""
    try:
        write_file(path, text.encode("utf-8"))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", Exit.INPUT) from None


def check_output(path: Path | None) -> None:
    """End the command now if nothing could be written to a path at its end."""
    try:
        if path is not None:
            require_writable(path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", Exit.INPUT) from None


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Replace a file by JSON lines, and tell how many; it stays as it is if they cannot be had."""
    count = 0
    try:
        with replacement(path) as file:
            for row in rows:
                file.write(json.dumps(row).encode("ascii") + b"\n")
                count += 1
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", Exit.INPUT) from None
    return count
