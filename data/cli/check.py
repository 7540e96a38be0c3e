"""`prover check`: does a solution prove a challenge's theorem?"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from data.judging import judge_lines, judge_pair, verdict_row
from data.lean_file import FileError
from lean_env import LeanPool, Reason, Verdict
from lean_env.check import InputError
from lean_env.console import (
    CommandError,
    Exit,
    Strict,
    err,
    installed_lean,
    kernels_note,
    lean_pool,
    out,
    printable,
    read_text,
    show_errors,
)

_INPUT = {Reason.INPUT, Reason.CHALLENGE}


def check(
    challenge: Annotated[
        Path | None, typer.Argument(help="A Lean file that states the theorems, with `sorry`.")
    ] = None,
    solution: Annotated[Path | None, typer.Argument(help="A Lean file that claims to prove them.")] = None,
    theorem: Annotated[list[str] | None, typer.Option(help="Only this theorem (full name); may be repeated.")] = None,
    jsonl: Annotated[
        Path | None, typer.Option(help='Many pairs: lines {"id", "challenge", "solution"}; `-` for stdin.')
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for each solution.", min=0.1)] = 60.0,
    workers: Annotated[int | None, typer.Option(help="Lean processes; default: one per core.", min=1)] = None,
    strict: Strict = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decide whether SOLUTION proves what CHALLENGE states, whatever SOLUTION looks like."""
    if jsonl is not None:
        if challenge or solution or theorem:
            raise CommandError("give either --jsonl FILE or CHALLENGE and SOLUTION", Exit.INPUT)
        raise typer.Exit(
            asyncio.run(_many(jsonl, timeout, lean_pool(installed_lean(), workers, None, cache=True, strict=strict)))
        )
    if challenge is None or solution is None:
        raise CommandError("two files are needed: CHALLENGE and SOLUTION", Exit.INPUT)
    texts = read_text(challenge), read_text(solution, strict=False)
    try:
        pool = lean_pool(installed_lean(), workers, None, strict=strict)
        verdicts = asyncio.run(_pair(pool, *texts, theorem or [], str(challenge), timeout))
    except FileError as error:
        raise CommandError(show_errors(str(error), error.messages), Exit.INPUT) from None
    except InputError as error:
        raise CommandError(f"{challenge}: {error}", Exit.INPUT) from None
    if as_json:
        print(json.dumps([verdict_row(name, verdict) for name, verdict in verdicts.items()]))
    else:
        for name, verdict in verdicts.items():
            _show(name, verdict)
    reasons = {v.reason for v in verdicts.values()}
    raise typer.Exit(Exit.INPUT if reasons & _INPUT else Exit.PROVED if reasons == {Reason.PROVED} else Exit.NOT_PROVED)


async def _pair(
    pool: LeanPool, challenge: str, solution: str, names: list[str], path: str, timeout: float
) -> dict[str, Verdict]:
    async with pool:
        return await judge_pair(pool, challenge, solution, names, timeout, path)


async def _many(path: Path, timeout: float, pool: LeanPool) -> Exit:
    """Judge every line and return the worst exit code."""
    code = Exit.PROVED
    with _lines(path) as lines:
        async with pool:
            pool.expect_proofs()
            done = proved = alone = 0
            async for row in judge_lines(pool, lines, timeout):
                print(json.dumps(row), flush=True)
                done, proved = done + 1, proved + row["proved"]
                alone += row["one_kernel"]
                if "line" in row:
                    err.print(f"{path}:{row['line']}: not a line with id, challenge and solution")
                code = max(
                    code, Exit.INPUT if row["reason"] in _INPUT else Exit.PROVED if row["proved"] else Exit.NOT_PROVED
                )
    err.print(f"{proved} of {done} proved" + (f", {alone} of them by Lean's kernel alone" if alone else ""))
    return code


class _lines:  # noqa: N801 - a context manager that reads like the call it is
    """The lines of a file or of standard input; bytes that are no UTF-8 make their line unreadable, not the file."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = sys.stdin.buffer if str(path) == "-" else path.open("rb")
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}", Exit.INPUT) from None

    def __enter__(self) -> Iterator[str]:
        return (line.decode("utf-8", "surrogateescape") for line in self._file)

    def __exit__(self, *_: object) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()


def _show(name: str, verdict: Verdict) -> None:
    if verdict.proved:
        rests = f", resting on {', '.join(verdict.axioms)}" if verdict.axioms else ""
        out.print(f"[green]proved[/green]  {printable(name)}{rests}{printable(kernels_note(verdict))}")
    else:
        out.print(f"[red]not proved[/red]  {printable(name)}: {verdict.reason}. {printable(verdict.detail)}")
