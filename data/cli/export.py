"""`prover lean export`: theorems in the format that other checkers read."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from data import parse
from data.cli.files import check_output, write_text
from data.lean_file import FileError
from data.records.parsing import BYTE_ORDER_MARK
from lean_env import LeanPool
from lean_env.check import ContextError, InputError
from lean_env.console import CommandError, Exit, err, installed_lean, printable, read_text, show_errors


def export(
    file: Annotated[Path, typer.Argument(help="A Lean file; `-` for stdin.")],
    theorem: Annotated[list[str] | None, typer.Option(help="Only this one (full name); may be repeated.")] = None,
    output: Annotated[Path | None, typer.Option("--out", "-o", help="Where to; default: standard output.")] = None,
) -> None:
    """Write theorems of FILE, with all that they rest on, in lean4export's format (NDJSON 3.1), for other checkers.

    What the embedded Lean's library proves it does not ship proofs of: such theorems are axioms in the export.
    """
    text = read_text(file)
    check_output(output)
    try:
        ndjson, given, names = asyncio.run(_exported(text, str(file), theorem or []))
    except FileError as error:
        raise CommandError(show_errors(str(error), error.messages), Exit.INPUT) from None
    except (InputError, ContextError) as error:
        raise CommandError(f"{file}: {error}", Exit.INPUT) from None
    if output is None:
        sys.stdout.write(ndjson)
    else:
        write_text(output, ndjson)
    target = output or "-"
    err.print(f"{', '.join(map(printable, names))}: `prover lean kernel {target} --given {given}` checks it")


async def _exported(text: str, path: str, wanted: list[str]) -> tuple[str, int, list[str]]:
    async with LeanPool(installed_lean(), workers=1, confirm=False) as pool:
        theorems = (await parse(pool, text, path, keep=True)).theorems
        found = {d.name: d.constant for d in theorems if d.kind != "example"}
        if missing := set(wanted) - set(found):
            have = ", ".join(found) or "none"
            raise CommandError(f"{path}: no theorem is called {', '.join(sorted(missing))}; it has: {have}", Exit.INPUT)
        names = wanted or [*found]
        if not names:
            raise CommandError(f"{path}: it has no theorem with a name", Exit.INPUT)
        return *await pool.export(
            text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n"), [found[n] for n in names]
        ), names
