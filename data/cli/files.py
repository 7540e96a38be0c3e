"""Reads problems and writes outputs for the commands; errors end the command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from data import benchmarks, problems
from data.problems import Problem, ProblemError
from data.records.files import require_writable, write_file
from data.records.jsonl import write_jsonl
from lean_env.console import CommandError, Exit


def known_problems(name_or_path: str) -> tuple[list[Problem], list[ProblemError]]:
    """Read the problems of a benchmark or a file, and the errors of unreadable ones. None ends the command."""
    unreadable: list[ProblemError] = []
    try:
        found = list(problems.read(benchmarks.benchmark_path(name_or_path), unreadable))
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
    """Replace a file by JSON lines, and count them. Ends the command if it cannot be written."""
    try:
        return write_jsonl(path, rows)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", Exit.INPUT) from None
