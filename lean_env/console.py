"""The command line's kit: exit codes, reading files, a Lean to work with, progress, and what went wrong."""

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
from lean_env.process import OutOfMemory, OutOfTime, Overflow, ProcessDied

T = TypeVar("T")
_PACE = 5.0  # seconds between two lines where no bar can move

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Progress and remarks; `--quiet` silences it. What ended a command is told all the same (see prover.cli.main)."""


class Exit(IntEnum):
    """What the exit code of `prover` means."""

    PROVED = 0
    NOT_PROVED = 1
    INPUT = 2
    ENVIRONMENT = 3
    INTERRUPTED = 130  # as shells have it for Ctrl-C


class CommandError(Exception):
    """The end of a command: a message for the user and an exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


def explained(error: Exception) -> tuple[str, int]:
    """The message and the exit code for what ended a command. Raises what is no user's mistake."""
    if isinstance(error, CommandError):
        return str(error), error.code
    if isinstance(error, Unavailable | install.InstallError):
        return str(error), Exit.ENVIRONMENT
    if isinstance(error, ProcessDied):  # while reading the user's own file; deaths during checks are verdicts
        code = Exit.INPUT if isinstance(error, OutOfTime | OutOfMemory | Overflow) else Exit.ENVIRONMENT
        return f"Lean could not read the file: {error}", code
    raise error


def printable(text: str) -> str:
    """Text for the terminal: control characters (colours, cursor moves, bidi overrides) shown, not obeyed."""
    return escape("".join(c if c in "\n\t" or c.isprintable() else repr(c)[1:-1] for c in text))


def read_text(path: Path | None, strict: bool = True) -> str:
    """A file's text, or standard input's for None or `-`. Line ends stay as they are.

    With `strict` bytes that are no UTF-8 end the command; without, they come as lone surrogates.
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


def kernels_said(verdict: Verdict) -> str:
    """What is to be said of a proof that Lean's kernel alone accepts; nothing of others."""
    return f", by Lean's kernel alone: {verdict.detail}" if verdict.one_kernel else ""


def installed_lean() -> Lean:
    """The embedded Lean; fetched now if this machine does not have it yet."""
    if install.find() is None:
        err.print("The embedded Lean is not here yet; fetching it (121 MB, once).")
        with_bar(lambda report: install.install(report))
    return embedded()


def lean_pool(lean: Lean, workers: int | None, ray: str | None, cache: bool = False, strict: bool = False) -> LeanPool:
    """A pool on this machine or, if `ray` is given, on Ray: "local" or a cluster's address."""
    if ray is None:
        return LeanPool(lean, workers=workers, cache=cache, strict=strict)
    address = None if ray == "local" else ray
    return LeanPool(workers=workers, cache=cache, strict=strict, backend="ray", address=address)


def with_bar(work: Callable[[Callable[[str, float], None]], object]) -> None:
    """Run work that reports (stage, fraction) under a progress bar."""
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
    """A bar for work that is counted; its tasks have a field `text`."""
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
    """Progress as lines, one from time to time, where no bar can move: in a pipe or a file."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def tell(self, what: str, done: int, total: int | None) -> None:
        if not err.is_terminal and time.monotonic() - self._told >= _PACE:
            self._told = time.monotonic()
            err.print(printable(f"{what}: {done:,}" + (f" of {total:,}" if total else "")))


def counted(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    """The items, under a progress bar."""
    with progress_bar() as bar:
        task, piped = bar.add_task(what, total=total, text=""), PipedProgress()
        for done, item in enumerate(items, 1):
            yield item
            bar.advance(task)
            piped.tell(what, done, total)


def show_errors(heading: str, messages: tuple[Message, ...], limit: int = 5) -> str:
    """Lean's errors as lines of a message."""
    lines = [heading, *(f"  {m}" for m in messages[:limit])]
    if len(messages) > limit:
        lines.append(f"  … and {len(messages) - limit} more")
    return "\n".join(lines)
