"""`prover disprove`: counterexamples to theorems, and proofs of their negations."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from data.headers import HEADERS
from data.lean_file import FileError
from data.statements import parse_source
from lean_env.check import InputError
from lean_env.console import (
    CommandError,
    Exit,
    Strict,
    installed_lean,
    lean_pool,
    out,
    printable,
    read_text,
    show_errors,
)
from search import Budget
from search.cli.prove import print_refutation, refutation_row
from search.disprove import Disproof, disprove_file, to_disprove
from search.searches import disprover


def disprove(
    file: Annotated[Path | None, typer.Argument(help="A Lean file with theorems; `-` for stdin.")] = None,
    theorem: Annotated[list[str] | None, typer.Option(help="Only this theorem (full name); may be repeated.")] = None,
    statement: Annotated[str | None, typer.Option(help="A theorem, or only a proposition, instead of a file.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed tries the same things in the same order.", min=0)] = 0,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds for each theorem; default: 20, or no limit with --cpu.", min=0.1)
    ] = None,
    cpu: Annotated[
        float | None,
        typer.Option(help="Seconds of Lean's processor time for each theorem: the same on a busy machine.", min=0.1),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Lean processes; default: one per core.", min=1)] = None,
    header: Annotated[
        str | None,
        typer.Option(help=f"Replace the file's imports by this header: a file, or one of: {', '.join(HEADERS)}."),
    ] = None,
    strict: Strict = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per theorem.")] = False,
) -> None:
    """Refute the theorems of FILE: find values for which they do not hold, or prove their negations.

    Those that are left open, or all where none is. Exit codes: 0 all of them refuted, 1 one is not (which says nothing
    about whether it holds), 2 the input is wrong, 3 the environment is.
    """
    if (file is None) == (statement is None):
        raise CommandError("give either a FILE or --statement TEXT", Exit.INPUT)
    text = statement if statement is not None else read_text(file)
    replacement = None if header is None else HEADERS.get(header) or read_text(Path(header))
    budget = Budget(seconds=timeout if timeout is not None or cpu is not None else 20.0, cpu=cpu)

    async def run() -> bool:
        refuted = True
        async with lean_pool(installed_lean(), workers, None, True, strict) as pool:
            read = await parse_source(pool, text, None if statement is not None else str(file), replacement)
            if unknown := set(theorem or []) - {d.name for d in read.theorems}:
                have = ", ".join(d.name for d in read.theorems) or "none"
                raise CommandError(
                    f"{read.path}: no theorem is called {', '.join(sorted(unknown))}; it has: {have}", Exit.INPUT
                )
            if not to_disprove(read, theorem or []):
                raise CommandError(f"{read.path}: it has no theorem", Exit.INPUT)
            async for found in disprove_file(pool, read, disprover(pool, seed=seed), budget, theorem or []):
                refuted &= found.refutation is not None
                print(json.dumps(_row(found))) if as_json else _tell(found)
        return refuted

    try:
        refuted = asyncio.run(run())
    except FileError as error:
        raise CommandError(show_errors(str(error), error.messages), Exit.INPUT) from None
    except InputError as error:
        raise CommandError(f"{file}: {error}", Exit.INPUT) from None
    raise typer.Exit(Exit.PROVED if refuted else Exit.NOT_PROVED)


def _tell(found: Disproof) -> None:
    mark = "[red]refuted[/red]    " if found.refutation else "[yellow]not refuted[/yellow]"
    spent = f"  [dim]{found.result.seconds:.1f} s, {found.result.checks} checks[/dim]"
    out.print(f"{mark} {printable(found.declaration.name)}{spent}")
    if found.refutation is not None:
        print_refutation(found.refutation)
    elif found.detail:
        out.print(f"    {printable(found.detail)}")


def _row(found: Disproof) -> dict[str, object]:
    return {
        "theorem": found.declaration.name,
        "line": found.declaration.line,
        "status": "refuted" if found.refutation else "not refuted",
        "detail": found.detail,
        "refutation": refutation_row(found.refutation) if found.refutation else None,
        "contradictory": found.contradictory,
        "checks": found.result.checks,
        "seconds": round(found.result.seconds, 3),
        "cpu": round(found.result.cpu, 3),
    }
