"""Helpers of the command line: exit codes, errors, reading files, Lean and the pool, progress bars."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lean_env import Lean, LeanPool, Message, Verdict, embedded
from lean_env.embedded import install
from lean_env.errors import Unavailable
from lean_env.process import OutOfMemory, OutOfTime, ProcessDied, StackOverflow

T = TypeVar("T")
_SECONDS_BETWEEN_LINES = 5.0

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""For progress and remarks; `--quiet` silences it. The error that ends a command is printed anyway (prover.cli)."""


class Exit(IntEnum):
    """The exit codes of `prover`."""

    PROVED = 0
    NOT_PROVED = 1
    INPUT = 2
    ENVIRONMENT = 3
    INTERRUPTED = 130  # as shells have it for Ctrl-C


class CommandError(Exception):
    """An error that ends a command, with a message for the user and an exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


def explained(error: Exception) -> tuple[str, int]:
    """The message and the exit code of an error that ended a command. Raises the error if it is a bug of ours."""
    if isinstance(error, CommandError):
        return str(error), error.code
    if isinstance(error, Unavailable | install.InstallError):
        return str(error), Exit.ENVIRONMENT
    if isinstance(error, ProcessDied):  # while reading the user's own file; deaths during checks are verdicts
        code = Exit.INPUT if isinstance(error, OutOfTime | OutOfMemory | StackOverflow) else Exit.ENVIRONMENT
        return f"Lean could not read the file: {error}", code
    raise error


def printable(text: str) -> str:
    """Text for the terminal, with control characters (colours, cursor moves, bidi overrides) escaped."""
    return escape("".join(c if c in "\n\t" or c.isprintable() else repr(c)[1:-1] for c in text))


def read_text(path: Path | None, strict: bool = True) -> str:
    """Read a file, or standard input for None or `-`. Line ends stay as they are. Raises CommandError.

    strict: bytes that are no UTF-8 end the command; otherwise they become lone surrogates.
    """
    name = "standard input" if path is None or str(path) == "-" else str(path)
    try:
        content = sys.stdin.buffer.read() if name == "standard input" else Path(name).read_bytes()
        return content.decode("utf-8", "strict" if strict else "surrogateescape")
    except UnicodeDecodeError as error:
        raise CommandError(f"{name}: not UTF-8 at byte {error.start}", Exit.INPUT) from None
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}", Exit.INPUT) from None


Strict = Annotated[
    bool, typer.Option("--strict", help="Not proved is what our own kernel could not decide, and Lean's alone accepts.")
]


def kernels_note(verdict: Verdict) -> str:
    """The remark on a proof that Lean's kernel alone accepts; empty for all others."""
    return f", by Lean's kernel alone: {verdict.detail}" if verdict.one_kernel else ""


def installed_lean() -> Lean:
    """The embedded Lean, installed now if this machine does not have it yet."""
    if install.find() is None:
        err.print("The embedded Lean is not here yet; fetching it (121 MB, once).")
        with_bar(lambda report: install.install(report))
    return embedded()


def lean_pool(lean: Lean, workers: int | None, ray: str | None, cache: bool = False, strict: bool = False) -> LeanPool:
    """A pool on this machine, or on Ray if `ray` is given: "local" for a new Ray, or a cluster's address."""
    if ray is None:
        return LeanPool(lean, workers=workers, cache=cache, strict=strict)
    address = None if ray == "local" else ray
    return LeanPool(workers=workers, cache=cache, strict=strict, backend="ray", address=address)


def with_bar(work: Callable[[Callable[[str, float], None]], object]) -> None:
    """Run `work` under a progress bar; it is given a function to report (stage, fraction) with."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:10}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("", total=1.0)
        work(lambda stage, fraction: bar.update(task, description=stage, completed=fraction))


def progress_bar() -> Progress:
    """A progress bar with counts; its tasks have a field `text`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # Standard output stays what it is: it may be a file while standard error is a terminal.
    return Progress(*columns, console=err, transient=True, redirect_stdout=False, redirect_stderr=False)


class PipedProgress:
    """Progress as lines, one every few seconds, where a bar cannot move: in a pipe or a file."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def tell(self, what: str, done: int, total: int | None) -> None:
        """Print a line if standard error is no terminal and the last line is old enough."""
        if not err.is_terminal and time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            err.print(printable(f"{what}: {done:,}" + (f" of {total:,}" if total else "")))


def track(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    """Yield the items under a progress bar."""
    with progress_bar() as bar:
        task, piped = bar.add_task(what, total=total, text=""), PipedProgress()
        for done, item in enumerate(items, 1):
            yield item
            bar.advance(task)
            piped.tell(what, done, total)


def show_errors(heading: str, messages: tuple[Message, ...], limit: int = 5) -> str:
    """A heading, and below it Lean's errors, at most `limit` of them."""
    lines = [heading, *(f"  {m}" for m in messages[:limit])]
    if len(messages) > limit:
        lines.append(f"  … and {len(messages) - limit} more")
    return "\n".join(lines)
